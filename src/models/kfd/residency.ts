/** Walks over pages, block by block. */

import {
  addRange,
  BLOCK_PAGES,
  countPagesIn,
  newMask,
  nextPage,
  type PageMask,
  pageInBlock,
} from '../../replay/mask.ts';
import type { Svms } from './types.ts';

/** Calls `visit(block, mask)` for each 2 MiB block that first..last meets; the mask is used again. */
export function forEachBlock(first: number, last: number, visit: (block: number, mask: PageMask) => void): void {
  const mask = newMask();
  for (let page = first; page <= last; ) {
    const block = Math.floor(page / BLOCK_PAGES);
    const end = Math.min(last, (block + 1) * BLOCK_PAGES - 1);
    addRange(mask.fill(0), pageInBlock(page), pageInBlock(end));
    visit(block, mask);
    page = end + 1;
  }
}

/** Pages of first..last that are on `gpu`. */
export function countVramPages(svms: Svms, gpu: number, first: number, last: number): number {
  const resident = newMask();
  let pages = 0;
  for (let page = first; page <= last; ) {
    const block = Math.floor(page / BLOCK_PAGES);
    const end = Math.min(last, (block + 1) * BLOCK_PAGES - 1);
    svms.core.residentMask(gpu, block, resident);
    pages += countPagesIn(resident, pageInBlock(page), pageInBlock(end));
    page = end + 1;
  }
  return pages;
}

/** First page of first..last that is on `gpu`, or -1. */
export function firstOn(svms: Svms, gpu: number, first: number, last: number): number {
  const resident = newMask();
  for (let page = first; page <= last; ) {
    const block = Math.floor(page / BLOCK_PAGES);
    const found = nextPage(svms.core.residentMask(gpu, block, resident), pageInBlock(page));
    if (found >= 0) return block * BLOCK_PAGES + found <= last ? block * BLOCK_PAGES + found : -1;
    page = (block + 1) * BLOCK_PAGES;
  }
  return -1;
}
