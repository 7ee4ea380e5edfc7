/**
 * The kernel's own HMM test device (lib/test_hmm.c, Linux 6.12): a page table of its own that mirrors the CPU's, filled
 * through hmm_range_fault in windows of 64 pages, and explicit migration in batches of 64 pages. It never migrates by
 * itself; `test-device.ts` adds the chunk policies under which the oracle was recorded.
 */

import { endInBlock } from '../../replay/linux-mm/page-flags.ts';
import type { LinuxMm, NotifierRange } from '../../replay/linux-mm.ts';
import {
  addPage,
  andMask,
  andNotMask,
  blockOf,
  copyMask,
  nextPage,
  type PageMask,
  pageInBlock,
  releaseScratch,
  removePage,
  scratchMark,
  scratchMask,
  scratchRange,
} from '../../replay/mask.ts';
import type { Trigger } from '../../replay/metrics.ts';
import { type Core, RIGHTS } from '../../replay/model.ts';
import { Mirror } from './mirror.ts';

/** Pages of one hmm_range_fault call and of one migration cycle (test_hmm.c: `unsigned long pfns[64]`). */
export const WINDOW_PAGES = 64;

/** errno of the ioctl: 0, EPERM, ENOENT, ENOMEM, EFAULT, EINVAL. */
export type Errno = 0 | 1 | 2 | 12 | 14 | 22;

export interface AccessResult {
  readonly errno: Errno;
  /** The mirror lacked an entry and it was put in (test_hmm counts one fault a request). */
  readonly faulted: boolean;
}

const HIT: AccessResult = { errno: 0, faulted: false };
const SERVED: AccessResult = { errno: 0, faulted: true };

export interface Dmirror {
  readonly mirror: Mirror;
  /** Drops mirror entries; returns callbacks made: each device has one notifier over the whole address space. */
  invalidate(range: NotifierRange): number;
  /** Pages that left the device leave its own mirror, whose owner ignores the notification of the move. */
  pageFree(device: number, block: number, pages: PageMask): void;
  /** HMM_DMIRROR_READ, HMM_DMIRROR_WRITE. */
  access(device: number, firstPage: number, lastPage: number, write: boolean): AccessResult;
  /** HMM_DMIRROR_EXCLUSIVE: what became exclusive enters the mirror for atomic access, which serves reads. */
  exclusive(device: number, firstPage: number, lastPage: number): void;
  /** HMM_DMIRROR_MIGRATE_TO_DEV. `available` destination pages can be had (default: any number). */
  toDevice(device: number, firstPage: number, lastPage: number, trigger: Trigger, available?: number): Errno;
  /** HMM_DMIRROR_MIGRATE_TO_SYS. */
  toHost(device: number, firstPage: number, lastPage: number, trigger: Trigger): Errno;
}

export interface DmirrorOptions {
  /** Takes device memory for a page; false = no more. Default: always. */
  readonly reserve?: (device: number) => boolean;
  /** Pages in RAM are mirrored, but reached only through `lend`. */
  readonly hidesRam?: boolean;
}

export function createDmirror(core: Core, mm: () => LinuxMm, options: DmirrorOptions = {}): Dmirror {
  /** mmu_interval_notifier sequence numbers, by device. */
  const sequence = core.actors.map(() => 0);
  const mirror = new Mirror(core, options.hidesRam === true);
  /** The hmm_range_fault request that is being made. */
  const request = { firstPage: 0, lastPage: 0, device: 0, write: false, sequence: () => sequence[request.device] };
  /** The migration to a device that is being made, the pages that it still may have, and the one home. */
  let receiver = 0;
  let left = 0;
  const toDeviceOptions = { trigger: 'deviceFault' as Trigger, batchPages: WINDOW_PAGES, allocate, moved };
  const toHostOptions = { trigger: 'deviceFault' as Trigger, batchPages: WINDOW_PAGES };

  function invalidate(range: NotifierRange): number {
    let calls = 0;
    for (let device = 1; device < core.actors.length; device++) {
      calls++;
      if (range.event === 'migrate' && range.owner === device) continue;
      sequence[device]++;
      drop(device, range.firstPage, range.lastPage);
    }
    return calls;
  }

  function drop(device: number, firstPage: number, lastPage: number): void {
    for (let page = firstPage; page <= lastPage; ) {
      const end = endInBlock(page, lastPage);
      const mark = scratchMark();
      mirror.drop(device, blockOf(page), scratchRange(pageInBlock(page), pageInBlock(end)));
      releaseScratch(mark);
      page = end + 1;
    }
  }

  function pageFree(device: number, block: number, pages: PageMask): void {
    mirror.drop(device, block, pages);
  }

  /** First page of the request that the mirror does not serve, or -1. */
  function firstMissing(device: number, firstPage: number, lastPage: number, write: boolean): number {
    const needed = write ? RIGHTS.write : RIGHTS.read;
    for (let page = firstPage; page <= lastPage; page++) if (mirror.rights(device, page) < needed) return page;
    return -1;
  }

  function access(device: number, firstPage: number, lastPage: number, write: boolean): AccessResult {
    const missing = firstMissing(device, firstPage, lastPage, write);
    if (missing < 0) return HIT;
    for (let first = missing; first <= lastPage; first += WINDOW_PAGES) {
      const errno = faultWindow(device, first, Math.min(lastPage, first + WINDOW_PAGES - 1), write);
      if (errno !== 0) return { errno, faulted: false };
    }
    return SERVED;
  }

  function faultWindow(device: number, first: number, last: number, write: boolean): Errno {
    request.firstPage = first;
    request.lastPage = last;
    request.device = device;
    request.write = write;
    let status = mm().rangeFault(request);
    while (status === 'busy') status = mm().rangeFault(request);
    if (status === 'denied') return 1;
    if (status === 'fault') return 14;
    return fill(device, first, last, write);
  }

  /** dmirror_do_fault: enters the pages with the CPU's permission; a write that found a read-only page fails there. */
  function fill(device: number, first: number, last: number, write: boolean): Errno {
    for (let page = first; page <= last; page++) if (write && !mm().isValid(page, device, true)) return 14;
    enter(device, first, last);
    return 0;
  }

  function enter(device: number, first: number, last: number): void {
    for (let page = first; page <= last; ) {
      const block = blockOf(page);
      const end = endInBlock(page, last);
      const mark = scratchMark();
      const range = scratchRange(pageInBlock(page), pageInBlock(end));
      enterPages(device, block, andMask(mm().validMask(block, device, scratchMask()), range));
      releaseScratch(mark);
      page = end + 1;
    }
  }

  function enterPages(device: number, block: number, pages: PageMask): void {
    const writable = andMask(mm().validMask(block, device, scratchMask(), true), pages);
    mirror.enter(device, block, andNotMask(copyMask(scratchMask(), pages), writable), false);
    mirror.enter(device, block, writable, true);
  }

  /** vma_lookup and VM_READ of the ioctls: cuts the request at the first page that may not be read. */
  function readableEnd(firstPage: number, lastPage: number): number {
    for (let page = firstPage; page <= lastPage; page++) {
      if (core.vmaAt(page) === null || mm().isDenied(page)) return page - 1;
    }
    return lastPage;
  }

  function toDevice(
    device: number,
    firstPage: number,
    lastPage: number,
    trigger: Trigger,
    available = Number.POSITIVE_INFINITY,
  ): Errno {
    const end = readableEnd(firstPage, lastPage);
    if (end >= firstPage) {
      receiver = device;
      left = available;
      toDeviceOptions.trigger = trigger;
      mm().migrateToDevice(device, firstPage, end, toDeviceOptions);
    }
    if (end < lastPage) return 22;
    return firstMissing(device, firstPage, lastPage, false) < 0 ? 0 : 2;
  }

  /** dmirror_migrate_alloc_and_copy: a page after another, as long as there are any. */
  function allocate(_block: number, pages: PageMask): void {
    for (let page = nextPage(pages, 0); page >= 0; page = nextPage(pages, page + 1)) {
      if (left > 0 && (options.reserve?.(receiver) ?? true)) left--;
      else removePage(pages, page);
    }
  }

  function moved(block: number, pages: PageMask): void {
    enterPages(receiver, block, pages);
  }

  function exclusive(device: number, firstPage: number, lastPage: number): void {
    mm().makeExclusive(firstPage, lastPage);
    for (let page = firstPage; page <= lastPage; page++) {
      if (mm().entry(page).state !== 'exclusive') continue;
      const mark = scratchMark();
      mirror.enter(device, blockOf(page), addPage(scratchMask(), pageInBlock(page)), false);
      releaseScratch(mark);
    }
  }

  function toHost(device: number, firstPage: number, lastPage: number, trigger: Trigger): Errno {
    const end = readableEnd(firstPage, lastPage);
    toHostOptions.trigger = trigger;
    if (end >= firstPage) mm().migrateToHost(device, firstPage, end, toHostOptions);
    return end < lastPage ? 22 : 0;
  }

  return { mirror, invalidate, pageFree, access, exclusive, toDevice, toHost };
}
