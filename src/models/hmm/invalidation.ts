/** Notifier callbacks of drm_gpusvm: what core MM changes leaves the device page tables, whole ranges at a time. */

import type { LinuxMmDriver, NotifierRange } from '../../replay/linux-mm.ts';
import {
  BLOCK_PAGES,
  blockOf,
  countPagesIn,
  nextPage,
  type PageMask,
  releaseScratch,
  scratchMark,
} from '../../replay/mask.ts';
import { type Core, RIGHTS } from '../../replay/model.ts';
import { type DeviceRanges, pagesOf } from './ranges.ts';

export type Invalidation = Required<Pick<LinuxMmDriver, 'invalidate' | 'invalidateEach'>>;

export function createInvalidation(core: Core, devices: readonly DeviceRanges[]): Invalidation {
  function invalidate({ firstPage, lastPage }: NotifierRange): number {
    let calls = 0;
    for (let device = 1; device < devices.length; device++) {
      const { notifiers } = devices[device];
      for (let i = notifiers.indexFrom(firstPage); i < notifiers.size; i++) {
        const notifier = notifiers.get(i);
        if (notifier.first > lastPage) break;
        calls++;
        notifier.sequence++;
        zap(device, Math.max(firstPage, notifier.first), Math.min(lastPage, notifier.last));
      }
    }
    return calls;
  }

  /** One callback a page: the first that meets a mapped range takes its whole mapping, the next ones find none. */
  function invalidateEach(block: number, pages: PageMask): number {
    const base = block * BLOCK_PAGES;
    let calls = 0;
    for (let device = 1; device < devices.length; device++) {
      const { notifiers } = devices[device];
      for (let i = notifiers.indexFrom(base); i < notifiers.size; i++) {
        const notifier = notifiers.get(i);
        if (notifier.first >= base + BLOCK_PAGES) break;
        const first = Math.max(notifier.first - base, 0);
        const covered = countPagesIn(pages, first, Math.min(notifier.last - base, BLOCK_PAGES - 1));
        calls += covered;
        notifier.sequence += covered;
      }
    }
    for (let page = nextPage(pages, 0); page >= 0; ) {
      for (let device = 1; device < devices.length; device++) zap(device, base + page, base + page);
      page = nextPage(pages, nextMapped(base + page + 1, base + BLOCK_PAGES) - base);
    }
    return calls;
  }

  /** First page from `from` on that a mapped range of some device holds; none before `end` = `end`. */
  function nextMapped(from: number, end: number): number {
    let next = end;
    for (let device = 1; device < devices.length; device++) {
      const { ranges } = devices[device];
      let i = ranges.indexFrom(from);
      while (i < ranges.size && ranges.get(i).first < next && ranges.get(i).rights === RIGHTS.none) i++;
      if (i < ranges.size) next = Math.min(next, Math.max(from, ranges.get(i).first));
    }
    return next;
  }

  /** Whole ranges lose their mapping; those that have none cost nothing. */
  function zap(device: number, first: number, last: number): void {
    const { ranges } = devices[device];
    let zapped = false;
    for (let i = ranges.indexFrom(first); i < ranges.size; i++) {
      const range = ranges.get(i);
      if (range.first > last) break;
      if (range.rights === RIGHTS.none) continue;
      const mark = scratchMark();
      core.unmap(device, blockOf(range.first), pagesOf(range), 1);
      releaseScratch(mark);
      range.rights = RIGHTS.none;
      zapped = true;
    }
    if (!zapped) return;
    core.tlbInvalidate(device);
    core.count('roundTrips');
  }

  return { invalidate, invalidateEach };
}
