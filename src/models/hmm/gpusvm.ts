/**
 * drm_gpusvm + drm_pagemap + xe: a fault maps and migrates a range of 2 MiB, 64 KiB or 4 KiB, whole or not at all; a CPU
 * touch takes the whole range back. One fault is handled at a time.
 */

import { ACCESS, type Access, type FaultBuffer } from '../../replay/faults.ts';
import { createLinuxMm, type FaultCause, type LinuxMm, type RangeFaultStatus } from '../../replay/linux-mm.ts';
import {
  andMask,
  andNotMask,
  blockOf,
  copyMask,
  countPages,
  countRuns,
  isEmptyMask,
  maskCovers,
  PAGE_BYTES,
  type PageMask,
  releaseScratch,
  scratchMark,
  scratchMask,
} from '../../replay/mask.ts';
import type { Trigger } from '../../replay/metrics.ts';
import { type Core, HOST, type ModelHooks, RIGHTS, type Vma } from '../../replay/model.ts';
import type { PrefetchEvent } from '../../trace/compiled.ts';
import { createInvalidation } from './invalidation.ts';
import { type HmmParameters, kernelCosts } from './parameters.ts';
import { createProcess, rightsFor } from './process.ts';
import {
  addRange,
  bookBytes,
  type Chunk,
  chooseChunk,
  type Notifier,
  newDeviceRanges,
  notifierAt,
  pagesOf,
  removeRange,
  type SvmRange,
  sizeOf,
} from './ranges.ts';
import { ATTEMPTS_NEEDED, createToDevice } from './to-device.ts';
import { Vram } from './vram.ts';

/** All retries of one fault together (HMM_RANGE_DEFAULT_TIMEOUT). */
const RETRY_BUDGET_NS = 1_000_000_000;

type Served = 'served' | 'stale' | 'failed';

export function createGpusvm(core: Core, p: HmmParameters): ModelHooks {
  const devices = core.actors.map(newDeviceRanges);
  const { invalidate, invalidateEach } = createInvalidation(core, devices);
  const mm: LinuxMm = createLinuxMm(core, {
    driver: {
      invalidate,
      invalidateEach,
      migrateToRam,
      pageFree: (device, block, pages) => vram.pagesLeft(device, block, pages),
    },
    costs: kernelCosts(p),
    hugeMigration: p.hugeMigration,
  });
  const vram = new Vram(core, () => mm);
  const { migrateIfWanted, scatteredCopy } = createToDevice(core, mm, vram, p);
  const process = createProcess(core, mm, { reserve: (device, bytes) => vram.reserve(device, bytes) });
  /** The hmm_range_fault request that is being made, and the notifier that it watches. */
  let watched: Notifier | null = null;
  const request = { firstPage: 0, lastPage: 0, device: 0, write: true, sequence: () => watched?.sequence ?? 0 };
  /** The migration home that is being made, and where it begins. */
  let homeFirst = 0;
  const home = {
    trigger: 'hostFault' as Trigger,
    moved: (_block: number, pages: PageMask) => scatteredCopy(homeFirst, countPages(pages)),
  };

  // --- device faults ---------------------------------------------------------------------------------------------
  function deviceFaults(device: number, faults: FaultBuffer): void {
    core.spend(p.faultNs, 'faultService');
    const result = service(device, faults.page[0], faults.access[0] as Access, 'deviceFault');
    if (result === 'served') faults.serve(0);
    else if (result === 'stale') faults.stale(0);
    else faults.fail(0);
    // The faults behind it are fetched one by one too; those that find their range valid need no more than that.
    let next = 1;
    for (; next < faults.count && isValid(device, faults.page[next], faults.access[next] as Access); next++) {
      core.spend(p.faultNs, 'faultService');
      faults.stale(next);
    }
    faults.fetches = next;
    core.count('roundTrips', next);
  }

  function isValid(device: number, page: number, access: Access): boolean {
    return (devices[device].ranges.at(page)?.rights ?? RIGHTS.none) >= rightsFor(access);
  }

  function service(device: number, page: number, access: Access, trigger: Trigger): Served {
    const vma = core.vmaAt(page);
    if (vma === null || process.isExplicit(vma)) return 'failed';
    const range = devices[device].ranges.at(page) ?? newRange(device, page, vma);
    if (range.rights >= rightsFor(access)) return 'stale';
    if (trigger === 'deviceFault') core.count('services');
    const needsVram = access === ACCESS.atomic;
    const deadlineNs = core.now() + RETRY_BUDGET_NS;
    for (let attempt = 0; attempt < ATTEMPTS_NEEDED && core.now() <= deadlineNs; attempt++) {
      if (attempt > 0) core.countOwn('retries');
      migrateIfWanted(device, range, vma, trigger, needsVram, attempt);
      if (!getPages(device, range)) return 'failed';
      if (bind(device, range, needsVram)) return 'served';
      // A mix of both sides: everything goes home, then the fault is served again.
      bringHome(range.first, range.last);
    }
    return 'failed';
  }

  function newRange(device: number, page: number, vma: Vma): SvmRange {
    const own = devices[device];
    const { notifier, made } = notifierAt(own, page, p.notifierSize / PAGE_BYTES);
    if (made) core.countOwn('notifiers');
    const bounds = {
      first: Math.max(vma.firstPage, notifier.first),
      last: Math.min(vma.lastPage, notifier.last),
    };
    const present = (chunk: Chunk): boolean =>
      maskCovers(mm.validMask(blockOf(chunk.first), device, scratchMask()), pagesOf(chunk));
    const chunk = chooseChunk(own, page, bounds, p.checkPagesThreshold / PAGE_BYTES, present);
    const range = addRange(own, chunk, notifier);
    core.countOwn('ranges');
    core.metadataBytes(bookBytes(devices));
    return range;
  }

  // --- mirroring -------------------------------------------------------------------------------------------------
  /** drm_gpusvm_get_pages asks for write permission unless the VMA is read-only. False = fatal. */
  function getPages(device: number, range: SvmRange): boolean {
    for (;;) {
      const status = rangeFault(device, range.first, range.last, true, range.notifier);
      if (status !== 'busy') return status === 'valid';
      core.countOwn('retries');
    }
  }

  function rangeFault(
    device: number,
    first: number,
    last: number,
    write: boolean,
    notifier: Notifier | null,
  ): RangeFaultStatus {
    watched = notifier;
    request.firstPage = first;
    request.lastPage = last;
    request.device = device;
    request.write = write;
    return mm.rangeFault(request);
  }

  /** Writes the device's page table. False when the range is mixed, or not where the access needs it. */
  function bind(device: number, range: SvmRange, needsVram: boolean): boolean {
    const block = blockOf(range.first);
    const all = pagesOf(range);
    const own = andMask(core.residentMask(device, block, scratchMask()), all);
    const remote = andNotMask(copyMask(scratchMask(), all), own);
    const mixed = !isEmptyMask(own) && !isEmptyMask(remote);
    if ((mixed && !p.allowMixed) || (needsVram && !isEmptyMask(remote))) return false;
    const huge = mm.mapOrder(range.first) > 0 && sizeOf(range) === 512;
    core.spend(p.bindNs + (huge ? 1 : sizeOf(range)) * p.bindEntryNs, 'mapping');
    if (!isEmptyMask(own)) core.map(device, block, own, RIGHTS.atomic, countRuns(own));
    if (!isEmptyMask(remote)) core.map(device, block, remote, RIGHTS.write, huge ? 1 : countPages(remote));
    range.rights = isEmptyMask(remote) ? RIGHTS.atomic : RIGHTS.write;
    return true;
  }

  /** drm_gpusvm_range_evict: hmm_range_fault without an owner, so that every device page faults home. */
  function bringHome(firstPage: number, lastPage: number): void {
    rangeFault(-1, firstPage, lastPage, false, null);
  }

  // --- called by core MM -----------------------------------------------------------------------------------------
  /** A fault on a device page takes its whole buffer object back, clipped to the VMA. */
  function migrateToRam(page: number, device: number, cause: FaultCause): boolean {
    const object = vram.at(device, page);
    const vma = core.vmaAt(page);
    if (object === null || vma === null) return false;
    // Within its timeslice the fault returns with nothing done, and the CPU spins on it.
    if (cause === 'cpu') core.waitUntil(object.keepUntilNs);
    const first = Math.max(object.first, vma.firstPage);
    const last = Math.min(object.last, vma.lastPage);
    return takeHome(device, first, last, cause === 'device' ? 'deviceFault' : 'hostFault') > 0;
  }

  function takeHome(device: number, first: number, last: number, trigger: Trigger): number {
    home.trigger = trigger;
    homeFirst = first;
    const moved = mm.migrateToHost(device, first, last, home);
    core.count('roundTrips');
    return moved;
  }

  // --- other hooks -----------------------------------------------------------------------------------------------
  function free(pieces: readonly Vma[]): void {
    const first = pieces[0].firstPage;
    const last = pieces[pieces.length - 1].lastPage;
    process.free(pieces);
    for (const own of devices) {
      for (const range of own.ranges.meeting(first, last)) {
        if (p.partialUnmapEvicts && range.first < first) bringHome(range.first, first - 1);
        if (p.partialUnmapEvicts && range.last > last) bringHome(last + 1, range.last);
        removeRange(own, range);
      }
    }
  }

  function prefetch(event: PrefetchEvent): 'applied' {
    for (const vma of core.vmasIn(event.firstPage, event.lastPage)) {
      const last = Math.min(event.lastPage, vma.lastPage);
      const first = Math.max(event.firstPage, vma.firstPage);
      if (process.isExplicit(vma)) continue;
      if (event.target === HOST) takeBack(first, last);
      else bringIn(event.target, first, last);
    }
    return 'applied';
  }

  function bringIn(device: number, first: number, last: number): void {
    for (let page = first; page <= last; ) {
      const mark = scratchMark();
      service(device, page, ACCESS.read, 'hint');
      releaseScratch(mark);
      page = (devices[device].ranges.at(page)?.last ?? page) + 1;
    }
  }

  /** Ranges go to RAM and are mapped there. */
  function takeBack(first: number, last: number): void {
    for (let device = 1; device < devices.length; device++) {
      for (const object of vram.within(device, first, last)) takeHome(device, object.first, object.last, 'hint');
      for (const range of devices[device].ranges.meeting(first, last)) {
        const mark = scratchMark();
        if (range.rights === RIGHTS.none && getPages(device, range)) bind(device, range, false);
        releaseScratch(mark);
      }
    }
  }

  return {
    ...process.hooks,
    deviceFaults,
    free,
    prefetch,
  };
}
