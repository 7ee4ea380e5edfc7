/** Which allocations a range of pages belongs to, at some record: addresses are used again. */

import { BLOCK_PAGES } from '../../replay/mask.ts';
import type { Allocation } from '../../trace/compiled.ts';
import type { Span } from './span.ts';

export type Share = readonly [allocation: number, pages: number];

export class Owners {
  /** Allocations that meet each block, oldest first. */
  private readonly inBlock = new Map<number, Allocation[]>();

  constructor(allocations: readonly Allocation[]) {
    for (const allocation of allocations) {
      const last = Math.floor(allocation.lastPage / BLOCK_PAGES);
      for (let block = Math.floor(allocation.firstPage / BLOCK_PAGES); block <= last; block++) {
        const list = this.inBlock.get(block);
        if (list === undefined) this.inBlock.set(block, [allocation]);
        else list.push(allocation);
      }
    }
  }

  /** Pages of each allocation in a span inside one block: the newest made before `record` owns a page. */
  sharesOf(block: number, span: Span, record: number): Share[] {
    const found = this.inBlock.get(block) ?? [];
    const shares: Share[] = [];
    const taken = new Uint8Array(BLOCK_PAGES);
    let free = span.lastPage - span.firstPage + 1;
    for (let i = found.length - 1; i >= 0 && free > 0; i--) {
      const { id, firstPage, lastPage, record: made } = found[i];
      if (made > record) continue;
      let pages = 0;
      const last = Math.min(lastPage, span.lastPage);
      for (let page = Math.max(firstPage, span.firstPage); page <= last; page++) {
        if (taken[page - block * BLOCK_PAGES]++ === 0) pages++;
      }
      if (pages > 0) shares.push([id, pages]);
      free -= pages;
    }
    return shares;
  }
}
