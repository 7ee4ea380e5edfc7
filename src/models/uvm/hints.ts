/** What a program says about its memory: cudaMemPrefetchAsync (uvm_migrate.c), cudaMemAdvise (uvm_policy.c), discard. */

import {
  andMask,
  andNotMask,
  BLOCK_PAGES,
  copyMask,
  hasPage,
  isEmptyMask,
  orMask,
  type PageMask,
  releaseScratch,
  scratchMark,
  scratchMask,
  scratchRange,
} from '../../replay/mask.ts';
import { type HintOutcome, HOST, RIGHTS } from '../../replay/model.ts';
import type { AdviseEvent, PrefetchEvent } from '../../trace/compiled.ts';
import { migrateAts } from './ats.ts';
import { evictRoot, takeMemory } from './evict.ts';
import { countRemote, duplicatedMask, mapOthers, mapPages, unmapFromAll } from './mapping.ts';
import { makeResident, noteResidence } from './migrate.ts';
import { cutAt } from './ranges.ts';
import { blockAt, blocksIn, type Range, rangeAt, residentOn, type Uvm, type VaBlock } from './state.ts';
import { forEachProcessor, has } from './topology.ts';

/** Ranges of first..last when they cover it without a gap; else null: the driver refuses such a hint. */
function covered(uvm: Uvm, first: number, last: number): Range[] | null {
  for (const vma of uvm.core.vmasIn(first, last)) rangeAt(uvm, Math.max(first, vma.firstPage));
  const ranges = uvm.ranges.meeting(first, last);
  let next = first;
  for (const range of ranges) {
    if (range.first > next) return null;
    next = range.last + 1;
  }
  return next > last ? ranges : null;
}

/** All blocks of first..last, made if need be, with the pages meant. */
function forEachBlockOf(uvm: Uvm, first: number, last: number, visit: (block: VaBlock, mask: PageMask) => void): void {
  for (let page = first; page <= last; ) {
    const block = blockAt(uvm, page)!;
    const base = block.number * BLOCK_PAGES;
    const outer = Math.min(last + 1 - base, block.outer);
    const mark = scratchMark();
    visit(block, scratchRange(page - base, outer - 1));
    releaseScratch(mark);
    page = base + outer;
  }
}

/** Moves exactly the range, block by block: a first pass copies, a second maps. */
export function prefetch(uvm: Uvm, event: PrefetchEvent): HintOutcome {
  const { firstPage, lastPage, target } = event;
  if (covered(uvm, firstPage, lastPage) === null) {
    return uvm.ats && migrateAts(uvm, firstPage, lastPage, target) ? 'applied' : 'rejected';
  }
  forEachBlockOf(uvm, firstPage, lastPage, (block, mask) => {
    while (target !== HOST && !takeMemory(uvm, block, target, mask)) if (!evictRoot(uvm, target)) return;
    uvm.core.spend(uvm.costs.blockNs, 'faultService');
    uvm.core.beginMigration();
    const duplicate = block.range.readDuplicate;
    makeResident(uvm, block, target, mask, 'hint', null, duplicate);
  });
  uvm.core.drain();
  uvm.core.count('roundTrips');
  forEachBlockOf(uvm, firstPage, lastPage, (block, mask) => mapMigrated(uvm, block, target, mask));
  return 'applied';
}

/** Pages that nobody has mapped get all rights; copies may only be read (block_migrate_add_mappings). */
function mapMigrated(uvm: Uvm, block: VaBlock, target: number, mask: PageMask): void {
  const arrived = andMask(residentOn(uvm, block, target, scratchMask()), mask);
  const copies = andMask(duplicatedMask(uvm, block, scratchMask()), arrived);
  const alone = andNotMask(arrived, copies);
  if (!isEmptyMask(copies)) mapPages(uvm, block, target, copies, RIGHTS.read);
  if (isEmptyMask(alone)) return;
  mapPages(uvm, block, target, alone, block.range.readDuplicate ? RIGHTS.read : RIGHTS.atomic);
  mapOthers(uvm, block, target, target, scratchMask(), scratchMask(), alone, null);
}

export function advise(uvm: Uvm, event: AdviseEvent): HintOutcome {
  const { advice, unset, target, firstPage, lastPage } = event;
  if (!['preferred', 'accessed_by', 'read_mostly', 'dontneed'].includes(advice)) return 'ignored';
  if (covered(uvm, firstPage, lastPage) === null) return 'rejected';
  if (advice === 'dontneed') {
    forEachBlockOf(uvm, firstPage, lastPage, (block, mask) => discard(uvm, block, mask));
    return 'applied';
  }
  cutAt(uvm, firstPage);
  cutAt(uvm, lastPage + 1);
  for (const range of uvm.ranges.meeting(firstPage, lastPage)) {
    if (advice === 'preferred') range.preferred = unset ? -1 : target;
    else if (advice === 'accessed_by') setAccessedBy(uvm, range, target, !unset);
    else setReadDuplicate(uvm, range, !unset);
  }
  return 'applied';
}

/** The named processor gets mappings of what is resident already; later pages follow as they are served. */
function setAccessedBy(uvm: Uvm, range: Range, processor: number, on: boolean): void {
  if (!on) {
    range.accessedBy &= processor < 0 ? 0 : ~(1 << processor);
    return;
  }
  range.accessedBy |= 1 << processor;
  if (range.readDuplicate) return;
  for (const block of blocksIn(uvm, range.first, range.last)) {
    const mark = scratchMark();
    const duplicated = duplicatedMask(uvm, block, scratchMask());
    forEachProcessor(uvm.topology.canAccess[processor], (home) => {
      const there = andNotMask(residentOn(uvm, block, home, scratchMask()), duplicated);
      if (isEmptyMask(there)) return;
      // uvm_va_block_page_compute_highest_permission: who holds atomics without native support allows reading only.
      const exclusive = scratchMask();
      const native = uvm.topology.nativeAtomics[home];
      const mapped = scratchMask();
      for (let p = 0; p < uvm.topology.processors; p++) {
        if (p === processor || has(native, p)) continue;
        uvm.core.mappedMask(p, block.number, mapped, RIGHTS.atomic);
        orMask(exclusive, mapped);
      }
      mapPages(uvm, block, processor, andMask(exclusive, there), RIGHTS.read);
      const free = andNotMask(copyMask(scratchMask(), there), exclusive);
      mapPages(uvm, block, processor, free, has(native, processor) ? RIGHTS.atomic : RIGHTS.write);
      countRemote(uvm, block, processor, home);
    });
    releaseScratch(mark);
  }
}

/** Leaving read duplication keeps one copy: at the preferred location, else on the CPU, else the first. */
function setReadDuplicate(uvm: Uvm, range: Range, on: boolean): void {
  if (range.readDuplicate === on || range.kind === 'system') return;
  range.readDuplicate = on;
  for (const block of blocksIn(uvm, range.first, range.last)) {
    const mark = scratchMark();
    if (on) reduceToReaders(uvm, block);
    else keepOneCopy(uvm, block);
    releaseScratch(mark);
  }
}

function keepOneCopy(uvm: Uvm, block: VaBlock): void {
  const places = [block.range.preferred, HOST, ...uvm.memory.keys()].filter((p) => p >= 0);
  for (const keep of places) {
    const kept = andMask(residentOn(uvm, block, keep, scratchMask()), duplicatedMask(uvm, block, scratchMask()));
    if (isEmptyMask(kept)) continue;
    unmapFromAll(uvm, block, kept, keep);
    uvm.core.move(block.number, kept, keep, 'hint');
    noteResidence(uvm, block, keep);
  }
}

/** Entering read duplication: who holds the page may only read it, and remote mappings go. */
function reduceToReaders(uvm: Uvm, block: VaBlock): void {
  for (let p = 0; p < uvm.topology.processors; p++) {
    const mapped = uvm.core.mappedMask(p, block.number, scratchMask());
    const local = residentOn(uvm, block, p, scratchMask());
    const writable = andMask(uvm.core.mappedMask(p, block.number, scratchMask(), RIGHTS.write), local);
    if (!isEmptyMask(writable)) {
      uvm.core.map(p, block.number, writable, RIGHTS.read, p === HOST ? 0 : 1);
      if (p === HOST) uvm.core.hostShootdown();
      else uvm.core.tlbInvalidate(p);
    }
    const remote = andNotMask(mapped, local);
    if (!isEmptyMask(remote)) {
      uvm.core.unmap(p, block.number, remote);
      if (p !== HOST) uvm.core.tlbInvalidate(p);
    }
  }
}

/** UvmDiscard: the data is not worth keeping. A chunk whose block is all discarded goes before used ones. */
function discard(uvm: Uvm, block: VaBlock, mask: PageMask): void {
  if (block.range.kind === 'system') {
    const base = block.number * BLOCK_PAGES;
    for (let page = 0; page < BLOCK_PAGES; page++) {
      if (hasPage(mask, page)) uvm.linux.dontNeed(base + page, base + page);
    }
    return;
  }
  unmapFromAll(uvm, block, mask);
  uvm.core.discard(block.number, mask);
  for (let device = 1; device < uvm.topology.processors; device++) {
    const chunk = block.chunks[device].get(0);
    if (chunk === undefined || chunk.pages !== BLOCK_PAGES) continue;
    if (isEmptyMask(residentOn(uvm, block, device, scratchMask()))) uvm.memory[device].markDiscarded(chunk.root);
  }
}
