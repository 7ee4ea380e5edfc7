/**
 * What each 4 KiB page cost. Pages of a 2 MiB block that have cost the same so far are one entry, so that a block which
 * always moves whole takes one, and no trace takes more than an entry a page.
 */

import { BLOCK_PAGES, blockOf } from '../../replay/mask.ts';

/** Of one page. */
export interface PageCost {
  /** Time that actors stood still for it. */
  readonly stallNs: number;
  readonly remoteBytes: number;
  readonly copies: number;
  readonly faults: number;
  readonly evictions: number;
}

/** Neighbouring pages that cost the same. */
export interface PageRange {
  readonly firstPage: number;
  readonly pages: number;
  /** Of each of them. */
  readonly each: PageCost;
}

const NONE = -1;

export class PageCosts {
  private used = 0;
  // An entry: pages first..last of its block, what each of them cost, and the next entry of the block by address.
  private first = new Uint16Array(64);
  private last = new Uint16Array(64);
  private next = new Int32Array(64);
  private stallNs = new Float64Array(64);
  private remoteBytes = new Float64Array(64);
  private copies = new Uint32Array(64);
  private faults = new Uint32Array(64);
  private evictions = new Uint32Array(64);
  private readonly firstOfBlock = new Map<number, number>();
  /** Entry that was added to last: neighbours often follow each other. */
  private recent = NONE;
  private recentBlock = NONE;

  get entries(): number {
    return this.used;
  }

  /** Each page of the span costs so much more. */
  add(firstPage: number, lastPage: number, each: Partial<PageCost>): void {
    const lastBlock = blockOf(lastPage);
    for (let block = blockOf(firstPage); block <= lastBlock; block++) {
      const start = block * BLOCK_PAGES;
      this.addInBlock(block, Math.max(firstPage - start, 0), Math.min(lastPage - start, BLOCK_PAGES - 1), each);
    }
  }

  private addInBlock(block: number, from: number, to: number, each: Partial<PageCost>): void {
    const near = this.recentBlock === block && this.first[this.recent] <= from;
    let before = NONE;
    let entry = near ? this.recent : (this.firstOfBlock.get(block) ?? NONE);
    for (let page = from; page <= to; page = this.last[before] + 1) {
      while (entry !== NONE && this.last[entry] < page) {
        before = entry;
        entry = this.next[entry];
      }
      if (entry === NONE || this.first[entry] > page) {
        const made = this.make(page, entry === NONE ? to : Math.min(to, this.first[entry] - 1), entry);
        if (before === NONE) this.firstOfBlock.set(block, made);
        else this.next[before] = made;
        entry = made;
      } else if (this.first[entry] < page) entry = this.split(entry, page);
      if (this.last[entry] > to) this.split(entry, to + 1);
      this.raise(entry, each);
      before = entry;
      entry = this.next[entry];
    }
    this.recent = before;
    this.recentBlock = block;
  }

  private raise(entry: number, each: Partial<PageCost>): void {
    this.stallNs[entry] += each.stallNs ?? 0;
    this.remoteBytes[entry] += each.remoteBytes ?? 0;
    this.copies[entry] += each.copies ?? 0;
    this.faults[entry] += each.faults ?? 0;
    this.evictions[entry] += each.evictions ?? 0;
  }

  private make(first: number, last: number, next: number): number {
    if (this.used === this.first.length) this.grow();
    const entry = this.used++;
    this.first[entry] = first;
    this.last[entry] = last;
    this.next[entry] = next;
    return entry;
  }

  /** Cuts an entry in two; gives the second, which begins at `page`. */
  private split(entry: number, page: number): number {
    const second = this.make(page, this.last[entry], this.next[entry]);
    this.last[entry] = page - 1;
    this.next[entry] = second;
    this.stallNs[second] = this.stallNs[entry];
    this.remoteBytes[second] = this.remoteBytes[entry];
    this.copies[second] = this.copies[entry];
    this.faults[second] = this.faults[entry];
    this.evictions[second] = this.evictions[entry];
    return second;
  }

  private grow(): void {
    const room = this.used * 2;
    this.first = longer(this.first, new Uint16Array(room));
    this.last = longer(this.last, new Uint16Array(room));
    this.next = longer(this.next, new Int32Array(room));
    this.stallNs = longer(this.stallNs, new Float64Array(room));
    this.remoteBytes = longer(this.remoteBytes, new Float64Array(room));
    this.copies = longer(this.copies, new Uint32Array(room));
    this.faults = longer(this.faults, new Uint32Array(room));
    this.evictions = longer(this.evictions, new Uint32Array(room));
  }

  /** In address order; neighbours of the same cost are one range, across blocks too. */
  *ranges(): Generator<PageRange> {
    let open: { firstPage: number; pages: number; each: PageCost } | null = null;
    for (const block of [...this.firstOfBlock.keys()].sort((a, b) => a - b)) {
      for (let entry = this.firstOfBlock.get(block)!; entry !== NONE; entry = this.next[entry]) {
        const firstPage = block * BLOCK_PAGES + this.first[entry];
        const pages = this.last[entry] - this.first[entry] + 1;
        const each = this.costOf(entry);
        if (open !== null && open.firstPage + open.pages === firstPage && alike(open.each, each)) {
          open.pages += pages;
          continue;
        }
        if (open !== null) yield open;
        open = { firstPage, pages, each };
      }
    }
    if (open !== null) yield open;
  }

  private costOf(entry: number): PageCost {
    return {
      stallNs: this.stallNs[entry],
      remoteBytes: this.remoteBytes[entry],
      copies: this.copies[entry],
      faults: this.faults[entry],
      evictions: this.evictions[entry],
    };
  }
}

export function isNothing({ stallNs, remoteBytes, copies, faults, evictions }: PageCost): boolean {
  return stallNs === 0 && remoteBytes === 0 && copies === 0 && faults === 0 && evictions === 0;
}

function alike(a: PageCost, b: PageCost): boolean {
  return (
    a.stallNs === b.stallNs &&
    a.remoteBytes === b.remoteBytes &&
    a.copies === b.copies &&
    a.faults === b.faults &&
    a.evictions === b.evictions
  );
}

function longer<T extends Uint16Array | Uint32Array | Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
