/** handle_mm_fault: what one page fault of the CPU, of the kernel, or on behalf of a device does. */

import {
  addPage,
  andNotMask,
  BLOCK_BYTES,
  BLOCK_PAGES,
  blockOf,
  countPages,
  hasPage,
  PAGE_BYTES,
  type PageMask,
  pageInBlock,
  scratchMask,
  scratchRange,
  setRange,
} from '../mask.ts';
import { HOST, RIGHTS, type Vma } from '../model.ts';
import { splitHugeEntry } from './huge.ts';
import { migrateToHost } from './migrate.ts';
import {
  coversBlock,
  deviceAmong,
  isAnonymous,
  type LinuxMmState,
  mapHost,
  notePageTable,
  notify,
  pageMask,
} from './state.ts';
import type { FaultCause, MigrateOptions } from './types.ts';

/** One page fault. False = SIGBUS, SIGSEGV or no RAM. One fault repairs one thing: a write may need a second one. */
export function handleFault(mm: LinuxMmState, page: number, write: boolean, cause: FaultCause): boolean {
  const { core } = mm;
  mm.counters.faults[cause]++;
  core.spend(mm.costs.faultNs, 'faultService');
  const vma = core.vmaAt(page);
  if (vma === null || mm.deniedVma.has(page)) return false;
  if (write && mm.readOnlyVma.has(page)) return false;
  const locations = core.residence(page);
  const device = deviceAmong(locations);
  if (device > 0) return comeHome(mm, page, device, cause);
  if (mm.exclusive.has(page)) return endExclusive(mm, page);
  const rights = core.mapping(HOST, page);
  if (locations === 0) return rights === RIGHTS.none ? firstTouch(mm, vma, page, write) : breakZero(mm, page, write);
  const block = blockOf(page);
  if (rights === RIGHTS.none) {
    mapHost(mm, block, pageMask(page), !mm.readOnlyVma.has(page));
    return true;
  }
  if (write && rights < RIGHTS.write) makeWritable(mm, vma, page);
  return true;
}

const TOUCHED_BY_HOST: MigrateOptions = { trigger: 'hostFault' };

/** do_swap_page on a device-private entry. */
function comeHome(mm: LinuxMmState, page: number, device: number, cause: FaultCause): boolean {
  const { driver } = mm.options;
  if (driver.migrateToRam !== undefined) return driver.migrateToRam(page, device, cause);
  return migrateToHost(mm, device, page, page, TOUCHED_BY_HOST) === 1;
}

/** remove_device_exclusive_entry: the page was in RAM all along. */
function endExclusive(mm: LinuxMmState, page: number): boolean {
  const block = blockOf(page);
  notify(mm, 'exclusive', page, page);
  const mask = pageMask(page);
  mm.exclusive.removeMask(block, mask);
  mapHost(mm, block, mask, !mm.readOnlyVma.has(page));
  return true;
}

function firstTouch(mm: LinuxMmState, vma: Vma, page: number, write: boolean): boolean {
  const { core } = mm;
  const block = blockOf(page);
  if (!isAnonymous(vma)) return touchFile(mm, vma, page, write);
  if (hugeFirstTouch(mm, vma, block, write)) return true;
  notePageTable(mm, block);
  if (!write && core.host.zeroPage) {
    mapHost(mm, block, pageMask(page), false);
    return true;
  }
  const mask = core.host.pageBytes === PAGE_BYTES ? pageMask(page) : holesAround(mm, vma, page);
  core.populate(block, mask, HOST);
  if (core.host.pageBytes === BLOCK_BYTES && countPages(mask) === BLOCK_PAGES) mm.huge.set(block, 'page');
  mapHost(mm, block, mask, !mm.readOnlyVma.has(page));
  return true;
}

/** A larger first touch fills what is empty of its aligned window, within the VMA. */
function holesAround(mm: LinuxMmState, vma: Vma, page: number): PageMask {
  const { core } = mm;
  const pages = core.host.pageBytes / PAGE_BYTES;
  const start = page - (page % pages);
  const first = Math.max(vma.firstPage, start);
  const last = Math.min(vma.lastPage, start + pages - 1);
  const block = blockOf(page);
  const mask = scratchRange(pageInBlock(first), pageInBlock(last));
  const taken = scratchMask();
  for (let at = 0; at < core.actors.length; at++) andNotMask(mask, core.residentMask(at, block, taken));
  return andNotMask(mask, core.mappedMask(HOST, block, taken));
}

/** do_huge_pmd_anonymous_page: needs an aligned 2 MiB of the VMA with no page table under it. */
function hugeFirstTouch(mm: LinuxMmState, vma: Vma, block: number, write: boolean): boolean {
  const { core, options } = mm;
  if (options.hugePages?.(vma) !== true || !coversBlock(vma, block)) return false;
  if (mm.pageTables.has(block) || mm.huge.has(block)) return false;
  const all = scratchRange(0, BLOCK_PAGES - 1);
  if (!write && core.host.zeroPage) {
    mm.huge.set(block, 'zero');
    mapHost(mm, block, all, false);
    return true;
  }
  core.populate(block, all, HOST);
  mm.huge.set(block, 'page');
  mapHost(mm, block, all, !mm.readOnlyVma.has(block * BLOCK_PAGES));
  return true;
}

/** Pages that one read fault of a file maps, of those in the page cache (fault_around_bytes). */
const FAULT_AROUND_PAGES = 16;

/** A file page enters the page cache; a write to a private mapping makes an anonymous copy at once. */
function touchFile(mm: LinuxMmState, vma: Vma, page: number, write: boolean): boolean {
  const block = blockOf(page);
  const mask = pageMask(page);
  const isPrivate = mm.options.privateFile?.(vma) === true;
  mm.pageCache.addMask(block, mask);
  if (isPrivate && write) {
    mm.core.populate(block, mask, HOST);
    mapHost(mm, block, mask, true);
    return true;
  }
  if (!write) faultAround(mm, vma, page, mask);
  mm.core.populate(block, mask, HOST);
  mm.fileBacked.addMask(block, mask);
  mapHost(mm, block, mask, !isPrivate && !mm.readOnlyVma.has(page));
  return true;
}

/** do_fault_around: adds cached neighbours that nobody has mapped, from the aligned window's start or the VMA's. */
function faultAround(mm: LinuxMmState, vma: Vma, page: number, mask: PageMask): void {
  const cached = mm.pageCache.mask(blockOf(page));
  if (cached === null) return;
  const first = Math.max(page - (page % FAULT_AROUND_PAGES), vma.firstPage);
  const last = Math.min(first + FAULT_AROUND_PAGES - 1, vma.lastPage, first - pageInBlock(first) + BLOCK_PAGES - 1);
  for (let next = first; next <= last; next++) {
    if (hasPage(cached, pageInBlock(next)) && mm.core.residence(next) === 0) addPage(mask, pageInBlock(next));
  }
}

/** Write to the zero page: a page takes its place, so every mirror of it goes (do_wp_page). */
function breakZero(mm: LinuxMmState, page: number, write: boolean): boolean {
  if (!write) return true;
  const block = blockOf(page);
  splitHugeEntry(mm, block);
  notify(mm, 'clear', page, page);
  const mask = pageMask(page);
  mm.core.populate(block, mask, HOST);
  mapHost(mm, block, mask, true);
  return true;
}

/** Write to a RAM page that is mapped read-only: a page-cache page of a private mapping is copied, another is upgraded. */
function makeWritable(mm: LinuxMmState, vma: Vma, page: number): void {
  const block = blockOf(page);
  const mask = pageMask(page);
  if (mm.fileBacked.has(page) && mm.options.privateFile?.(vma) === true) {
    notify(mm, 'clear', page, page);
    mm.fileBacked.removeMask(block, mask);
  }
  if (mm.huge.has(block)) setRange(mask, 0, BLOCK_PAGES - 1);
  mapHost(mm, block, mask, true);
}
