/**
 * Intervals of pages that never overlap, by address: what an interval tree of a driver holds. An interval may shrink
 * in place (its order does not change); one that is replaced by larger ones is removed and added.
 */

export interface Interval {
  first: number;
  last: number;
}

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

  remove(interval: T): void {
    const at = this.#lowerBound(interval.first);
    if (this.#sorted[at] === interval) this.#sorted.splice(at, 1);
  }

  /** The interval that holds `page`, or null. */
  at(page: number): T | null {
    const found = this.#sorted[this.#lowerBound(page)];
    return found !== undefined && found.first <= page ? found : null;
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
