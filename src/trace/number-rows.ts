/** The pass over the finished rows: page ids for mask words, final actors, dispatch bytes, and all that is counted by row. */

import { BLOCK_PAGES, MASK_WORDS, popcount32 } from '../replay/mask.ts';
import { CODES, CONTINUES as CONTINUES_BIT, dispatchCode, LAST_ACCESS, NO_CODE, OP_NAMES } from './compiled.ts';
import type { TraceCompiler } from './compiler.ts';
import { LINE_SHIFT, LineCounter } from './lines.ts';
import type { Numbering } from './page-ids.ts';
import type { RowChunk } from './rows.ts';

// What is imported is loaded anew at each use; a constant of this module is compiled into the loop.
const LAST = LAST_ACCESS;
const ACCESS_OPS = LAST_ACCESS + 1;
const CONTINUES = CONTINUES_BIT;
const DISPATCHED = CODES;
const UNDISPATCHED = NO_CODE;
const LINE = LINE_SHIFT;
const onesIn = popcount32;
/** 32 lines a word. */
const WORD = LINE_SHIFT + 5;
/** Few enough for what the first loop has written to be still in the cache for the second. */
const ROWS_AT_ONCE = 1024;

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

export function numberRows(
  chunks: readonly RowChunk[],
  compiler: TraceCompiler,
  numbering: Numbering,
  finalActor: Uint8Array,
): RowCounts {
  return new RowNumbering(compiler, numbering, finalActor).run(chunks);
}

class RowNumbering {
  readonly #compiler: TraceCompiler;
  readonly #finalActor: Uint8Array;
  readonly #firstId: Int32Array;
  /** Page id of the first touched page in each mask word. */
  readonly #wordId: Int32Array;
  readonly #touched: Int32Array;
  readonly #lines: LineCounter;
  readonly #endedBy: Map<number, number[]>;
  readonly #accessesOf: Float64Array;
  readonly #touches: Float64Array;
  readonly #bytes: Float64Array;
  readonly #recordsByOp = new Float64Array(OP_NAMES.length);
  readonly #hasRecords: boolean[];
  #lastAccessor = -1;
  #handOvers = 0;

  constructor(compiler: TraceCompiler, numbering: Numbering, finalActor: Uint8Array) {
    const { count, touched, endEvent } = compiler.memory.blocks;
    this.#compiler = compiler;
    this.#finalActor = finalActor;
    this.#firstId = numbering.firstId;
    this.#wordId = numbering.wordId;
    this.#touched = touched;
    this.#lines = new LineCounter(numbering.pageIds);
    this.#endedBy = livesByEnd(endEvent.subarray(0, count));
    const actors = finalActor.length;
    this.#accessesOf = new Float64Array(actors * ACCESS_OPS);
    this.#touches = new Float64Array(actors);
    this.#bytes = new Float64Array(actors);
    this.#hasRecords = Array<boolean>(actors).fill(false);
  }

  run(chunks: readonly RowChunk[]): RowCounts {
    for (const chunk of chunks) {
      for (let row = 0; row < chunk.rows; ) {
        const end = this.#accessRows(chunk, row, Math.min(chunk.rows, row + ROWS_AT_ONCE));
        this.#countLines(chunk, row, end);
        row = end;
        if (row < chunk.rows && (chunk.op[row] & ~CONTINUES) > LAST) this.#eventRow(chunk, row++);
      }
    }
    const accesses = new Float64Array(this.#touches.length);
    for (let i = 0; i < this.#accessesOf.length; i++) {
      const actor = Math.floor(i / ACCESS_OPS);
      accesses[actor] += this.#accessesOf[i];
      this.#recordsByOp[i % ACCESS_OPS] += this.#accessesOf[i];
      if (this.#accessesOf[i] > 0) this.#hasRecords[actor] = true;
    }
    return {
      recordsByOp: this.#recordsByOp,
      accesses,
      touches: this.#touches,
      bytes: this.#bytes,
      hasRecords: this.#hasRecords,
      handOvers: this.#handOvers,
      deviceLineBytes: this.#lines.totalBytes(),
    };
  }

  /** Access rows from `from` up to `end` or the next row that is none; gives that row. */
  #accessRows(chunk: RowChunk, from: number, end: number): number {
    const { op, actor, code, page, pages, bytes } = chunk;
    const finalActor = this.#finalActor;
    const wordId = this.#wordId;
    const touched = this.#touched;
    const accessesOf = this.#accessesOf;
    const touchesOf = this.#touches;
    const bytesOf = this.#bytes;
    const firstAccessor = this.#lastAccessor < 0 && from < end ? finalActor[actor[from]] : this.#lastAccessor;
    let lastAccessor = firstAccessor | 0;
    let handOvers = 0;
    let row = from | 0;
    for (; row < end; row++) {
      const access = op[row];
      const kind = access & ~CONTINUES;
      if (kind > LAST) break;
      const a = finalActor[actor[row]];
      const n = pages[row];
      actor[row] = a;
      const word = page[row];
      const id = (wordId[word] + onesIn(touched[word] & ~(-1 << code[row]))) | 0;
      page[row] = id;
      const dispatch = a * ACCESS_OPS + access;
      code[row] = n === 1 && access <= LAST && dispatch < DISPATCHED ? dispatch : UNDISPATCHED;
      // Actors and ops come in any order: the counts are kept without a branch on them.
      const begins = (access ^ CONTINUES) >> 7;
      accessesOf[a * ACCESS_OPS + kind] += begins;
      touchesOf[a] += n;
      bytesOf[a] += bytes[row];
      handOvers = (handOvers + (((a ^ lastAccessor) + 255) >> 8)) | 0;
      lastAccessor = a;
    }
    if (row > from) this.#lastAccessor = lastAccessor;
    this.#handOvers += handOvers;
    return row;
  }

  /**
   * Lines that devices touch in access rows from `from` to before `end`. A loop of its own, as short as can be: its words
   * lie all over the memory, and the shorter it is, the more of them the processor fetches at once.
   */
  #countLines(chunk: RowChunk, from: number, end: number): void {
    const { actor, page, offset, bytes } = chunk;
    const { bits } = this.#lines;
    for (let row = from | 0; row < end; row++) {
      const first = offset[row];
      const last = (first + bytes[row] - 1) | 0;
      const firstWord = first >> WORD;
      if (firstWord === last >> WORD) {
        const lines = (-1 << ((first >> LINE) & 31)) & (-1 >>> (31 - ((last >> LINE) & 31)));
        // The host has number 0: its rows set no bit.
        bits[page[row] * 2 + firstWord] |= lines & (-actor[row] >> 31);
      } else if (actor[row] !== 0) this.#lines.touch(page[row], first, bytes[row]);
    }
  }

  #eventRow(chunk: RowChunk, row: number): void {
    const actor = this.#finalActor[chunk.actor[row]];
    chunk.actor[row] = actor;
    chunk.code[row] = dispatchCode(chunk.op[row], actor, 0);
    this.#hasRecords[actor] = true;
    this.#recordsByOp[chunk.op[row]]++;
    const event = chunk.page[row];
    for (const life of this.#endedBy.get(event) ?? []) {
      this.#lines.forget(this.#firstId[life], this.#endId(life) - this.#firstId[life]);
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
    return this.#wordId[word] + popcount32(this.#touched[word] & ~(-1 << (pageInBlock & 31)));
  }

  /** The id after a life's last. */
  #endId(life: number): number {
    const last = life * MASK_WORDS + MASK_WORDS - 1;
    return this.#wordId[last] + popcount32(this.#touched[last]);
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
