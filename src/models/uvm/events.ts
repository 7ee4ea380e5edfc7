/** What reaches the driver besides faults and hints: access-counter notifications, notifiers, explicit copies, timers. */

import { ACCESS } from '../../replay/faults.ts';
import {
  andMask,
  andNotMask,
  BLOCK_PAGES,
  blockOf,
  isEmptyMask,
  nextPage,
  PAGE_BYTES,
  type PageMask,
  pageInBlock,
  releaseScratch,
  scratchMark,
  scratchMask,
  scratchRange,
  setRange,
} from '../../replay/mask.ts';
import { HOST } from '../../replay/model.ts';
import type { CopyEvent, InvalidateEvent } from '../../trace/compiled.ts';
import { counterAts } from './ats.ts';
import { evictRoot, takeMemory } from './evict.ts';
import { serveHost } from './host.ts';
import { driverTime, traceTime, unmapFrom } from './mapping.ts';
import { QUEUED } from './migrate.ts';
import { BIG_PAGE_PAGES } from './prefetch.ts';
import { addFault, beginService, carryOut, endService, makeRoom, takeService } from './service.ts';
import { blockAt, blocksIn, residentOn, type Uvm, type VaBlock } from './state.ts';
import { NO_HINT } from './thrashing-state.ts';
import { has, lowest } from './topology.ts';

/**
 * Enough remote accesses of `device` in one 2 MiB region: the 64 KiB sub-region of the page that reached the threshold
 * is served like read faults, prefetch included. A notification never takes rights from others.
 */
export function counter(uvm: Uvm, device: number, number: number, page: number): void {
  const block = blockAt(uvm, page);
  if (block === null) {
    counterAts(uvm, device, page);
    return;
  }
  const inBlock = pageInBlock(page);
  const first = Math.max(inBlock - (inBlock % BIG_PAGE_PAGES), block.first);
  const last = Math.min(inBlock - (inBlock % BIG_PAGE_PAGES) + BIG_PAGE_PAGES, block.outer) - 1;
  const remote = andMask(uvm.core.mappedMask(device, number, scratchMask()), scratchRange(first, last));
  andNotMask(remote, residentOn(uvm, block, device, scratchMask()));
  if (!isEmptyMask(remote) && block.range.migratable) serveRemote(uvm, block, device, remote);
  const left = andNotMask(
    uvm.core.mappedMask(device, number, scratchMask()),
    uvm.core.residentMask(device, number, scratchMask()),
  );
  if (!isEmptyMask(left)) uvm.core.armCounter(device, number, uvm.counterThreshold);
}

/** Serves the pages as if they had been read, but for pinned ones. */
function serveRemote(uvm: Uvm, block: VaBlock, device: number, remote: PageMask): void {
  const service = takeService(uvm, block, device, 'counter');
  do {
    beginService(service);
    for (let page = nextPage(remote, 0); page >= 0; page = nextPage(remote, page + 1)) {
      if (block.thrashing !== null && uvm.detector.isPinned(block.thrashing, page)) continue;
      addFault(uvm, service, page, ACCESS.read, NO_HINT);
    }
  } while (service.pages > 0 && !carryOut(uvm, service) && makeRoom(uvm, service));
  endService(uvm, service);
}

export const UNPIN_TOKEN = 1;

/** The unpin worker: remote mappings of pages pinned long enough go, so that the next access faults and migrates. */
export function unpin(uvm: Uvm): void {
  uvm.detector.unpinDue(driverTime(uvm), (thrashing, page) => {
    const block = uvm.blockOfThrashing.get(thrashing)!;
    const mark = scratchMark();
    const mask = scratchRange(page, page);
    const resident = uvm.core.residence(block.number * BLOCK_PAGES + page);
    for (let p = 0; p < uvm.topology.processors; p++) {
      if (!has(block.range.accessedBy | resident, p)) unmapFrom(uvm, block, p, mask);
    }
    releaseScratch(mark);
    uvm.core.note('unpin', lowest(resident), block.number * BLOCK_PAGES + page, PAGE_BYTES);
  });
}

export function schedule(uvm: Uvm, driverNs: number | null): void {
  if (driverNs === null) uvm.core.cancelWake(UNPIN_TOKEN);
  else uvm.core.wakeAt(traceTime(driverNs), UNPIN_TOKEN);
}

/** Device mappings of the range go; for `fork` and `hostio` the data comes home first. */
export function invalidate(uvm: Uvm, event: InvalidateEvent): void {
  const { firstPage, lastPage, sort } = event;
  const home = sort === 'fork' || sort === 'hostio';
  for (const block of blocksIn(uvm, firstPage, lastPage)) {
    const base = block.number * BLOCK_PAGES;
    const first = Math.max(firstPage - base, block.first);
    const last = Math.min(lastPage - base, block.outer - 1);
    const mark = scratchMark();
    const mask = scratchRange(first, last);
    if (block.range.kind === 'system') uvm.core.count('notifier.invalidations');
    if (home) {
      for (let page = first; page <= last; page++) {
        if ((uvm.core.residence(base + page) & ~1) !== 0) serveHost(uvm, block, base + page, ACCESS.read);
      }
    }
    for (let p = 1; p < uvm.topology.processors; p++) unmapFrom(uvm, block, p, mask);
    releaseScratch(mark);
  }
  if (!uvm.ats) return;
  const mask = scratchMask();
  for (let number = blockOf(firstPage); number <= blockOf(lastPage); number++) {
    const base = number * BLOCK_PAGES;
    setRange(mask, Math.max(firstPage - base, 0), Math.min(lastPage - base, BLOCK_PAGES - 1));
    for (let p = 1; p < uvm.topology.processors; p++) uvm.core.unmap(p, number, mask);
  }
}

/**
 * cudaMemcpy: the copy engine reads and writes where the data is, nothing migrates (non-replayable faults place only
 * what does not exist yet: a destination at its preferred location or on the device that copies).
 */
export function copy(uvm: Uvm, event: CopyEvent): void {
  const { core } = uvm;
  const shift = event.firstPage - event.sourceFirstPage;
  for (let page = event.firstPage; page <= event.lastPage; page++) {
    const from = core.residence(page - shift);
    const source = has(from, HOST) || from === 0 ? HOST : Math.log2(from & -from);
    if (core.residence(page) === 0) {
      const mark = scratchMark();
      place(uvm, page, event.actor);
      releaseScratch(mark);
    }
    const at = core.residence(page);
    const destination = has(at, HOST) || at === 0 ? HOST : Math.log2(at & -at);
    let last = page;
    while (last < event.lastPage && core.residence(last + 1) === at && core.residence(last + 1 - shift) === from)
      last++;
    const bytes = bytesIn(event, page, last);
    core.transfer(source, destination, bytes);
    page = last;
  }
}

function bytesIn(event: CopyEvent, first: number, last: number): number {
  const start = event.firstPage * PAGE_BYTES + event.offsetBytes;
  const from = Math.max(first * PAGE_BYTES, start);
  const to = Math.min((last + 1) * PAGE_BYTES, start + event.sizeBytes);
  return to - from;
}

function place(uvm: Uvm, page: number, actor: number): void {
  const block: VaBlock | null = blockAt(uvm, page);
  if (block === null || block.range.kind === 'system') {
    uvm.linux.fault(page, true, 'kernel');
    return;
  }
  const to = block.range.preferred >= 0 ? block.range.preferred : actor;
  const mask = scratchRange(page - block.number * BLOCK_PAGES, page - block.number * BLOCK_PAGES);
  while (to !== HOST && !takeMemory(uvm, block, to, mask)) if (!evictRoot(uvm, to)) return;
  uvm.core.populate(block.number, mask, to, QUEUED);
}
