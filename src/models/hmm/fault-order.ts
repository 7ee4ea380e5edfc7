/** The order in which a driver looks at its fault buffer: by page, the stronger access of a page first. */

import type { FaultBuffer } from '../../replay/faults.ts';

const MOST_DIGIT_BITS = 9;
/** A rank is sorted by in two parts of so many bits: page numbers and access together take up to 47 bits. */
const PART_BITS = 27;
const PART = 2 ** PART_BITS;

/** Radix sort, least digit first, of as many digits as the ranks of the buffer have. */
export class FaultOrder {
  #order = new Int32Array(0);
  #other = new Int32Array(0);
  /**
   * Rank of each entry, in two parts: page, counted from the least one of the buffer, and access in one number; the page
   * alone when all accesses are alike.
   */
  #low = new Int32Array(0);
  #high = new Int32Array(0);
  /** By digit: where the next entry with it goes. */
  readonly #next = new Int32Array(1 << MOST_DIGIT_BITS);

  /** Indices of the entries in that order; of equals the one raised first. Valid until the next call. */
  sort({ count, page, access }: FaultBuffer): Int32Array {
    if (count > this.#order.length) this.#grow(count);
    const order = this.#order;
    const low = this.#low;
    let least = Number.POSITIVE_INFINITY;
    let greatest = Number.NEGATIVE_INFINITY;
    let differing = 0;
    for (let i = 0; i < count; i++) {
      if (page[i] < least) least = page[i];
      if (page[i] > greatest) greatest = page[i];
      differing |= access[i] ^ access[0];
      order[i] = i;
    }
    const ranks = differing === 0 ? 1 : 4;
    const most = (greatest - least + 1) * ranks - 1;
    if (most < PART) {
      if (ranks === 1) for (let i = 0; i < count; i++) low[i] = page[i] - least;
      else for (let i = 0; i < count; i++) low[i] = ((page[i] - least) << 2) + 3 - access[i];
      this.#passes(low, most, count);
      return this.#order;
    }
    const high = this.#high;
    for (let i = 0; i < count; i++) {
      const rank = (page[i] - least) * ranks + (ranks === 1 ? 0 : 3 - access[i]);
      high[i] = rank / PART;
      low[i] = rank - high[i] * PART;
    }
    this.#passes(low, PART - 1, count);
    this.#passes(high, Math.floor(most / PART), count);
    return this.#order;
  }

  /** Orders the entries by ranks of at most `most`, and those with the same one as they were. */
  #passes(ranks: Int32Array, most: number, count: number): void {
    const bits = 32 - Math.clz32(most);
    // No more digits than there have to be, and no more bits of a digit: a pass goes over all its values, too.
    const digitBits = Math.ceil(bits / Math.ceil(bits / MOST_DIGIT_BITS));
    for (let shift = 0; shift < bits; shift += digitBits) this.#pass(ranks, shift, 1 << digitBits, count);
  }

  /** Orders the entries by one digit, and those with the same one as they were. */
  #pass(ranks: Int32Array, shift: number, digits: number, count: number): void {
    const next = this.#next;
    const from = this.#order;
    const to = this.#other;
    const mask = digits - 1;
    next.fill(0, 0, digits);
    for (let i = 0; i < count; i++) next[(ranks[i] >> shift) & mask]++;
    for (let digit = 0, at = 0; digit < digits; digit++) {
      const here = next[digit];
      next[digit] = at;
      at += here;
    }
    for (let k = 0; k < count; k++) {
      const i = from[k];
      to[next[(ranks[i] >> shift) & mask]++] = i;
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
