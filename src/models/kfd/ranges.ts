/** Making, cutting and finding ranges: `svm_range_new`, `_split`, `_add`, `_create_unregistered_range`. */

import { releaseBoRef } from './buffers.ts';
import { countVramPages } from './residency.ts';
import {
  alignDown,
  alignUp,
  DEFAULT_FLAGS,
  pagesOf,
  type SvmRange,
  type Svms,
  type SvmVma,
  SYSMEM,
  UNDEFINED,
} from './types.ts';

const PAGES_2MIB = 512;
const PAGES_1GIB = 1 << 18;

/** `svm_range_set_max_pages`: VRAM / 32 between 2 MiB and 1 GiB, rounded down to a power of two, of the smallest GPU. */
export function maxRangePages(vramBytes: readonly number[]): number {
  const pages = vramBytes.map((bytes) => {
    const share = Math.min(Math.max(Math.floor(bytes / 2 ** 17), PAGES_2MIB), PAGES_1GIB);
    return 2 ** Math.floor(Math.log2(share));
  });
  return Math.min(PAGES_1GIB, ...pages);
}

function newRange(svms: Svms, first: number, last: number): SvmRange {
  return {
    first,
    last,
    granularity: svms.defaultGranularity,
    preferredLoc: UNDEFINED,
    prefetchLoc: UNDEFINED,
    actualLoc: SYSMEM,
    flags: DEFAULT_FLAGS,
    access: svms.xnack ? svms.supported : 0,
    accessInPlace: 0,
    mappedToGpu: false,
    vramPages: 0,
    bo: null,
    holdsBo: false,
    offset: 0,
    invalid: 0,
    validatedAtNs: Number.NEGATIVE_INFINITY,
  };
}

/** `svm_range_add_to_svms`, in this order. */
export function linkRanges(svms: Svms, ranges: readonly SvmRange[]): void {
  for (const range of ranges) svms.list.add(range);
  svms.objects.addAll(ranges);
  svms.core.metadataBytes(svms.list.size * RANGE_BYTES);
}

/** Assumed size of a struct svm_range with its notifier (kfd_svm.h); its arrays of DMA addresses are not counted. */
const RANGE_BYTES = 448;

/** `svm_range_unlink` and `svm_range_free`, one after the other. */
export function dropRanges(svms: Svms, ranges: readonly SvmRange[]): void {
  svms.objects.removeAll(ranges);
  for (const range of ranges) {
    svms.list.delete(range);
    unlinkFromBo(range);
    if (!range.holdsBo || range.bo === null) continue;
    range.holdsBo = false;
    releaseBoRef(svms, range.bo);
  }
}

function unlinkFromBo(range: SvmRange): void {
  const at = range.bo?.ranges.indexOf(range) ?? -1;
  if (at >= 0) range.bo!.ranges.splice(at, 1);
}

/** `svm_range_clone`: attribute calls change copies and then exchange them. */
function cloneRange(svms: Svms, old: SvmRange): SvmRange {
  const range: SvmRange = { ...newRange(svms, old.first, old.last), ...sharedFields(old) };
  range.vramPages = old.vramPages;
  if (old.bo !== null) {
    range.bo = old.bo;
    range.holdsBo = old.holdsBo;
    range.offset = old.offset;
    // The reference is taken even when the old range only was linked: nobody gives it back then, as in the driver.
    old.bo.refs++;
    old.bo.ranges.unshift(range);
  }
  return range;
}

function sharedFields(range: SvmRange) {
  const { flags, preferredLoc, prefetchLoc, actualLoc, granularity, mappedToGpu, access, accessInPlace } = range;
  return { flags, preferredLoc, prefetchLoc, actualLoc, granularity, mappedToGpu, access, accessInPlace };
}

/**
 * `svm_range_split`: `range` keeps first..last, which begins or ends where it does now; the rest becomes a new range that
 * shares its buffer. The new range belongs to no list yet.
 */
export function splitRange(svms: Svms, range: SvmRange, first: number, last: number): SvmRange {
  const cutTail = range.first === first;
  const rest: SvmRange = {
    ...newRange(svms, cutTail ? last + 1 : range.first, cutTail ? range.last : first - 1),
    ...sharedFields(range),
  };
  if (range.actualLoc !== SYSMEM) {
    rest.vramPages = countVramPages(svms, range.actualLoc, rest.first, rest.last);
    range.vramPages -= rest.vramPages;
    if (range.holdsBo && range.bo !== null) {
      if (cutTail) {
        rest.offset = range.offset + (last - first + 1);
      } else {
        rest.offset = range.offset;
        range.offset += pagesOf(rest);
      }
      rest.bo = range.bo;
      rest.holdsBo = true;
      range.bo.refs++;
      range.bo.ranges.unshift(rest);
    }
  }
  range.first = first;
  range.last = last;
  return rest;
}

/** The lists that an attribute call works on, each with the latest entry first, as `list_add` makes them. */
export interface RangeUpdate {
  update: SvmRange[];
  insert: SvmRange[];
  remove: SvmRange[];
  remap: SvmRange[];
}

/**
 * `svm_range_add`: covers first..last with ranges. Gaps become new ranges cut at multiples of the largest size; a range
 * that reaches over an end is cloned and split; one whose attributes match already and which is mapped stays as it is.
 */
export function addRanges(svms: Svms, first: number, last: number, matches: (range: SvmRange) => boolean): RangeUpdate {
  const lists: RangeUpdate = { update: [], insert: [], remove: [], remap: [] };
  const fresh: SvmRange[] = [];
  const fillGap = (from: number, to: number) => {
    for (let start = from; start <= to; ) {
      const end = Math.min(to, alignDown(start + svms.maxRangePages, svms.maxRangePages) - 1);
      const range = newRange(svms, start, end);
      fresh.push(range);
      lists.update.push(range);
      start = end + 1;
    }
  };
  let start = first;
  for (const node of svms.objects.meeting(first, last)) {
    const nodeFirst = node.first;
    const next = Math.min(node.last, last) + 1;
    if (matches(node) && node.mappedToGpu) {
      // Nothing to do.
    } else if (node.first < start || node.last > last) {
      const range = cloneRange(svms, node);
      lists.remove.push(node);
      lists.insert.push(range);
      lists.update.push(range);
      if (node.first < start) cutForUpdate(svms, range, start, range.last, lists);
      if (node.last > last) cutForUpdate(svms, range, range.first, last, lists);
    } else {
      lists.update.push(node);
    }
    if (nodeFirst > start) fillGap(start, nodeFirst - 1);
    start = next;
  }
  if (start <= last) fillGap(start, last);
  return {
    update: lists.update.reverse(),
    insert: [...fresh.reverse(), ...lists.insert.reverse()],
    remove: lists.remove.reverse(),
    remap: lists.remap.reverse(),
  };
}

/**
 * `svm_range_split_head` and `_tail`: the part cut off is mapped again when the cut breaks a 2 MiB page-table entry. The
 * 512 pages are written into the driver, whatever the granularity; of a head it tests the last page for alignment.
 */
function cutForUpdate(svms: Svms, range: SvmRange, first: number, last: number, lists: RangeUpdate): void {
  const start = alignUp(range.first, PAGES_2MIB);
  const end = alignDown(range.last, PAGES_2MIB);
  const cutTail = range.first === first;
  const rest = splitRange(svms, range, first, last);
  lists.insert.push(rest);
  const cut = cutTail ? rest.first : rest.last + 1;
  const tested = cutTail ? rest.first : rest.last;
  // Older drivers map nothing again.
  if (svms.legacy) return;
  if (end > start && cut > start && cut < end && tested % PAGES_2MIB !== 0) lists.remap.push(rest);
}

/** `svm_range_get_range_boundaries`: the VMA inside the aligned window around a fault, clipped by its neighbours. */
export function unregisteredBounds(
  svms: Pick<Svms, 'objects' | 'defaultGranularity'>,
  vma: SvmVma,
  page: number,
): { first: number; last: number } {
  const window = 2 ** svms.defaultGranularity;
  let first = Math.max(vma.first, alignDown(page, window));
  let end = Math.min(vma.last + 1, alignUp(page + 1, window));
  const after = svms.objects.after(page);
  if (after !== null) end = Math.min(end, after.first);
  const before = svms.objects.before(page);
  if (before !== null) first = Math.max(first, before.last + 1);
  return { first, last: end - 1 };
}

/** `svm_range_create_unregistered_range`; null when the address is nobody's or an explicit allocation's. */
export function createUnregisteredRange(svms: Svms, page: number): SvmRange | null {
  const vma = svms.vmaAt(page);
  if (vma === null) return null;
  let { first, last } = unregisteredBounds(svms, vma, page);
  const taken = svms.gpuMappings.meeting(first, last)[0];
  if (taken !== undefined) {
    if (page >= taken.first && page <= taken.last) return null;
    first = last = page;
  }
  const range = newRange(svms, first, last);
  if (vma.heapOrStack) range.preferredLoc = SYSMEM;
  linkRanges(svms, [range]);
  return range;
}
