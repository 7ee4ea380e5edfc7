/** Rows under construction: columns in chunks, so that a long trace is never copied to make room. */

import type { TraceChunk } from './compiled.ts';

const FIRST_CHUNK_ROWS = 1024;
const CHUNK_ROWS = 65_536;

/**
 * Until page ids are known (when the trace has been read), `page` holds the block life and `pageInBlock` the page.
 * `code` is written with the ids: it holds the final number of the actor.
 */
export interface RowChunk extends TraceChunk {
  rows: number;
  pageInBlock: Uint16Array | null;
}

export class RowWriter {
  readonly chunks: RowChunk[] = [];
  readonly #withThreads: boolean;
  #rows = 0;
  #capacity = 0;
  #record = new Uint32Array(0);
  #op = new Uint8Array(0);
  #actor = new Uint8Array(0);
  #code = new Uint8Array(0);
  #timeNs = new Float64Array(0);
  #page = new Int32Array(0);
  #pages = new Uint16Array(0);
  #offset = new Uint16Array(0);
  #bytes = new Uint32Array(0);
  #thread: Int32Array | null = null;
  #pageInBlock = new Uint16Array(0);

  constructor(withThreads: boolean) {
    this.#withThreads = withThreads;
  }

  /** A row of an access: `pages` pages from `pageInBlock` of the block whose life is `life`. */
  access(
    record: number,
    op: number,
    actor: number,
    timeNs: number,
    thread: number,
    life: number,
    pageInBlock: number,
    pages: number,
    offset: number,
    bytes: number,
  ): void {
    if (this.#rows === this.#capacity) this.#grow();
    const i = this.#rows++;
    this.#record[i] = record;
    this.#op[i] = op;
    this.#actor[i] = actor;
    this.#timeNs[i] = timeNs;
    this.#page[i] = life;
    this.#pages[i] = pages;
    this.#offset[i] = offset;
    this.#bytes[i] = bytes;
    this.#pageInBlock[i] = pageInBlock;
    if (this.#thread !== null) this.#thread[i] = thread;
  }

  event(record: number, op: number, actor: number, timeNs: number, thread: number, event: number): void {
    this.access(record, op, actor, timeNs, thread, event, 0, 0, 0, 0);
  }

  finish(): RowChunk[] {
    if (this.chunks.length > 0) this.chunks[this.chunks.length - 1].rows = this.#rows;
    return this.chunks;
  }

  #grow(): void {
    const chunks = this.finish();
    const rows = Math.min(CHUNK_ROWS, FIRST_CHUNK_ROWS << Math.min(6, 2 * chunks.length));
    this.#capacity = rows;
    this.#rows = 0;
    this.#record = new Uint32Array(rows);
    this.#op = new Uint8Array(rows);
    this.#actor = new Uint8Array(rows);
    this.#code = new Uint8Array(rows);
    this.#timeNs = new Float64Array(rows);
    this.#page = new Int32Array(rows);
    this.#pages = new Uint16Array(rows);
    this.#offset = new Uint16Array(rows);
    this.#bytes = new Uint32Array(rows);
    this.#thread = this.#withThreads ? new Int32Array(rows) : null;
    this.#pageInBlock = new Uint16Array(rows);
    chunks.push({
      rows: 0,
      record: this.#record,
      op: this.#op,
      actor: this.#actor,
      code: this.#code,
      timeNs: this.#timeNs,
      page: this.#page,
      pages: this.#pages,
      offset: this.#offset,
      bytes: this.#bytes,
      thread: this.#thread,
      pageInBlock: this.#pageInBlock,
    });
  }
}
