/**
 * Rows that are kept: draft columns of a chunk, each as narrow as its numbers allow. Memory that nobody has used before
 * costs more than to pack and unpack: the rows of most traces need 3 to 8 bytes, not 31.
 */

import type { FinalColumns } from './kernel/columns.ts';
import type { Scanned, WordIds } from './kernel/kernel.ts';
import { ROOM_ROWS } from './kernel/layout.ts';
import type { ReadMemory } from './kernel/memory.ts';

/**
 * number = base + (what is kept << shift), in so many bytes; 0 = all are `base`; 3 = the lowest two of each, then, from the
 * next multiple of 8 on, the third of each; 8 = doubles.
 */
export interface PackedColumn {
  readonly base: number;
  readonly shift: number;
  readonly bytesPerRow: 0 | 1 | 2 | 3 | 4 | 8;
  /** In the memory of the chunk. */
  readonly at: number;
}

/** Plain data: other threads unpack it too. */
export interface PackedChunk {
  readonly rows: number;
  /** Of the row before the first. */
  readonly recordBefore: number;
  readonly firstNs: number;
  readonly memory: SharedArrayBuffer;
  readonly word: PackedColumn;
  readonly spot: PackedColumn;
  readonly bytes: PackedColumn;
  /** Differences of times, or times as doubles. */
  readonly time: PackedColumn;
  readonly thread: PackedColumn | null;
}

export class Packer {
  readonly #memory: ReadMemory;
  readonly #scanned: Scanned = { least: 0, greatest: 0, bits: 0 };
  #rows = 0;
  #used = 0;

  constructor(memory: ReadMemory) {
    this.#memory = memory;
  }

  /** The draft rows of the memory, from the first on. */
  pack(rows: number, recordBefore: number, withThread: boolean): PackedChunk {
    const { draft } = this.#memory;
    this.#rows = rows;
    this.#used = 0;
    const time = this.#packTimes();
    const { buffer, byteOffset } = draft.thread;
    const columns = {
      word: this.#packColumn(draft.word),
      spot: this.#packColumn(draft.spot),
      bytes: this.#packColumn(draft.bytes),
      thread: withThread ? this.#packColumn(new Uint32Array(buffer, byteOffset, ROOM_ROWS)) : null,
    };
    const memory = new SharedArrayBuffer(this.#used);
    new Uint8Array(memory).set(this.#memory.packed.subarray(0, this.#used));
    return { rows, recordBefore, firstNs: draft.timeNs[0], memory, time, ...columns };
  }

  #packTimes(): PackedColumn {
    const { draft, steps, packed, columns } = this.#memory;
    const rows = this.#rows;
    if (columns.steps(draft.timeNs, rows, steps)) {
      // The first step is none: taken for the next one, the steps may all be the same.
      const fromSecond = rows > 1 ? steps[1] : 0;
      steps[0] = fromSecond;
      return this.#packColumn(steps);
    }
    const at = this.#take(8);
    packed.set(new Uint8Array(draft.timeNs.buffer, draft.timeNs.byteOffset, 8 * rows), at);
    return { base: 0, shift: 0, bytesPerRow: 8, at };
  }

  #packColumn(column: Uint32Array): PackedColumn {
    const { columns, packed } = this.#memory;
    const rows = this.#rows;
    columns.scan(column, rows, this.#scanned);
    const { least, greatest, bits } = this.#scanned;
    if (bits === 0) return { base: least, shift: 0, bytesPerRow: 0, at: 0 };
    const shift = 31 - Math.clz32(bits & -bits);
    const most = (greatest - least) >>> shift;
    const bytesPerRow = most < 2 ** 8 ? 1 : most < 2 ** 16 ? 2 : most < 2 ** 24 ? 3 : 4;
    const at = this.#take(bytesPerRow);
    const { low, third } = partsOf(packed, at, bytesPerRow, rows);
    columns.narrow(column, rows, least, shift, low);
    if (third !== null) columns.narrow(column, rows, least, shift + 16, third);
    return { base: least, shift, bytesPerRow, at };
  }

  #take(bytesPerRow: number): number {
    const at = this.#used;
    this.#used +=
      bytesPerRow === 3 ? roomFor(2, this.#rows) + roomFor(1, this.#rows) : roomFor(bytesPerRow, this.#rows);
    return at;
  }
}

/** Bytes that so many rows take: what follows begins at a multiple of 8. */
function roomFor(bytesPerRow: number, rows: number): number {
  return Math.ceil((bytesPerRow * rows) / 8) * 8;
}

/** Where the bytes of a column lie: all, or of three the lowest two and the third. */
function partsOf(packed: Uint8Array, at: number, bytesPerRow: 1 | 2 | 3 | 4, rows: number) {
  const { buffer } = packed;
  const first = packed.byteOffset + at;
  if (bytesPerRow === 1) return { low: new Uint8Array(buffer, first, rows), third: null };
  if (bytesPerRow === 4) return { low: new Uint32Array(buffer, first, rows), third: null };
  const third = bytesPerRow === 2 ? null : new Uint8Array(buffer, first + roomFor(2, rows), rows);
  return { low: new Uint16Array(buffer, first, rows), third };
}

/** Widens a column of the chunk whose packed columns are in the memory; not one of doubles. */
function widen({ base, shift, bytesPerRow, at }: PackedColumn, memory: ReadMemory, rows: number, column: Uint32Array) {
  const { columns, packed } = memory;
  if (bytesPerRow === 0) {
    columns.fill(rows, base, column);
    return;
  }
  const { low, third } = partsOf(packed, at, bytesPerRow as 1 | 2 | 3 | 4, rows);
  columns.widen(low, rows, base, shift, column);
  if (third !== null) columns.raise(third, rows, shift + 16, column);
}

/** Widens what tells where a chunk's rows are into the draft columns of the memory, and their bytes into `bytes`. */
export function unpackPlaces(chunk: PackedChunk, memory: ReadMemory, bytes: Uint32Array): void {
  const { draft, packed } = memory;
  packed.set(new Uint8Array(chunk.memory));
  widen(chunk.word, memory, chunk.rows, draft.word);
  widen(chunk.spot, memory, chunk.rows, draft.spot);
  widen(chunk.bytes, memory, chunk.rows, bytes);
}

/** Widens a chunk into `to`, and what is no final column into the draft columns of the memory. Its pages get their ids. */
export function unpack(chunk: PackedChunk, memory: ReadMemory, ids: WordIds, to: FinalColumns): void {
  const { rows, recordBefore, firstNs, time, thread } = chunk;
  const { columns, draft, steps, packed, finals } = memory;
  unpackPlaces(chunk, memory, to.bytes);
  if (thread !== null) widen(thread, memory, rows, new Uint32Array(to.thread.buffer, to.thread.byteOffset, rows));
  if (time.bytesPerRow === 8) {
    to.timeNs.set(new Float64Array(packed.buffer, packed.byteOffset + time.at, rows));
  } else {
    widen(time, memory, rows, steps);
    columns.sums(steps, rows, firstNs - steps[0], to.timeNs);
  }
  columns.numberRows(rows, recordBefore, draft, ids, finals, to);
}
