/**
 * The pages that a retry CAM holds: filled and emptied at each batch of faults, so it may not allocate. Open addressing; a
 * page is in the set when its stamp is that of the present round.
 */

const FIRST_ROOM = 1024;
/** 2^32 / golden ratio: spreads neighbouring pages. */
const SPREAD = 0x9e3779b1 | 0;

export class HeldPages {
  #pages = new Float64Array(FIRST_ROOM);
  #stamps = new Int32Array(FIRST_ROOM);
  #round = 1;
  #count = 0;

  has(page: number): boolean {
    return this.#stamps[this.#place(page)] === this.#round;
  }

  /** Of a page that is not there. */
  add(page: number): void {
    if (2 * this.#count >= this.#stamps.length) this.#grow();
    const i = this.#place(page);
    this.#pages[i] = page;
    this.#stamps[i] = this.#round;
    this.#count++;
  }

  clear(): void {
    this.#count = 0;
    this.#round++;
    if (this.#round < 2 ** 31 - 1) return;
    this.#stamps.fill(0);
    this.#round = 1;
  }

  /** Where the page is, or where it would go. */
  #place(page: number): number {
    const stamps = this.#stamps;
    const last = stamps.length - 1;
    let i = (Math.imul(page | 0, SPREAD) >>> 12) & last;
    while (stamps[i] === this.#round && this.#pages[i] !== page) i = (i + 1) & last;
    return i;
  }

  #grow(): void {
    const pages = this.#pages;
    const stamps = this.#stamps;
    this.#pages = new Float64Array(2 * pages.length);
    this.#stamps = new Int32Array(2 * stamps.length);
    for (let from = 0; from < stamps.length; from++) {
      if (stamps[from] !== this.#round) continue;
      const to = this.#place(pages[from]);
      this.#pages[to] = pages[from];
      this.#stamps[to] = this.#round;
    }
  }
}
