/** Sparse sets of pages over the whole address space: one mask per 2 MiB block that has any. */

import { addRange, andNotMask, BLOCK_PAGES, hasPage, isEmptyMask, newMask, orMask, type PageMask } from '../mask.ts';

export const blockOf = (page: number): number => Math.floor(page / BLOCK_PAGES);

/** Calls `visit(block, from, to)` for each block that first..last meets; `from` and `to` are pages inside the block. */
export function forEachBlock(
  firstPage: number,
  lastPage: number,
  visit: (block: number, from: number, to: number) => void,
): void {
  for (let page = firstPage; page <= lastPage; ) {
    const block = blockOf(page);
    const end = Math.min(lastPage, block * BLOCK_PAGES + BLOCK_PAGES - 1);
    visit(block, page % BLOCK_PAGES, end % BLOCK_PAGES);
    page = end + 1;
  }
}

export class PageFlags {
  readonly #blocks = new Map<number, PageMask>();

  has(page: number): boolean {
    if (this.#blocks.size === 0) return false;
    const mask = this.#blocks.get(blockOf(page));
    return mask !== undefined && hasPage(mask, page % BLOCK_PAGES);
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
    return this.#blocks.get(block) ?? null;
  }

  addMask(block: number, mask: PageMask): void {
    if (isEmptyMask(mask)) return;
    const own = this.#blocks.get(block);
    if (own === undefined) this.#blocks.set(block, orMask(newMask(), mask));
    else orMask(own, mask);
  }

  removeMask(block: number, mask: PageMask): void {
    const own = this.#blocks.get(block);
    if (own === undefined) return;
    andNotMask(own, mask);
    if (isEmptyMask(own)) this.#blocks.delete(block);
  }

  add(firstPage: number, lastPage: number): void {
    forEachBlock(firstPage, lastPage, (block, from, to) => this.addMask(block, addRange(newMask(), from, to)));
  }

  remove(firstPage: number, lastPage: number): void {
    if (this.#blocks.size === 0) return;
    forEachBlock(firstPage, lastPage, (block, from, to) => this.removeMask(block, addRange(newMask(), from, to)));
  }
}
