/** Wake-ups ordered by time, then by request: a binary heap over plain arrays. */
export class Timers {
  private readonly times: number[] = [];
  private readonly orders: number[] = [];
  private readonly tokens: number[] = [];

  get nextNs(): number {
    return this.times.length > 0 ? this.times[0] : Number.POSITIVE_INFINITY;
  }
  /** Order number of the next wake-up; only with one waiting. */
  get nextOrder(): number {
    return this.orders[0];
  }

  add(timeNs: number, order: number, token: number): void {
    let i = this.times.length;
    this.times.push(timeNs);
    this.orders.push(order);
    this.tokens.push(token);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.before(i, parent)) break;
      this.swap(i, parent);
      i = parent;
    }
  }

  /** Removes the next wake-up and gives its token. */
  take(): number {
    const token = this.tokens[0];
    this.removeAt(0);
    return token;
  }

  cancel(token: number): void {
    for (let i = this.tokens.indexOf(token); i >= 0; i = this.tokens.indexOf(token)) this.removeAt(i);
  }

  private removeAt(i: number): void {
    const last = this.times.length - 1;
    if (i !== last) this.swap(i, last);
    this.times.pop();
    this.orders.pop();
    this.tokens.pop();
    if (i >= last) return;
    this.sink(i);
    while (i > 0 && this.before(i, (i - 1) >> 1)) {
      this.swap(i, (i - 1) >> 1);
      i = (i - 1) >> 1;
    }
  }

  private sink(start: number): void {
    let i = start;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= this.times.length) return;
      if (child + 1 < this.times.length && this.before(child + 1, child)) child++;
      if (!this.before(child, i)) return;
      this.swap(i, child);
      i = child;
    }
  }

  private before(a: number, b: number): boolean {
    return this.times[a] < this.times[b] || (this.times[a] === this.times[b] && this.orders[a] < this.orders[b]);
  }

  private swap(a: number, b: number): void {
    for (const column of [this.times, this.orders, this.tokens]) [column[a], column[b]] = [column[b], column[a]];
  }
}
