/**
 * The loop of plain rows in TypeScript: what `kernel/plain-rows.ts` is held to, and what runs where there is no WebAssembly.
 *
 * Everything stays in one function, in 32-bit integers and typed arrays: a call, an object or a rounded number in each
 * row would cost as much as all the rest. Nothing in it is a loop but the one over rows: after a loop the engine checks
 * anew what every array is. Numbers are read as many digits at a time as those of the row before had. It is called for
 * few rows at a time, so that it is compiled once, whole, and not again and again for a loop that is under way.
 */

import { MASK_WORDS, PAGE_BYTES } from '../replay/mask.ts';
import { KNOWN_THREADS } from './actors.ts';
import type { TraceCompiler } from './compiler.ts';
import { HEX_PAIRS, ONE_HEX } from './digit-pairs.ts';
import { SPOT_BIT_SHIFT } from './kernel/layout.ts';
import { ACTOR_WORDS, CACHE_LAUNCH, CACHE_LIFE, CACHE_PAGES, cacheEntry, SECOND_PLACE } from './live-blocks.ts';
import type { Digits, PlainColumns } from './plain-rows.ts';
import { ACTOR_SHIFT, KIND, LENGTH_AND_ACTOR, MASK_2, MASK_3, NEXT, WORDS, wordsHash } from './row-words.ts';

// What is imported is loaded anew at each use; a constant of this module is compiled into the loop.
const HEX = HEX_PAIRS;
const HEX_ALONE = ONE_HEX;
const LIFE_WORDS = MASK_WORDS;
const LIFE_ACTOR_WORDS = ACTOR_WORDS;
const OFFSET_MASK = PAGE_BYTES - 1;
const LIFE = CACHE_LIFE;
const PAGES = CACHE_PAGES;
const LAUNCH = CACHE_LAUNCH;
const OTHER_PLACE = SECOND_PLACE;
const THIRD_MASK = MASK_2;
const FOURTH_MASK = MASK_3;
const WORDS_LENGTH = LENGTH_AND_ACTOR;
const WORDS_KIND = KIND;
const WORDS_ACTOR_SHIFT = ACTOR_SHIFT;
const LENGTH_MASK = (1 << ACTOR_SHIFT) - 1;
const BIT_SHIFT = SPOT_BIT_SHIFT;
const NEXT_WORDS = NEXT;
const WORDS_END = WORDS - 1;
const THREADS = KNOWN_THREADS;
const firstWord = wordsHash;
const entryOf = cacheEntry;

/** Four characters in a word: with this the digits are their values. */
const ZEROS = 0x30303030;
/** Added to values of digits it leaves the high bits zero; a byte that is no digit has its high bit set then, or before. */
const ABOVE_NINE = 0x76767676;
const HIGH_BITS = 0x80808080 | 0;
/** Two numbers below 100, in bytes 0 and 2; times the factor, the upper half is first x 100 + second. */
const PAIR_BYTES = 0x00ff00ff;
const PAIRS_TO_FOUR = 100 * 0x10000 + 1;

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;
const COMMA = 44;
const BLOCK_PAGE_MASK = 511;

/**
 * Reads rows from `start` on, before `end`, into draft rows up to `endRow`; gives the end of the last one. What is counted
 * by row is left to the caller.
 */
export function plainRows(
  into: TraceCompiler,
  columns: PlainColumns,
  digits: Digits,
  buffer: Buffer,
  view: DataView,
  start: number,
  end: number,
  endRow: number,
): number {
  const firstRow = into.rows.rows;
  const { memory, rows, launches } = into;
  const { timeNs, word: wordOf, spot, bytes, thread: threadOf } = rows.draft;
  const withTime = columns.time ? 1 : 0;
  const withThread = columns.thread ? 1 : 0;
  const withArg = columns.arg ? 1 : 0;
  const { knownThreads } = into.actors;
  const { words } = into.loops;
  const cache = memory.cache.words;
  const { touched, touchedBy } = memory.blocks;
  const { openEvent } = launches;
  const launchesOpen = launches.openCount | 0;
  const timeDigits = digits.time | 0;
  let hexDigits = digits.hex | 0;
  let otherHexDigits = digits.otherHex | 0;
  let lastTime = into.endNs;
  let row = firstRow | 0;
  let at = start | 0;
  for (let next = at; at < end && row < endRow; at = next) {
    let time = 0;
    if (withTime !== 0) {
      let bad = 0;
      if ((timeDigits & 3) !== 0) {
        const x = (view.getInt32(next, true) ^ ZEROS) << ((4 - timeDigits) << 3);
        bad = (x + ABOVE_NINE) | x;
        time = Math.imul((Math.imul(x, 10) + (x >>> 8)) & PAIR_BYTES, PAIRS_TO_FOUR) >>> 16;
        next = (next + (timeDigits & 3)) | 0;
      }
      if (timeDigits >= 4) {
        const x = view.getInt32(next, true) ^ ZEROS;
        bad |= (x + ABOVE_NINE) | x;
        const four = Math.imul((Math.imul(x, 10) + (x >>> 8)) & PAIR_BYTES, PAIRS_TO_FOUR) >>> 16;
        time = (Math.imul(time, 10_000) + four) | 0;
        next = (next + 4) | 0;
        if (timeDigits >= 8) {
          const y = view.getInt32(next, true) ^ ZEROS;
          bad |= (y + ABOVE_NINE) | y;
          time = time * 10_000 + (Math.imul((Math.imul(y, 10) + (y >>> 8)) & PAIR_BYTES, PAIRS_TO_FOUR) >>> 16);
          next = (next + 4) | 0;
          if (timeDigits >= 12) {
            const z = view.getInt32(next, true) ^ ZEROS;
            bad |= (z + ABOVE_NINE) | z;
            time = time * 10_000 + (Math.imul((Math.imul(z, 10) + (z >>> 8)) & PAIR_BYTES, PAIRS_TO_FOUR) >>> 16);
            next = (next + 4) | 0;
          }
        }
      }
      if ((bad & HIGH_BITS) !== 0 || buffer[next] !== COMMA || time < lastTime) break;
      next = (next + 1) | 0;
    }

    const w0 = view.getInt32(next, true);
    const w1 = view.getInt32(next + 4, true);
    const w2 = view.getInt32(next + 8, true);
    const w3 = view.getInt32(next + 12, true);
    let w = firstWord(w0, w1);
    if (
      ((words[w] ^ w0) |
        (words[w + 1] ^ w1) |
        ((words[w + 2] ^ w2) & words[w + THIRD_MASK]) |
        ((words[w + 3] ^ w3) & words[w + FOURTH_MASK])) !==
      0
    ) {
      w = (w + NEXT_WORDS) & WORDS_END;
      if (
        ((words[w] ^ w0) |
          (words[w + 1] ^ w1) |
          ((words[w + 2] ^ w2) & words[w + THIRD_MASK]) |
          ((words[w + 3] ^ w3) & words[w + FOURTH_MASK])) !==
        0
      ) {
        break;
      }
    }
    const lengthAndActor = words[w + WORDS_LENGTH];
    if (lengthAndActor === 0) break;
    next = (next + (lengthAndActor & LENGTH_MASK)) | 0;
    const a = lengthAndActor >> WORDS_ACTOR_SHIFT;
    const kind = words[w + WORDS_KIND];

    // Address: 64 bits in two words. Rows of two kinds may take turns, near and far memory.
    if (buffer[next + hexDigits] !== COMMA) {
      if (buffer[next + otherHexDigits] !== COMMA) break;
      const other = otherHexDigits;
      otherHexDigits = hexDigits;
      hexDigits = other;
    }
    let high = 0;
    let low = 0;
    let pairs = 0;
    if ((hexDigits & 1) !== 0) {
      pairs = HEX[view.getUint16(next, true)];
      low = pairs >> 4;
      next = (next + 1) | 0;
    }
    if (hexDigits >= 8) {
      if (hexDigits >= 10) {
        const h = HEX[view.getUint16(next, true)];
        pairs |= h;
        low = (low << 8) | h;
        next = (next + 2) | 0;
        if (hexDigits >= 12) {
          const i = HEX[view.getUint16(next, true)];
          pairs |= i;
          low = (low << 8) | i;
          next = (next + 2) | 0;
        }
      }
      high = low;
      const h0 = HEX[view.getUint16(next, true)];
      const h1 = HEX[view.getUint16(next + 2, true)];
      const h2 = HEX[view.getUint16(next + 4, true)];
      const h3 = HEX[view.getUint16(next + 6, true)];
      pairs |= h0 | h1 | h2 | h3;
      low = (h0 << 24) | (h1 << 16) | (h2 << 8) | h3;
      next = (next + 8) | 0;
    } else {
      if (hexDigits >= 4) {
        const h = HEX[view.getUint16(next, true)];
        pairs |= h;
        low = (low << 8) | h;
        next = (next + 2) | 0;
        if (hexDigits >= 6) {
          const i = HEX[view.getUint16(next, true)];
          pairs |= i;
          low = (low << 8) | i;
          next = (next + 2) | 0;
        }
      }
      const h = HEX[view.getUint16(next, true)];
      pairs |= h;
      low = (low << 8) | h;
      next = (next + 2) | 0;
    }
    if (pairs >= HEX_ALONE) break;
    next = (next + 1) | 0;

    let size = 0;
    let x = view.getInt32(next, true) ^ ZEROS;
    let noDigits = ((x + ABOVE_NINE) | x) & HIGH_BITS;
    if (noDigits === 0) {
      size = Math.imul((Math.imul(x, 10) + (x >>> 8)) & PAIR_BYTES, PAIRS_TO_FOUR) >>> 16;
      next = (next + 4) | 0;
      x = view.getInt32(next, true) ^ ZEROS;
      noDigits = ((x + ABOVE_NINE) | x) & HIGH_BITS;
    }
    // Three digits at most are left.
    if ((noDigits & 0x80) !== 0) {
      if (size === 0) break;
    } else if ((noDigits & 0x8000) !== 0) {
      size = (Math.imul(size, 10) + (x & 15)) | 0;
      next = (next + 1) | 0;
    } else if ((noDigits & 0x800000) !== 0) {
      size = (Math.imul(size, 100) + Math.imul(x & 15, 10) + ((x >> 8) & 15)) | 0;
      next = (next + 2) | 0;
    } else if (noDigits !== 0) {
      size = (Math.imul(size, 1000) + Math.imul(x & 15, 100) + Math.imul((x >> 8) & 15, 10) + ((x >> 16) & 15)) | 0;
      next = (next + 3) | 0;
    } else {
      break;
    }
    if (size === 0) break;
    let thread = -1;
    if (withThread !== 0) {
      if (buffer[next] !== COMMA) break;
      next = (next + 1) | 0;
      const y = view.getInt32(next, true) ^ ZEROS;
      const ends = ((y + ABOVE_NINE) | y) & HIGH_BITS;
      if ((ends & 0x80) === 0) {
        let n = y & 15;
        if ((ends & 0x8000) !== 0) next = (next + 1) | 0;
        else if ((ends & 0x800000) !== 0) {
          n = (Math.imul(n, 10) + ((y >> 8) & 15)) | 0;
          next = (next + 2) | 0;
        } else if (ends !== 0) {
          n = (Math.imul(n, 100) + Math.imul((y >> 8) & 15, 10) + ((y >> 16) & 15)) | 0;
          next = (next + 3) | 0;
        } else {
          break;
        }
        if (n >= THREADS) break;
        thread = knownThreads[a * THREADS + n];
        if (thread < 0) break;
      }
    }
    if (withArg !== 0) {
      if (buffer[next] !== COMMA) break;
      next = (next + 1) | 0;
    }
    if (buffer[next] === CARRIAGE_RETURN) next = (next + 1) | 0;
    if (buffer[next] !== NEWLINE) break;
    next = (next + 1) | 0;

    // Thirteen digits: the number of a block is a 31-bit integer.
    const block = (high << 11) | (low >>> 21);
    const first = (low >>> 12) & BLOCK_PAGE_MASK;
    const inPage = low & OFFSET_MASK;
    const count = (((inPage + size - 1) | 0) >> 12) + 1;
    const last = (first + count - 1) | 0;
    // An access that leaves the block is not covered either: no entry covers more.
    let entry = entryOf(block);
    let covered = cache[entry + PAGES];
    if (cache[entry] !== block || (covered & 0xffff) > first || covered >> 16 < last) {
      entry = entry ^ OTHER_PLACE;
      covered = cache[entry + PAGES];
      if (cache[entry] !== block || (covered & 0xffff) > first || covered >> 16 < last) break;
    }
    if (launchesOpen !== 0 && (a === 0 || cache[entry + LAUNCH] !== openEvent[a])) break;
    if (first >> 5 !== last >> 5) break;
    const life = cache[entry + LIFE];
    const word = (life * LIFE_WORDS + (first >> 5)) | 0;
    touched[word] |= (-1 << (first & 31)) & (-1 >>> (31 - (last & 31)));
    const actorWord = (life * LIFE_ACTOR_WORDS + (a >> 5)) | 0;
    touchedBy[actorWord] |= 1 << (a & 31);

    timeNs[row] = time;
    wordOf[row] = word;
    spot[row] = inPage | ((first & 31) << BIT_SHIFT) | kind;
    bytes[row] = size;
    if (withThread !== 0) threadOf[row] = thread;
    row = (row + 1) | 0;
    lastTime = time;
  }
  digits.hex = hexDigits;
  digits.otherHex = otherHexDigits;
  into.endNs = lastTime;
  rows.rows = row;
  return at;
}
