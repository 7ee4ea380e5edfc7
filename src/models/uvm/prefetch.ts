/**
 * Density prefetch (uvm_perf_prefetch.c): which pages beyond the faulted ones should come along. Page numbers count
 * from the 2 MiB boundary below the block, so alignment to 64 KiB is alignment of the number to 16.
 */

import {
  addRange,
  andMask,
  andNotMask,
  clearMask,
  copyMask,
  countPages,
  countPagesIn,
  hasPage,
  isEmptyMask,
  MASK_WORDS,
  masksMeet,
  newMask,
  nextPage,
  orMask,
  type PageMask,
  removeRange,
} from '../../replay/mask.ts';
import { PageTree } from '../../replay/page-tree.ts';

/** UVM_BIG_PAGE_SIZE: growth unit of a fault, 64 KiB. */
export const BIG_PAGE_PAGES = 16;

export interface PrefetchSettings {
  readonly enabled: boolean;
  /** Per cent of a subtree that must be exceeded. */
  readonly threshold: number;
  readonly minFaults: number;
}

/** What a block remembers between services. */
export interface PrefetchHistory {
  lastProcessor: number;
  /** Pages faulted towards `lastProcessor` in a row: 16 bits in the driver. */
  faults: number;
}

export interface PrefetchRequest {
  readonly history: PrefetchHistory;
  /** Pages first..outer-1 of the block. */
  readonly first: number;
  readonly outer: number;
  /** Where prefetch may reach: the block, or less for system memory (VMA and policy limits). */
  readonly maxFirst: number;
  readonly maxOuter: number;
  readonly system: boolean;
  readonly destination: number;
  /** Preferred location of the range, -1 without one. */
  readonly preferred: number;
  readonly faulted: PageMask;
  readonly residentAtDestination: PageMask;
  /** No page of the block is anywhere. Looked at only where the destination is preferred. */
  readonly residentNowhere: boolean;
  readonly thrashing: PageMask | null;
  /** Pages resident and mapped on the CPU; looked at for managed memory going to the CPU. */
  readonly hostMapped: PageMask | null;
  /** Pages in ranges whose members may only move together, as [first, outer) pairs (range groups). */
  readonly groups?: readonly number[];
  /** Confidential computing: no remote mapping, so prefetch out of a preferred location is allowed. */
  readonly residentOnHostConfidential?: PageMask;
}

const tree = new PageTree();
const bits = newMask();
const candidates = newMask();
const scratch = newMask();

/** Moves the mask's pages down by `pages` (negative: up). */
function shiftDown(mask: PageMask, pages: number): void {
  if (pages === 0) return;
  clearMask(scratch);
  const words = Math.floor(pages / 32);
  const rest = pages - words * 32;
  for (let w = 0; w < MASK_WORDS; w++) {
    const low = mask[w + words] ?? 0;
    const high = mask[w + words + 1] ?? 0;
    scratch[w] = rest === 0 ? low : (low >>> rest) | (high << (32 - rest));
  }
  mask.set(scratch);
}

/**
 * Fills the part around each faulted page whole when no page of it is thrashing. Parts are the 64 KiB pages of
 * bigFirst..bigOuter-1, what lies before them and what lies after; without 64 KiB pages (both 0) all there is.
 */
function grow(request: PrefetchRequest, bigFirst: number, bigOuter: number, shift: number): void {
  const { faulted, thrashing, maxFirst, maxOuter } = request;
  for (let page = nextPage(faulted, maxFirst); page >= 0 && page < maxOuter; ) {
    let first = bigOuter === 0 ? maxFirst : bigOuter;
    let outer = maxOuter;
    if (page < bigFirst) {
      first = maxFirst;
      outer = bigFirst;
    } else if (page < bigOuter) {
      first = page - (page % BIG_PAGE_PAGES);
      outer = first + BIG_PAGE_PAGES;
    }
    if (thrashing === null || countPagesIn(thrashing, first, outer - 1) === 0) {
      addRange(bits, first - shift, outer - 1 - shift);
    }
    page = nextPage(faulted, outer);
  }
}

/**
 * Steps 1-4 of the rule: the tree over resident and faulted pages, whole 64 KiB pages first, then the largest dense
 * subtree of each faulted page. `out` gets pages of the block, faulted ones included.
 */
function densityMask(request: PrefetchRequest, threshold: number, out: PageMask): void {
  const { maxFirst, maxOuter } = request;
  // From the first whole 64 KiB page to the end of the last.
  const bigStart = Math.ceil(maxFirst / BIG_PAGE_PAGES) * BIG_PAGE_PAGES;
  const bigEnd = Math.floor(maxOuter / BIG_PAGE_PAGES) * BIG_PAGE_PAGES;
  const hasBig = bigEnd > bigStart;
  const bigFirst = hasBig ? bigStart : 0;
  const bigOuter = hasBig ? bigEnd : 0;
  // Ghost leaves before the first page align the tree to 64 KiB.
  const ghosts = hasBig && bigFirst > maxFirst ? BIG_PAGE_PAGES - (bigFirst - maxFirst) : 0;
  const shift = maxFirst - ghosts;
  copyMask(bits, request.residentAtDestination);
  orMask(bits, request.faulted);
  shiftDown(bits, shift);
  // What lies before the permitted part must not count as ghosts.
  removeRange(bits, 0, ghosts - 1);
  grow(request, bigFirst, bigOuter, shift);
  const leaves = maxOuter - maxFirst + ghosts;
  removeAbove(bits, leaves);
  tree.load(bits, leaves);
  copyMask(candidates, request.faulted);
  if (request.thrashing !== null) andNotMask(candidates, request.thrashing);

  // Numbers relative to the block, as the driver's clamping works on them.
  const limitFirst = maxFirst - request.first;
  const limitOuter = maxOuter - request.first;
  let doneOuter = -1;
  for (let page = nextPage(candidates, 0); page >= 0; page = nextPage(candidates, page + 1)) {
    // A page under the subtree just kept finds the same subtree.
    if (page - shift < doneOuter) continue;
    const node = tree.densest(page - shift, threshold);
    if (node < 0) continue;
    doneOuter = node % 1024;
    let first = Math.floor(node / 1024) + limitFirst;
    let outer = doneOuter + limitFirst;
    // A subtree that begins among the ghosts is clamped to page number `ghosts`, not to the first page: as written.
    first = first < ghosts ? ghosts : Math.max(first - ghosts, limitFirst);
    outer = outer < ghosts ? ghosts : Math.min(outer - ghosts, limitOuter);
    addRange(out, first + request.first, outer - 1 + request.first);
    if (outer === limitOuter) break;
  }
}

function removeAbove(mask: PageMask, leaves: number): void {
  for (let w = leaves >> 5; w < MASK_WORDS; w++) mask[w] &= w === leaves >> 5 ? 2 ** (leaves & 31) - 1 : 0;
}

/** Leaving a preferred location is not helped along; confidential computing is the exception. */
function mayPrefetch(request: PrefetchRequest): boolean {
  if (request.preferred < 0 || request.preferred === request.destination) return true;
  if (request.residentOnHostConfidential === undefined) return false;
  return request.destination === 0 || masksMeet(request.faulted, request.residentOnHostConfidential);
}

/** Fills `out` with the pages to bring along (never faulted ones). False: no hint, whatever `out` holds. */
export function prefetchHint(request: PrefetchRequest, settings: PrefetchSettings, out: PageMask): boolean {
  clearMask(out);
  if (!settings.enabled) return false;
  const { history, faulted, thrashing } = request;
  if (history.lastProcessor !== request.destination) {
    history.lastProcessor = request.destination;
    history.faults = 0;
  }
  if (request.residentNowhere && request.destination === request.preferred) {
    addRange(out, request.maxFirst, request.maxOuter - 1);
  } else if (mayPrefetch(request)) {
    densityMask(request, settings.threshold, out);
  }
  andNotMask(out, faulted);
  // A page that the CPU has mapped already would only be mapped again.
  if (request.destination === 0 && !request.system && request.hostMapped !== null) {
    copyMask(scratch, request.residentAtDestination);
    andNotMask(out, andMask(scratch, request.hostMapped));
  }
  if (thrashing !== null) andNotMask(out, thrashing);
  history.faults = (history.faults + countPages(faulted)) & 0xffff;
  if (history.faults < settings.minFaults || isEmptyMask(out)) return false;
  for (let i = 0; request.groups !== undefined && i < request.groups.length; i += 2) {
    const first = request.groups[i];
    const outer = request.groups[i + 1];
    if (countPagesIn(faulted, first, outer - 1) === 0) removeRange(out, first, outer - 1);
  }
  return !isEmptyMask(out);
}

/**
 * The same tree for system memory under address translation services (uvm_perf_prefetch_compute_ats): no 64 KiB
 * growth, no policy, no minimum; `out` includes faulted pages that lie in a dense subtree.
 */
export function prefetchAts(
  faulted: PageMask,
  maxFirst: number,
  maxOuter: number,
  resident: PageMask | null,
  settings: PrefetchSettings,
  out: PageMask,
): void {
  clearMask(out);
  if (!settings.enabled) return;
  copyMask(bits, faulted);
  if (resident !== null) orMask(bits, resident);
  shiftDown(bits, maxFirst);
  const leaves = maxOuter - maxFirst;
  removeAbove(bits, leaves);
  tree.load(bits, leaves);
  for (let page = nextPage(faulted, 0); page >= 0; page = nextPage(faulted, page + 1)) {
    if (hasPage(out, page)) continue;
    const node = tree.densest(page - maxFirst, settings.threshold);
    if (node < 0) continue;
    addRange(out, Math.floor(node / 1024) + maxFirst, (node % 1024) - 1 + maxFirst);
    if (node % 1024 === leaves) break;
  }
}
