/** Attributes of ranges: `svm_range_set_attr` (ioctl AMDKFD_IOC_SVM). */

import { bestPrefetchLocation } from './locations.ts';
import { gpusToMap, validateAndMap } from './mapping.ts';
import { migrateToVram, vramToRam } from './migrate.ts';
import { addRanges, dropRanges, linkRanges } from './ranges.ts';
import { FLAG, gpuBit, MIGRATE, type SvmRange, type Svms, SYSMEM, UNDEFINED } from './types.ts';

export type AttributeName = 'pref' | 'prefetch' | 'access' | 'aip' | 'noaccess' | 'set' | 'clr' | 'gran';
export type Attribute = readonly [name: AttributeName, value: number];

/** Largest granularity that a range stores. */
const MAX_GRANULARITY = 0x3f;

/** What the ioctl returns when it refuses. */
const ERROR = { invalid: -22, badAddress: -14, inUse: -98, again: -11 } as const;

/** `svm_range_check_attr`. */
function isValidAttribute(svms: Svms, [name, value]: Attribute): boolean {
  const isGpu = svms.gpus.includes(value);
  switch (name) {
    case 'pref':
      return isGpu || value === SYSMEM || value === UNDEFINED;
    case 'prefetch':
      return isGpu || value === SYSMEM;
    case 'access':
    case 'aip':
    case 'noaccess':
      return isGpu;
    default:
      return true;
  }
}

type AttributedRange = Pick<SvmRange, 'preferredLoc' | 'access' | 'accessInPlace' | 'flags' | 'granularity'>;

/** `svm_range_is_same_attrs`. A prefetch never matches: it is always carried out again. */
export function hasAttributes(range: AttributedRange, attributes: readonly Attribute[]): boolean {
  return attributes.every((attribute) => hasAttribute(range, attribute));
}

function hasAttribute(range: AttributedRange, [name, value]: Attribute): boolean {
  switch (name) {
    case 'pref':
      return range.preferredLoc === value;
    case 'prefetch':
      return false;
    case 'access':
      return (range.access & gpuBit(value)) !== 0;
    case 'aip':
      return (range.accessInPlace & gpuBit(value)) !== 0;
    case 'noaccess':
      return ((range.access | range.accessInPlace) & gpuBit(value)) === 0;
    case 'set':
      return (range.flags & value) === value;
    case 'clr':
      return (range.flags & value) === 0;
    case 'gran':
      return range.granularity === value;
  }
}

/** `svm_range_apply_attrs`. */
function applyAttributes(range: SvmRange, attributes: readonly Attribute[]): void {
  for (const [name, value] of attributes) {
    switch (name) {
      case 'pref':
        range.preferredLoc = value;
        break;
      case 'prefetch':
        range.prefetchLoc = value;
        break;
      case 'access':
        range.access |= gpuBit(value);
        range.accessInPlace &= ~gpuBit(value);
        break;
      case 'aip':
        range.access &= ~gpuBit(value);
        range.accessInPlace |= gpuBit(value);
        break;
      case 'noaccess':
        range.access &= ~gpuBit(value);
        range.accessInPlace &= ~gpuBit(value);
        break;
      case 'set':
        range.flags |= value;
        break;
      case 'clr':
        range.flags &= ~value;
        break;
      case 'gran':
        range.granularity = Math.min(value, MAX_GRANULARITY);
        break;
    }
  }
}

/** Attributes after which the driver maps what it can: flags, and with XNACK off all that say who may access. */
function updatesMapping(svms: Svms, attributes: readonly Attribute[]): boolean {
  return attributes.some(([name]) => {
    if (name === 'set' || name === 'clr') return true;
    return !svms.xnack && (name === 'access' || name === 'aip' || name === 'noaccess');
  });
}

/** `svm_range_is_valid`: memory everywhere, and none of it an explicit GPU allocation. */
function rangeError(svms: Svms, first: number, last: number): number {
  for (let page = first; page <= last; ) {
    const vma = svms.vmaAt(page);
    if (vma === null || vma.deviceMemory) return ERROR.badAddress;
    page = vma.last + 1;
  }
  return svms.gpuMappings.meeting(first, last).length > 0 ? ERROR.inUse : 0;
}

/** One ioctl call on first..last. 0, or the error; what was done before an error stays done. */
export function setAttributes(svms: Svms, first: number, last: number, attributes: readonly Attribute[]): number {
  if (last < first || !attributes.every((attribute) => isValidAttribute(svms, attribute))) return ERROR.invalid;
  const error = rangeError(svms, first, last);
  if (error !== 0) return error;

  const { update, insert, remove, remap } = addRanges(svms, first, last, (range) => hasAttributes(range, attributes));
  svms.objects.removeAll(remove);
  linkRanges(svms, insert);
  // With XNACK off nobody faults: where a piece cut off has to be mapped again all of the call is.
  const mapAnew = updatesMapping(svms, attributes) || (!svms.xnack && remap.length > 0);
  for (const range of update) applyAttributes(range, attributes);
  dropRanges(svms, remove);

  let result = 0;
  for (const range of update) {
    const moved = prefetch(svms, range);
    if (moved === 'failed') {
      result = ERROR.badAddress;
      continue;
    }
    const restoreWillMap = !svms.xnack || (range.flags & FLAG.gpuAlwaysMapped) !== 0;
    if (moved === 'moved' && restoreWillMap && range.mappedToGpu) continue;
    if (moved === 'stayed' && !mapAnew) continue;
    result = mapWhole(svms, range) || result;
  }
  for (const range of remap) result = mapWhole(svms, range) || result;
  return result;
}

function mapWhole(svms: Svms, range: SvmRange): number {
  const outcome = validateAndMap(svms, range, range.first, range.last, gpusToMap(svms, range));
  return outcome === 'done' ? 0 : outcome === 'noVma' ? ERROR.badAddress : ERROR.again;
}

/**
 * `svm_range_trigger_migration`: to where the range was last asked to be, by this call or any before. `moved` says that
 * the migration was carried out, whether or not a page moved.
 */
function prefetch(svms: Svms, range: SvmRange): 'moved' | 'stayed' | 'failed' {
  const target = bestPrefetchLocation(svms, range);
  if (target === UNDEFINED) return 'stayed';
  if (svms.legacy ? target === range.actualLoc : target === SYSMEM && range.actualLoc === SYSMEM) return 'stayed';
  const done =
    target === SYSMEM
      ? vramToRam(svms, range, range.first, range.last, MIGRATE.prefetch)
      : migrateToVram(svms, range, target, range.first, range.last, MIGRATE.prefetch);
  return done ? 'moved' : 'failed';
}
