/**
 * VRAM buffers of ranges: made whole at the first migration, evicted in the order of their making.
 *
 * A SVM buffer is reserved only when it is made, so its place in TTM's LRU list is that of its making: FIFO. It is
 * DISCARDABLE: to evict it is to have its ranges move their resident pages to RAM, then all of it is free.
 */

import { reserveEvicting } from '../../replay/buffer-list.ts';
import { PAGE_BYTES } from '../../replay/mask.ts';
import { vramToRam } from './migrate.ts';
import { MIGRATE, pagesOf, type SvmBo, type SvmRange, type Svms, SYSMEM } from './types.ts';

/** `amdgpu_amdkfd_reserve_mem_limit`: explicit allocations count, SVM buffers do not. */
export function admits(svms: Svms, gpu: number, pages: number): boolean {
  return (svms.explicitPages[gpu] + pages) * PAGE_BYTES <= svms.core.effectiveCapacity(gpu);
}

/** `svm_range_vram_node_new`: the range has a buffer on `gpu` afterwards, unless it returns false. */
export function ensureBo(svms: Svms, range: SvmRange, gpu: number): boolean {
  if (reuseBo(range, gpu)) return true;
  const pages = pagesOf(range);
  if (!takeVram(svms, gpu, pages)) {
    svms.log?.('bofail');
    return false;
  }
  const bo: SvmBo = { id: svms.nextBoId++, gpu, pages, refs: 1, evicting: false, gutted: false, ranges: [range] };
  svms.buffers[gpu].add(bo);
  svms.log?.('bo+', gpu, bo.id, pages);
  // AMDGPU_GEM_CREATE_VRAM_CLEARED: the whole buffer is cleared, and the driver waits for it.
  svms.core.spend((pages * PAGE_BYTES) / svms.core.platform.device.zeroBytesPerNs, 'transfer');
  svms.core.count('roundTrips');
  range.bo = bo;
  range.holdsBo = true;
  range.offset = 0;
  return true;
}

/** `svm_range_validate_svm_bo`. */
function reuseBo(range: SvmRange, gpu: number): boolean {
  const { bo } = range;
  if (bo === null) return false;
  if (range.holdsBo) return true;
  if (bo.gpu !== gpu || bo.evicting) {
    bo.ranges = bo.ranges.filter((other) => other !== range);
    return false;
  }
  bo.refs++;
  range.holdsBo = true;
  return true;
}

/** Takes VRAM for whoever asks, evicting SVM buffers one by one. */
export function takeVram(svms: Svms, gpu: number, pages: number): boolean {
  const { core } = svms;
  core.beginMakingRoom();
  const taken = reserveEvicting(core, gpu, pages * PAGE_BYTES, () => evictOldest(svms, gpu));
  core.endMakingRoom();
  return taken;
}

/** `svm_range_vram_node_free`. */
export function leaveBo(svms: Svms, range: SvmRange): void {
  if (!range.holdsBo || range.bo === null) return;
  range.holdsBo = false;
  releaseBoRef(svms, range.bo);
}

export function releaseBoRef(svms: Svms, bo: SvmBo): void {
  if (--bo.refs > 0) return;
  for (const range of bo.ranges) if (range.bo === bo) range.bo = null;
  bo.ranges = [];
  freeVram(svms, bo);
  svms.log?.('bo-', bo.gpu, bo.id);
}

function freeVram(svms: Svms, bo: SvmBo): void {
  if (bo.gutted) return;
  bo.gutted = true;
  svms.buffers[bo.gpu].remove(bo);
  svms.core.release(bo.gpu, bo.pages * PAGE_BYTES);
}

/** One victim of TTM: `svm_range_evict_svm_bo_worker`. False when no SVM buffer is left. */
export function evictOldest(svms: Svms, gpu: number): boolean {
  const bo = svms.buffers[gpu].oldest;
  if (bo === null) return false;
  svms.log?.('evict', gpu, bo.id);
  let resident = 0;
  let firstPage = Number.POSITIVE_INFINITY;
  for (const range of bo.ranges) {
    resident += range.vramPages;
    firstPage = Math.min(firstPage, range.first);
  }
  svms.core.evicted(gpu, firstPage === Number.POSITIVE_INFINITY ? 0 : firstPage, bo.pages * PAGE_BYTES, resident);
  bo.evicting = true;
  bo.refs++;
  for (let range = bo.ranges.shift(); range !== undefined; range = bo.ranges.shift()) {
    vramToRam(svms, range, range.first, range.last, MIGRATE.eviction);
    if (range.actualLoc === SYSMEM) range.bo = null;
  }
  if (bo.refs > 1) {
    svms.log?.('gut', gpu, bo.id);
    freeVram(svms, bo);
  }
  releaseBoRef(svms, bo);
  return true;
}
