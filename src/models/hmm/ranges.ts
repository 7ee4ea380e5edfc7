/**
 * Ranges and notifiers of drm_gpusvm for one device: a range is what one fault maps and migrates, a notifier covers an
 * aligned block of ranges and comes and goes with them.
 */

import { IntervalSet } from '../../replay/interval-set.ts';
import { type PageMask, pageInBlock, scratchRange } from '../../replay/mask.ts';
import type { Rights } from '../../replay/model.ts';

/** Sizes that xe tries, largest first (fault_chunk_sizes), in pages. */
export const CHUNK_PAGES = [512, 16, 1] as const;

/** About the sizes of struct xe_svm_range and struct drm_gpusvm_notifier; page arrays and buffer objects are not counted. */
export const RANGE_BYTES = 152;
export const NOTIFIER_BYTES = 200;

export interface SvmRange {
  first: number;
  last: number;
  readonly notifier: Notifier;
  /** What its present mapping grants; 0 = invalid, the next touch faults. */
  rights: Rights;
}

export interface Notifier {
  readonly first: number;
  readonly last: number;
  ranges: number;
  /** mmu_interval_notifier sequence: moves with every invalidation. */
  sequence: number;
}

export interface DeviceRanges {
  readonly ranges: IntervalSet<SvmRange>;
  readonly notifiers: IntervalSet<Notifier>;
}

export function newDeviceRanges(): DeviceRanges {
  return { ranges: new IntervalSet(), notifiers: new IntervalSet() };
}

/** The notifier of a new range at `page`; made when its first range comes. */
export function notifierAt(
  of: DeviceRanges,
  page: number,
  notifierPages: number,
): { notifier: Notifier; made: boolean } {
  const known = of.notifiers.at(page);
  if (known !== null) return { notifier: known, made: false };
  const first = page - (page % notifierPages);
  const notifier = { first, last: first + notifierPages - 1, ranges: 0, sequence: 0 };
  of.notifiers.add(notifier);
  return { notifier, made: true };
}

export interface Chunk {
  readonly first: number;
  readonly last: number;
}

export const sizeOf = ({ first, last }: Chunk): number => last - first + 1;

/** A chunk's pages within its block, as a scratch mask. */
export function pagesOf({ first, last }: Chunk): PageMask {
  return scratchRange(pageInBlock(first), pageInBlock(last));
}

/**
 * The largest aligned chunk around `page` inside `bounds` (VMA and notifier) that meets no range and, where it must be
 * checked, whose pages are present. 4 KiB is always taken.
 */
export function chooseChunk(
  of: DeviceRanges,
  page: number,
  bounds: Chunk,
  checkUpToPages: number,
  present: (chunk: Chunk) => boolean,
): Chunk {
  for (const pages of CHUNK_PAGES) {
    const first = page - (page % pages);
    const chunk = { first, last: first + pages - 1 };
    if (pages === 1) return chunk;
    if (first < bounds.first || chunk.last > bounds.last) continue;
    if (of.ranges.meets(first, chunk.last)) continue;
    if (pages <= checkUpToPages && !present(chunk)) continue;
    return chunk;
  }
  throw new Error('unreachable: the smallest chunk is always taken');
}

/** Bytes of bookkeeping of all devices. */
export function bookBytes(all: readonly DeviceRanges[]): number {
  let bytes = 0;
  for (const of of all) bytes += of.ranges.size * RANGE_BYTES + of.notifiers.size * NOTIFIER_BYTES;
  return bytes;
}

export function addRange(of: DeviceRanges, chunk: Chunk, notifier: Notifier): SvmRange {
  const range: SvmRange = { first: chunk.first, last: chunk.last, notifier, rights: 0 };
  of.ranges.add(range);
  notifier.ranges++;
  return range;
}

export function removeRange(of: DeviceRanges, range: SvmRange): void {
  of.ranges.remove(range);
  if (--range.notifier.ranges === 0) of.notifiers.remove(range.notifier);
}
