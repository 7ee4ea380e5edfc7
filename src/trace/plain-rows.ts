/**
 * The loop that most rows of most traces go through: `[TIME,]ACTOR,OP,0xADDR,SIZE[,[THREAD]][,]`, accesses of known actors to pages
 * that the block cache knows. It reads, checks and stores them; at any other row it stops and leaves that row to its
 * caller.
 *
 * Everything stays in one function, in 32-bit integers and typed arrays: a call, an object or a rounded number in each
 * row would cost as much as all the rest. It is called for few rows at a time, so that it is compiled once, whole, and
 * not again and again for a loop that is under way.
 */

import { MASK_WORDS, PAGE_BYTES } from '../replay/mask.ts';
import { KNOWN_THREADS } from './actors.ts';
import type { TraceCompiler } from './compiler.ts';
import { DECIMAL_PAIRS, HEX_PAIRS, NO_DECIMAL, NO_HEX, ONE_DECIMAL, ONE_HEX } from './digit-pairs.ts';
import { ACTOR_WORDS, CACHE_LAUNCH, CACHE_LIFE, CACHE_PAGES, cacheEntry, coversPages } from './live-blocks.ts';
import { ACTOR_OP, addWords, LENGTH, MASK_2, MASK_3, NEXT, WORDS, wordsHash } from './row-words.ts';

// What is imported is loaded anew at each use; a constant of this module is compiled into the loop.
const DECIMAL = DECIMAL_PAIRS;
const DIGIT_ALONE = ONE_DECIMAL;
const NO_DIGIT = NO_DECIMAL;
const HEX = HEX_PAIRS;
const HEX_ALONE = ONE_HEX;
const NO_HEX_DIGIT = NO_HEX;
const LIFE_WORDS = MASK_WORDS;
const LIFE_ACTOR_WORDS = ACTOR_WORDS;
const OFFSET_MASK = PAGE_BYTES - 1;
const LIFE = CACHE_LIFE;
const PAGES = CACHE_PAGES;
const LAUNCH = CACHE_LAUNCH;
const THIRD_MASK = MASK_2;
const FOURTH_MASK = MASK_3;
const WORDS_LENGTH = LENGTH;
const WORDS_ACTOR_OP = ACTOR_OP;
const NEXT_WORDS = NEXT;
const WORDS_END = WORDS - 1;
const THREADS = KNOWN_THREADS;

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;
const COMMA = 44;

/** A row that begins this far from the end of the memory, or further, is read without looking out for the end. */
export const LONGEST_PLAIN_ROW = 96;
const ROWS_AT_ONCE = 512;
const MOST_TIME_DIGITS = 15;
/** So many digits make a 32-bit integer. */
const INTEGER_DIGITS = 8;
const MOST_HEX_DIGITS = 16;
const BLOCK_PAGE_MASK = 511;

export interface PlainColumns {
  readonly time: boolean;
  readonly thread: boolean;
  /** A last column that is empty. */
  readonly arg: boolean;
}

export class PlainRows {
  readonly #into: TraceCompiler;
  readonly #columns: PlainColumns;
  readonly #words = new Int32Array(WORDS);

  constructor(into: TraceCompiler, columns: PlainColumns) {
    this.#into = into;
    this.#columns = columns;
  }

  addWords(actorName: string, actor: number, opWord: string, op: number): void {
    addWords(this.#words, actorName, actor, opWord, op);
  }

  /** Reads rows from `start` on and gives the end of the last one; `end` is `LONGEST_PLAIN_ROW` before the view's end. */
  read(buffer: Buffer, view: DataView, start: number, end: number, firstLine: number): number {
    let at = start;
    for (let read = ROWS_AT_ONCE, line = firstLine; read === ROWS_AT_ONCE; line += read) {
      const before = this.#into.records;
      this.#into.rows.makeRoom();
      at = this.#readSome(buffer, view, at, end, line);
      read = this.#into.records - before;
    }
    return at;
  }

  #readSome(buffer: Buffer, view: DataView, start: number, end: number, firstLine: number): number {
    const into = this.#into;
    const { memory, rows, launches } = into;
    const { chunk } = rows;
    const { record, op, actor, code, timeNs, page, pages, offset, bytes } = chunk;
    const { time: withTime, thread: withThread, arg: withArg } = this.#columns;
    const threadOf = chunk.thread;
    const { knownThreads } = into.actors;
    const words = this.#words;
    const cache = memory.cache.words;
    const { touched, touchedBy } = memory.blocks;
    const { openEvent } = launches;
    const launchesOpen = launches.openCount !== 0;
    const firstRow = chunk.rows | 0;
    const endRow = Math.min(firstRow + ROWS_AT_ONCE, rows.capacity) | 0;
    const recordOfRow0 = (into.records - firstRow) | 0;
    let lastTime = into.endNs;
    let row = firstRow;
    let at = start | 0;
    for (let next = at; at < end && row < endRow; at = next) {
      let time = 0;
      let p = 0;
      if (withTime) {
        p = DECIMAL[view.getUint16(next, true)];
        while (p < DIGIT_ALONE) {
          time = time * 100 + p;
          next = (next + 2) | 0;
          p = DECIMAL[view.getUint16(next, true)];
          if (next - at > MOST_TIME_DIGITS) break;
        }
        if (p !== NO_DIGIT) {
          time = time * 10 + (p & 15);
          next = (next + 1) | 0;
        }
        const digits = next - at;
        if (digits === 0 || digits > MOST_TIME_DIGITS || buffer[next] !== COMMA || time < lastTime) break;
        next = (next + 1) | 0;
      }

      const w0 = view.getInt32(next, true);
      const w1 = view.getInt32(next + 4, true);
      const w2 = view.getInt32(next + 8, true);
      const w3 = view.getInt32(next + 12, true);
      let w = wordsHash(w0, w1);
      while (
        (words[w] ^ w0) |
        (words[w + 1] ^ w1) |
        ((words[w + 2] ^ w2) & words[w + THIRD_MASK]) |
        ((words[w + 3] ^ w3) & words[w + FOURTH_MASK])
      ) {
        if (words[w + WORDS_LENGTH] === 0) break;
        w = (w + NEXT_WORDS) & WORDS_END;
      }
      const length = words[w + WORDS_LENGTH];
      if (length === 0) break;
      next = (next + length) | 0;
      const a = words[w + WORDS_ACTOR_OP] >> 2;

      // Address: 64 bits in two words.
      const hexStart = next;
      let high = 0;
      let low = 0;
      let h = HEX[view.getUint16(next, true)];
      while (h < HEX_ALONE) {
        high = (high << 8) | (low >>> 24);
        low = (low << 8) | h;
        next = (next + 2) | 0;
        h = HEX[view.getUint16(next, true)];
        if (next - hexStart > MOST_HEX_DIGITS) break;
      }
      if (h !== NO_HEX_DIGIT) {
        high = (high << 4) | (low >>> 28);
        low = (low << 4) | (h & 15);
        next = (next + 1) | 0;
      }
      const hexDigits = next - hexStart;
      // Below 2^52 the number of a block is a 31-bit integer.
      if (hexDigits === 0 || hexDigits > MOST_HEX_DIGITS || high >>> 20 !== 0 || buffer[next] !== COMMA) break;
      next = (next + 1) | 0;

      const sizeStart = next;
      let size = 0;
      p = DECIMAL[view.getUint16(next, true)];
      while (p < DIGIT_ALONE) {
        size = (Math.imul(size, 100) + p) | 0;
        next = (next + 2) | 0;
        p = DECIMAL[view.getUint16(next, true)];
        if (next - sizeStart > INTEGER_DIGITS) break;
      }
      if (p !== NO_DIGIT) {
        size = (Math.imul(size, 10) + (p & 15)) | 0;
        next = (next + 1) | 0;
      }
      if (next - sizeStart > INTEGER_DIGITS || size === 0) break;
      let thread = -1;
      if (withThread) {
        if (buffer[next] !== COMMA) break;
        next = (next + 1) | 0;
        const threadStart = next;
        let n = 0;
        p = DECIMAL[view.getUint16(next, true)];
        while (p < DIGIT_ALONE) {
          n = (Math.imul(n, 100) + p) | 0;
          next = (next + 2) | 0;
          p = DECIMAL[view.getUint16(next, true)];
          if (next - threadStart > INTEGER_DIGITS) break;
        }
        if (p !== NO_DIGIT) {
          n = (Math.imul(n, 10) + (p & 15)) | 0;
          next = (next + 1) | 0;
        }
        if (next !== threadStart) {
          if (next - threadStart > INTEGER_DIGITS || n >= THREADS) break;
          thread = knownThreads[a * THREADS + n];
          if (thread < 0) break;
        }
      }
      if (withArg) {
        if (buffer[next] !== COMMA) break;
        next = (next + 1) | 0;
      }
      if (buffer[next] === CARRIAGE_RETURN) next = (next + 1) | 0;
      if (buffer[next] !== NEWLINE) break;
      next = (next + 1) | 0;

      const block = (high << 11) | (low >>> 21);
      const first = (low >>> 12) & BLOCK_PAGE_MASK;
      const inPage = low & OFFSET_MASK;
      const count = ((inPage + size - 1) >> 12) + 1;
      const last = (first + count - 1) | 0;
      const entry = cacheEntry(block);
      // Also false when the access leaves the block: no entry covers more.
      if (cache[entry] !== block || !coversPages(cache[entry + PAGES], first, last)) break;
      if (launchesOpen && (a === 0 || cache[entry + LAUNCH] !== openEvent[a])) break;
      const life = cache[entry + LIFE];
      const word = (life * LIFE_WORDS + (first >> 5)) | 0;
      if (first >> 5 !== last >> 5) break;
      touched[word] |= (-1 << (first & 31)) & (-1 >>> (31 - (last & 31)));
      const actorWord = (life * LIFE_ACTOR_WORDS + (a >> 5)) | 0;
      touchedBy[actorWord] |= 1 << (a & 31);

      record[row] = (recordOfRow0 + row) | 0;
      op[row] = words[w + WORDS_ACTOR_OP] & 3;
      actor[row] = a;
      code[row] = first & 31;
      timeNs[row] = time;
      page[row] = word;
      pages[row] = count;
      offset[row] = inPage;
      bytes[row] = size;
      if (threadOf !== null) threadOf[row] = thread;
      row = (row + 1) | 0;
      lastTime = time;
    }
    const read = row - firstRow;
    if (read > 0) {
      if (into.records === 0) into.startNs = timeNs[firstRow];
      into.endNs = lastTime;
      into.records += read;
      into.lastLine = firstLine + read - 1;
      chunk.rows = row;
    }
    return at;
  }
}
