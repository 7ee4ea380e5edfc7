/** Rows under construction: drafts in columns that are used again, packed when they are full. */

import { CONTINUES } from './compiled.ts';
import type { DraftColumns } from './kernel/columns.ts';
import { ROOM_ROWS, SPOT_BIT_SHIFT, SPOT_KIND_SHIFT } from './kernel/layout.ts';
import type { ReadMemory } from './kernel/memory.ts';
import { type PackedChunk, Packer } from './packed.ts';
import type { RowKinds } from './row-kinds.ts';

const FIRST_CHUNK_ROWS = 1024;

/** Rows go straight into the columns of `draft`; whoever adds one makes room first. */
export class RowWriter {
  readonly draft: DraftColumns;
  readonly withThreads: boolean;
  /** Rows in `draft`, and how many may be there. */
  rows = 0;
  capacity = FIRST_CHUNK_ROWS;
  readonly #kinds: RowKinds;
  readonly #packer: Packer;
  readonly #chunks: PackedChunk[] = [];
  /** Record of the row before the first in `draft`. */
  #recordBefore = -1;

  constructor(memory: ReadMemory, kinds: RowKinds, withThreads: boolean) {
    this.draft = memory.draft;
    this.#kinds = kinds;
    this.withThreads = withThreads;
    this.#packer = new Packer(memory);
  }

  /** A row of an access: pages from bit `bit` of mask word `word` on. */
  access(
    record: number,
    op: number,
    actor: number,
    timeNs: number,
    thread: number,
    word: number,
    bit: number,
    offset: number,
    bytes: number,
  ): void {
    this.makeRoom((op & CONTINUES) === 0 ? record - 1 : record);
    const { draft } = this;
    const i = this.rows++;
    draft.timeNs[i] = timeNs;
    draft.word[i] = word;
    draft.spot[i] = offset | (bit << SPOT_BIT_SHIFT) | (this.#kinds.numberOf(op, actor) << SPOT_KIND_SHIFT);
    draft.bytes[i] = bytes;
    draft.thread[i] = thread;
  }

  event(record: number, op: number, actor: number, timeNs: number, thread: number, event: number): void {
    this.access(record, op, actor, timeNs, thread, event, 0, 0, 0);
  }

  /** All chunks. */
  finish(): PackedChunk[] {
    this.#pack();
    return this.#chunks;
  }

  /** Room for one row at least, after one of that record. */
  makeRoom(recordBefore: number): void {
    if (this.rows === 0) this.#recordBefore = recordBefore;
    else if (this.rows === this.capacity) {
      this.#pack();
      this.#recordBefore = recordBefore;
      this.capacity = Math.min(ROOM_ROWS, FIRST_CHUNK_ROWS << Math.min(6, 2 * this.#chunks.length));
    }
  }

  #pack(): void {
    if (this.rows === 0) return;
    this.#chunks.push(this.#packer.pack(this.rows, this.#recordBefore, this.withThreads));
    this.rows = 0;
  }
}
