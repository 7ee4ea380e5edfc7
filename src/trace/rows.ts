/** Rows under construction: drafts in columns that are used again, packed when they are full. */

import { CONTINUES } from './compiled.ts';
import type { DraftColumns } from './kernel/columns.ts';
import { KIND_ACTOR_SHIFT, KIND_CONTINUES, ROOM_ROWS, SPOT_BIT_SHIFT } from './kernel/layout.ts';
import type { ReadMemory } from './kernel/memory.ts';
import { type PackedChunk, Packer } from './packed.ts';

const FIRST_CHUNK_ROWS = 1024;

/** Op (possibly with `CONTINUES`) and actor in one number. */
export function kindOf(op: number, actor: number): number {
  return (actor << KIND_ACTOR_SHIFT) | ((op & CONTINUES) === 0 ? op : (op & ~CONTINUES) | KIND_CONTINUES);
}

/** Rows go straight into the columns of `draft`; whoever adds one makes room first. */
export class RowWriter {
  readonly draft: DraftColumns;
  readonly withThreads: boolean;
  /** Rows in `draft`, and how many may be there. */
  rows = 0;
  capacity = FIRST_CHUNK_ROWS;
  readonly #packer: Packer;
  readonly #chunks: PackedChunk[] = [];
  /** Record of the first row in `draft`. */
  #firstRecord = 0;

  constructor(memory: ReadMemory, withThreads: boolean) {
    this.draft = memory.draft;
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
    this.makeRoom(record);
    const { draft } = this;
    const i = this.rows++;
    draft.timeNs[i] = timeNs;
    draft.word[i] = word;
    draft.spot[i] = offset | (bit << SPOT_BIT_SHIFT);
    draft.kind[i] = kindOf(op, actor);
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

  /** Room for one row at least, of that record or of later ones. */
  makeRoom(record: number): void {
    if (this.rows === 0) this.#firstRecord = record;
    else if (this.rows === this.capacity) {
      this.#pack();
      this.#firstRecord = record;
      this.capacity = Math.min(ROOM_ROWS, FIRST_CHUNK_ROWS << Math.min(6, 2 * this.#chunks.length));
    }
  }

  #pack(): void {
    if (this.rows === 0) return;
    this.#chunks.push(this.#packer.pack(this.rows, this.#firstRecord, this.withThreads));
    this.rows = 0;
  }
}
