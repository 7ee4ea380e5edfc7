/**
 * The kernel's own HMM test device (lib/test_hmm.c, Linux 6.12): a page table of its own that mirrors the CPU's, filled
 * through hmm_range_fault in windows of 64 pages, and explicit migration in batches of 64 pages. It never migrates by
 * itself; `test-device.ts` adds the chunk policies under which the oracle was recorded.
 */

import { blockOf, forEachBlock } from '../../replay/linux-mm/page-flags.ts';
import type { LinuxMm, NotifierRange } from '../../replay/linux-mm.ts';
import { addRange, andMask, andNotMask, copyMask, hasPage, newMask, type PageMask } from '../../replay/mask.ts';
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

  function invalidate(range: NotifierRange): number {
    let calls = 0;
    for (let device = 1; device < core.actors.length; device++) {
      calls++;
      if (range.event === 'migrate' && range.owner === device) continue;
      sequence[device]++;
      forEachBlock(range.firstPage, range.lastPage, (block, from, to) => {
        mirror.drop(device, block, addRange(newMask(), from, to));
      });
    }
    return calls;
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
    if (missing < 0) return { errno: 0, faulted: false };
    for (let first = missing; first <= lastPage; first += WINDOW_PAGES) {
      const errno = faultWindow(device, first, Math.min(lastPage, first + WINDOW_PAGES - 1), write);
      if (errno !== 0) return { errno, faulted: false };
    }
    return { errno: 0, faulted: true };
  }

  function faultWindow(device: number, first: number, last: number, write: boolean): Errno {
    const request = { firstPage: first, lastPage: last, device, write, sequence: () => sequence[device] };
    let status = mm().rangeFault(request);
    while (status === 'busy') status = mm().rangeFault(request);
    if (status === 'denied') return 1;
    if (status === 'fault') return 14;
    return fill(device, first, last, write);
  }

  /** dmirror_do_fault: enters the pages with the CPU's permission; a write that found a read-only page fails there. */
  function fill(device: number, first: number, last: number, write: boolean): Errno {
    for (let page = first; page <= last; page++) {
      const writable = hasPage(mm().validMask(blockOf(page), device, newMask(), true), page % 512);
      if (write && !writable) return 14;
    }
    enter(device, first, last);
    return 0;
  }

  function enter(device: number, first: number, last: number): void {
    forEachBlock(first, last, (block, from, to) => {
      const valid = andMask(mm().validMask(block, device, newMask()), addRange(newMask(), from, to));
      enterPages(device, block, valid);
    });
  }

  function enterPages(device: number, block: number, pages: PageMask): void {
    const writable = andMask(mm().validMask(block, device, newMask(), true), pages);
    mirror.enter(device, block, andNotMask(copyMask(newMask(), pages), writable), false);
    mirror.enter(device, block, writable, true);
  }

  /** vma_lookup and VM_READ of the ioctls: cuts the request at the first page that may not be read. */
  function readableEnd(firstPage: number, lastPage: number): number {
    for (let page = firstPage; page <= lastPage; page++) {
      if (core.vmaAt(page) === null || mm().entry(page).denied) return page - 1;
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
    let left = available;
    const end = readableEnd(firstPage, lastPage);
    if (end >= firstPage) {
      mm().migrateToDevice(device, firstPage, end, {
        trigger,
        batchPages: WINDOW_PAGES,
        allocate: (_block, pages) => {
          for (let page = 0; page < 512; page++) {
            if (!hasPage(pages, page)) continue;
            if (left > 0 && (options.reserve?.(device) ?? true)) left--;
            else pages[page >> 5] &= ~(1 << (page & 31));
          }
        },
        moved: (block, pages) => enterPages(device, block, pages),
      });
    }
    if (end < lastPage) return 22;
    return firstMissing(device, firstPage, lastPage, false) < 0 ? 0 : 2;
  }

  function exclusive(device: number, firstPage: number, lastPage: number): void {
    mm().makeExclusive(firstPage, lastPage);
    for (let page = firstPage; page <= lastPage; page++) {
      if (mm().entry(page).state !== 'exclusive') continue;
      mirror.enter(device, blockOf(page), addRange(newMask(), page % 512, page % 512), false);
    }
  }

  function toHost(device: number, firstPage: number, lastPage: number, trigger: Trigger): Errno {
    const end = readableEnd(firstPage, lastPage);
    if (end >= firstPage) mm().migrateToHost(device, firstPage, end, { trigger, batchPages: WINDOW_PAGES });
    return end < lastPage ? 22 : 0;
  }

  return { mirror, invalidate, pageFree, access, exclusive, toDevice, toHost };
}
