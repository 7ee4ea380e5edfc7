/** The loops over columns in TypeScript: what those in WebAssembly are held to, and what runs where those cannot. */

import { popcount32 } from '../../replay/mask.ts';
import { CONTINUES, LAST_ACCESS, NO_CODE } from '../compiled.ts';
import { markLines } from '../lines.ts';
import { COUNTS, type ColumnKernel } from './kernel.ts';
import { KIND_CONTINUES, SPOT_BIT_SHIFT } from './layout.ts';

const TWO_32 = 2 ** 32;
const OP_BITS = 15;
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
    const { word, spot, kind } = draft;
    const { bytes } = to;
    for (let i = 0; i < rows; i++) {
      const k = kind[i];
      const final = finals[k];
      const offset = spot[i] & OFFSET_BITS;
      const pages = ((offset + bytes[i] - 1) >> 12) + 1;
      let page = word[i];
      if ((k & OP_BITS) <= LAST_ACCESS) {
        page = wordId[page] + popcount32(touched[page] & ~(-1 << (spot[i] >>> SPOT_BIT_SHIFT)));
      }
      if ((k & KIND_CONTINUES) === 0) record++;
      to.record[i] = record;
      to.page[i] = page;
      to.pages[i] = pages;
      to.offset[i] = offset;
      to.op[i] = final;
      to.actor[i] = final >>> 8;
      to.code[i] = pages === 1 ? final >>> 16 : NO_CODE;
    }
  },

  countRows(from, to, rows, counting) {
    const { op, actor, pages, bytes } = rows;
    const { counts } = counting;
    let { lastActor } = counting;
    let row = from;
    for (; row < to; row++) {
      const access = op[row] & ~CONTINUES;
      if (access > LAST_ACCESS) break;
      const a = actor[row];
      const at = a * COUNTS * 2;
      add(counts, at, pages[row]);
      add(counts, at + 2, bytes[row]);
      if (op[row] === access) add(counts, at + 4 + 2 * access, 1);
      if (a !== lastActor) counting.handOvers++;
      lastActor = a;
    }
    counting.lastActor = lastActor;
    return row;
  },

  markLines(from, to, { actor, page, offset, bytes }, bits) {
    // The host has number 0.
    for (let row = from; row < to; row++) {
      if (actor[row] !== 0) markLines(bits, page[row], offset[row], bytes[row]);
    }
  },

  countBits(words) {
    let n = 0;
    for (let w = 0; w < words.length; w++) n += popcount32(words[w]);
    return n;
  },
};

/** To a number in two words. */
function add(counts: Uint32Array, at: number, n: number): void {
  const sum = counts[at] + n;
  counts[at] = sum;
  if (sum >= TWO_32) counts[at + 1]++;
}
