/**
 * The machine of the reference engine: pages in Maps and Sets, one page at a time. Slow and plain on purpose; what it
 * does is said in docs/replay.md and at `Core` in src/replay/model.ts.
 */

import type { EventLine, LaneSpec } from '../../src/replay/lane.ts';
import { BLOCK_PAGES, forEachPage, PAGE_BYTES, type PageMask } from '../../src/replay/mask.ts';
import { METRIC_NAMES, type MetricName, type SpentOn, type Trigger } from '../../src/replay/metrics.ts';
import { HOST, RIGHTS, type Rights, type Vma } from '../../src/replay/model.ts';
import type { CompiledTrace } from '../../src/trace/compiled.ts';

export interface ModelWake {
  timeNs: number;
  token: number;
  request: number;
}

/** Touches of remote pages of one block by one device, counted up to a threshold. */
export interface Counter {
  device: number;
  block: number;
  left: number;
}

/** What stands in event lines beside the event itself. */
export interface Context {
  trigger: string | null;
  record: number;
  batch: number | null;
}

/** A contiguous run of pages that agree in what `keyOf` says about them. */
interface Run<Key> {
  key: Key;
  first: number;
  last: number;
}

export class Machine {
  now: number;
  readonly actors: readonly string[];
  readonly delay: number[];
  /** Page -> the locations that hold it. */
  readonly residence = new Map<number, Set<number>>();
  readonly residentPages: number[];
  /** By actor: page -> rights. */
  readonly mappings: Map<number, Rights>[];
  vmas: Vma[] = [];
  /** `from>to` -> when that link has done all its copies; `at>at` is the engine that zeroes memory. */
  readonly linkFree = new Map<string, number>();
  /** What evictions and all else have put on each link since it was last free. */
  readonly linkWork = new Map<string, { eviction: number; other: number }>();
  /** What the present stop was for; null while nobody is stopped. */
  private stop: Map<SpentOn, number> | null = null;
  /** Open brackets of `beginMakingRoom`. */
  rooms = 0;
  readonly capacity: number[];
  readonly allocated: number[];
  readonly peakAllocated: number[];
  readonly peakResident: number[];
  /** By location: pages brought there by speculation and not touched since. */
  readonly speculated: Set<number>[];
  /** By device: pages that an eviction took away. */
  readonly evictedFrom: Set<number>[];
  readonly counters: Counter[] = [];
  wakes: ModelWake[] = [];
  requests = 0;
  migrationArmed = false;
  linkBusyNs = 0;
  readonly ledger = new Map<MetricName, number>(METRIC_NAMES.map((name) => [name, 0]));
  readonly own: Map<string, number>;
  readonly warnings = new Set<string>();
  readonly resolved: Record<string, number | boolean | string | null> = {};
  readonly events: EventLine[] = [];
  context: Context = { trigger: null, record: -1, batch: null };

  constructor(
    readonly trace: CompiledTrace,
    readonly spec: LaneSpec,
  ) {
    const each = <T>(make: (actor: number) => T): T[] => trace.actors.map((_, actor) => make(actor));
    this.now = trace.startNs;
    this.actors = trace.actors;
    this.delay = each(() => 0);
    this.residentPages = each(() => 0);
    this.mappings = each(() => new Map());
    this.capacity = each((actor) => (actor === HOST ? Infinity : (spec.capacityBytes?.[actor] ?? Infinity)));
    this.allocated = each(() => 0);
    this.peakAllocated = each(() => 0);
    this.peakResident = each(() => 0);
    this.speculated = each(() => new Set());
    this.evictedFrom = each(() => new Set());
    this.own = new Map(Object.keys(spec.model.metrics ?? {}).map((name) => [name, 0]));
  }

  count(metric: MetricName, n = 1): void {
    this.ledger.set(metric, this.ledger.get(metric)! + n);
  }

  emit(kind: string, actor: number, page: number | null, size: number, more: Partial<EventLine> = {}): void {
    this.events.push({
      seq: this.events.length,
      timeNs: this.now,
      durationNs: 0,
      kind,
      actor: this.actors[actor],
      trigger: this.context.trigger,
      from: null,
      to: null,
      addr: page === null ? null : '0x' + (BigInt(page) * 4096n).toString(16),
      size,
      batch: this.context.batch,
      record: this.context.record,
      ...more,
    });
  }

  /** Runs `work` with other words in the event lines. */
  within<T>(context: Partial<Context>, work: () => T): T {
    const before = this.context;
    this.context = { ...before, ...context };
    const result = work();
    this.context = before;
    return result;
  }

  // --- what is where ---------------------------------------------------------------------------------------------
  rights(actor: number, page: number): Rights {
    return this.mappings[actor].get(page) ?? RIGHTS.none;
  }

  isResident(page: number, location: number): boolean {
    return this.residence.get(page)?.has(location) ?? false;
  }

  existsAnywhere(page: number): boolean {
    return (this.residence.get(page)?.size ?? 0) > 0;
  }

  settle(page: number, location: number): void {
    const places = this.residence.get(page) ?? new Set();
    if (places.has(location)) return;
    this.residence.set(page, places.add(location));
    this.residentPages[location]++;
    this.peakResident[location] = Math.max(this.peakResident[location], this.residentPages[location] * PAGE_BYTES);
  }

  leave(page: number, location: number): void {
    if (!this.isResident(page, location)) return;
    this.residence.get(page)!.delete(location);
    this.residentPages[location]--;
    this.speculated[location].delete(page);
  }

  /** Contiguous runs, ascending, of those pages of the mask for which `keyOf` has an answer. */
  runs<Key>(block: number, mask: PageMask, keyOf: (page: number) => Key | null): Run<Key>[] {
    const runs: Run<Key>[] = [];
    forEachPage(mask, (index) => {
      const page = block * BLOCK_PAGES + index;
      const key = keyOf(page);
      if (key === null) return;
      const last = runs.at(-1);
      if (last && last.last === page - 1 && last.key === key) last.last = page;
      else runs.push({ key, first: page, last: page });
    });
    return runs;
  }

  // --- time by cause ---------------------------------------------------------------------------------------------
  pass(ns: number, cause: SpentOn): void {
    this.now += ns;
    const booked = this.booked(cause);
    this.stop?.set(booked, (this.stop.get(booked) ?? 0) + ns);
  }

  booked(cause: SpentOn): SpentOn {
    return this.rooms > 0 ? 'eviction' : cause;
  }

  /** What passes while `work` runs stops somebody: it is booked by cause. */
  stopping(work: () => void): void {
    this.stop = new Map();
    work();
    for (const [cause, ns] of this.stop) this.count(`time.by.${cause}.ns`, ns);
    this.stop = null;
  }

  /** Waits for all links: for the one that is free last, the first of several. */
  drain(): void {
    const places = this.actors.map((_, place) => place);
    this.waitForLink(places.flatMap((from) => places.map((to) => `${from}>${to}`)));
  }

  waitForLink(links: readonly string[]): void {
    const free = (link: string): number => this.linkFree.get(link) ?? 0;
    const last = links.reduce((a, b) => (free(b) > free(a) ? b : a));
    const wait = free(last) - this.now;
    if (wait <= 0) return;
    const { eviction, other } = this.linkWork.get(last)!;
    const share = Math.floor((wait * eviction) / (eviction + other));
    this.pass(share, 'eviction');
    this.pass(wait - share, 'transfer');
  }

  /** Work put on a link that was free begins its busy period. */
  beginLinkWork(links: readonly string[]): void {
    for (const link of links) {
      if ((this.linkFree.get(link) ?? 0) <= this.now) this.linkWork.set(link, { eviction: 0, other: 0 });
    }
  }

  addLinkWork(links: readonly string[], ns: number, trigger: Trigger | null): void {
    const evicts = trigger === 'eviction' || this.rooms > 0;
    for (const link of links) this.linkWork.get(link)![evicts ? 'eviction' : 'other'] += ns;
  }

  // --- page tables -----------------------------------------------------------------------------------------------
  map(actor: number, block: number, mask: PageMask, rights: Rights, entries: number): void {
    if (actor !== HOST) this.count('map.operations', entries);
    for (const run of this.runs(block, mask, (page) => (this.isLocal(actor, page) ? 'map' : 'remoteMap'))) {
      this.emit(run.key, actor, run.first, (run.last - run.first + 1) * PAGE_BYTES);
    }
    forEachPage(mask, (index) => this.mappings[actor].set(block * BLOCK_PAGES + index, rights));
  }

  unmap(actor: number, block: number, mask: PageMask, calls?: number): void {
    const runs = this.runs(block, mask, (page) => (this.rights(actor, page) === RIGHTS.none ? null : 'mapped'));
    for (const run of runs) {
      this.emit('unmap', actor, run.first, (run.last - run.first + 1) * PAGE_BYTES);
      for (let page = run.first; page <= run.last; page++) this.mappings[actor].delete(page);
    }
    this.count(actor === HOST ? 'unmap.host.operations' : 'unmap.device.operations', calls ?? runs.length);
  }

  /** A page is local where it is resident, and everywhere while it exists nowhere (the shared zero page). */
  isLocal(actor: number, page: number): boolean {
    return this.isResident(page, actor) || !this.existsAnywhere(page);
  }

  // --- virtual memory areas --------------------------------------------------------------------------------------
  vmasIn(firstPage: number, lastPage: number): Vma[] {
    return this.vmas
      .filter((v) => v.firstPage <= lastPage && firstPage <= v.lastPage)
      .sort((a, b) => a.firstPage - b.firstPage);
  }

  /** The parts of the live VMAs that lie in first..last. */
  piecesIn(firstPage: number, lastPage: number): Vma[] {
    return this.vmasIn(firstPage, lastPage).map((v) => ({
      allocation: v.allocation,
      firstPage: Math.max(v.firstPage, firstPage),
      lastPage: Math.min(v.lastPage, lastPage),
    }));
  }

  /** Ends the VMAs in first..last and forgets what is left in blocks without any. */
  unmapRange(firstPage: number, lastPage: number): void {
    const pieces = this.piecesIn(firstPage, lastPage);
    this.vmas = this.vmas.flatMap((v) => {
      if (v.lastPage < firstPage || lastPage < v.firstPage) return [v];
      const parts = [
        { allocation: v.allocation, firstPage: v.firstPage, lastPage: firstPage - 1 },
        { allocation: v.allocation, firstPage: lastPage + 1, lastPage: v.lastPage },
      ];
      return parts.filter((part) => part.firstPage <= part.lastPage);
    });
    for (const piece of pieces) {
      for (let page = piece.firstPage; page <= piece.lastPage; page++) this.forgetMarks(page);
      const lastBlock = Math.floor(piece.lastPage / BLOCK_PAGES);
      for (let block = Math.floor(piece.firstPage / BLOCK_PAGES); block <= lastBlock; block++) {
        if (this.vmasIn(block * BLOCK_PAGES, (block + 1) * BLOCK_PAGES - 1).length === 0) this.forgetBlock(block);
      }
    }
  }

  private forgetMarks(page: number): void {
    for (const pages of [...this.evictedFrom, ...this.speculated]) pages.delete(page);
  }

  private forgetBlock(block: number): void {
    for (let page = block * BLOCK_PAGES; page < (block + 1) * BLOCK_PAGES; page++) {
      this.forgetMarks(page);
      for (const place of [...(this.residence.get(page) ?? [])]) this.leave(page, place);
      for (const mapping of this.mappings) mapping.delete(page);
    }
    for (let device = 1; device < this.actors.length; device++) this.disarm(device, block);
  }

  // --- access counters -------------------------------------------------------------------------------------------
  arm(device: number, block: number, threshold: number): void {
    this.disarm(device, block);
    this.counters.push({ device, block, left: threshold });
  }

  disarm(device: number, block: number): void {
    const at = this.counters.findIndex((c) => c.device === device && c.block === block);
    if (at >= 0) this.counters.splice(at, 1);
  }
}
