/**
 * The machine of the reference engine: pages in Maps and Sets, one page at a time. Slow and plain on purpose; what it
 * does is said in docs/replay.md and at `Core` in src/replay/model.ts.
 */

import { copyNs, type LinkSpeed } from '../../src/platforms/platform.ts';
import type { EventLine, LaneSpec } from '../../src/replay/lane.ts';
import { BLOCK_PAGES, forEachPage, PAGE_BYTES, type PageMask } from '../../src/replay/mask.ts';
import { METRIC_NAMES, type MetricName, type Trigger } from '../../src/replay/metrics.ts';
import { HOST, type MoveOptions, RIGHTS, type Rights, type Vma } from '../../src/replay/model.ts';
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

  // --- data ------------------------------------------------------------------------------------------------------
  move(block: number, mask: PageMask, to: number, trigger: Trigger, options: MoveOptions = {}): number {
    const { speculative, keepSource = false, pagesPerCopy = BLOCK_PAGES, staged = false, timing = 'wait' } = options;
    const guessed = new Set<number>();
    if (speculative) forEachPage(speculative, (index) => guessed.add(block * BLOCK_PAGES + index));
    // Source and trigger of each page that is to be copied, as one text: runs break where it changes.
    const copyOf = (page: number): string | null => {
      if (!this.existsAnywhere(page) || this.isResident(page, to)) return null;
      const source = Math.min(...this.residence.get(page)!);
      return `${source} ${guessed.has(page) ? 'speculation' : trigger}`;
    };
    let copied = 0;
    for (const run of this.runs(block, mask, copyOf)) {
      const [sourceText, runTrigger] = run.key.split(' ') as [string, Trigger];
      const source = Number(sourceText);
      const pages = run.last - run.first + 1;
      copied += pages;
      const legs =
        staged && source !== HOST && to !== HOST
          ? [
              [source, HOST],
              [HOST, to],
            ]
          : [[source, to]];
      const { startNs, durationNs } = this.copyRun(legs, pages, pagesPerCopy, timing);
      for (const [from, dest] of legs) this.bookCopy(from, dest, pages, runTrigger);
      this.emit('migrate', to, run.first, pages * PAGE_BYTES, {
        timeNs: startNs,
        durationNs,
        trigger: runTrigger,
        from: this.actors[source],
        to: this.actors[to],
      });
      for (let page = run.first; page <= run.last; page++) {
        if (runTrigger === 'eviction' && source !== HOST) this.evictedFrom[source].add(page);
        if (this.evictedFrom[to].delete(page)) this.count('thrash.pages');
        this.settle(page, to);
        if (runTrigger === 'speculation') {
          this.speculated[to].add(page);
          this.count('speculation.pages');
        }
      }
    }
    if (!keepSource) {
      forEachPage(mask, (index) => {
        const page = block * BLOCK_PAGES + index;
        if (!this.isResident(page, to)) return;
        for (const place of [...this.residence.get(page)!]) if (place !== to) this.leave(page, place);
      });
    }
    this.noteMigration(copied);
    return copied;
  }

  /**
   * The copy operations of one run. Each begins when all its links are free; the legs of a staged one follow one
   * another.
   */
  private copyRun(
    legs: readonly (readonly number[])[],
    pages: number,
    pagesPerCopy: number,
    timing: 'wait' | 'queue' | 'none',
  ): { startNs: number; durationNs: number } {
    const starts: number[] = [];
    let durationNs = 0;
    for (let done = 0; done < pages; done += pagesPerCopy) {
      const bytes = Math.min(pagesPerCopy, pages - done) * PAGE_BYTES;
      const free = legs.map(([from, to]) => this.linkFree.get(`${from}>${to}`) ?? 0);
      let at = timing === 'none' ? this.now : Math.max(this.now, ...free);
      starts.push(at);
      for (const [from, to] of legs) {
        const ns = copyNs(this.link(from, to), bytes);
        durationNs += ns;
        at += ns;
        if (timing !== 'none') this.linkFree.set(`${from}>${to}`, at);
      }
      if (timing === 'wait') this.now = at;
    }
    this.linkBusyNs += durationNs;
    return { startNs: starts[0], durationNs };
  }

  private link(from: number, to: number): LinkSpeed {
    const { h2d, d2h, d2d } = this.spec.platform.link;
    return from === HOST ? h2d : to === HOST ? d2h : d2d;
  }

  private bookCopy(from: number, to: number, pages: number, trigger: Trigger): void {
    const way = from === HOST ? 'h2d' : to === HOST ? 'd2h' : 'd2d';
    this.count(`migration.${way}.pages`, pages);
    this.bookBytes(way, pages * PAGE_BYTES, trigger);
    if (trigger === 'eviction') this.count('evictions.bytes', pages * PAGE_BYTES);
  }

  private bookBytes(way: 'h2d' | 'd2h' | 'd2d', bytes: number, trigger: Trigger): void {
    this.count(`migration.${way}.bytes`, bytes);
    this.count(`migration.by.${trigger}.bytes`, bytes);
  }

  private noteMigration(pages: number): void {
    if (pages === 0 || !this.migrationArmed) return;
    this.migrationArmed = false;
    this.count('migration.operations');
  }

  populate(block: number, mask: PageMask, at: number, timing: 'wait' | 'queue' | 'none' = 'wait'): number {
    const runs = this.runs(block, mask, (page) => (this.existsAnywhere(page) ? null : 'new'));
    const pages = runs.reduce((sum, run) => sum + run.last - run.first + 1, 0);
    const memory = at === HOST ? this.spec.platform.host : this.spec.platform.device;
    for (const run of runs) {
      this.emit('populate', at, run.first, (run.last - run.first + 1) * PAGE_BYTES, { to: this.actors[at] });
      for (let page = run.first; page <= run.last; page++) this.settle(page, at);
    }
    this.count(at === HOST ? 'populate.host.pages' : 'populate.device.pages', pages);
    if (pages > 0 && timing !== 'none') {
      const end =
        Math.max(this.now, this.linkFree.get(`${at}>${at}`) ?? 0) +
        Math.round((pages * PAGE_BYTES) / memory.zeroBytesPerNs);
      this.linkFree.set(`${at}>${at}`, end);
      if (timing === 'wait') this.now = end;
    }
    this.noteMigration(pages);
    return pages;
  }

  discard(block: number, mask: PageMask, at?: number): void {
    forEachPage(mask, (index) => {
      const page = block * BLOCK_PAGES + index;
      for (const place of [...(this.residence.get(page) ?? [])]) {
        if (at === undefined || at === place) this.leave(page, place);
      }
    });
  }

  transfer(from: number, to: number, bytes: number): void {
    if (from === to) return;
    const link = `${from}>${to}`;
    const startNs = Math.max(this.now, this.linkFree.get(link) ?? 0);
    const durationNs = copyNs(this.link(from, to), bytes);
    this.now = startNs + durationNs;
    this.linkFree.set(link, this.now);
    this.linkBusyNs += durationNs;
    this.bookBytes(from === HOST ? 'h2d' : to === HOST ? 'd2h' : 'd2d', bytes, 'copy');
    const more = { timeNs: startNs, durationNs, trigger: 'copy', from: this.actors[from], to: this.actors[to] };
    this.emit('migrate', to, null, bytes, more);
  }

  drain(): void {
    this.now = Math.max(this.now, ...this.linkFree.values());
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
