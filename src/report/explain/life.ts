/** The life of one page in one run, and where the lives of a page in several stacks part. */

import type { CostListener, EventLine, Stop } from '../../replay/lane.ts';
import { Biller } from './bill.ts';
import { WholeNs } from './ranking.ts';
import { pagesOf, spanOf } from './span.ts';

/** A page that is fought over may have as many lines as the trace has records; more than this nobody reads. */
const MOST_LINES = 10_000;

/** A line of the event stream, and what this page paid for it. */
export type LifeLine = EventLine & { readonly costNs: number };

export interface Life {
  /** In the order of their times; of one time, as they happened. Whole costs, which add up to `costNs - remoteNs`. */
  readonly lines: readonly LifeLine[];
  /** Lines after these that were not kept, and their costs. */
  readonly left: number;
  readonly leftNs: number;
  /** Bytes of this page that went over a link without migration, and their time. */
  readonly remoteBytes: number;
  readonly remoteNs: number;
  /** What the page cost in all. */
  readonly costNs: number;
}

export class LifeObserver implements CostListener {
  private readonly lines: EventLine[] = [];
  private readonly costs = new Map<EventLine, number>();
  private left = 0;
  private stallNs = 0;
  private remoteBytes = 0;
  private readonly biller = new Biller(this);

  constructor(
    private readonly page: number,
    private readonly remoteBytesPerNs: number,
  ) {}

  add(line: EventLine): void {
    this.biller.add(line);
    if (!this.covers(line)) return;
    if (this.lines.length < MOST_LINES) this.lines.push(line);
    else this.left++;
  }

  stop(stop: Stop): void {
    this.biller.stop(stop);
  }

  remote(page: number, bytes: number): void {
    if (page === this.page) this.remoteBytes += bytes;
  }

  charge(line: EventLine, ns: number): void {
    if (!this.covers(line)) return;
    const share = ns / pagesOf(line);
    this.stallNs += share;
    this.costs.set(line, (this.costs.get(line) ?? 0) + share);
  }

  elsewhere(): void {}

  private covers(line: EventLine): boolean {
    const span = spanOf(line);
    return span !== null && span.firstPage <= this.page && this.page <= span.lastPage;
  }

  /** A `fault` line comes after what was done for it but bears the time when it was raised: it goes first. */
  found(): Life {
    const whole = new WholeNs();
    const sorted = this.lines.sort((a, b) => a.timeNs - b.timeNs || a.seq - b.seq);
    const lines = sorted.map((line) => ({ ...line, costNs: whole.next(this.costs.get(line) ?? 0) }));
    const remoteNs = Math.round(this.remoteBytes / this.remoteBytesPerNs);
    const stallNs = Math.round(this.stallNs);
    const { left, remoteBytes } = this;
    return { lines, left, leftNs: stallNs - whole.total, remoteBytes, remoteNs, costNs: stallNs + remoteNs };
  }
}

/** What stacks have in common or not: times, sizes and numbers are their own. */
export function whatOf({ kind, actor, from, to, trigger }: EventLine): string {
  const where = from !== null && to !== null ? `${from} to ${to}` : (to ?? actor);
  return `${kind} ${where}${trigger === null ? '' : ` (${trigger})`}`;
}
