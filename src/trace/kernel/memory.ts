/**
 * Memory that the loops of reading work on: shared memory of WebAssembly, whose views stay valid when it grows, or
 * ordinary buffers and loops in TypeScript where there is none or where it cannot be large enough.
 */

import { Buffer } from 'node:buffer';
import { Arena, wasm } from './arena.ts';
import type { DraftColumns, FinalColumns } from './columns.ts';
import type { ColumnKernel } from './kernel.ts';
import * as layout from './layout.ts';
import { plainColumns } from './plain.ts';
import { WASM } from './wasm.ts';
import { type Exports, wasmColumns } from './wasm-columns.ts';

let compiled: object | undefined;

export type KernelChoice = 'auto' | 'plain';

export class ReadMemory {
  /** `FOUND_AT` of the layout. */
  readonly found: Int32Array;
  readonly words: Int32Array;
  readonly cache: Int32Array;
  readonly openEvent: Int32Array;
  readonly knownThreads: Int32Array;
  readonly draft: DraftColumns;
  readonly steps: Uint32Array;
  /** `FINAL_AT` of the layout. */
  readonly finals: Uint32Array;
  readonly packed: Uint8Array;
  /** Loops over columns. */
  columns: ColumnKernel = plainColumns;
  /** null: the loop over text is that in TypeScript. */
  exports: Exports | null = null;
  /** Room for text that is read, and for text that is copied. */
  readonly text: Buffer;
  readonly copy: Buffer;
  #arena: Arena | null = null;

  /** The layout of reading takes an arena's first bytes: one `ReadMemory` at a time may work there. */
  constructor(kernel: KernelChoice = 'auto', arena?: Arena | null) {
    if (kernel === 'auto') this.#arena = arena ?? Arena.make(layout.FREE_AT);
    const buffer: ArrayBufferLike = this.#arena?.buffer ?? new ArrayBuffer(layout.FREE_AT);
    const { ROOM_ROWS } = layout;
    this.found = new Int32Array(buffer, layout.FOUND_AT, layout.FOUND_BYTES / 4);
    this.words = new Int32Array(buffer, layout.WORDS_AT, layout.WORDS_BYTES / 4);
    this.cache = new Int32Array(buffer, layout.CACHE_AT, layout.CACHE_BYTES / 4);
    this.openEvent = new Int32Array(buffer, layout.OPEN_AT, layout.OPEN_BYTES / 4);
    this.knownThreads = new Int32Array(buffer, layout.THREADS_AT, layout.THREADS_BYTES / 4);
    this.draft = {
      timeNs: new Float64Array(buffer, layout.TIME_AT, ROOM_ROWS),
      word: new Uint32Array(buffer, layout.WORD_AT, ROOM_ROWS),
      spot: new Uint32Array(buffer, layout.SPOT_AT, ROOM_ROWS),
      bytes: new Uint32Array(buffer, layout.BYTES_AT, ROOM_ROWS),
      thread: new Int32Array(buffer, layout.THREAD_AT, ROOM_ROWS),
    };
    this.steps = new Uint32Array(buffer, layout.STEP_AT, ROOM_ROWS);
    this.finals = new Uint32Array(buffer, layout.FINAL_AT, layout.KINDS);
    this.packed = new Uint8Array(buffer, layout.PACKED_AT, layout.PACKED_BYTES);
    this.text = Buffer.from(buffer as ArrayBuffer, layout.TEXT_AT, layout.TEXT_BYTES);
    this.copy = Buffer.from(buffer as ArrayBuffer, layout.COPY_AT, layout.FREE_AT - layout.COPY_AT);
    if (this.#arena === null) return;
    const vectors = new Uint8Array(buffer, layout.VECTORS_AT, 16 * layout.VECTORS.length);
    for (const [v, bytes] of layout.VECTORS.entries()) {
      for (let i = 0; i < 16; i++) vectors[16 * v + i] = bytes[i % bytes.length];
    }
    compiled ??= new wasm.Module(Buffer.from(WASM, 'base64'));
    this.exports = new wasm.Instance(compiled, { env: { memory: this.#arena.memory } }).exports as Exports;
    this.columns = wasmColumns(this.exports, buffer);
  }

  /** Where everything that was given out lies; null = some of it, or all, lies elsewhere. */
  get arena(): Arena | null {
    return this.#arena;
  }

  /** `n` words, zero. */
  int32(n: number): Int32Array {
    const at = this.#take(4 * n);
    return at < 0 ? new Int32Array(n) : new Int32Array(this.#arena!.buffer, at, n);
  }

  /** Columns of a chunk of `rows` rows. */
  finalColumns(rows: number): FinalColumns {
    const widths = [8, 4, 4, 4, 4, 2, 2, 1, 1, 1];
    const bytesPerRow = widths.reduce((sum, width) => sum + width);
    const taken = this.#take(rows * bytesPerRow);
    const buffer = taken < 0 ? new ArrayBuffer(rows * bytesPerRow) : this.#arena!.buffer;
    let next = Math.max(taken, 0);
    const [timeNs, record, page, bytes, thread, pages, offset, op, actor, code] = widths.map((width) => {
      const at = next;
      next += rows * width;
      return at;
    });
    return {
      timeNs: new Float64Array(buffer, timeNs, rows),
      record: new Uint32Array(buffer, record, rows),
      page: new Int32Array(buffer, page, rows),
      bytes: new Uint32Array(buffer, bytes, rows),
      thread: new Int32Array(buffer, thread, rows),
      pages: new Uint16Array(buffer, pages, rows),
      offset: new Uint16Array(buffer, offset, rows),
      op: new Uint8Array(buffer, op, rows),
      actor: new Uint8Array(buffer, actor, rows),
      code: new Uint8Array(buffer, code, rows),
    };
  }

  /** Address of that many bytes; -1 = none, and from now on the loops are those in TypeScript. */
  #take(bytes: number): number {
    const at = this.#arena?.take(bytes) ?? -1;
    if (at < 0) {
      this.#arena = null;
      this.exports = null;
      this.columns = plainColumns;
    }
    return at;
  }
}
