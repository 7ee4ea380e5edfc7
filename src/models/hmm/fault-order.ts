/** The order in which a driver looks at its fault buffer: by page, the stronger access of a page first. */

import type { FaultBuffer } from '../../replay/faults.ts';

const DIGIT_BITS = 9;
const DIGITS = 1 << DIGIT_BITS;
/** A rank is sorted by in two parts of so many bits: page numbers and access together take up to 47 bits. */
const PART_BITS = 27;
const PART = 2 ** PART_BITS;

/** Radix sort, least digit first, of as many digits as the ranks of the buffer have. */
export class FaultOrder {
  #order = new Int32Array(0);
  #other = new Int32Array(0);
  /** Rank of each entry: page, counted from the least one of the buffer, and access in one number, in two parts. */
  #low = new Int32Array(0);
  #high = new Int32Array(0);
  /** By digit: where the next entry with it goes. */
  readonly #next = new Int32Array(DIGITS);

  /** Indices of the entries in that order; of equals the one raised first. Valid until the next call. */
  sort({ count, page, access }: FaultBuffer): Int32Array {
    if (count > this.#order.length) this.#grow(count);
    const order = this.#order;
    const low = this.#low;
    let least = Number.POSITIVE_INFINITY;
    let greatest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < count; i++) {
      if (page[i] < least) least = page[i];
      if (page[i] > greatest) greatest = page[i];
    }
    const most = (greatest - least) * 4 + 3;
    if (most < PART) {
      for (let i = 0; i < count; i++) {
        low[i] = ((page[i] - least) << 2) + 3 - access[i];
        order[i] = i;
      }
      this.#passes(low, most, count);
      return this.#order;
    }
    const high = this.#high;
    for (let i = 0; i < count; i++) {
      const rank = (page[i] - least) * 4 + 3 - access[i];
      high[i] = rank / PART;
      low[i] = rank - high[i] * PART;
      order[i] = i;
    }
    this.#passes(low, PART - 1, count);
    this.#passes(high, Math.floor(most / PART), count);
    return this.#order;
  }

  /** Orders the entries by ranks of at most `most`, and those with the same one as they were. */
  #passes(ranks: Int32Array, most: number, count: number): void {
    for (let shift = 0; most >>> shift !== 0; shift += DIGIT_BITS) this.#pass(ranks, shift, count);
  }

  /** Orders the entries by one digit, and those with the same one as they were. */
  #pass(ranks: Int32Array, shift: number, count: number): void {
    const next = this.#next;
    const from = this.#order;
    const to = this.#other;
    next.fill(0);
    for (let i = 0; i < count; i++) next[(ranks[i] >> shift) & (DIGITS - 1)]++;
    for (let digit = 0, at = 0; digit < DIGITS; digit++) {
      const here = next[digit];
      next[digit] = at;
      at += here;
    }
    for (let k = 0; k < count; k++) {
      const i = from[k];
      to[next[(ranks[i] >> shift) & (DIGITS - 1)]++] = i;
    }
    this.#order = to;
    this.#other = from;
  }

  #grow(count: number): void {
    this.#order = new Int32Array(count);
    this.#other = new Int32Array(count);
    this.#low = new Int32Array(count);
    this.#high = new Int32Array(count);
  }
}
