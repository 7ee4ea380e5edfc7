/** The loops over columns in WebAssembly: the same calls, with addresses for columns. All columns lie in its memory. */

import type { ColumnKernel } from './kernel.ts';
import { FOUND_AT } from './layout.ts';

/** Of `kernel/plain-rows.ts`, `kernel/columns.ts` and `kernel/numbering.ts`; flags are 0 or 1. */
export interface Exports {
  plainRows(
    at: number,
    end: number,
    row: number,
    endRow: number,
    withTime: number,
    withThread: number,
    withArg: number,
    launchesOpen: number,
    touched: number,
    touchedBy: number,
  ): number;
  scan(column: number, rows: number): void;
  narrow(column: number, rows: number, base: number, shift: number, bytes: number, to: number): void;
  widen(from: number, bytes: number, rows: number, base: number, shift: number, column: number): void;
  raise(from: number, rows: number, shift: number, column: number): void;
  fill(rows: number, value: number, column: number): void;
  steps(times: number, rows: number, to: number): number;
  sums(from: number, rows: number, first: number, times: number): void;
  numberRows(...rowsRecordAndColumns: number[]): void;
  countRows(...rangeAndColumns: number[]): number;
  markLines(...rangeAndColumns: number[]): void;
  countBits(at: number, words: number): number;
}

export function wasmColumns(exports: Exports, memory: ArrayBufferLike): ColumnKernel {
  const found = new Int32Array(memory, FOUND_AT, 3);
  return {
    scan(column, rows, into) {
      exports.scan(column.byteOffset, rows);
      into.least = found[0] >>> 0;
      into.greatest = found[1] >>> 0;
      into.bits = found[2] >>> 0;
    },
    narrow(column, rows, base, shift, to) {
      exports.narrow(column.byteOffset, rows, base, shift, to.BYTES_PER_ELEMENT, to.byteOffset);
    },
    widen(from, rows, base, shift, column) {
      exports.widen(from.byteOffset, from.BYTES_PER_ELEMENT, rows, base, shift, column.byteOffset);
    },
    raise(from, rows, shift, column) {
      exports.raise(from.byteOffset, rows, shift, column.byteOffset);
    },
    fill(rows, value, column) {
      exports.fill(rows, value, column.byteOffset);
    },
    steps(times, rows, to) {
      return exports.steps(times.byteOffset, rows, to.byteOffset) !== 0;
    },
    sums(from, rows, first, times) {
      exports.sums(from.byteOffset, rows, first, times.byteOffset);
    },
    numberRows(rows, record, { word, spot }, { wordId, touched }, finals, to) {
      const { record: records, page, pages, offset, op, actor, code, bytes } = to;
      const columns = [word, spot, bytes, finals, wordId, touched, records, page, pages, offset, op, actor, code];
      exports.numberRows(rows, record, ...columns.map((column) => column.byteOffset));
    },
    countRows(from, to, { word, spot, bytes }, { wordId, touched }, finals, counting, page) {
      found[0] = counting.lastActor;
      found[1] = 0;
      const columns = [word, spot, bytes, finals, wordId, touched, counting.counts, page];
      const end = exports.countRows(from, to, ...columns.map((column) => column.byteOffset));
      counting.lastActor = found[0];
      counting.handOvers += found[1];
      return end;
    },
    markLines(from, to, { spot, bytes }, finals, page, bits) {
      exports.markLines(from, to, ...[spot, bytes, finals, page, bits].map((column) => column.byteOffset));
    },
    countBits(words) {
      return exports.countBits(words.byteOffset, words.length);
    },
  };
}
