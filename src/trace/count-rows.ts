/** The pass over the finished rows: all that is counted by row, once their pages have ids. */

import { BLOCK_PAGES, MASK_WORDS, popcount32 } from '../replay/mask.ts';
import { LAST_ACCESS, OP_NAMES } from './compiled.ts';
import type { TraceCompiler } from './compiler.ts';
import type { FinalColumns } from './kernel/columns.ts';
import { COUNTS, type Counting } from './kernel/kernel.ts';
import { LineCounter } from './lines.ts';
import { type PackedChunk, unpack } from './packed.ts';
import type { Numbering } from './page-ids.ts';

const ACCESS_OPS = LAST_ACCESS + 1;

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

export function countRows(
  chunks: readonly PackedChunk[],
  compiler: TraceCompiler,
  numbering: Numbering,
  actors: number,
): RowCounts {
  return new RowCounting(compiler, numbering, actors).run(chunks);
}

class RowCounting {
  readonly #compiler: TraceCompiler;
  readonly #numbering: Numbering;
  readonly #touched: Int32Array;
  readonly #lines: LineCounter;
  readonly #endedBy: Map<number, number[]>;
  readonly #recordsByOp = new Float64Array(OP_NAMES.length);
  readonly #hasRecords: boolean[];

  constructor(compiler: TraceCompiler, numbering: Numbering, actors: number) {
    const { count, touched, endEvent } = compiler.memory.blocks;
    this.#compiler = compiler;
    this.#numbering = numbering;
    this.#touched = touched;
    this.#lines = new LineCounter(compiler.loops, numbering.pageIds);
    this.#endedBy = livesByEnd(endEvent.subarray(0, count));
    this.#hasRecords = Array<boolean>(actors).fill(false);
  }

  run(chunks: readonly PackedChunk[]): RowCounts {
    const { loops } = this.#compiler;
    const actors = this.#hasRecords.length;
    const words = loops.int32(actors * COUNTS * 2);
    const counts = new Uint32Array(words.buffer, words.byteOffset, words.length);
    const counting: Counting = { counts, lastActor: -1, handOvers: 0 };
    const columns = loops.finalColumns(chunks.reduce((most, { rows }) => Math.max(most, rows), 0));
    const ids = { wordId: this.#numbering.wordId, touched: this.#touched };
    for (const chunk of chunks) {
      unpack(chunk, loops, ids, columns);
      this.#count(chunk.rows, columns, counting);
    }
    const number = (i: number) => counts[2 * i] + counts[2 * i + 1] * 2 ** 32;
    const touches = Float64Array.from({ length: actors }, (_, a) => number(a * COUNTS));
    const bytes = Float64Array.from({ length: actors }, (_, a) => number(a * COUNTS + 1));
    const accesses = new Float64Array(actors);
    for (let a = 0; a < actors; a++) {
      for (let op = 0; op < ACCESS_OPS; op++) {
        const n = number(a * COUNTS + 2 + op);
        accesses[a] += n;
        this.#recordsByOp[op] += n;
        if (n > 0) this.#hasRecords[a] = true;
      }
    }
    return {
      recordsByOp: this.#recordsByOp,
      accesses,
      touches,
      bytes,
      hasRecords: this.#hasRecords,
      // The first access is none.
      handOvers: Math.max(counting.handOvers - 1, 0),
      deviceLineBytes: this.#lines.totalBytes(),
    };
  }

  #count(rows: number, columns: FinalColumns, counting: Counting): void {
    const { loops } = this.#compiler;
    for (let row = 0; row < rows; row++) {
      // Two loops: the words of lines lie all over the memory, and in a short loop the processor fetches more of them at once.
      const end = loops.columns.countRows(row, rows, columns, counting);
      loops.columns.markLines(row, end, columns, this.#lines.bits);
      row = end;
      if (row < rows) this.#eventRow(columns.op[row], columns.actor[row], columns.page[row]);
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
