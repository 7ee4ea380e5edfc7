/** The page tables of one run: what is mapped for whom is written here, counted, and told to who listens. */
import type { FaultBuffer } from './faults.ts';
import type { Machine } from './machine.ts';
import {
  addPage,
  BLOCK_PAGES,
  blockOf,
  countRuns,
  endOfRun,
  firstWord,
  lastWord,
  MASK_WORDS,
  newMask,
  nextPage,
  PAGE_BYTES,
  type PageMask,
  removePage,
} from './mask.ts';
import { M } from './metrics.ts';
import { HOST, RIGHTS, type Rights } from './model.ts';
import { firstPageOf } from './page-state.ts';

export class PageTables {
  /** Empty between calls. */
  private readonly scratch = newMask();

  constructor(private readonly machine: Machine) {}

  map(actor: number, block: number, mask: PageMask, rights: Rights, entries: number): void {
    const { books, events, pages } = this.machine;
    const slot = pages.slotOf(block);
    pages.setRights(actor, slot, mask, rights);
    if (actor !== HOST) books[M['map.operations']] += entries;
    if (events.on) this.emitMapped(actor, slot, mask);
  }

  mapPage(actor: number, page: number, rights: Rights): void {
    const { books, events, pages } = this.machine;
    const block = blockOf(page);
    const inBlock = page - block * BLOCK_PAGES;
    const slot = pages.slotOf(block);
    pages.setRightsOfPage(actor, slot, inBlock, rights);
    if (actor !== HOST) books[M['map.operations']]++;
    if (!events.on) return;
    this.emitMapped(actor, slot, addPage(this.scratch, inBlock));
    removePage(this.scratch, inBlock);
  }

  mirrorFaults(device: number, faults: FaultBuffer): number {
    const { books, events, frames } = this.machine;
    // Who listens is told of each page.
    if (events.on || !frames[device].canMirror(faults)) return 0;
    const served = frames[device].mirror();
    books[M['map.operations']] += served;
    return served;
  }

  private emitMapped(actor: number, slot: number, mask: PageMask): void {
    const { clockNs, events, pages, space } = this.machine;
    const base = slot * MASK_WORDS;
    const remote = newMask();
    const local = newMask();
    for (let w = 0; w < MASK_WORDS; w++) {
      remote[w] = mask[w] & pages.anywhere(base + w) & ~pages.resident[actor][base + w];
      local[w] = mask[w] & ~remote[w];
    }
    const page = firstPageOf(space, slot);
    for (let first = nextPage(mask, 0); first >= 0; ) {
      const isRemote = (remote[first >> 5] & (1 << (first & 31))) !== 0;
      const last = endOfRun(isRemote ? remote : local, first);
      const kind = isRemote ? 'remoteMap' : 'map';
      events.emit(kind, actor, page + first, (last - first + 1) * PAGE_BYTES, clockNs, 0);
      first = nextPage(mask, last + 1);
    }
  }

  unmap(actor: number, block: number, mask: PageMask, calls?: number): void {
    const { scratch } = this;
    const { books, clockNs, events, pages, space } = this.machine;
    const operations = actor === HOST ? M['unmap.host.operations'] : M['unmap.device.operations'];
    const slot = pages.find(block);
    const low = firstWord(mask);
    const high = slot < 0 ? -1 : lastWord(mask);
    const mapped = pages.readable[actor];
    let any = 0;
    for (let w = low; w <= high; w++) {
      scratch[w] = mask[w] & mapped[slot * MASK_WORDS + w];
      any |= scratch[w];
    }
    books[operations] += calls ?? (any === 0 ? 0 : countRuns(scratch));
    if (any === 0) return;
    if (events.on) events.emitRuns('unmap', actor, firstPageOf(space, slot), scratch, clockNs);
    pages.setRights(actor, slot, scratch, RIGHTS.none);
    for (let w = low; w <= high; w++) scratch[w] = 0;
  }
}
