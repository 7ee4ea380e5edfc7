/** GPU page tables of ranges: mapping them, notifier callbacks that take mappings away, and the restore work. */

import type { NotifierRange } from '../../replay/linux-mm/types.ts';
import {
  andMask,
  blockOf,
  countPages,
  endOfRun,
  nextPage,
  releaseScratch,
  scratchMark,
  scratchMask,
} from '../../replay/mask.ts';
import { RIGHTS } from '../../replay/model.ts';
import { dropRanges, linkRanges, splitRange } from './ranges.ts';
import { firstOn, takeBlock } from './residency.ts';
import {
  FLAG,
  gpuBit,
  pageOwner,
  RESTORE_DELAY_NS,
  type SvmRange,
  type Svms,
  type SvmVma,
  SYSMEM,
  sameHive,
  UNMAP,
  type UnmapTrigger,
} from './types.ts';

/** The request that is being made: no invalidation comes between the faults of one, so its sequence number stays. */
const REQUEST = { firstPage: 0, lastPage: 0, device: 0, write: false, sequence: () => 0 };

/** How a validation ended: `noVma` is -EFAULT; `foreign` stands for the endless loop of hmm_range_fault (see `validateAndMap`). */
type Validation = 'done' | 'noVma' | 'foreign';

/** Which GPUs `svm_range_validate_and_map` maps a range for when it is not about one faulting GPU. */
export function gpusToMap(svms: Svms, range: SvmRange): number {
  if (!svms.xnack) return range.access | range.accessInPlace;
  let gpus = range.accessInPlace;
  if (range.actualLoc !== SYSMEM) gpus |= range.access & gpuBit(range.actualLoc);
  if (gpus === 0 && (range.mappedToGpu || (range.flags & FLAG.gpuAlwaysMapped) !== 0)) gpus = range.access;
  return gpus;
}

/** `svm_range_validate_and_map` of first..last for the GPUs of a bit set. */
export function validateAndMap(svms: Svms, range: SvmRange, first: number, last: number, gpus: number): Validation {
  if (gpus === 0) return 'done';
  for (let page = first; page <= last; ) {
    const vma = svms.vmaAt(page);
    if (vma === null) return 'noVma';
    const end = Math.min(vma.last, last);
    // PROT_NONE is passed over. (Its unmap compares byte addresses with page numbers and never happens.)
    if (vma.readable) {
      const device = usableInPlace(svms, range, gpus);
      // Device pages of another owner are asked home through the CPU fault handler, which declines because the driver
      // itself faults: the kernel would try for ever.
      if (device < 0 && range.bo !== null) {
        const stuck = firstOn(svms, range.bo.gpu, page, end);
        if (stuck >= 0) {
          svms.log?.('hmm_livelock', stuck, range.bo.gpu);
          svms.core.warn(
            'a range is shared by GPUs of several owners while in VRAM: the kernel would hang; not mapped',
          );
          return 'foreign';
        }
      }
      REQUEST.firstPage = page;
      REQUEST.lastPage = end;
      REQUEST.device = device;
      REQUEST.write = vma.writable;
      svms.mm.rangeFault(REQUEST);
      for (const gpu of svms.gpus) if ((gpus & gpuBit(gpu)) !== 0) mapPiece(svms, range, page, end, gpu, vma);
      if (end === last) range.mappedToGpu = true;
    }
    page = end + 1;
  }
  range.validatedAtNs = svms.core.now();
  return 'done';
}

/** The GPU whose device pages every one of `gpus` can use where they are (one owner), -1 when there is none. */
function usableInPlace(svms: Svms, range: SvmRange, gpus: number): number {
  if (range.bo === null) return -1;
  const owner = pageOwner(svms, range.bo.gpu);
  for (const gpu of svms.gpus) if ((gpus & gpuBit(gpu)) !== 0 && pageOwner(svms, gpu) !== owner) return -1;
  return range.bo.gpu;
}

/** `svm_range_map_to_gpus` for one GPU: one update for each run of pages in one memory domain. */
function mapPiece(svms: Svms, range: SvmRange, first: number, last: number, gpu: number, vma: SvmVma): void {
  const { core, costs } = svms;
  if (range.bo !== null && range.holdsBo && !sameHive(svms, gpu, range.bo.gpu)) {
    svms.log?.('note', 'nop2p', gpu);
    return;
  }
  const writable = vma.writable && (range.flags & FLAG.gpuReadOnly) === 0;
  const rights = writable ? RIGHTS.atomic : RIGHTS.read;
  const mark = scratchMark();
  const pages = scratchMask();
  const inVram = scratchMask();
  let runFirst = first;
  let runLocation = -1;
  for (let page = first; page <= last; ) {
    const block = blockOf(page);
    page = takeBlock(pages, page, last);
    if (range.bo !== null) andMask(core.residentMask(range.bo.gpu, block, inVram), pages);
    let entries = 0;
    for (let at = nextPage(pages, 0); at >= 0; ) {
      const vram = range.bo !== null && (inVram[at >> 5] & (1 << (at & 31))) !== 0;
      const endOfDomain = vram ? endOfRun(inVram, at) : beforeNext(inVram, at);
      const end = Math.min(endOfDomain, endOfRun(pages, at));
      const location = vram ? range.bo!.gpu : SYSMEM;
      if (location !== runLocation) {
        if (runLocation >= 0) svms.log?.('map', gpu, runFirst, block * 512 + at - 1, runLocation, writable);
        runFirst = block * 512 + at;
        runLocation = location;
      }
      // A buffer is contiguous: a whole block of it takes one 2 MiB entry. Pages of RAM lie anywhere.
      const whole = end - at === 511 && (vram || core.host.pageBytes === 2 ** 21);
      entries += whole ? 1 : end - at + 1;
      at = end + 1 > 511 ? -1 : nextPage(pages, end + 1);
    }
    core.map(gpu, block, pages, rights, entries);
    core.spend(countPages(pages) * costs.mapPageNs, 'mapping');
  }
  releaseScratch(mark);
  svms.log?.('map', gpu, runFirst, last, runLocation, writable);
  flushTlb(svms, gpu);
}

/** `kfd_flush_tlb`, and the wait for it. */
function flushTlb({ core }: Svms, gpu: number): void {
  core.tlbInvalidate(gpu);
  core.count('roundTrips');
}

/** Last page of the gap that begins at `at`. */
function beforeNext(mask: Int32Array, at: number): number {
  const next = nextPage(mask, at);
  return next < 0 ? 511 : next - 1;
}

/** `svm_range_unmap_from_gpus`: for every GPU with access, mapped or not. */
function unmapFromGpus(svms: Svms, range: SvmRange, first: number, last: number, trigger: UnmapTrigger): void {
  if (!range.mappedToGpu) return;
  if (range.first === first && range.last === last) range.mappedToGpu = false;
  const gpus = range.access | range.accessInPlace;
  const mark = scratchMark();
  const pages = scratchMask();
  for (const gpu of svms.gpus) {
    if ((gpus & gpuBit(gpu)) === 0) continue;
    svms.log?.('unmap', gpu, first, last, trigger);
    for (let page = first, calls = 1; page <= last; calls = 0) {
      const block = blockOf(page);
      page = takeBlock(pages, page, last);
      svms.core.unmap(gpu, block, pages, calls);
    }
    flushTlb(svms, gpu);
  }
  releaseScratch(mark);
}

/** `svm_range_cpu_invalidate_pagetables`, once for each range that the invalidation meets. Returns how many. */
export function notifierCallback(svms: Svms, { event, firstPage, lastPage }: NotifierRange): number {
  const { objects } = svms;
  if (event === 'unmap') {
    // A list, since what dies is split off.
    const ranges = objects.meeting(firstPage, lastPage);
    for (const range of ranges) {
      unmapFromCpu(svms, range, Math.max(firstPage, range.first), Math.min(lastPage, range.last));
    }
    return ranges.length;
  }
  const trigger = event === 'migrate' ? UNMAP.notifierMigrate : UNMAP.notifier;
  const begin = objects.indexFrom(firstPage);
  let i = begin;
  for (; i < objects.size && objects.get(i).first <= lastPage; i++) {
    const range = objects.get(i);
    evictRange(svms, range, Math.max(firstPage, range.first), Math.min(lastPage, range.last), trigger);
  }
  return i - begin;
}

/**
 * `svm_range_unmap_from_cpu`: first..last dies; what is left of the range on both sides lives on. The dead piece goes with
 * the deferred work, when its pages are gone (`dropDead`).
 */
function unmapFromCpu(svms: Svms, range: SvmRange, first: number, last: number): void {
  unmapFromGpus(svms, range, first, last, UNMAP.unmapFromCpu);
  const tail = first > range.first ? splitRange(svms, range, range.first, first - 1) : range;
  const dead = last < tail.last ? splitRange(svms, tail, last + 1, tail.last) : tail;
  const pieces = tail === dead ? [dead] : [dead, tail];
  linkRanges(
    svms,
    pieces.filter((piece) => piece !== range),
  );
  svms.dead.push(dead);
}

/** `svm_range_deferred_list_work`. */
export function dropDead(svms: Svms): void {
  dropRanges(svms, svms.dead.splice(0));
}

/** `svm_range_evict`: drop the mappings, or where a GPU may not fault, stop it until they are made again. */
function evictRange(svms: Svms, range: SvmRange, first: number, last: number, trigger: UnmapTrigger): void {
  if (svms.xnack && (range.flags & FLAG.gpuAlwaysMapped) === 0) {
    unmapFromGpus(svms, range, first, last, trigger);
    return;
  }
  if (!range.mappedToGpu) return;
  range.invalid++;
  if (++svms.evictedRanges > 1) return;
  stopQueues(svms);
}

/** `kgd2kfd_quiesce_mm`: no queue of the process runs until the restore work is through. */
function stopQueues(svms: Svms): void {
  const { core } = svms;
  svms.log?.('quiesce');
  core.countOwn('queueEvictions');
  core.count('roundTrips');
  scheduleRestore(svms);
}

export const RESTORE_WORK = 1;

function scheduleRestore(svms: Svms): void {
  svms.log?.('resq');
  svms.core.wakeAt(svms.core.now() + RESTORE_DELAY_NS, RESTORE_WORK);
  for (const gpu of svms.gpus) svms.core.stall(gpu, RESTORE_DELAY_NS, 'wait');
}

/** `svm_range_restore_work`. */
export function restoreWork(svms: Svms): void {
  const { core } = svms;
  if (svms.evictedRanges === 0) return;
  const begunNs = core.now();
  svms.log?.('restore', begunNs);
  const evicted = svms.evictedRanges;
  let failed = false;
  for (const range of svms.list) {
    if (range.invalid === 0) continue;
    const seen = range.invalid;
    const outcome = validateAndMap(svms, range, range.first, range.last, gpusToMap(svms, range));
    failed = outcome !== 'done' || range.invalid !== seen;
    if (failed) break;
    range.invalid = 0;
  }
  failed ||= svms.evictedRanges !== evicted;
  for (const gpu of svms.gpus) core.stall(gpu, core.now() - begunNs, 'mapping');
  if (failed) {
    scheduleRestore(svms);
    svms.log?.('resched');
    return;
  }
  svms.evictedRanges = 0;
  core.count('roundTrips');
  svms.log?.('resume');
}
