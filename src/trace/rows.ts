/** Rows under construction: columns in chunks, so that a long trace is never copied to make room. */

import type { TraceChunk } from './compiled.ts';

const FIRST_CHUNK_ROWS = 1024;
const CHUNK_ROWS = 65_536;

/**
 * Until page ids are known (when the trace has been read), `page` of an access holds the index of the mask word of its
 * first page in `LiveBlocks.touched`, `code` the bit in that word, and `actor` counts by order of appearance.
 */
export interface RowChunk extends TraceChunk {
  rows: number;
}

/** Rows go straight into the columns of `chunk`; whoever adds one makes room first. */
export class RowWriter {
  readonly #chunks: RowChunk[] = [];
  readonly #withThreads: boolean;
  /** The last chunk. */
  chunk: RowChunk;
  capacity = 0;

  constructor(withThreads: boolean) {
    this.#withThreads = withThreads;
    this.chunk = newChunk(0, withThreads);
  }

  /** A row of an access: `pages` pages from bit `bit` of mask word `word`. */
  access(
    record: number,
    op: number,
    actor: number,
    timeNs: number,
    thread: number,
    word: number,
    bit: number,
    pages: number,
    offset: number,
    bytes: number,
  ): void {
    this.makeRoom();
    const { chunk } = this;
    const i = chunk.rows++;
    chunk.record[i] = record;
    chunk.op[i] = op;
    chunk.actor[i] = actor;
    chunk.code[i] = bit;
    chunk.timeNs[i] = timeNs;
    chunk.page[i] = word;
    chunk.pages[i] = pages;
    chunk.offset[i] = offset;
    chunk.bytes[i] = bytes;
    if (chunk.thread !== null) chunk.thread[i] = thread;
  }

  event(record: number, op: number, actor: number, timeNs: number, thread: number, event: number): void {
    this.access(record, op, actor, timeNs, thread, event, 0, 0, 0, 0);
  }

  /** All chunks that have rows. */
  finish(): RowChunk[] {
    return this.#chunks.filter((chunk) => chunk.rows > 0);
  }

  /** Room for one row at least. */
  makeRoom(): void {
    if (this.chunk.rows < this.capacity) return;
    this.capacity = Math.min(CHUNK_ROWS, FIRST_CHUNK_ROWS << Math.min(6, 2 * this.#chunks.length));
    this.chunk = newChunk(this.capacity, this.#withThreads);
    this.#chunks.push(this.chunk);
  }
}

/** One piece of shared memory for all columns, widest first: worker threads can read it as it is. */
function newChunk(capacity: number, withThreads: boolean): RowChunk {
  const memory = new SharedArrayBuffer(capacity * (withThreads ? 31 : 27));
  let used = 0;
  const place = (bytesPerRow: number) => {
    const at = used;
    used += capacity * bytesPerRow;
    return at;
  };
  return {
    rows: 0,
    timeNs: new Float64Array(memory, place(8), capacity),
    record: new Uint32Array(memory, place(4), capacity),
    page: new Int32Array(memory, place(4), capacity),
    bytes: new Uint32Array(memory, place(4), capacity),
    thread: withThreads ? new Int32Array(memory, place(4), capacity) : null,
    pages: new Uint16Array(memory, place(2), capacity),
    offset: new Uint16Array(memory, place(2), capacity),
    op: new Uint8Array(memory, place(1), capacity),
    actor: new Uint8Array(memory, place(1), capacity),
    code: new Uint8Array(memory, place(1), capacity),
  };
}
