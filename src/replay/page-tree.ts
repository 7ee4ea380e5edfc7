/**
 * A binary tree over the pages of (a part of) one block that answers one question: which is the largest aligned
 * subtree above a page that is full by more than a given share? Leaves are pages; the last node of each level is
 * clipped to the leaves that exist, so shares are over real pages. Counts are taken from the bits on demand.
 */

import { MASK_WORDS, type PageMask, popcount32 } from './mask.ts';

export class PageTree {
  leaves = 0;
  /** Leaves that the root would have if none were missing: a power of two. */
  #span = 1;
  #bits: PageMask = new Int32Array(MASK_WORDS);
  /** Set leaves before each word. */
  readonly #before = new Uint16Array(MASK_WORDS + 1);

  /** Takes `bits` (leaf 0 in bit 0), which must hold nothing at or above `leaves` and stay unchanged during queries. */
  load(bits: PageMask, leaves: number): void {
    this.leaves = leaves;
    this.#span = 1;
    while (this.#span < leaves) this.#span *= 2;
    this.#bits = bits;
    for (let w = 0; w < MASK_WORDS; w++) this.#before[w + 1] = this.#before[w] + popcount32(bits[w]);
  }

  #count(first: number, size: number): number {
    if (size >= 32) return this.#before[Math.min(MASK_WORDS, (first + size) >> 5)] - this.#before[first >> 5];
    const inWord = (this.#bits[first >> 5] >>> (first & 31)) & (2 ** size - 1);
    return popcount32(inWord);
  }

  /**
   * The largest node above `leaf` with set / leaves x 100 > `percent`; smaller nodes on the way need not pass.
   * Returns first leaf x 1024 + end leaf (exclusive), or -1 when no node passes.
   */
  densest(leaf: number, percent: number): number {
    for (let size = this.#span; size > 0; size >>= 1) {
      const first = leaf & -size;
      const end = Math.min(first + size, this.leaves);
      if (this.#count(first, size) * 100 > (end - first) * percent) return first * 1024 + end;
    }
    return -1;
  }
}
