/** The order in which a driver looks at its fault buffer: by page, the stronger access of a page first. */

import type { FaultBuffer } from '../../replay/faults.ts';

export class FaultOrder {
  #order = new Int32Array(0);
  #merged = new Int32Array(0);
  /** What is sorted by, of each entry: page and access in one number. */
  #rank = new Float64Array(0);

  /** Indices of the entries in that order; of equals the one raised first. Valid until the next call. */
  sort({ count, page, access }: FaultBuffer): Int32Array {
    if (count > this.#order.length) this.#grow(count);
    const rank = this.#rank;
    for (let i = 0; i < count; i++) {
      this.#order[i] = i;
      rank[i] = page[i] * 4 - access[i];
    }
    let from = this.#order;
    let to = this.#merged;
    for (let length = 1; length < count; length *= 2) {
      for (let at = 0; at < count; at += 2 * length) {
        merge(from, to, rank, at, Math.min(at + length, count), Math.min(at + 2 * length, count));
      }
      [from, to] = [to, from];
    }
    return from;
  }

  #grow(count: number): void {
    this.#order = new Int32Array(count);
    this.#merged = new Int32Array(count);
    this.#rank = new Float64Array(count);
  }
}

/** Merges the sorted parts first..middle-1 and middle..end-1. */
function merge(from: Int32Array, to: Int32Array, rank: Float64Array, first: number, middle: number, end: number): void {
  let left = first;
  let right = middle;
  for (let at = first; at < end; at++) {
    const takeLeft = right >= end || (left < middle && rank[from[left]] <= rank[from[right]]);
    to[at] = takeLeft ? from[left++] : from[right++];
  }
}
