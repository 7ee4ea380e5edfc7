/** Where data should be: `svm_range_best_restore_location` and `svm_range_best_prefetch_location`. */

import { gpuBit, gpusIn, type SvmRange, type Svms, SYSMEM, sameHive, UNDEFINED } from './types.ts';

/** The faulting GPU may not have the range. */
export const NO_ACCESS = -1;

type Hives = Pick<Svms, 'apu' | 'hives' | 'gpus' | 'xnack'>;

/** XNACK on: where the data of a range goes that `gpu` faulted on. */
export function bestRestoreLocation(
  svms: Hives,
  range: Pick<SvmRange, 'preferredLoc' | 'access' | 'accessInPlace' | 'actualLoc'>,
  gpu: number,
): number {
  const { preferredLoc } = range;
  if (svms.apu) return SYSMEM;
  if (preferredLoc === gpu || preferredLoc === SYSMEM) return preferredLoc;
  if (preferredLoc !== UNDEFINED && sameHive(svms, gpu, preferredLoc)) return preferredLoc;
  if ((range.access & gpuBit(gpu)) !== 0) return gpu;
  if ((range.accessInPlace & gpuBit(gpu)) !== 0) {
    return range.actualLoc !== SYSMEM && sameHive(svms, gpu, range.actualLoc) ? range.actualLoc : SYSMEM;
  }
  return NO_ACCESS;
}

/** A prefetch goes to RAM when a GPU that must reach the data in place is outside the target's hive. */
export function bestPrefetchLocation(
  svms: Hives,
  range: Pick<SvmRange, 'prefetchLoc' | 'access' | 'accessInPlace'>,
): number {
  const target = range.prefetchLoc;
  if (target === SYSMEM || target === UNDEFINED) return target;
  if (svms.apu) return SYSMEM;
  const users = svms.xnack ? range.accessInPlace : range.access | range.accessInPlace;
  const reachable = gpusIn(svms, users).every((gpu) => sameHive(svms, gpu, target));
  return reachable ? target : SYSMEM;
}
