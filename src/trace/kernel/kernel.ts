/** The loops of reading. Columns have at least as many entries as `rows` says. */

import type { DraftColumns, FinalColumns } from './columns.ts';

export type Narrow = Uint8Array | Uint16Array | Uint32Array;

/** What `scan` finds in a column: least and greatest number, and every bit in which two numbers differ. */
export interface Scanned {
  least: number;
  greatest: number;
  bits: number;
}

/** Page ids of draft rows: the first id of each mask word, and the pages touched. */
export interface WordIds {
  readonly wordId: Int32Array;
  readonly touched: Int32Array;
}

export interface Counting {
  /** By number of a kind of row: rows, touches, bytes. 64 bits each: two words, low one first. */
  readonly counts: Uint32Array;
  lastActor: number;
  handOvers: number;
}
/** 64-bit numbers of a kind in `counts`. */
export const COUNTS = 3;

export interface ColumnKernel {
  scan(column: Uint32Array, rows: number, into: Scanned): void;
  /** (number - base) >>> shift: has room in one byte or four, in two are its lowest ones. */
  narrow(column: Uint32Array, rows: number, base: number, shift: number, to: Narrow): void;
  /** base + (number << shift). */
  widen(from: Narrow, rows: number, base: number, shift: number, column: Uint32Array): void;
  /** Adds number << shift. */
  raise(from: Uint8Array, rows: number, shift: number, column: Uint32Array): void;
  /** The same number in every row. */
  fill(rows: number, value: number, column: Uint32Array): void;
  /** From each time to the next, 0 for the first; false if one has more than 32 bits. */
  steps(times: Float64Array, rows: number, to: Uint32Array): boolean;
  sums(from: Uint32Array, rows: number, first: number, times: Float64Array): void;
  /** Final columns but those that need no work; `to.bytes` is there. `record` is that of the row before the first. */
  numberRows(
    rows: number,
    record: number,
    draft: DraftColumns,
    ids: WordIds,
    finals: Uint32Array,
    to: FinalColumns,
  ): void;
  /** Counts access rows from..to - 1, up to the first that is none, and tells their page ids; gives that row. */
  countRows(
    from: number,
    to: number,
    draft: DraftColumns,
    ids: WordIds,
    finals: Uint32Array,
    counting: Counting,
    page: Uint32Array,
  ): number;
  /** A bit for each line of a page id that devices touch. */
  markLines(
    from: number,
    to: number,
    draft: DraftColumns,
    finals: Uint32Array,
    page: Uint32Array,
    bits: Int32Array,
  ): void;
  /** Bits that are set. */
  countBits(words: Int32Array): number;
}
