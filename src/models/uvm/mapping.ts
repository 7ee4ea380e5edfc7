/** Page tables of the processors: what a service maps, with which rights, and what others lose by it. */

import {
  andMask,
  andNotMask,
  clearMask,
  copyMask,
  countPages,
  countRuns,
  endOfRun,
  hasPage,
  isEmptyMask,
  nextPage,
  orMask,
  type PageMask,
  popcount32,
  releaseScratch,
  scratchMark,
  scratchMask,
  setRange,
} from '../../replay/mask.ts';
import { HOST, RIGHTS, type Rights } from '../../replay/model.ts';
import { BIG_PAGE_PAGES } from './prefetch.ts';
import { clip, isFullSize, type Uvm, type VaBlock } from './state.ts';
import { newBlockThrashing } from './thrashing-state.ts';
import { has, lowest } from './topology.ts';

/** The CPU's page table knows no atomic right: write implies it. */
export function asStored(processor: number, rights: Rights): Rights {
  return processor === HOST && rights === RIGHTS.write ? RIGHTS.atomic : rights;
}

/** Page-table entries written for `mask` when all of `mapped` then has one right: 2 MiB, 64 KiB and 4 KiB ones. */
function entriesFor(block: VaBlock, mask: PageMask, mapped: PageMask): number {
  if (isFullSize(block) && countPages(mapped) === 512) return 1;
  let entries = 0;
  for (let w = 0; w < mask.length; w++) {
    if (mask[w] === 0) continue;
    entries += entriesForBigPage(mask[w] & BIG_PAGE, mapped[w] & BIG_PAGE);
    entries += entriesForBigPage(mask[w] >>> BIG_PAGE_PAGES, mapped[w] >>> BIG_PAGE_PAGES);
  }
  return entries;
}

/** A word of a mask is two 64 KiB pages. */
const BIG_PAGE = (1 << BIG_PAGE_PAGES) - 1;

function entriesForBigPage(pages: number, mapped: number): number {
  if (pages === 0) return 0;
  return mapped === BIG_PAGE ? 1 : popcount32(pages);
}

/** Maps those pages of the mask that have less than `rights`. Returns how many. */
export function mapPages(uvm: Uvm, block: VaBlock, processor: number, mask: PageMask, rights: Rights): number {
  const { core } = uvm;
  const stored = asStored(processor, rights);
  const enough = core.mappedMask(processor, block.number, scratchMask(), stored);
  const fresh = andNotMask(copyMask(scratchMask(), mask), enough);
  const pages = countPages(fresh);
  if (pages === 0) return 0;
  core.map(processor, block.number, fresh, stored, entriesFor(block, fresh, clip(block, orMask(enough, fresh))));
  return pages;
}

/** Takes the pages from one processor's page table, with its flush. */
export function unmapFrom(uvm: Uvm, block: VaBlock, processor: number, mask: PageMask): void {
  const { core } = uvm;
  const mark = scratchMark();
  const mapped = andMask(core.mappedMask(processor, block.number, scratchMask()), mask);
  if (!isEmptyMask(mapped)) {
    core.unmap(processor, block.number, mapped);
    if (processor !== HOST) core.tlbInvalidate(processor);
    else for (let runs = countRuns(mapped); runs > 0; runs--) core.hostShootdown();
  }
  releaseScratch(mark);
}

export function unmapFromAll(uvm: Uvm, block: VaBlock, mask: PageMask, except = -1): void {
  for (let p = 0; p < uvm.topology.processors; p++) if (p !== except) unmapFrom(uvm, block, p, mask);
}

/** Fills `out` with the pages that are resident in more than one place. */
export function duplicatedMask(uvm: Uvm, block: VaBlock, out: PageMask): PageMask {
  clearMask(out);
  if (!block.everDuplicated) return out;
  const mark = scratchMark();
  const once = scratchMask();
  const here = scratchMask();
  for (let p = 0; p < uvm.topology.processors; p++) {
    uvm.core.residentMask(p, block.number, here);
    for (let w = 0; w < here.length; w++) {
      out[w] |= once[w] & here[w];
      once[w] |= here[w];
    }
  }
  releaseScratch(mark);
  return clip(block, out);
}

/**
 * compute_new_permission for all pages at once: a read is promoted to read-write where that takes nothing from another
 * processor and the page may not be duplicated; with native atomics read-write is read-write-atomic. The masks hold
 * the pages by strongest access before, by right to give after.
 */
export function newRights(
  uvm: Uvm,
  block: VaBlock,
  processor: number,
  destination: number,
  read: PageMask,
  write: PageMask,
  atomic: PageMask,
): void {
  const native = uvm.topology.nativeAtomics[destination];
  if (!block.range.readDuplicate && !isEmptyMask(read)) {
    const blocked = duplicatedMask(uvm, block, scratchMask());
    const mapped = scratchMask();
    for (let p = 0; p < uvm.topology.processors; p++) {
      if (!has(native, p)) orMask(blocked, uvm.core.mappedMask(p, block.number, mapped, RIGHTS.atomic));
    }
    orMask(write, andNotMask(copyMask(mapped, read), blocked));
    andMask(read, blocked);
  }
  if (has(native, processor)) {
    orMask(atomic, write);
    clearMask(write);
  }
}

/** Lowers the rights of others on pages that are now written by `processor` and have not just arrived. */
export function revokeOthers(
  uvm: Uvm,
  block: VaBlock,
  processor: number,
  destination: number,
  written: PageMask,
  arrived: PageMask,
  rights: Rights,
): void {
  const native = uvm.topology.nativeAtomics[destination];
  const spared = rights === RIGHTS.write || has(native, processor) ? native : 0;
  const revoked = processor !== HOST && rights === RIGHTS.atomic ? RIGHTS.write : RIGHTS.atomic;
  for (let p = 0; p < uvm.topology.processors; p++) {
    if (p === processor || has(spared, p) || (p === HOST && revoked === RIGHTS.atomic)) continue;
    const pages = andMask(uvm.core.mappedMask(p, block.number, scratchMask(), revoked), written);
    andNotMask(pages, arrived);
    if (isEmptyMask(pages)) continue;
    uvm.core.map(p, block.number, pages, revoked === RIGHTS.atomic ? RIGHTS.write : RIGHTS.read, countPages(pages));
    if (p === HOST) uvm.core.hostShootdown();
    else uvm.core.tlbInvalidate(p);
    const thrashing = (block.thrashing ??= trackThrashing(uvm, block));
    for (let first = nextPage(pages, 0); first >= 0; ) {
      const last = endOfRun(pages, first);
      uvm.detector.revoked(thrashing, p, first, last, driverTime(uvm));
      first = nextPage(pages, last + 1);
    }
  }
}

export function trackThrashing(uvm: Uvm, block: VaBlock) {
  const thrashing = newBlockThrashing();
  uvm.blockOfThrashing.set(thrashing, block);
  return thrashing;
}

/** Uptime when the trace begins; a multiple of 64 ns, as time stamps are. Zero means "never" to the detector. */
const UPTIME_NS = 64 * 2 ** 24;

export function driverTime(uvm: Uvm): number {
  return uvm.core.now() + UPTIME_NS;
}

export function traceTime(driverNs: number): number {
  return driverNs - UPTIME_NS;
}

/**
 * After a migration: processors of accessed_by, and those that fight over a pinned page, get mappings too. The masks hold
 * the pages by the right that `processor` got; what they hold afterwards is of no use.
 */
export function mapOthers(
  uvm: Uvm,
  block: VaBlock,
  processor: number,
  destination: number,
  read: PageMask,
  write: PageMask,
  atomic: PageMask,
  pinned: PageMask | null,
): void {
  const { range } = block;
  if (range.readDuplicate || (range.accessedBy === 0 && pinned === null)) return;
  const duplicated = duplicatedMask(uvm, block, scratchMask());
  mapOthersWith(uvm, block, processor, destination, andNotMask(read, duplicated), RIGHTS.read, pinned);
  mapOthersWith(uvm, block, processor, destination, andNotMask(write, duplicated), RIGHTS.write, pinned);
  mapOthersWith(uvm, block, processor, destination, andNotMask(atomic, duplicated), RIGHTS.atomic, pinned);
}

function mapOthersWith(
  uvm: Uvm,
  block: VaBlock,
  processor: number,
  destination: number,
  pages: PageMask,
  right: Rights,
  pinned: PageMask | null,
): void {
  const { range } = block;
  const one = scratchMask();
  for (let page = nextPage(pages, 0); pinned !== null && page >= 0; page = nextPage(pages, page + 1)) {
    if (!hasPage(pinned, page)) continue;
    const fighting = uvm.detector.processorsOf(block.thrashing!, page);
    mapGroup(uvm, block, processor, destination, range.accessedBy | fighting, setRange(one, page, page), right);
  }
  if (pinned !== null) andNotMask(pages, pinned);
  if (!isEmptyMask(pages)) mapGroup(uvm, block, processor, destination, range.accessedBy, pages, right);
}

function mapGroup(
  uvm: Uvm,
  block: VaBlock,
  processor: number,
  destination: number,
  wanted: number,
  mask: PageMask,
  right: Rights,
): void {
  const { topology } = uvm;
  const { preferred } = block.range;
  let others = wanted & topology.accessibleFrom[destination] & ~(1 << processor);
  if (preferred >= 0 && preferred !== destination) others &= ~(1 << preferred);
  const native = topology.nativeAtomics[destination];
  for (let rest = others; rest !== 0; rest &= rest - 1) {
    const p = lowest(rest);
    let given: Rights = right;
    if (right === RIGHTS.atomic) {
      if (has(native, processor)) given = has(native, p) ? RIGHTS.atomic : RIGHTS.write;
      else given = processor === HOST ? RIGHTS.write : RIGHTS.read;
    }
    mapPages(uvm, block, p, mask, given);
    countRemote(uvm, block, p, destination);
  }
}

/** A GPU that now reaches another memory is watched by its access counters where these are on. */
export function countRemote(uvm: Uvm, block: VaBlock, processor: number, destination: number): void {
  if (processor === HOST || processor === destination || uvm.counterThreshold === 0) return;
  uvm.core.armCounter(processor, block.number, uvm.counterThreshold);
}
