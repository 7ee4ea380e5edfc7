/**
 * migrate_vma (mm/migrate_device.c): collect and unmap, let the driver allocate and copy, switch, finalize. Best effort
 * per page. A cycle is one such round over at most `batchPages` pages of one VMA.
 */

import {
  addRange,
  andMask,
  andNotMask,
  BLOCK_PAGES,
  copyMask,
  countPages,
  forEachPage,
  isEmptyMask,
  newMask,
  nextPage,
  orMask,
  type PageMask,
} from '../mask.ts';
import type { Trigger } from '../metrics.ts';
import { HOST, RIGHTS, type Vma } from '../model.ts';
import { splitHugePage } from './huge.ts';
import { forEachBlock } from './page-flags.ts';
import { isAnonymous, isMigratable, type LinuxMmState, mapHost, notePageTable, notify, vmaEnd } from './state.ts';
import type { MigrateOptions } from './types.ts';

/** One block's part of a cycle. */
interface Part {
  readonly block: number;
  /** Pages taken out of the CPU page table. */
  readonly isolated: PageMask;
  readonly writable: PageMask;
  /** Pages without data: they need a zeroed destination and no copy. */
  readonly empty: PageMask;
  readonly going: PageMask;
  readonly huge: boolean;
}

function forEachCycle(
  mm: LinuxMmState,
  firstPage: number,
  lastPage: number,
  batchPages: number,
  visit: (vma: Vma, first: number, last: number) => void,
): void {
  for (const vma of mm.core.vmasIn(firstPage, lastPage)) {
    const end = Math.min(lastPage, vma.lastPage);
    for (let first = Math.max(firstPage, vma.firstPage); first <= end; ) {
      const last = Math.min(end, first + batchPages - 1, vmaEnd(mm, vma, first));
      visit(vma, first, last);
      first = last + 1;
    }
  }
}

export function migrateToDevice(
  mm: LinuxMmState,
  device: number,
  firstPage: number,
  lastPage: number,
  options: MigrateOptions,
): number {
  let moved = 0;
  forEachCycle(mm, firstPage, lastPage, options.batchPages ?? Number.POSITIVE_INFINITY, (vma, first, last) => {
    moved += cycleToDevice(mm, device, vma, first, last, options);
  });
  return moved;
}

function cycleToDevice(
  mm: LinuxMmState,
  device: number,
  vma: Vma,
  first: number,
  last: number,
  options: MigrateOptions,
): number {
  const { core } = mm;
  mm.counters.cyclesToDevice++;
  notify(mm, 'migrate', first, last, device);
  const parts: Part[] = [];
  forEachBlock(first, last, (block, from, to) => parts.push(collect(mm, vma, block, from, to)));
  for (const { huge, isolated, going, empty } of parts) {
    // Costs count pages looked after, including those put back later.
    const pages = countPages(orMask(orMask(copyMask(newMask(), isolated), going), empty));
    core.spend(huge ? mm.costs.migrateHugeNs : pages * mm.costs.migratePageNs, 'mapping');
  }
  core.spend(mm.costs.migrateCycleNs, 'mapping');
  for (const part of parts) options.allocate?.(part.block, part.going);
  announceEmpty(mm, parts, last, device);
  if (parts.some((part) => !isEmptyMask(part.going))) core.beginMigration();
  let moved = 0;
  for (const part of parts) moved += settle(mm, device, part, options);
  return moved;
}

/** Which pages can go; takes the present ones out of the CPU page table. */
function collect(mm: LinuxMmState, vma: Vma, block: number, from: number, to: number): Part {
  const { core } = mm;
  const whole = from === 0 && to === BLOCK_PAGES - 1;
  const huge = mm.huge.get(block) === 'page' && whole && mm.options.hugeMigration === true;
  if (!huge) splitHugePage(mm, block);
  const range = addRange(newMask(), from, to);
  const mapped = andMask(core.mappedMask(HOST, block, newMask()), range);
  const resident = andMask(core.residentMask(HOST, block, newMask()), range);
  const isolated = andMask(copyMask(newMask(), resident), mapped);
  const writable = andMask(core.mappedMask(HOST, block, newMask(), RIGHTS.write), isolated);
  const empty = newMask();
  if (isAnonymous(vma) && isMigratable(vma)) {
    copyMask(empty, range);
    const held = newMask();
    for (let at = 0; at < core.actors.length; at++) andNotMask(empty, core.residentMask(at, block, held));
  }
  const going = isMigratable(vma) ? copyMask(newMask(), isolated) : newMask();
  for (const stays of [mm.pinned, mm.fileBacked, mm.partOfHuge]) {
    const mask = stays.mask(block);
    if (mask !== null) andNotMask(going, mask);
  }
  // A pinned zero page moves: the pin holds no page of the process.
  orMask(going, empty);
  core.unmap(HOST, block, isolated);
  return { block, isolated, writable, empty, going, huge };
}

/** Holes and zero pages are inserted by migrate_vma_pages, which announces them once, from the first one to the end. */
function announceEmpty(mm: LinuxMmState, parts: readonly Part[], last: number, device: number): void {
  for (const { block, empty, going } of parts) {
    const first = nextPage(andMask(copyMask(newMask(), empty), going), 0);
    if (first < 0) continue;
    notify(mm, 'migrate', block * BLOCK_PAGES + first, last, device);
    return;
  }
}

/** Copies what has a destination, puts back the rest. Returns pages moved. */
function settle(mm: LinuxMmState, device: number, part: Part, options: MigrateOptions): number {
  const { core } = mm;
  const { block, isolated, writable, empty, going, huge } = part;
  const fresh = andMask(copyMask(newMask(), empty), going);
  const copied = andNotMask(copyMask(newMask(), going), fresh);
  if (!isEmptyMask(fresh)) {
    core.unmap(HOST, block, fresh, 0);
    core.populate(block, fresh, device, options.populate ?? options.move);
  }
  if (!isEmptyMask(copied)) core.move(block, copied, device, options.trigger, options.move);
  const back = andNotMask(copyMask(newMask(), isolated), copied);
  if (!isEmptyMask(back)) {
    const writableBack = andMask(copyMask(newMask(), back), writable);
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

/** The device entry inherits the permission of the page, a fresh one that of the VMA. */
function setEntries(mm: LinuxMmState, block: number, fresh: PageMask, copied: PageMask, writable: PageMask): void {
  const readOnly = andNotMask(copyMask(newMask(), copied), writable);
  const vmaReadOnly = mm.readOnlyVma.mask(block);
  if (vmaReadOnly !== null) orMask(readOnly, andMask(copyMask(newMask(), fresh), vmaReadOnly));
  mm.readOnlyEntry.removeMask(block, fresh);
  mm.readOnlyEntry.removeMask(block, copied);
  mm.readOnlyEntry.addMask(block, readOnly);
}

export function migrateToHost(
  mm: LinuxMmState,
  device: number,
  firstPage: number,
  lastPage: number,
  options: MigrateOptions,
): number {
  const { core } = mm;
  let moved = 0;
  forEachCycle(mm, firstPage, lastPage, options.batchPages ?? Number.POSITIVE_INFINITY, (_vma, first, last) => {
    mm.counters.cyclesToHost++;
    let begun = false;
    notify(mm, 'migrate', first, last, device);
    core.spend(mm.costs.migrateCycleNs, 'mapping');
    forEachBlock(first, last, (block, from, to) => {
      const going = andMask(core.residentMask(device, block, newMask()), addRange(newMask(), from, to));
      if (isEmptyMask(going)) return;
      if (!begun) core.beginMigration();
      begun = true;
      const huge = mm.huge.get(block) === 'page';
      core.spend(huge ? mm.costs.migrateHugeNs : countPages(going) * mm.costs.migratePageNs, 'mapping');
      options.allocate?.(block, going);
      moved += returnPages(mm, device, block, going, options);
    });
  });
  return moved;
}

function returnPages(
  mm: LinuxMmState,
  device: number,
  block: number,
  going: PageMask,
  options: Pick<MigrateOptions, 'trigger' | 'move' | 'moved'>,
): number {
  const { core } = mm;
  const pages = countPages(going);
  if (pages === 0) return 0;
  core.move(block, going, HOST, options.trigger, options.move);
  if (pages < BLOCK_PAGES) mm.huge.delete(block);
  const readOnly = mm.readOnlyEntry.mask(block);
  if (readOnly === null) mapHost(mm, block, going, true);
  else {
    const locked = andMask(copyMask(newMask(), readOnly), going);
    mapHost(mm, block, andNotMask(copyMask(newMask(), going), locked), true);
    mapHost(mm, block, locked, false);
    mm.readOnlyEntry.removeMask(block, locked);
  }
  options.moved?.(block, going);
  mm.options.driver.pageFree?.(device, block, going);
  return pages;
}

/** Eviction by page frame: try_to_migrate clears one entry at a time, hence a notification a page. */
export function migrateDevicePages(
  mm: LinuxMmState,
  device: number,
  block: number,
  pages: PageMask,
  trigger: Trigger,
): number {
  const { core } = mm;
  const going = andMask(core.residentMask(device, block, newMask()), pages);
  if (isEmptyMask(going)) return 0;
  core.beginMigration();
  forEachPage(going, (page) => notify(mm, 'clear', block * BLOCK_PAGES + page, block * BLOCK_PAGES + page));
  const huge = mm.huge.get(block) === 'page';
  core.spend(
    mm.costs.migrateCycleNs + (huge ? mm.costs.migrateHugeNs : countPages(going) * mm.costs.migratePageNs),
    'mapping',
  );
  return returnPages(mm, device, block, going, { trigger });
}
