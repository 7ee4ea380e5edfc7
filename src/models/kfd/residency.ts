/** Walks over pages, block by block. */

import {
  BLOCK_PAGES,
  blockOf,
  countPagesIn,
  nextPage,
  type PageMask,
  pageInBlock,
  releaseScratch,
  scratchMark,
  scratchMask,
  setRange,
} from '../../replay/mask.ts';
import type { Svms } from './types.ts';

/** Makes `mask` the pages of page..last that lie in the block of `page`; gives the page after them. */
export function takeBlock(mask: PageMask, page: number, last: number): number {
  const end = Math.min(last, (blockOf(page) + 1) * BLOCK_PAGES - 1);
  setRange(mask, pageInBlock(page), pageInBlock(end));
  return end + 1;
}

/**
 * Calls `visit(block, mask)` for each 2 MiB block that first..last meets; the mask is used again. Scratch masks that
 * `visit` takes are given back at the end.
 */
export function forEachBlock(first: number, last: number, visit: (block: number, mask: PageMask) => void): void {
  const mark = scratchMark();
  const mask = scratchMask();
  for (let page = first; page <= last; ) {
    const block = blockOf(page);
    page = takeBlock(mask, page, last);
    visit(block, mask);
  }
  releaseScratch(mark);
}

/** Pages of first..last that are on `gpu`. */
export function countVramPages(svms: Svms, gpu: number, first: number, last: number): number {
  const mark = scratchMark();
  const resident = scratchMask();
  let pages = 0;
  for (let page = first; page <= last; ) {
    const block = blockOf(page);
    const end = Math.min(last, (block + 1) * BLOCK_PAGES - 1);
    svms.core.residentMask(gpu, block, resident);
    pages += countPagesIn(resident, pageInBlock(page), pageInBlock(end));
    page = end + 1;
  }
  releaseScratch(mark);
  return pages;
}

/** First page of first..last that is on `gpu`, or -1. */
export function firstOn(svms: Svms, gpu: number, first: number, last: number): number {
  const mark = scratchMark();
  const resident = scratchMask();
  let found = -1;
  for (let page = first; page <= last && found < 0; ) {
    const block = blockOf(page);
    const inBlock = nextPage(svms.core.residentMask(gpu, block, resident), pageInBlock(page));
    if (inBlock >= 0) found = block * BLOCK_PAGES + inBlock;
    page = (block + 1) * BLOCK_PAGES;
  }
  releaseScratch(mark);
  return found <= last ? found : -1;
}
