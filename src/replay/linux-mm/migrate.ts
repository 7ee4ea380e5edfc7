/**
 * migrate_vma (mm/migrate_device.c): collect and unmap, let the driver allocate and copy, switch, finalize. Best effort
 * per page. A cycle is one such round over at most `batchPages` pages of one VMA.
 */

import {
  andMask,
  andNotMask,
  BLOCK_PAGES,
  blockOf,
  copyMask,
  countPages,
  isEmptyMask,
  nextPage,
  type PageMask,
  pageInBlock,
  releaseScratch,
  scratchMark,
  scratchMask,
  scratchRange,
} from '../mask.ts';
import { TRIGGERS, type Trigger } from '../metrics.ts';
import { HOST, type Vma } from '../model.ts';
import { collect, type Part, takePart } from './collect.ts';
import { endInBlock } from './page-flags.ts';
import { type LinuxMmState, mapHost, notePageTable, notify, notifyEach, vmaEnd } from './state.ts';
import type { MigrateOptions } from './types.ts';

/** Cycles of the part of first..last that lies in this VMA. Returns pages moved. */
type Cycles = (
  mm: LinuxMmState,
  device: number,
  vma: Vma,
  firstPage: number,
  lastPage: number,
  options: MigrateOptions,
) => number;

export function migrateToDevice(
  mm: LinuxMmState,
  device: number,
  firstPage: number,
  lastPage: number,
  options: MigrateOptions,
): number {
  return inEachVma(mm, device, firstPage, lastPage, options, cycleToDevice);
}

export function migrateToHost(
  mm: LinuxMmState,
  device: number,
  firstPage: number,
  lastPage: number,
  options: MigrateOptions,
): number {
  return inEachVma(mm, device, firstPage, lastPage, options, cycleToHost);
}

function inEachVma(
  mm: LinuxMmState,
  device: number,
  firstPage: number,
  lastPage: number,
  options: MigrateOptions,
  cycle: Cycles,
): number {
  const only = mm.core.vmaAt(firstPage);
  if (only !== null && lastPage <= only.lastPage) {
    return inBatches(mm, device, only, firstPage, lastPage, options, cycle);
  }
  let moved = 0;
  for (const vma of mm.core.vmasIn(firstPage, lastPage)) {
    const first = Math.max(firstPage, vma.firstPage);
    moved += inBatches(mm, device, vma, first, Math.min(lastPage, vma.lastPage), options, cycle);
  }
  return moved;
}

function inBatches(
  mm: LinuxMmState,
  device: number,
  vma: Vma,
  firstPage: number,
  lastPage: number,
  options: MigrateOptions,
  cycle: Cycles,
): number {
  const batchPages = options.batchPages ?? Number.POSITIVE_INFINITY;
  let moved = 0;
  for (let first = firstPage; first <= lastPage; ) {
    const last = Math.min(lastPage, first + batchPages - 1, vmaEnd(mm, vma, first));
    const mark = scratchMark();
    moved += cycle(mm, device, vma, first, last, options);
    releaseScratch(mark);
    first = last + 1;
  }
  return moved;
}

// --- to a device ---------------------------------------------------------------------------------------------------
function cycleToDevice(
  mm: LinuxMmState,
  device: number,
  vma: Vma,
  first: number,
  last: number,
  options: MigrateOptions,
): number {
  const { core, parts } = mm;
  mm.counters.cyclesToDevice++;
  notify(mm, 'migrate', first, last, device);
  const begin = mm.partsInUse;
  for (let page = first; page <= last; ) {
    const end = endInBlock(page, last);
    collect(mm, takePart(mm), vma, blockOf(page), pageInBlock(page), pageInBlock(end));
    page = end + 1;
  }
  const end = mm.partsInUse;
  for (let i = begin; i < end; i++) {
    const { huge, isolated, empty } = parts[i];
    // Costs count pages looked after, including those put back later.
    const pages = countPages(isolated) + countPages(empty);
    core.spend(huge ? mm.costs.migrateHugeNs : pages * mm.costs.migratePageNs, 'mapping');
  }
  core.spend(mm.costs.migrateCycleNs, 'mapping');
  if (options.allocate !== undefined) {
    for (let i = begin; i < end; i++) options.allocate(parts[i].block, parts[i].going);
  }
  announceEmpty(mm, begin, end, last, device);
  for (let i = begin; i < end; i++) {
    if (isEmptyMask(parts[i].going)) continue;
    core.beginMigration();
    break;
  }
  let moved = 0;
  for (let i = begin; i < end; i++) moved += settle(mm, device, parts[i], options);
  mm.partsInUse = begin;
  return moved;
}

/** Holes and zero pages are inserted by migrate_vma_pages, which announces them once, from the first one to the end. */
function announceEmpty(mm: LinuxMmState, begin: number, end: number, last: number, device: number): void {
  for (let i = begin; i < end; i++) {
    const { block, empty, going } = mm.parts[i];
    if (isEmptyMask(empty)) continue;
    const first = nextPage(andMask(copyMask(scratchMask(), empty), going), 0);
    if (first < 0) continue;
    notify(mm, 'migrate', block * BLOCK_PAGES + first, last, device);
    return;
  }
}

/** Copies what has a destination, puts back the rest. The part is used up. Returns pages moved. */
function settle(mm: LinuxMmState, device: number, part: Part, options: MigrateOptions): number {
  const { core } = mm;
  const { block, isolated, writable, empty, going, huge } = part;
  const fresh = andMask(empty, going);
  const copied = andNotMask(copyMask(scratchMask(), going), fresh);
  if (!isEmptyMask(fresh)) {
    core.unmap(HOST, block, fresh, 0);
    core.populate(block, fresh, device, options.populate ?? options.move);
  }
  if (!isEmptyMask(copied)) core.move(block, copied, device, options.trigger, options.move);
  const back = andNotMask(isolated, copied);
  if (!isEmptyMask(back)) {
    const writableBack = andMask(copyMask(scratchMask(), back), writable);
    mapHost(mm, block, andNotMask(back, writable), false);
    mapHost(mm, block, writableBack, true);
  }
  if (isEmptyMask(going)) return 0;
  notePageTable(mm, block);
  if (!huge || !isEmptyMask(back)) mm.huge.delete(block);
  setEntries(mm, block, fresh, copied, writable);
  options.moved?.(block, going);
  return countPages(going);
}

/** The device entry inherits the permission of the page, a fresh one that of the VMA. The masks are used up. */
function setEntries(mm: LinuxMmState, block: number, fresh: PageMask, copied: PageMask, writable: PageMask): void {
  mm.readOnlyEntry.removeMask(block, fresh);
  mm.readOnlyEntry.removeMask(block, copied);
  mm.readOnlyEntry.addMask(block, andNotMask(copied, writable));
  const vmaReadOnly = mm.readOnlyVma.mask(block);
  if (vmaReadOnly !== null) mm.readOnlyEntry.addMask(block, andMask(fresh, vmaReadOnly));
}

// --- home ----------------------------------------------------------------------------------------------------------
function cycleToHost(
  mm: LinuxMmState,
  device: number,
  _vma: Vma,
  first: number,
  last: number,
  options: MigrateOptions,
): number {
  const { core } = mm;
  mm.counters.cyclesToHost++;
  notify(mm, 'migrate', first, last, device);
  core.spend(mm.costs.migrateCycleNs, 'mapping');
  let moved = 0;
  let begun = false;
  const mark = scratchMark();
  for (let page = first; page <= last; ) {
    releaseScratch(mark);
    const end = endInBlock(page, last);
    const block = blockOf(page);
    const range = scratchRange(pageInBlock(page), pageInBlock(end));
    page = end + 1;
    const going = andMask(core.residentMask(device, block, scratchMask()), range);
    if (isEmptyMask(going)) continue;
    if (!begun) core.beginMigration();
    begun = true;
    const huge = mm.huge.get(block) === 'page';
    core.spend(huge ? mm.costs.migrateHugeNs : countPages(going) * mm.costs.migratePageNs, 'mapping');
    options.allocate?.(block, going);
    moved += returnPages(mm, device, block, going, options);
  }
  return moved;
}

function returnPages(
  mm: LinuxMmState,
  device: number,
  block: number,
  going: PageMask,
  options: MigrateOptions,
): number {
  const { core } = mm;
  const pages = countPages(going);
  if (pages === 0) return 0;
  core.move(block, going, HOST, options.trigger, options.move);
  if (pages < BLOCK_PAGES) mm.huge.delete(block);
  const readOnly = mm.readOnlyEntry.mask(block);
  if (readOnly === null) mapHost(mm, block, going, true);
  else {
    const locked = andMask(copyMask(scratchMask(), readOnly), going);
    mapHost(mm, block, andNotMask(copyMask(scratchMask(), going), locked), true);
    mapHost(mm, block, locked, false);
    mm.readOnlyEntry.removeMask(block, locked);
  }
  options.moved?.(block, going);
  mm.options.driver.pageFree?.(device, block, going);
  return pages;
}

/** Options of a move that asks the driver nothing. */
const JUST_MOVE = Object.fromEntries(TRIGGERS.map((trigger) => [trigger, { trigger }])) as Record<
  Trigger,
  MigrateOptions
>;

/** Eviction by page frame: try_to_migrate clears one entry at a time, hence a notification a page. */
export function migrateDevicePages(
  mm: LinuxMmState,
  device: number,
  block: number,
  pages: PageMask,
  trigger: Trigger,
): number {
  const { core } = mm;
  const mark = scratchMark();
  const going = andMask(core.residentMask(device, block, scratchMask()), pages);
  if (isEmptyMask(going)) {
    releaseScratch(mark);
    return 0;
  }
  core.beginMigration();
  notifyEach(mm, block, going);
  const huge = mm.huge.get(block) === 'page';
  core.spend(
    mm.costs.migrateCycleNs + (huge ? mm.costs.migrateHugeNs : countPages(going) * mm.costs.migratePageNs),
    'mapping',
  );
  const moved = returnPages(mm, device, block, going, JUST_MOVE[trigger]);
  releaseScratch(mark);
  return moved;
}
