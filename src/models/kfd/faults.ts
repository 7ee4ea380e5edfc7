/** Page faults of GPUs and of the CPU on device memory: `svm_range_restore_pages`, `svm_migrate_to_ram`. */

import { bestRestoreLocation, NO_ACCESS } from './locations.ts';
import { validateAndMap } from './mapping.ts';
import { migrateToVram, vramToRam } from './migrate.ts';
import { createUnregisteredRange, linkRanges, splitRange } from './ranges.ts';
import { alignDown, gpuBit, MIGRATE, RETRY_FAULT_PENDING_NS, type SvmRange, type Svms, SYSMEM } from './types.ts';

/** Why a fault was not served; `window`: taken for one that was repaired a moment ago. */
type FaultEnd = 'served' | 'window' | 'perm' | 'noaccess' | 'nocreate' | 'xnack_off';

/** What the driver returns to the fault interrupt's worker; others are 0. */
export const FAULT_ERROR: Readonly<Partial<Record<FaultEnd, number>>> = {
  perm: -1,
  noaccess: -13,
  nocreate: -14,
  xnack_off: -14,
};

/** A fault that arrives so soon after a validation of its range is ignored. */
function isRepaired(range: SvmRange, arrivedNs: number): boolean {
  return arrivedNs < range.validatedAtNs + RETRY_FAULT_PENDING_NS;
}

/** Whether a fault of `page` would be ignored now. */
export function ignoresFault(svms: Svms, page: number): boolean {
  const range = svms.xnack ? svms.objects.at(page) : null;
  return range !== null && isRepaired(range, svms.core.now());
}

/** One retry fault of `gpu`, which the worker took up now. */
export function restorePages(svms: Svms, gpu: number, page: number, write: boolean): FaultEnd {
  const arrivedNs = svms.core.now();
  if (!svms.xnack) return 'xnack_off';
  const range = svms.objects.at(page) ?? createUnregisteredRange(svms, page);
  if (range === null) return 'nocreate';
  if (isRepaired(range, arrivedNs)) return 'window';
  const vma = svms.vmaAt(page);
  if (vma === null) return 'nocreate';
  if (!vma.readable || (write && !vma.writable)) return 'perm';
  const best = bestRestoreLocation(svms, range, gpu);
  if (best === NO_ACCESS) return 'noaccess';

  svms.log?.('pf', gpu, page, write, arrivedNs);
  svms.core.spend(svms.costs.faultNs, 'faultService');
  const { first, last } = svms.legacy ? range : granule(range, page);
  const migrate = svms.legacy ? range.actualLoc !== best : range.actualLoc !== SYSMEM || best !== SYSMEM;
  if (migrate) bringTo(svms, range, best, first, last);
  validateAndMap(svms, range, first, last, gpuBit(gpu));
  svms.log?.('pfe', gpu, page, migrate);
  return 'served';
}

/** The migration of a fault, and what the driver does when VRAM is not to be had: the data is used from RAM. */
function bringTo(svms: Svms, range: SvmRange, best: number, first: number, last: number): void {
  if (best === SYSMEM) {
    vramToRam(svms, range, first, last, MIGRATE.gpuFault);
    return;
  }
  if (migrateToVram(svms, range, best, first, last, MIGRATE.gpuFault)) return;
  svms.log?.('note', 'fallback');
  if (range.actualLoc !== SYSMEM && range.actualLoc !== best) vramToRam(svms, range, first, last, MIGRATE.gpuFault);
}

/** The aligned block around a page, clipped to the range. */
export function granule(range: SvmRange, page: number): { first: number; last: number } {
  const pages = 2 ** range.granularity;
  const start = alignDown(page, pages);
  return { first: Math.max(range.first, start), last: Math.min(range.last, start + pages - 1) };
}

/** The CPU touched a page in VRAM. False: SIGBUS. */
export function migrateToRam(svms: Svms, page: number): boolean {
  const range = svms.objects.at(page);
  if (range === null) return false;
  const { first, last } = granule(range, page);
  if (svms.legacy) cutGranule(svms, range, first, last);
  return vramToRam(svms, range, first, last, MIGRATE.cpuFault);
}

/** `svm_range_split_by_granularity` of older drivers: the range keeps the granule, head and tail become ranges. */
function cutGranule(svms: Svms, range: SvmRange, first: number, last: number): void {
  if (first > range.first) linkRanges(svms, [splitRange(svms, range, first, range.last)]);
  if (last < range.last) linkRanges(svms, [splitRange(svms, range, range.first, last)]);
}
