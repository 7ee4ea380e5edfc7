/** What pages and allocations cost in one run, gathered while it goes on. docs/explain.md says how costs are shared. */

import type { CostListener, EventLine, Stop } from '../../replay/lane.ts';
import { PAGE_BYTES } from '../../replay/mask.ts';
import type { Trigger } from '../../replay/metrics.ts';
import type { Allocation } from '../../trace/compiled.ts';
import { Biller } from './bill.ts';
import { Owners } from './owners.ts';
import { isNothing, PageCosts, type PageRange } from './page-costs.ts';
import { Dearest, WholeNs } from './ranking.ts';
import { spanOf } from './span.ts';

export interface Copies {
  ns: number;
  bytes: number;
  /** Contiguous runs of pages, or explicit copies. */
  runs: number;
}

/** Neighbouring pages of the same cost, with what they cost together. */
export interface RankedPages extends PageRange {
  /** Of one of them, remote accesses included. */
  readonly eachNs: number;
  /** Of all of them, whole. */
  readonly ns: number;
  /** Whose they were at the end. */
  readonly allocations: readonly number[];
}

export interface RankedAllocation {
  readonly id: number;
  readonly ns: number;
  readonly copiedBytes: number;
  readonly remoteBytes: number;
  readonly faults: number;
  /** Victims that held some of it. */
  readonly evictions: number;
}

/** The dearest first; `othersNs`: of those not among them; `elsewhereNs`: of none. All add up to `totalNs`. */
export interface Ranking<T> {
  readonly ranked: readonly T[];
  readonly others: number;
  readonly othersNs: number;
  readonly elsewhereNs: number;
}

export interface Tally {
  /** Time that actors stood still, and that of remote accesses. */
  readonly totalNs: number;
  readonly pages: Ranking<RankedPages>;
  readonly allocations: Ranking<RankedAllocation>;
  /** Speculation stands with the faults that it came with. */
  readonly copies: Readonly<Partial<Record<Trigger, Copies>>>;
  /** What faults paid: of devices, of the CPU. */
  readonly deviceFaultNs: number;
  readonly hostFaultNs: number;
}

interface AllocationCost {
  stallNs: number;
  copiedBytes: number;
  remoteBytes: number;
  faults: number;
  evictions: number;
}

export class TallyObserver implements CostListener {
  private readonly owners: Owners;
  private readonly pages = new PageCosts();
  /** By index among the trace's allocations. */
  private readonly allocations = new Map<number, AllocationCost>();
  private readonly makers = new Map<number, number>();
  private readonly copies: Partial<Record<Trigger, Copies>> = {};
  private readonly biller = new Biller(this);
  private deviceFaultNs = 0;
  private hostFaultNs = 0;
  private stallNs = 0;
  private remoteBytes = 0;

  constructor(
    allocations: readonly Pick<Allocation, 'id' | 'firstPage' | 'lastPage' | 'record'>[],
    private readonly remoteBytesPerNs: number,
    /** So many pages and allocations are found. */
    private readonly top: number,
  ) {
    this.owners = new Owners(allocations);
    for (const { id, record } of allocations) if (record >= 0) this.makers.set(record, id);
  }

  add(line: EventLine): void {
    this.owners.reach(line.record);
    this.biller.add(line);
    if (line.kind === 'migrate') {
      this.countCopy(line);
      this.book(line, 0, { copies: 1 });
    } else if (line.kind === 'evict') this.book(line, 0, { evictions: 1 });
    else if (line.kind === 'fault') this.book(line, 0, { faults: 1 });
  }

  stop(stop: Stop): void {
    this.owners.reach(stop.record);
    this.stallNs += stop.ns;
    this.biller.stop(stop);
  }

  remote(page: number, bytes: number): void {
    this.remoteBytes += bytes;
    this.pages.add(page, page, { remoteBytes: bytes });
    for (const { id } of this.owners.sharesOf(page, page)) this.costOf(id).remoteBytes += bytes;
  }

  charge(line: EventLine, ns: number): void {
    if (line.kind === 'fault') {
      if (line.actor === 'cpu') this.hostFaultNs += ns;
      else this.deviceFaultNs += ns;
    }
    this.book(line, ns, {});
  }

  /** An allocation pays for its own making. */
  elsewhere(ns: number, record: number): void {
    const id = this.makers.get(record);
    if (id !== undefined) this.costOf(id).stallNs += ns;
  }

  private countCopy({ durationNs, size, to, ...line }: EventLine): void {
    const fault = to === 'cpu' ? 'hostFault' : 'deviceFault';
    const trigger = line.trigger === 'speculation' ? fault : (line.trigger as Trigger);
    const copies = (this.copies[trigger] ??= { ns: 0, bytes: 0, runs: 0 });
    copies.ns += durationNs;
    copies.bytes += size;
    copies.runs++;
  }

  private book(line: EventLine, ns: number, counts: { copies?: 1; faults?: 1; evictions?: 1 }): void {
    const span = spanOf(line);
    if (span === null) return;
    const pages = span.lastPage - span.firstPage + 1;
    this.pages.add(span.firstPage, span.lastPage, { stallNs: ns / pages, ...counts });
    for (const share of this.owners.sharesOf(span.firstPage, span.lastPage)) {
      const cost = this.costOf(share.id);
      cost.stallNs += (ns * share.pages) / pages;
      cost.copiedBytes += (counts.copies ?? 0) * share.pages * PAGE_BYTES;
      cost.faults += counts.faults ?? 0;
      cost.evictions += counts.evictions ?? 0;
    }
  }

  private costOf(id: number): AllocationCost {
    let cost = this.allocations.get(id);
    if (cost === undefined) {
      cost = { stallNs: 0, copiedBytes: 0, remoteBytes: 0, faults: 0, evictions: 0 };
      this.allocations.set(id, cost);
    }
    return cost;
  }

  found(): Tally {
    const { copies, deviceFaultNs, hostFaultNs } = this;
    const totalNs = this.stallNs + Math.round(this.remoteNs(this.remoteBytes));
    return {
      totalNs,
      pages: this.rankPages(totalNs),
      allocations: this.rankAllocations(totalNs),
      copies,
      deviceFaultNs,
      hostFaultNs,
    };
  }

  private remoteNs(bytes: number): number {
    return bytes / this.remoteBytesPerNs;
  }

  private rankPages(totalNs: number): Ranking<RankedPages> {
    const whole = new WholeNs();
    const dearest = new Dearest<PageRange & { readonly eachNs: number; readonly ns: number }>(
      this.top,
      (a, b) =>
        b.eachNs - a.eachNs ||
        b.each.copies - a.each.copies ||
        b.each.remoteBytes - a.each.remoteBytes ||
        b.each.evictions - a.each.evictions ||
        b.each.faults - a.each.faults ||
        a.firstPage - b.firstPage,
    );
    for (const range of this.pages.ranges()) {
      if (isNothing(range.each)) continue;
      const eachNs = range.each.stallNs + this.remoteNs(range.each.remoteBytes);
      dearest.offer({ ...range, eachNs, ns: whole.next(eachNs * range.pages) }, range.pages);
    }
    const ranked = dearest.found().map((range) => ({
      ...range,
      allocations: this.owners.sharesOf(range.firstPage, range.firstPage + range.pages - 1).map(({ id }) => id),
    }));
    return { ranked, ...dearest.others(), elsewhereNs: totalNs - whole.total };
  }

  private rankAllocations(totalNs: number): Ranking<RankedAllocation> {
    const whole = new WholeNs();
    const dearest = new Dearest<RankedAllocation>(
      this.top,
      (a, b) =>
        b.ns - a.ns ||
        b.copiedBytes - a.copiedBytes ||
        b.remoteBytes - a.remoteBytes ||
        b.evictions - a.evictions ||
        b.faults - a.faults ||
        a.id - b.id,
    );
    for (const [id, { stallNs, ...cost }] of [...this.allocations].sort(([a], [b]) => a - b)) {
      dearest.offer({ id, ns: whole.next(stallNs + this.remoteNs(cost.remoteBytes)), ...cost }, 1);
    }
    return { ranked: dearest.found(), ...dearest.others(), elsewhereNs: totalNs - whole.total };
  }
}
