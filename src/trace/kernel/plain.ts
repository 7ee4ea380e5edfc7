/** The loops over columns in TypeScript: what those in WebAssembly are held to, and what runs where those cannot. */

import { popcount32 } from '../../replay/mask.ts';
import { CONTINUES, LAST_ACCESS, NO_CODE } from '../compiled.ts';
import { markLines } from '../lines.ts';
import { actorOf, opOf } from '../row-kinds.ts';
import { COUNTS, type ColumnKernel } from './kernel.ts';
import { SPOT_BIT_SHIFT, SPOT_KIND_SHIFT } from './layout.ts';

const TWO_32 = 2 ** 32;
const OP_BITS = 127;
const OFFSET_BITS = (1 << SPOT_BIT_SHIFT) - 1;

export const plainColumns: ColumnKernel = {
  scan(column, rows, into) {
    const first = column[0];
    let least = first;
    let greatest = first;
    let bits = 0;
    for (let i = 0; i < rows; i++) {
      const x = column[i];
      if (x < least) least = x;
      if (x > greatest) greatest = x;
      bits |= x ^ first;
    }
    into.least = least;
    into.greatest = greatest;
    into.bits = bits >>> 0;
  },

  narrow(column, rows, base, shift, to) {
    for (let i = 0; i < rows; i++) to[i] = (column[i] - base) >>> shift;
  },

  widen(from, rows, base, shift, column) {
    for (let i = 0; i < rows; i++) column[i] = base + ((from[i] << shift) >>> 0);
  },

  raise(from, rows, shift, column) {
    for (let i = 0; i < rows; i++) column[i] += from[i] << shift;
  },

  fill(rows, value, column) {
    column.fill(value, 0, rows);
  },

  steps(times, rows, to) {
    let fits = true;
    let before = times[0];
    for (let i = 0; i < rows; i++) {
      const step = times[i] - before;
      if (step >= TWO_32) fits = false;
      to[i] = Math.min(step, TWO_32 - 1);
      before = times[i];
    }
    return fits;
  },

  sums(from, rows, first, times) {
    let time = first;
    for (let i = 0; i < rows; i++) {
      time += from[i];
      times[i] = time;
    }
  },

  numberRows(rows, record, draft, { wordId, touched }, finals, to) {
    const { word, spot } = draft;
    const { bytes } = to;
    for (let i = 0; i < rows; i++) {
      const final = finals[spot[i] >>> SPOT_KIND_SHIFT];
      const offset = spot[i] & OFFSET_BITS;
      const pages = pagesOf(spot[i], bytes[i]);
      let page = word[i];
      if ((final & OP_BITS) <= LAST_ACCESS) page = idOf(page, spot[i], wordId, touched);
      if ((final & CONTINUES) === 0) record++;
      to.record[i] = record;
      to.page[i] = page;
      to.pages[i] = pages;
      to.offset[i] = offset;
      to.op[i] = opOf(final);
      to.actor[i] = actorOf(final);
      to.code[i] = pages === 1 ? final >>> 16 : NO_CODE;
    }
  },

  countRows(from, to, { word, spot, bytes }, { wordId, touched }, finals, counting, page) {
    const { counts } = counting;
    let { lastActor } = counting;
    let row = from;
    for (; row < to; row++) {
      const kind = spot[row] >>> SPOT_KIND_SHIFT;
      const final = finals[kind];
      if ((final & OP_BITS) > LAST_ACCESS) break;
      page[row] = idOf(word[row], spot[row], wordId, touched);
      const at = kind * COUNTS * 2;
      add(counts, at, 1);
      add(counts, at + 2, pagesOf(spot[row], bytes[row]));
      add(counts, at + 4, bytes[row]);
      const actor = actorOf(final);
      if (actor !== lastActor) counting.handOvers++;
      lastActor = actor;
    }
    counting.lastActor = lastActor;
    return row;
  },

  markLines(from, to, { spot, bytes }, finals, page, bits) {
    for (let row = from; row < to; row++) {
      // The host has number 0.
      if (actorOf(finals[spot[row] >>> SPOT_KIND_SHIFT]) !== 0)
        markLines(bits, page[row], spot[row] & OFFSET_BITS, bytes[row]);
    }
  },

  countBits(words) {
    let n = 0;
    for (let w = 0; w < words.length; w++) n += popcount32(words[w]);
    return n;
  },
};

/** Pages that a row touches; 0 for one without bytes. */
function pagesOf(spot: number, bytes: number): number {
  return (((spot & OFFSET_BITS) + bytes - 1) >> 12) + 1;
}

/** Page id of an access. */
function idOf(word: number, spot: number, wordId: Int32Array, touched: Int32Array): number {
  return wordId[word] + popcount32(touched[word] & ~(-1 << (spot >>> SPOT_BIT_SHIFT)));
}

/** To a number in two words. */
function add(counts: Uint32Array, at: number, n: number): void {
  const sum = counts[at] + n;
  counts[at] = sum;
  if (sum >= TWO_32) counts[at + 1]++;
}
