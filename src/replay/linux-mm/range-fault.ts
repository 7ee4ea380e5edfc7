/** hmm_range_fault (mm/hmm.c): make the CPU page table hold what a device needs, and read it. */

import { addRange, andNotMask, BLOCK_PAGES, newMask, nextPage, orMask, type PageMask } from '../mask.ts';
import { HOST, RIGHTS } from '../model.ts';
import { handleFault } from './fault.ts';
import { blockOf, forEachBlock } from './page-flags.ts';
import { type LinuxMmState, vmaEnd } from './state.ts';
import type { RangeFaultRequest, RangeFaultStatus } from './types.ts';

/**
 * Pages that a snapshot for `device` returns valid: what the CPU has mapped, and the device's own. With `write`, those
 * with write permission: an own page whose entry is read-only is valid without it, and no fault changes that.
 */
export function validMask(mm: LinuxMmState, block: number, device: number, out: PageMask, write = false): PageMask {
  mm.core.mappedMask(HOST, block, out, write ? RIGHTS.write : RIGHTS.read);
  if (device <= 0) return out;
  const own = mm.core.residentMask(device, block, newMask());
  const readOnly = write ? mm.readOnlyEntry.mask(block) : null;
  if (readOnly !== null) andNotMask(own, readOnly);
  const denied = mm.deniedVma.mask(block);
  if (denied !== null) andNotMask(own, denied);
  return orMask(out, own);
}

/**
 * Sweeps that may leave one page unusable: it comes home, read-only, and becomes writable. More change nothing (a driver
 * that refuses to bring its page home); the kernel goes on until the driver's timeout.
 */
const MAX_ROUNDS = 3;

/** First page of first..last that the request finds unusable, -1 = none. */
function firstUnsatisfied(mm: LinuxMmState, request: RangeFaultRequest, firstPage: number): number {
  for (let page = firstPage; page <= request.lastPage; ) {
    const block = blockOf(page);
    const end = Math.min(request.lastPage, block * BLOCK_PAGES + BLOCK_PAGES - 1);
    const missing = addRange(newMask(), page % BLOCK_PAGES, end % BLOCK_PAGES);
    const present = validMask(mm, block, -1, newMask(), request.write);
    if (request.device > 0) orMask(present, mm.core.residentMask(request.device, block, newMask()));
    const denied = mm.deniedVma.mask(block);
    if (denied !== null) andNotMask(present, denied);
    andNotMask(missing, present);
    const found = nextPage(missing, 0);
    if (found >= 0) return block * BLOCK_PAGES + found;
    page = end + 1;
  }
  return -1;
}

function entriesIn(mm: LinuxMmState, request: RangeFaultRequest): number {
  if (mm.huge.size === 0) return request.lastPage - request.firstPage + 1;
  let entries = 0;
  forEachBlock(request.firstPage, request.lastPage, (block, from, to) => {
    entries += mm.huge.has(block) ? 1 : to - from + 1;
  });
  return entries;
}

/**
 * From the first page that does not satisfy, every page to the end of the request (cut at 2 MiB) gets a fault of its
 * own, whatever it holds: the caller's own device pages among them come home too (hmm_vma_fault, seen in the kernel run).
 */
export function rangeFault(mm: LinuxMmState, request: RangeFaultRequest): RangeFaultStatus {
  const { core } = mm;
  mm.counters.rangeFaults++;
  const sequence = request.sequence();
  core.spend(mm.costs.rangeFaultNs + entriesIn(mm, request) * mm.costs.rangeFaultEntryNs, 'faultService');
  let rounds = 0;
  for (let from = request.firstPage; ; ) {
    if (request.sequence() !== sequence) return 'busy';
    const page = firstUnsatisfied(mm, request, from);
    if (page < 0) return 'valid';
    rounds = page === from ? rounds + 1 : 0;
    if (rounds > MAX_ROUNDS) return 'fault';
    const vma = core.vmaAt(page);
    if (vma === null || mm.deniedVma.has(page)) return 'fault';
    if (request.write && mm.readOnlyVma.has(page)) return 'denied';
    const end = Math.min(request.lastPage, vmaEnd(mm, vma, page), page - (page % BLOCK_PAGES) + BLOCK_PAGES - 1);
    for (let next = page; next <= end; next++) {
      if (!handleFault(mm, next, request.write, 'device')) return 'fault';
    }
    from = page;
  }
}
