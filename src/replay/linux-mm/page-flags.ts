/** Sparse sets of pages over the whole address space: one mask per 2 MiB block that has any. */

import {
  addPage,
  addRange,
  andNotMask,
  BLOCK_PAGES,
  blockOf,
  hasPage,
  isEmptyMask,
  newMask,
  orMask,
  type PageMask,
  pageInBlock,
  releaseScratch,
  removeRange,
  scratchMark,
} from '../mask.ts';

/** Last page up to `lastPage` in the block of `page`. */
export function endInBlock(page: number, lastPage: number): number {
  return Math.min(lastPage, blockOf(page) * BLOCK_PAGES + BLOCK_PAGES - 1);
}

/**
 * Calls `visit(block, from, to)` for each block that first..last meets; `from` and `to` are pages inside the block.
 * Scratch masks that a visit takes end with it.
 */
export function forEachBlock(
  firstPage: number,
  lastPage: number,
  visit: (block: number, from: number, to: number) => void,
): void {
  for (let page = firstPage; page <= lastPage; ) {
    const end = endInBlock(page, lastPage);
    const mark = scratchMark();
    visit(blockOf(page), pageInBlock(page), pageInBlock(end));
    releaseScratch(mark);
    page = end + 1;
  }
}

export class PageFlags {
  readonly #blocks = new Map<number, PageMask>();
  /** Masks of blocks that became empty: flags that come and go with every fault make no new ones. */
  readonly #spare: PageMask[] = [];

  get isEmpty(): boolean {
    return this.#blocks.size === 0;
  }

  has(page: number): boolean {
    if (this.#blocks.size === 0) return false;
    const mask = this.#blocks.get(blockOf(page));
    return mask !== undefined && hasPage(mask, pageInBlock(page));
  }

  /** Last page up to `lastPage` that is in the set, or out of it, like `page`. */
  endOfLike(page: number, lastPage: number): number {
    if (this.#blocks.size === 0) return lastPage;
    const like = this.has(page);
    let end = page;
    while (end < lastPage && this.has(end + 1) === like) end++;
    return end;
  }

  /** The block's set, null when empty. Not to be changed by the caller. */
  mask(block: number): PageMask | null {
    if (this.#blocks.size === 0) return null;
    return this.#blocks.get(block) ?? null;
  }

  addMask(block: number, mask: PageMask): void {
    if (!isEmptyMask(mask)) orMask(this.#own(block), mask);
  }

  removeMask(block: number, mask: PageMask): void {
    if (this.#blocks.size === 0) return;
    const own = this.#blocks.get(block);
    if (own !== undefined) this.#dropIfEmpty(block, andNotMask(own, mask));
  }

  addPage(page: number): void {
    addPage(this.#own(blockOf(page)), pageInBlock(page));
  }

  add(firstPage: number, lastPage: number): void {
    for (let page = firstPage; page <= lastPage; ) {
      const end = endInBlock(page, lastPage);
      addRange(this.#own(blockOf(page)), pageInBlock(page), pageInBlock(end));
      page = end + 1;
    }
  }

  remove(firstPage: number, lastPage: number): void {
    for (let page = firstPage; page <= lastPage && this.#blocks.size > 0; ) {
      const end = endInBlock(page, lastPage);
      const block = blockOf(page);
      const own = this.#blocks.get(block);
      if (own !== undefined) this.#dropIfEmpty(block, removeRange(own, pageInBlock(page), pageInBlock(end)));
      page = end + 1;
    }
  }

  /** The mask of a block that is about to have pages. */
  #own(block: number): PageMask {
    const known = this.#blocks.get(block);
    if (known !== undefined) return known;
    const own = this.#spare.pop() ?? newMask();
    this.#blocks.set(block, own);
    return own;
  }

  #dropIfEmpty(block: number, own: PageMask): void {
    if (!isEmptyMask(own)) return;
    this.#blocks.delete(block);
    this.#spare.push(own);
  }
}
