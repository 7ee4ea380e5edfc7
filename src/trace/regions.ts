/** The live parts of allocations, by address. Parts never overlap; `free` shortens and splits them as munmap does. */

export interface Region {
  readonly firstPage: number;
  readonly lastPage: number;
  readonly allocation: number;
}

export class Regions {
  readonly #first: number[] = [];
  readonly #last: number[] = [];
  readonly #allocation: number[] = [];

  get size(): number {
    return this.#first.length;
  }

  at(index: number): Region {
    return { firstPage: this.#first[index], lastPage: this.#last[index], allocation: this.#allocation[index] };
  }

  /** Index of the first region that ends at or after `page` (it may begin later), or `size`. */
  seek(page: number): number {
    const last = this.#last;
    let low = 0;
    let high = last.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (last[middle] < page) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Index of some region with a page in first..last, or -1: the lowest. */
  meeting(firstPage: number, lastPage: number): number {
    const index = this.seek(firstPage);
    return index < this.#first.length && this.#first[index] <= lastPage ? index : -1;
  }

  /** The range must be free. */
  insert(firstPage: number, lastPage: number, allocation: number): void {
    const index = this.seek(firstPage);
    this.#first.splice(index, 0, firstPage);
    this.#last.splice(index, 0, lastPage);
    this.#allocation.splice(index, 0, allocation);
  }

  /** Takes first..last out; returns what was live there, by address. */
  remove(firstPage: number, lastPage: number): Region[] {
    const removed: Region[] = [];
    const kept: Region[] = [];
    const begin = this.seek(firstPage);
    let end = begin;
    for (; end < this.#first.length && this.#first[end] <= lastPage; end++) {
      const region = this.at(end);
      const { allocation } = region;
      removed.push({
        firstPage: Math.max(region.firstPage, firstPage),
        lastPage: Math.min(region.lastPage, lastPage),
        allocation,
      });
      if (region.firstPage < firstPage) kept.push({ firstPage: region.firstPage, lastPage: firstPage - 1, allocation });
      if (region.lastPage > lastPage) kept.push({ firstPage: lastPage + 1, lastPage: region.lastPage, allocation });
    }
    this.#first.splice(begin, end - begin, ...kept.map((r) => r.firstPage));
    this.#last.splice(begin, end - begin, ...kept.map((r) => r.lastPage));
    this.#allocation.splice(begin, end - begin, ...kept.map((r) => r.allocation));
    return removed;
  }
}
