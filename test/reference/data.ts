/** Copies, zero-fill and explicit transfers of the reference machine, and their books. */
import { copyNs, type LinkSpeed } from '../../src/platforms/platform.ts';
import { BLOCK_PAGES, forEachPage, PAGE_BYTES, type PageMask } from '../../src/replay/mask.ts';
import type { Trigger } from '../../src/replay/metrics.ts';
import { HOST, type MoveOptions } from '../../src/replay/model.ts';
import type { Machine } from './machine.ts';

export class Data {
  constructor(private readonly m: Machine) {}

  move(block: number, mask: PageMask, to: number, trigger: Trigger, options: MoveOptions = {}): number {
    const { speculative, keepSource = false, pagesPerCopy = BLOCK_PAGES, staged = false, timing = 'wait' } = options;
    const guessed = new Set<number>();
    if (speculative) forEachPage(speculative, (index) => guessed.add(block * BLOCK_PAGES + index));
    // Source and trigger of each page that is to be copied, as one text: runs break where it changes.
    const copyOf = (page: number): string | null => {
      if (!this.m.existsAnywhere(page) || this.m.isResident(page, to)) return null;
      const source = Math.min(...this.m.residence.get(page)!);
      return `${source} ${guessed.has(page) ? 'speculation' : trigger}`;
    };
    let copied = 0;
    for (const run of this.m.runs(block, mask, copyOf)) {
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
      const { startNs, durationNs } = this.copyRun(legs, pages, pagesPerCopy, timing, runTrigger);
      for (const [from, dest] of legs) this.bookCopy(from, dest, pages, runTrigger);
      this.m.emit('migrate', to, run.first, pages * PAGE_BYTES, {
        timeNs: startNs,
        durationNs,
        trigger: runTrigger,
        from: this.m.actors[source],
        to: this.m.actors[to],
      });
      for (let page = run.first; page <= run.last; page++) {
        if (runTrigger === 'eviction' && source !== HOST) this.m.evictedFrom[source].add(page);
        if (this.m.evictedFrom[to].delete(page)) this.m.count('thrash.pages');
        this.m.settle(page, to);
        if (runTrigger === 'speculation') {
          this.m.speculated[to].add(page);
          this.m.count('speculation.pages');
        }
      }
    }
    if (!keepSource) {
      forEachPage(mask, (index) => {
        const page = block * BLOCK_PAGES + index;
        if (!this.m.isResident(page, to)) return;
        for (const place of [...this.m.residence.get(page)!]) if (place !== to) this.m.leave(page, place);
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
    trigger: Trigger,
  ): { startNs: number; durationNs: number } {
    const links = legs.map(([from, to]) => `${from}>${to}`);
    const starts: number[] = [];
    let durationNs = 0;
    if (timing === 'wait') this.m.waitForLink(links);
    if (timing !== 'none') this.m.beginLinkWork(links);
    for (let done = 0; done < pages; done += pagesPerCopy) {
      const bytes = Math.min(pagesPerCopy, pages - done) * PAGE_BYTES;
      const free = legs.map(([from, to]) => this.m.linkFree.get(`${from}>${to}`) ?? 0);
      let at = timing === 'none' ? this.m.now : Math.max(this.m.now, ...free);
      starts.push(at);
      for (const [from, to] of legs) {
        const ns = copyNs(this.link(from, to), bytes);
        durationNs += ns;
        at += ns;
        if (timing !== 'none') this.m.linkFree.set(`${from}>${to}`, at);
      }
      if (timing === 'wait') this.m.pass(at - this.m.now, trigger === 'eviction' ? 'eviction' : 'transfer');
    }
    if (timing !== 'none') this.m.addLinkWork(links, durationNs, trigger);
    this.m.linkBusyNs += durationNs;
    return { startNs: starts[0], durationNs };
  }

  private link(from: number, to: number): LinkSpeed {
    const { h2d, d2h, d2d } = this.m.spec.platform.link;
    return from === HOST ? h2d : to === HOST ? d2h : d2d;
  }

  private bookCopy(from: number, to: number, pages: number, trigger: Trigger): void {
    const way = from === HOST ? 'h2d' : to === HOST ? 'd2h' : 'd2d';
    this.m.count(`migration.${way}.pages`, pages);
    this.bookBytes(way, pages * PAGE_BYTES, trigger);
    if (trigger === 'eviction') this.m.count('evictions.bytes', pages * PAGE_BYTES);
  }

  private bookBytes(way: 'h2d' | 'd2h' | 'd2d', bytes: number, trigger: Trigger): void {
    this.m.count(`migration.${way}.bytes`, bytes);
    this.m.count(`migration.by.${trigger}.bytes`, bytes);
  }

  private noteMigration(pages: number): void {
    if (pages === 0 || !this.m.migrationArmed) return;
    this.m.migrationArmed = false;
    this.m.count('migration.operations');
  }

  populate(block: number, mask: PageMask, at: number, timing: 'wait' | 'queue' | 'none' = 'wait'): number {
    const runs = this.m.runs(block, mask, (page) => (this.m.existsAnywhere(page) ? null : 'new'));
    const pages = runs.reduce((sum, run) => sum + run.last - run.first + 1, 0);
    const memory = at === HOST ? this.m.spec.platform.host : this.m.spec.platform.device;
    for (const run of runs) {
      this.m.emit('populate', at, run.first, (run.last - run.first + 1) * PAGE_BYTES, { to: this.m.actors[at] });
      for (let page = run.first; page <= run.last; page++) this.m.settle(page, at);
    }
    this.m.count(at === HOST ? 'populate.host.pages' : 'populate.device.pages', pages);
    if (pages > 0 && timing !== 'none') {
      const engine = `${at}>${at}`;
      const ns = Math.round((pages * PAGE_BYTES) / memory.zeroBytesPerNs);
      if (timing === 'wait') this.m.waitForLink([engine]);
      this.m.beginLinkWork([engine]);
      this.m.addLinkWork([engine], ns, null);
      this.m.linkFree.set(engine, Math.max(this.m.now, this.m.linkFree.get(engine) ?? 0) + ns);
      if (timing === 'wait') this.m.pass(ns, 'transfer');
    }
    this.noteMigration(pages);
    return pages;
  }

  discard(block: number, mask: PageMask, at?: number): void {
    forEachPage(mask, (index) => {
      const page = block * BLOCK_PAGES + index;
      for (const place of [...(this.m.residence.get(page) ?? [])]) {
        if (at === undefined || at === place) this.m.leave(page, place);
      }
    });
  }

  transfer(from: number, to: number, bytes: number): void {
    if (from === to) return;
    const link = `${from}>${to}`;
    const durationNs = copyNs(this.link(from, to), bytes);
    this.m.waitForLink([link]);
    const startNs = this.m.now;
    this.m.beginLinkWork([link]);
    this.m.addLinkWork([link], durationNs, 'copy');
    this.m.pass(durationNs, 'transfer');
    this.m.linkFree.set(link, this.m.now);
    this.m.linkBusyNs += durationNs;
    this.bookBytes(from === HOST ? 'h2d' : to === HOST ? 'd2h' : 'd2d', bytes, 'copy');
    const more = { timeNs: startNs, durationNs, trigger: 'copy', from: this.m.actors[from], to: this.m.actors[to] };
    this.m.emit('migrate', to, null, bytes, more);
  }
}
