/**
 * The part of the CPU page table that the core does not hold. The core knows where a page is and what the CPU has mapped;
 * from that follow hole (nowhere, unmapped), zero page (nowhere, mapped), RAM page and device page. Kept here is what
 * differs from the ordinary: sets that are empty in most runs.
 */

import { addPage, BLOCK_PAGES, nextPage, type PageMask, pageInBlock, scratchMask } from '../mask.ts';
import { type Core, HOST, RIGHTS, type Vma } from '../model.ts';
import type { Part } from './collect.ts';
import type { PageFlags } from './page-flags.ts';
import type { LinuxMmCosts, LinuxMmCounters, LinuxMmOptions, NotifierEvent, NotifierRange } from './types.ts';

/** What a 2 MiB entry of the CPU page table maps. */
export type HugeKind = 'page' | 'zero';

export interface LinuxMmState {
  readonly core: Core;
  readonly options: LinuxMmOptions;
  readonly costs: Required<LinuxMmCosts>;
  readonly counters: LinuxMmCounters;
  /** Device-private and PROT_NONE pages whose entry lacks write permission. */
  readonly readOnlyEntry: PageFlags;
  /** VMA without write permission, without any. */
  readonly readOnlyVma: PageFlags;
  readonly deniedVma: PageFlags;
  readonly lockedVma: PageFlags;
  readonly exclusive: PageFlags;
  readonly pinned: PageFlags;
  /** Page-cache pages; a written page of a private file mapping is none. */
  readonly fileBacked: PageFlags;
  /** File pages that were read once and stay in the page cache, mapped or not. */
  readonly pageCache: PageFlags;
  /** Pages mapped singly out of a huge page that was not split: extra references keep them from migrating. */
  readonly partOfHuge: PageFlags;
  readonly huge: Map<number, HugeKind>;
  /** Blocks with a page table: no longer filled by one fault. */
  readonly pageTables: Set<number>;
  /** The notification that is being made, lent to the driver. */
  readonly range: { -readonly [K in keyof NotifierRange]: NotifierRange[K] };
  /** Parts of the migration cycles that run; the first `partsInUse` are taken. */
  readonly parts: Part[];
  partsInUse: number;
}

/** Tells the driver and counts its callbacks. */
export function notify(mm: LinuxMmState, event: NotifierEvent, firstPage: number, lastPage: number, owner = -1): void {
  const { driver } = mm.options;
  if (driver.invalidate === undefined) return;
  const { range } = mm;
  range.event = event;
  range.firstPage = firstPage;
  range.lastPage = lastPage;
  range.owner = owner;
  const calls = driver.invalidate(range);
  if (calls > 0) mm.core.count('notifier.invalidations', calls);
}

/** One `clear` notification a page, ascending. */
export function notifyEach(mm: LinuxMmState, block: number, pages: PageMask): void {
  const { driver } = mm.options;
  if (driver.invalidateEach !== undefined) {
    const calls = driver.invalidateEach(block, pages);
    if (calls > 0) mm.core.count('notifier.invalidations', calls);
    return;
  }
  if (driver.invalidate === undefined) return;
  const base = block * BLOCK_PAGES;
  for (let at = nextPage(pages, 0); at >= 0; at = nextPage(pages, at + 1)) notify(mm, 'clear', base + at, base + at);
}

export function isAnonymous(vma: Vma): boolean {
  return vma.allocation.kind !== 'file';
}

/** Memory whose pages core MM may give away at all: `pinned` never moves, `device` is not its own. */
export function isMigratable(vma: Vma): boolean {
  const { kind } = vma.allocation;
  return kind === 'managed' || kind === 'system' || kind === 'file';
}

/** The device that holds the page, -1 when none. */
export function deviceOf(core: Core, page: number): number {
  return deviceAmong(core.residence(page));
}

/** The device in a set of locations, -1 when there is none. */
export function deviceAmong(locations: number): number {
  const bits = locations & ~(1 << HOST);
  return bits === 0 ? -1 : 31 - Math.clz32(bits & -bits);
}

/** One page within its block, as a scratch mask. */
export function pageMask(page: number): PageMask {
  return addPage(scratchMask(), pageInBlock(page));
}

/** Maps pages for the CPU with what their VMA and entry allow. */
export function mapHost(mm: LinuxMmState, block: number, pages: PageMask, writable: boolean): void {
  mm.core.map(HOST, block, pages, writable ? RIGHTS.atomic : RIGHTS.read, 0);
}

/** The block has a page table now; of interest only where one fault might have filled it. */
export function notePageTable(mm: LinuxMmState, block: number): void {
  if (mm.options.hugePages !== undefined) mm.pageTables.add(block);
}

/** Data of these pages is gone: no attribute of theirs outlives it. */
export function forget(mm: LinuxMmState, block: number, pages: PageMask): void {
  mm.readOnlyEntry.removeMask(block, pages);
  mm.exclusive.removeMask(block, pages);
  mm.pinned.removeMask(block, pages);
  mm.fileBacked.removeMask(block, pages);
  mm.partOfHuge.removeMask(block, pages);
}

/** Where the kernel's VMA ends that holds `page`: mprotect and mlock of a part split it. */
export function vmaEnd(mm: LinuxMmState, vma: Vma, page: number): number {
  let end = mm.readOnlyVma.endOfLike(page, vma.lastPage);
  end = mm.deniedVma.endOfLike(page, end);
  return mm.lockedVma.endOfLike(page, end);
}

/** A full aligned block inside the VMA. */
export function coversBlock(vma: Vma, block: number): boolean {
  return vma.firstPage <= block * BLOCK_PAGES && vma.lastPage >= (block + 1) * BLOCK_PAGES - 1;
}
