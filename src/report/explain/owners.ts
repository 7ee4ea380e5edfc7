/** Which allocation a page belongs to as a run goes by: addresses are used again, and the newest allocation owns them. */

import type { Allocation } from '../../trace/compiled.ts';

type Made = Pick<Allocation, 'id' | 'firstPage' | 'lastPage' | 'record'>;

interface Piece {
  readonly firstPage: number;
  readonly lastPage: number;
  readonly id: number;
}

export class Owners {
  /** In address order, disjoint. Freed memory keeps its owner until somebody else gets it. */
  private pieces: Piece[] = [];
  private made = 0;

  /** `allocations` in the order of their making. */
  constructor(private readonly allocations: readonly Made[]) {}

  /** Everything allocated up to this record owns its pages from now on. */
  reach(record: number): void {
    for (; this.made < this.allocations.length && this.allocations[this.made].record <= record; this.made++) {
      const { firstPage, lastPage, id } = this.allocations[this.made];
      const first = this.firstEndingAt(firstPage);
      let end = first;
      const kept: Piece[] = [];
      for (; end < this.pieces.length && this.pieces[end].firstPage <= lastPage; end++) {
        const old = this.pieces[end];
        if (old.firstPage < firstPage) kept.push({ ...old, lastPage: firstPage - 1 });
        if (old.lastPage > lastPage) kept.push({ ...old, firstPage: lastPage + 1 });
      }
      kept.push({ firstPage, lastPage, id });
      kept.sort((a, b) => a.firstPage - b.firstPage);
      this.pieces.splice(first, end - first, ...kept);
    }
  }

  /** Pages of each allocation in a span. What no allocation owns is left out. */
  sharesOf(firstPage: number, lastPage: number): { readonly id: number; readonly pages: number }[] {
    const shares: { id: number; pages: number }[] = [];
    for (let i = this.firstEndingAt(firstPage); i < this.pieces.length; i++) {
      const piece = this.pieces[i];
      if (piece.firstPage > lastPage) break;
      const pages = Math.min(piece.lastPage, lastPage) - Math.max(piece.firstPage, firstPage) + 1;
      const same = shares.find(({ id }) => id === piece.id);
      if (same === undefined) shares.push({ id: piece.id, pages });
      else same.pages += pages;
    }
    return shares;
  }

  /** Index of the first piece that ends at this page or behind it. */
  private firstEndingAt(page: number): number {
    let low = 0;
    let high = this.pieces.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.pieces[middle].lastPage < page) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
