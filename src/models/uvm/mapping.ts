/** Page tables of the processors: what a service maps, with which rights, and what others lose by it. */

import {
  andMask,
  andNotMask,
  copyMask,
  countPages,
  countPagesIn,
  forEachPage,
  forEachRun,
  isEmptyMask,
  newMask,
  orMask,
  type PageMask,
  rangeMask,
} from '../../replay/mask.ts';
import { HOST, RIGHTS, type Rights } from '../../replay/model.ts';
import { BIG_PAGE_PAGES } from './prefetch.ts';
import { clip, isFullSize, type Uvm, type VaBlock } from './state.ts';
import { newBlockThrashing } from './thrashing-state.ts';
import { forEachProcessor, has } from './topology.ts';

/** The CPU's page table knows no atomic right: write implies it. */
export function asStored(processor: number, rights: Rights): Rights {
  return processor === HOST && rights === RIGHTS.write ? RIGHTS.atomic : rights;
}

/** Page-table entries written for `mask` when all of `mapped` then has one right: 2 MiB, 64 KiB and 4 KiB ones. */
function entriesFor(block: VaBlock, mask: PageMask, mapped: PageMask): number {
  if (isFullSize(block) && countPages(mapped) === 512) return 1;
  let entries = 0;
  for (let page = 0; page < 512; page += BIG_PAGE_PAGES) {
    const pages = countPagesIn(mask, page, page + BIG_PAGE_PAGES - 1);
    if (pages === 0) continue;
    entries += countPagesIn(mapped, page, page + BIG_PAGE_PAGES - 1) === BIG_PAGE_PAGES ? 1 : pages;
  }
  return entries;
}

/** Maps those pages of the mask that have less than `rights`. Returns how many. */
export function mapPages(uvm: Uvm, block: VaBlock, processor: number, mask: PageMask, rights: Rights): number {
  const { core } = uvm;
  const stored = asStored(processor, rights);
  const enough = core.mappedMask(processor, block.number, newMask(), stored);
  const fresh = andNotMask(copyMask(newMask(), mask), enough);
  if (isEmptyMask(fresh)) return 0;
  core.map(processor, block.number, fresh, stored, entriesFor(block, fresh, clip(block, orMask(enough, fresh))));
  return countPages(fresh);
}

/** Takes the pages from one processor's page table, with its flush. */
export function unmapFrom(uvm: Uvm, block: VaBlock, processor: number, mask: PageMask): void {
  const { core } = uvm;
  const mapped = andMask(core.mappedMask(processor, block.number, newMask()), mask);
  if (isEmptyMask(mapped)) return;
  core.unmap(processor, block.number, mapped);
  if (processor === HOST) forEachRun(mapped, () => core.hostShootdown());
  else core.tlbInvalidate(processor);
}

export function unmapFromAll(uvm: Uvm, block: VaBlock, mask: PageMask, except = -1): void {
  for (let p = 0; p < uvm.topology.processors; p++) if (p !== except) unmapFrom(uvm, block, p, mask);
}

/** Pages that are resident in more than one place. */
export function duplicatedMask(uvm: Uvm, block: VaBlock): PageMask {
  const once = newMask();
  const twice = newMask();
  const here = newMask();
  for (let p = 0; p < uvm.topology.processors; p++) {
    uvm.core.residentMask(p, block.number, here);
    for (let w = 0; w < here.length; w++) {
      twice[w] |= once[w] & here[w];
      once[w] |= here[w];
    }
  }
  return clip(block, twice);
}

export interface Rightsizing {
  readonly read: PageMask;
  readonly write: PageMask;
  readonly atomic: PageMask;
}

/**
 * compute_new_permission for all pages at once: a read is promoted to read-write where that takes nothing from another
 * processor and the page may not be duplicated; with native atomics read-write is read-write-atomic.
 */
export function newRights(
  uvm: Uvm,
  block: VaBlock,
  processor: number,
  destination: number,
  readers: PageMask,
  writers: PageMask,
  atomics: PageMask,
): Rightsizing {
  const native = uvm.topology.nativeAtomics[destination];
  const read = copyMask(newMask(), readers);
  const write = copyMask(newMask(), writers);
  const atomic = copyMask(newMask(), atomics);
  if (!block.range.readDuplicate) {
    const blocked = duplicatedMask(uvm, block);
    const mapped = newMask();
    for (let p = 0; p < uvm.topology.processors; p++) {
      if (!has(native, p)) orMask(blocked, uvm.core.mappedMask(p, block.number, mapped, RIGHTS.atomic));
    }
    orMask(write, andNotMask(copyMask(mapped, read), blocked));
    andMask(read, blocked);
  }
  if (has(native, processor)) {
    orMask(atomic, write);
    write.fill(0);
  }
  return { read, write, atomic };
}

/** Lowers the rights of others on pages that stayed where they were and are now written by `processor`. */
export function revokeOthers(
  uvm: Uvm,
  block: VaBlock,
  processor: number,
  destination: number,
  stayed: PageMask,
  rights: Rights,
): void {
  const native = uvm.topology.nativeAtomics[destination];
  const spared = rights === RIGHTS.write || has(native, processor) ? native : 0;
  const revoked = processor !== HOST && rights === RIGHTS.atomic ? RIGHTS.write : RIGHTS.atomic;
  for (let p = 0; p < uvm.topology.processors; p++) {
    if (p === processor || has(spared, p) || (p === HOST && revoked === RIGHTS.atomic)) continue;
    const pages = andMask(uvm.core.mappedMask(p, block.number, newMask(), revoked), stayed);
    if (isEmptyMask(pages)) continue;
    uvm.core.map(p, block.number, pages, revoked === RIGHTS.atomic ? RIGHTS.write : RIGHTS.read, countPages(pages));
    if (p === HOST) uvm.core.hostShootdown();
    else uvm.core.tlbInvalidate(p);
    const thrashing = (block.thrashing ??= trackThrashing(uvm, block));
    forEachRun(pages, (first, last) => uvm.detector.revoked(thrashing, p, first, last, driverTime(uvm)));
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

/** After a migration: processors of accessed_by, and those that fight over a pinned page, get mappings too. */
export function mapOthers(
  uvm: Uvm,
  block: VaBlock,
  processor: number,
  destination: number,
  rights: Rightsizing,
  pinned: PageMask | null,
): void {
  const { range } = block;
  if (range.readDuplicate || (range.accessedBy === 0 && pinned === null)) return;
  const duplicated = duplicatedMask(uvm, block);
  for (const [mask, right] of [
    [rights.read, RIGHTS.read],
    [rights.write, RIGHTS.write],
    [rights.atomic, RIGHTS.atomic],
  ] as const) {
    const rest = andNotMask(copyMask(newMask(), mask), duplicated);
    if (isEmptyMask(rest)) continue;
    if (pinned !== null) {
      const ours = andMask(copyMask(newMask(), rest), pinned);
      forEachPage(ours, (page) => {
        const fighting = uvm.detector.processorsOf(block.thrashing!, page);
        mapGroup(uvm, block, processor, destination, range.accessedBy | fighting, rangeMask(page, page), right);
      });
      andNotMask(rest, pinned);
    }
    if (!isEmptyMask(rest)) mapGroup(uvm, block, processor, destination, range.accessedBy, rest, right);
  }
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
  forEachProcessor(others, (p) => {
    let given: Rights = right;
    if (right === RIGHTS.atomic) {
      if (has(native, processor)) given = has(native, p) ? RIGHTS.atomic : RIGHTS.write;
      else given = processor === HOST ? RIGHTS.write : RIGHTS.read;
    }
    mapPages(uvm, block, p, mask, given);
    countRemote(uvm, block, p, destination);
  });
}

/** A GPU that now reaches another memory is watched by its access counters where these are on. */
export function countRemote(uvm: Uvm, block: VaBlock, processor: number, destination: number): void {
  if (processor === HOST || processor === destination || uvm.counterThreshold === 0) return;
  uvm.core.armCounter(processor, block.number, uvm.counterThreshold);
}
