/** The pass over the finished rows: all that is counted by row, once their pages have ids. */

import { BLOCK_PAGES, MASK_WORDS, popcount32 } from '../replay/mask.ts';
import { LAST_ACCESS, OP_NAMES } from './compiled.ts';
import type { TraceCompiler } from './compiler.ts';
import { COUNTS, type Counting, type WordIds } from './kernel/kernel.ts';
import { SPOT_KIND_SHIFT } from './kernel/layout.ts';
import { LineCounter } from './lines.ts';
import { type PackedChunk, unpackPlaces } from './packed.ts';
import type { Numbering } from './page-ids.ts';
import { actorOf, opOf } from './row-kinds.ts';

/** By final actor; accesses by actor and op. */
export interface RowCounts {
  readonly recordsByOp: Float64Array;
  readonly accesses: Float64Array;
  readonly touches: Float64Array;
  readonly bytes: Float64Array;
  readonly hasRecords: boolean[];
  readonly handOvers: number;
  readonly deviceLineBytes: number;
}

/** The kinds of rows are in the memory of the loops: `setFinals`. */
export function countRows(
  chunks: readonly PackedChunk[],
  compiler: TraceCompiler,
  numbering: Numbering,
  actors: number,
  kinds: number,
): RowCounts {
  return new RowCounting(compiler, numbering, actors, kinds).run(chunks);
}

class RowCounting {
  readonly #compiler: TraceCompiler;
  readonly #numbering: Numbering;
  readonly #touched: Int32Array;
  readonly #kinds: number;
  readonly #lines: LineCounter;
  readonly #endedBy: Map<number, number[]>;
  readonly #recordsByOp = new Float64Array(OP_NAMES.length);
  readonly #hasRecords: boolean[];

  constructor(compiler: TraceCompiler, numbering: Numbering, actors: number, kinds: number) {
    const { count, touched, endEvent } = compiler.memory.blocks;
    this.#compiler = compiler;
    this.#numbering = numbering;
    this.#touched = touched;
    this.#kinds = kinds;
    this.#lines = new LineCounter(compiler.loops, numbering.pageIds);
    this.#endedBy = livesByEnd(endEvent.subarray(0, count));
    this.#hasRecords = Array<boolean>(actors).fill(false);
  }

  run(chunks: readonly PackedChunk[]): RowCounts {
    const { loops } = this.#compiler;
    const words = loops.int32(this.#kinds * COUNTS * 2);
    const counts = new Uint32Array(words.buffer, words.byteOffset, words.length);
    const counting: Counting = { counts, lastActor: -1, handOvers: 0 };
    const ids = { wordId: this.#numbering.wordId, touched: this.#touched };
    for (const chunk of chunks) {
      unpackPlaces(chunk, loops, loops.draft.bytes);
      this.#count(chunk.rows, ids, counting);
    }
    // The first access is none.
    return { ...this.#sums(counts), handOvers: Math.max(counting.handOvers - 1, 0) };
  }

  #sums(counts: Uint32Array): Omit<RowCounts, 'handOvers'> {
    const actors = this.#hasRecords.length;
    const accesses = new Float64Array(actors);
    const touches = new Float64Array(actors);
    const bytes = new Float64Array(actors);
    for (let kind = 0; kind < this.#kinds; kind++) {
      const final = this.#compiler.loops.finals[kind];
      const op = opOf(final);
      const actor = actorOf(final);
      const number = (i: number) => counts[2 * (kind * COUNTS + i)] + counts[2 * (kind * COUNTS + i) + 1] * 2 ** 32;
      touches[actor] += number(1);
      bytes[actor] += number(2);
      // With `CONTINUES` an op is greater, too: the second and later rows of a record count as none.
      if (op > LAST_ACCESS) continue;
      accesses[actor] += number(0);
      this.#recordsByOp[op] += number(0);
      if (number(0) > 0) this.#hasRecords[actor] = true;
    }
    return {
      recordsByOp: this.#recordsByOp,
      accesses,
      touches,
      bytes,
      hasRecords: this.#hasRecords,
      deviceLineBytes: this.#lines.totalBytes(),
    };
  }

  #count(rows: number, ids: WordIds, counting: Counting): void {
    const { columns, draft, finals, steps } = this.#compiler.loops;
    // No times are unpacked here: their memory is free for page ids.
    const page = steps;
    for (let row = 0; row < rows; row++) {
      // Two loops: the words of lines lie all over the memory, and in a short loop the processor fetches more of them at once.
      const end = columns.countRows(row, rows, draft, ids, finals, counting, page);
      columns.markLines(row, end, draft, finals, page, this.#lines.bits);
      row = end;
      if (row === rows) break;
      const final = finals[draft.spot[row] >>> SPOT_KIND_SHIFT];
      this.#eventRow(opOf(final), actorOf(final), draft.word[row]);
    }
  }

  #eventRow(op: number, actor: number, event: number): void {
    this.#hasRecords[actor] = true;
    this.#recordsByOp[op]++;
    const { firstId } = this.#numbering;
    for (const life of this.#endedBy.get(event) ?? []) {
      this.#lines.forget(firstId[life], this.#endId(life) - firstId[life]);
    }
    for (const { life, first, last } of this.#compiler.memory.partialFrees.get(event) ?? []) {
      const from = this.#idOf(life, first);
      const to = last === BLOCK_PAGES - 1 ? this.#endId(life) : this.#idOf(life, last + 1);
      this.#lines.forget(from, to - from);
    }
    for (const { life, pageInBlock, offset, bytes } of this.#compiler.copyTouches.get(event) ?? []) {
      this.#lines.touch(this.#idOf(life, pageInBlock), offset, bytes);
    }
  }

  #idOf(life: number, pageInBlock: number): number {
    const word = life * MASK_WORDS + (pageInBlock >> 5);
    return this.#numbering.wordId[word] + popcount32(this.#touched[word] & ~(-1 << (pageInBlock & 31)));
  }

  /** The id after a life's last. */
  #endId(life: number): number {
    const last = life * MASK_WORDS + MASK_WORDS - 1;
    return this.#numbering.wordId[last] + popcount32(this.#touched[last]);
  }
}

function livesByEnd(endEvent: Int32Array): Map<number, number[]> {
  const endedBy = new Map<number, number[]>();
  for (const [life, event] of endEvent.entries()) {
    if (event < 0) continue;
    const ended = endedBy.get(event);
    if (ended === undefined) endedBy.set(event, [life]);
    else ended.push(life);
  }
  return endedBy;
}
