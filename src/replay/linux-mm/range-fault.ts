/** hmm_range_fault (mm/hmm.c): make the CPU page table hold what a device needs, and read it. */

import type { FaultBuffer } from '../faults.ts';
import {
  addRange,
  andNotMask,
  BLOCK_PAGES,
  blockOf,
  clearMask,
  nextPage,
  orMask,
  type PageMask,
  pageInBlock,
  releaseScratch,
  scratchMark,
  scratchMask,
} from '../mask.ts';
import { HOST, RIGHTS } from '../model.ts';
import { handleFault } from './fault.ts';
import { endInBlock } from './page-flags.ts';
import { type LinuxMmState, vmaEnd } from './state.ts';
import type { RangeFaultRequest, RangeFaultStatus } from './types.ts';

/** Constants of this module are those that V8 folds. */
const { read: READ, write: WRITE } = RIGHTS;

/**
 * Pages that a snapshot for `device` returns valid: what the CPU has mapped, and the device's own. With `write`, those
 * with write permission: an own page whose entry is read-only is valid without it, and no fault changes that.
 */
export function validMask(mm: LinuxMmState, block: number, device: number, out: PageMask, write = false): PageMask {
  mm.core.mappedMask(HOST, block, out, write ? WRITE : READ);
  if (device <= 0) return out;
  const own = mm.core.residentMask(device, block, scratchMask());
  const readOnly = write ? mm.readOnlyEntry.mask(block) : null;
  if (readOnly !== null) andNotMask(own, readOnly);
  const denied = mm.deniedVma.mask(block);
  if (denied !== null) andNotMask(own, denied);
  return orMask(out, own);
}

/** `validMask` of one page. */
export function isValid(mm: LinuxMmState, page: number, device: number, write: boolean): boolean {
  if (isMapped(mm, page, write)) return true;
  if (!isOwn(mm, page, device) || mm.deniedVma.has(page)) return false;
  return !write || !mm.readOnlyEntry.has(page);
}

function isMapped(mm: LinuxMmState, page: number, write: boolean): boolean {
  return mm.core.mapping(HOST, page) >= (write ? WRITE : READ);
}

function isOwn(mm: LinuxMmState, page: number, device: number): boolean {
  return device > 0 && (mm.core.residence(page) & (1 << device)) !== 0;
}

/**
 * Sweeps that may leave one page unusable: it comes home, read-only, and becomes writable. More change nothing (a driver
 * that refuses to bring its page home); the kernel goes on until the driver's timeout.
 */
const MAX_ROUNDS = 3;

/** Does a request for one page find it usable as it is? Fills in what it finds. */
function isUsable(mm: LinuxMmState, request: RangeFaultRequest): boolean {
  const { firstPage, device, write } = request;
  if (mm.deniedVma.has(firstPage)) return false;
  const rights = mm.core.mapping(HOST, firstPage);
  request.writable = rights >= WRITE;
  if (rights >= (write ? WRITE : READ)) return true;
  if (!isOwn(mm, firstPage, device)) return false;
  request.writable ||= !mm.readOnlyEntry.has(firstPage);
  return true;
}

/** First page of first..last that the request finds unusable, -1 = none. */
function firstUnsatisfied(mm: LinuxMmState, request: RangeFaultRequest, firstPage: number): number {
  const { lastPage, device, write } = request;
  if (request.firstPage === lastPage) return isUsable(mm, request) ? -1 : firstPage;
  const mark = scratchMark();
  const missing = scratchMask();
  const present = scratchMask();
  const own = scratchMask();
  let found = -1;
  for (let page = firstPage; page <= lastPage; ) {
    const block = blockOf(page);
    const end = endInBlock(page, lastPage);
    addRange(clearMask(missing), pageInBlock(page), pageInBlock(end));
    validMask(mm, block, -1, present, write);
    if (device > 0) orMask(present, mm.core.residentMask(device, block, own));
    const denied = mm.deniedVma.mask(block);
    if (denied !== null) andNotMask(present, denied);
    const first = nextPage(andNotMask(missing, present), 0);
    if (first >= 0) {
      found = block * BLOCK_PAGES + first;
      break;
    }
    page = end + 1;
  }
  releaseScratch(mark);
  return found;
}

function entriesIn(mm: LinuxMmState, request: RangeFaultRequest): number {
  const { firstPage, lastPage } = request;
  if (firstPage === lastPage || mm.huge.size === 0) return lastPage - firstPage + 1;
  let entries = 0;
  for (let page = firstPage; page <= lastPage; ) {
    const end = endInBlock(page, lastPage);
    entries += mm.huge.has(blockOf(page)) ? 1 : end - page + 1;
    page = end + 1;
  }
  return entries;
}

/**
 * From the first page that does not satisfy, every page to the end of the request (cut at 2 MiB) gets a fault of its
 * own, whatever it holds: the caller's own device pages among them come home too (hmm_vma_fault, seen in the kernel run).
 */
export function rangeFault(mm: LinuxMmState, request: RangeFaultRequest): RangeFaultStatus {
  const { core } = mm;
  const { firstPage, lastPage, write } = request;
  mm.counters.rangeFaults++;
  core.spend(mm.costs.rangeFaultNs + entriesIn(mm, request) * mm.costs.rangeFaultEntryNs, 'faultService');
  // Nothing was done that could have invalidated a page that was usable all along.
  if (firstPage === lastPage && isUsable(mm, request)) return 'valid';
  const sequence = request.sequence();
  let rounds = 0;
  for (let from = firstPage; ; ) {
    if (request.sequence() !== sequence) return 'busy';
    const page = firstUnsatisfied(mm, request, from);
    if (page < 0) return 'valid';
    rounds = page === from ? rounds + 1 : 0;
    if (rounds > MAX_ROUNDS) return 'fault';
    const vma = core.vmaAt(page);
    if (vma === null || mm.deniedVma.has(page)) return 'fault';
    if (write && mm.readOnlyVma.has(page)) return 'denied';
    const end = Math.min(vmaEnd(mm, vma, page), endInBlock(page, lastPage));
    for (let next = page; next <= end; next++) {
      const mark = scratchMark();
      const done = handleFault(mm, next, write, 'device');
      releaseScratch(mark);
      if (!done) return 'fault';
    }
    from = page;
  }
}

/** What the CPU maps lies in a VMA, and `rangeFault` finds it usable. Huge entries and denied VMAs are looked at one by one. */
export function rangeFaults(mm: LinuxMmState, device: number, faults: FaultBuffer): number {
  if (mm.huge.size > 0 || !mm.deniedVma.isEmpty) return 0;
  const { core, costs } = mm;
  const served = core.mirrorFaults(device, faults);
  mm.counters.rangeFaults += served;
  core.spend(costs.rangeFaultNs + costs.rangeFaultEntryNs, 'faultService', served);
  return served;
}
