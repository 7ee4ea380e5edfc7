/** Picking the dearest of many, and rounding their times so that they add up. */

/** Keeps the first `n` by `compare` of all that are offered. */
export class Dearest<T extends { readonly ns: number }> {
  private kept: T[] = [];
  private offered = 0;
  private offeredNs = 0;
  private readonly weights = new Map<T, number>();

  constructor(
    private readonly n: number,
    private readonly compare: (a: T, b: T) => number,
  ) {}

  /** `weight`: as how many it counts. */
  offer(item: T, weight: number): void {
    this.offered += weight;
    this.offeredNs += item.ns;
    this.weights.set(item, weight);
    this.kept.push(item);
    if (this.kept.length >= 2 * this.n + 1000) this.trim();
  }

  private trim(): void {
    this.kept.sort(this.compare);
    for (const item of this.kept.splice(this.n)) this.weights.delete(item);
  }

  found(): readonly T[] {
    this.trim();
    return this.kept;
  }

  /** How many were offered and are not among the found, and their time. */
  others(): { readonly others: number; readonly othersNs: number } {
    const found = this.found();
    return {
      others: this.offered - found.reduce((sum, item) => sum + (this.weights.get(item) ?? 0), 0),
      othersNs: this.offeredNs - found.reduce((sum, item) => sum + item.ns, 0),
    };
  }
}

/** Whole nanoseconds of one share after the other, none off by more than one: together they are the rounded sum. */
export class WholeNs {
  private exact = 0;
  /** Given so far. */
  total = 0;

  next(ns: number): number {
    this.exact += ns;
    const whole = Math.round(this.exact) - this.total;
    this.total += whole;
    return whole;
  }
}
