/**
 * Intervals of pages that never overlap, by address: what an interval tree of a driver holds. An interval may shrink
 * in place (its order does not change); one that is replaced by larger ones is removed and added.
 */

export interface Interval {
  first: number;
  last: number;
}

const PORTION = 10_000;

export class IntervalSet<T extends Interval> implements Iterable<T> {
  readonly #sorted: T[] = [];

  get size(): number {
    return this.#sorted.length;
  }

  /** Index of the first interval that ends at or after `page`. */
  #lowerBound(page: number): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sorted[middle].last < page) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  add(interval: T): void {
    const at = this.#lowerBound(interval.first);
    const next = this.#sorted[at];
    if (next !== undefined && next.first <= interval.last) {
      throw new Error(`interval ${interval.first}..${interval.last} meets ${next.first}..${next.last}`);
    }
    this.#sorted.splice(at, 0, interval);
  }

  /** Many at once, in any order: those that go between the same two neighbours are put there together. */
  addAll(intervals: readonly T[]): void {
    const ascending = [...intervals].sort((a, b) => a.first - b.first);
    for (let i = 0; i < ascending.length; ) {
      const at = this.#lowerBound(ascending[i].first);
      const next = this.#sorted[at];
      const start = i++;
      while (i < ascending.length && (next === undefined || ascending[i].first < next.first)) i++;
      for (let k = start; k < i; k++) {
        const after = k + 1 < i ? ascending[k + 1] : next;
        if (after === undefined || after.first > ascending[k].last) continue;
        throw new Error(`interval ${ascending[k].first}..${ascending[k].last} meets ${after.first}..${after.last}`);
      }
      // In portions: the arguments of one call are limited.
      for (let k = start; k < i; k += PORTION) {
        this.#sorted.splice(at + k - start, 0, ...ascending.slice(k, Math.min(i, k + PORTION)));
      }
    }
  }

  remove(interval: T): void {
    const at = this.#lowerBound(interval.first);
    if (this.#sorted[at] === interval) this.#sorted.splice(at, 1);
  }

  removeAll(intervals: readonly T[]): void {
    if (intervals.length < 8) {
      for (const interval of intervals) this.remove(interval);
      return;
    }
    const gone = new Set(intervals);
    let kept = 0;
    for (const interval of this.#sorted) if (!gone.has(interval)) this.#sorted[kept++] = interval;
    this.#sorted.length = kept;
  }

  /** The interval that holds `page`, or null. */
  at(page: number): T | null {
    const found = this.#sorted[this.#lowerBound(page)];
    return found !== undefined && found.first <= page ? found : null;
  }

  /** For a walk by index that changes nothing: the first interval that ends at or after `page`; may be `size`. */
  indexFrom(page: number): number {
    return this.#lowerBound(page);
  }

  /** The interval at an index below `size`. */
  get(index: number): T {
    return this.#sorted[index];
  }

  /** Does some interval meet first..last? */
  meets(first: number, last: number): boolean {
    const found = this.#sorted[this.#lowerBound(first)];
    return found !== undefined && found.first <= last;
  }

  /** The first interval that begins after `page`, or null. */
  after(page: number): T | null {
    let at = this.#lowerBound(page);
    if (at < this.#sorted.length && this.#sorted[at].first <= page) at++;
    return this.#sorted[at] ?? null;
  }

  /** The last interval that ends before `page`, or null. */
  before(page: number): T | null {
    return this.#sorted[this.#lowerBound(page) - 1] ?? null;
  }

  /** Intervals that meet first..last, by address, as a list of their own: the set may change while it is walked. */
  meeting(first: number, last: number): T[] {
    const found: T[] = [];
    for (let i = this.#lowerBound(first); i < this.#sorted.length && this.#sorted[i].first <= last; i++) {
      found.push(this.#sorted[i]);
    }
    return found;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#sorted[Symbol.iterator]();
  }
}
