/** System calls that change mappings, and what core MM keeps of them. */

import {
  andMask,
  andNotMask,
  BLOCK_PAGES,
  blockOf,
  copyMask,
  isEmptyMask,
  maskCovers,
  orMask,
  type PageMask,
  releaseScratch,
  scratchMark,
  scratchMask,
  scratchRange,
} from '../mask.ts';
import { HOST, RIGHTS } from '../model.ts';
import { handleFault } from './fault.ts';
import { splitAtEdges } from './huge.ts';
import { forEachBlock } from './page-flags.ts';
import { coversBlock, deviceOf, forget, type LinuxMmState, mapHost, notify, pageMask } from './state.ts';
import type { FaultCause } from './types.ts';

/** zap_page_range: data goes, wherever it is; device pages are freed in place, without a copy. */
function zap(mm: LinuxMmState, firstPage: number, lastPage: number): void {
  const { core, options } = mm;
  splitAtEdges(mm, firstPage, lastPage);
  forEachBlock(firstPage, lastPage, (block, from, to) => {
    const pages = scratchRange(from, to);
    core.unmap(HOST, block, pages);
    for (let device = 1; device < core.actors.length; device++) {
      const own = andMask(core.residentMask(device, block, scratchMask()), pages);
      if (isEmptyMask(own)) continue;
      core.discard(block, own, device);
      options.driver.pageFree?.(device, block, own);
    }
    core.discard(block, pages);
    forget(mm, block, pages);
    mm.huge.delete(block);
  });
}

export function munmap(mm: LinuxMmState, firstPage: number, lastPage: number): void {
  notify(mm, 'unmap', firstPage, lastPage);
  zap(mm, firstPage, lastPage);
  mm.readOnlyVma.remove(firstPage, lastPage);
  mm.deniedVma.remove(firstPage, lastPage);
  mm.lockedVma.remove(firstPage, lastPage);
  mm.pageCache.remove(firstPage, lastPage);
  forEachBlock(firstPage, lastPage, (block, from, to) => {
    if (from === 0 && to === BLOCK_PAGES - 1) mm.pageTables.delete(block);
  });
}

export function dontNeed(mm: LinuxMmState, firstPage: number, lastPage: number): void {
  notify(mm, 'clear', firstPage, lastPage);
  zap(mm, firstPage, lastPage);
}

/**
 * change_protection. RAM pages regain write permission with their VMA, device pages only after they came home.
 */
export function mprotect(
  mm: LinuxMmState,
  firstPage: number,
  lastPage: number,
  protection: 'none' | 'read' | 'write',
): void {
  const { core } = mm;
  notify(mm, 'protectionVma', firstPage, lastPage);
  splitAtEdges(mm, firstPage, lastPage);
  forEachBlock(firstPage, lastPage, (block, from, to) => {
    const pages = scratchRange(from, to);
    const denied = scratchMask();
    const deniedVma = mm.deniedVma.mask(block);
    if (deniedVma !== null) andMask(orMask(denied, deniedVma), pages);
    const mapped = andMask(core.mappedMask(HOST, block, scratchMask()), pages);
    const onDevice = scratchMask();
    for (let device = 1; device < core.actors.length; device++) {
      orMask(onDevice, core.residentMask(device, block, scratchMask()));
    }
    andMask(onDevice, pages);
    if (protection === 'none') {
      mm.deniedVma.addMask(block, pages);
      mm.readOnlyEntry.addMask(block, onDevice);
      core.unmap(HOST, block, mapped);
      return;
    }
    mm.deniedVma.removeMask(block, pages);
    if (protection === 'read') {
      mm.readOnlyVma.addMask(block, pages);
      mm.readOnlyEntry.addMask(block, onDevice);
      mapHost(mm, block, mapped, false);
    } else {
      mm.readOnlyVma.removeMask(block, pages);
      // Private pages of RAM are writable again at once (can_change_pte_writable).
      const anonymous = andMask(core.residentMask(HOST, block, scratchMask()), mapped);
      const fileBacked = mm.fileBacked.mask(block);
      if (fileBacked !== null) andNotMask(anonymous, fileBacked);
      mapHost(mm, block, anonymous, true);
    }
    const wasDenied = andMask(core.residentMask(HOST, block, scratchMask()), denied);
    mapHost(mm, block, wasDenied, protection === 'write');
  });
}

/** Faults in every page that is not present with the rights; the kernel does it for mlock, MADV_POPULATE and pins. */
export function populate(
  mm: LinuxMmState,
  firstPage: number,
  lastPage: number,
  write: boolean,
  cause: FaultCause = 'kernel',
): number {
  let faults = 0;
  for (let page = firstPage; page <= lastPage; page++) {
    const rights = write && !mm.readOnlyVma.has(page) ? RIGHTS.write : RIGHTS.read;
    while (mm.core.mapping(HOST, page) < rights) {
      faults++;
      const mark = scratchMark();
      const done = handleFault(mm, page, rights === RIGHTS.write, cause);
      releaseScratch(mark);
      if (!done) break;
    }
  }
  return faults;
}

/** mlock populates for writing what may be written (populate_vma_page_range). */
export function lock(mm: LinuxMmState, firstPage: number, lastPage: number): number {
  mm.lockedVma.add(firstPage, lastPage);
  return populate(mm, firstPage, lastPage, true);
}

export function pin(mm: LinuxMmState, firstPage: number, lastPage: number): void {
  populate(mm, firstPage, lastPage, false);
  for (let page = firstPage; page <= lastPage; page++) {
    if (mm.core.residence(page) !== 0) mm.pinned.addPage(page);
  }
}

/** make_device_exclusive_range: device pages come home, then the CPU entry is replaced by an exclusive one. */
export function makeExclusive(mm: LinuxMmState, firstPage: number, lastPage: number): number {
  const { core } = mm;
  populate(mm, firstPage, lastPage, true, 'device');
  let made = 0;
  for (let page = firstPage; page <= lastPage; page++) {
    if (deviceOf(core, page) > 0 || core.mapping(HOST, page) < RIGHTS.write) continue;
    const mark = scratchMark();
    notify(mm, 'exclusive', page, page);
    core.unmap(HOST, blockOf(page), pageMask(page));
    mm.exclusive.addPage(page);
    releaseScratch(mark);
    made++;
  }
  return made;
}

/** MADV_COLLAPSE: gathers single pages into a huge page; it fails without a whole block, or with a device page in it. */
export function collapse(mm: LinuxMmState, firstPage: number, lastPage: number): boolean {
  const { core } = mm;
  let ok = false;
  let failed = false;
  const full = scratchRange(0, BLOCK_PAGES - 1);
  forEachBlock(firstPage, lastPage, (block, from, to) => {
    const vma = core.vmaAt(block * BLOCK_PAGES);
    if (from !== 0 || to !== BLOCK_PAGES - 1 || vma === null || !coversBlock(vma, block)) return;
    ok = true;
    if (mm.huge.get(block) === 'page') return;
    const resident = core.residentMask(HOST, block, scratchMask());
    const empty = emptyPages(mm, block, full);
    if (!maskCovers(orMask(copyMask(scratchMask(), resident), empty), full)) {
      failed = true;
      return;
    }
    notify(mm, 'clear', block * BLOCK_PAGES, block * BLOCK_PAGES + BLOCK_PAGES - 1);
    core.unmap(HOST, block, empty, 0);
    core.populate(block, empty, HOST);
    mapHost(mm, block, full, !mm.readOnlyVma.has(block * BLOCK_PAGES));
    mm.partOfHuge.removeMask(block, full);
    mm.huge.set(block, 'page');
  });
  return ok && !failed;
}

function emptyPages(mm: LinuxMmState, block: number, within: PageMask): PageMask {
  const empty = copyMask(scratchMask(), within);
  const held = scratchMask();
  for (let at = 0; at < mm.core.actors.length; at++) andNotMask(empty, mm.core.residentMask(at, block, held));
  return empty;
}
