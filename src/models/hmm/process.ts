/** What every preset does alike for allocations, hints of the system and host events. */

import { ACCESS, type Access } from '../../replay/faults.ts';
import { forEachBlock } from '../../replay/linux-mm/page-flags.ts';
import type { LinuxMm } from '../../replay/linux-mm.ts';
import { PAGE_BYTES, releaseScratch, scratchMark, scratchRange } from '../../replay/mask.ts';
import {
  type Core,
  type HintOutcome,
  HOST,
  type ModelHooks,
  RIGHTS,
  type Rights,
  type Vma,
} from '../../replay/model.ts';
import type { AdviseEvent, InvalidateEvent } from '../../trace/compiled.ts';

/** What a mapping must grant for an access. */
export function rightsFor(access: Access): Rights {
  return access === ACCESS.atomic ? RIGHTS.atomic : access === ACCESS.write ? RIGHTS.write : RIGHTS.read;
}

export interface Process {
  /** What every driver on core MM does alike. */
  readonly hooks: Required<Pick<ModelHooks, 'hostFault' | 'alloc' | 'advise' | 'invalidate' | 'finish'>>;
  free(pieces: readonly Vma[]): void;
  /** Explicit memory of a device: reachable by its owner alone, never moved. */
  isExplicit(vma: Vma): boolean;
}

export interface ProcessOptions {
  /** Takes memory of a device, possibly from others. */
  readonly reserve: (device: number, bytes: number) => boolean;
}

export function createProcess(core: Core, mm: LinuxMm, options: ProcessOptions): Process {
  /** Devices' explicit allocations: bytes taken, by allocation. */
  const explicit = new Map<number, number>();

  const isExplicit = (vma: Vma): boolean => vma.allocation.kind === 'device';

  function alloc(vma: Vma): void {
    const { kind, actor, id, sizeBytes } = vma.allocation;
    if (kind === 'pinned') fill(HOST, vma);
    if (kind !== 'device' || actor === HOST) return;
    const bytes = Math.ceil(sizeBytes / PAGE_BYTES) * PAGE_BYTES;
    if (!options.reserve(actor, bytes)) {
      core.warn(`no device memory for the allocation ${vma.allocation.name}: its accesses fail`);
      return;
    }
    explicit.set(id, bytes);
    fill(actor, vma);
  }

  /** Memory that is there from the start, mapped for its owner. */
  function fill(at: number, vma: Vma): void {
    forEachBlock(vma.firstPage, vma.lastPage, (block, from, to) => {
      const pages = scratchRange(from, to);
      core.populate(block, pages, at);
      core.map(at, block, pages, RIGHTS.atomic, at === HOST ? 0 : 1);
    });
  }

  function free(pieces: readonly Vma[]): void {
    for (const { allocation, firstPage, lastPage } of pieces) {
      const bytes = explicit.get(allocation.id);
      if (bytes === undefined) continue;
      forEachBlock(firstPage, lastPage, (block, from, to) => {
        const pages = scratchRange(from, to);
        core.unmap(allocation.actor, block, pages);
        core.discard(block, pages);
      });
      const freed = Math.min(bytes, (lastPage - firstPage + 1) * PAGE_BYTES);
      core.release(allocation.actor, freed);
      explicit.set(allocation.id, bytes - freed);
    }
    const own = pieces.filter((piece) => !isExplicit(piece));
    if (own.length > 0) mm.munmap(own[0].firstPage, own[own.length - 1].lastPage);
  }

  function advise(event: AdviseEvent): HintOutcome {
    const { advice, target, firstPage, lastPage } = event;
    if (advice === 'dontneed') forEachLive(firstPage, lastPage, (first, last) => mm.dontNeed(first, last));
    else if (advice === 'pin' && target === HOST)
      forEachLive(firstPage, lastPage, (first, last) => mm.pin(first, last));
    else if (advice === 'unpin') mm.unpin(firstPage, lastPage);
    else return 'ignored';
    return 'applied';
  }

  function forEachLive(firstPage: number, lastPage: number, visit: (first: number, last: number) => void): void {
    for (const vma of core.vmasIn(firstPage, lastPage)) {
      if (!isExplicit(vma)) visit(Math.max(vma.firstPage, firstPage), Math.min(vma.lastPage, lastPage));
    }
  }

  /** Data stays for the first three sorts; fork and I/O by the kernel touch every page and so bring them home. */
  function invalidate(event: InvalidateEvent): void {
    const { sort } = event;
    forEachLive(event.firstPage, event.lastPage, (first, last) => {
      if (sort === 'compaction') for (let page = first; page <= last; page++) mm.invalidate('clear', page, page);
      else if (sort === 'fork') mm.invalidate('protectionPage', first, last);
      else if (sort !== 'hostio') mm.invalidate('protectionVma', first, last);
      if (sort === 'fork' || sort === 'hostio') bringHome(first, last);
    });
  }

  function bringHome(first: number, last: number): void {
    for (let page = first; page <= last; page++) {
      if (mm.deviceOf(page) <= 0) continue;
      const mark = scratchMark();
      mm.fault(page, false, 'kernel');
      releaseScratch(mark);
    }
  }

  function hostFault(page: number, access: Access): 'retry' | 'failed' {
    const vma = core.vmaAt(page);
    return vma === null || isExplicit(vma) ? 'failed' : mm.hostFault(page, access);
  }

  function finish(): void {
    core.countOwn('pageFaults', mm.counters.faults.device);
    core.countOwn('rangeFaults', mm.counters.rangeFaults);
  }

  return { hooks: { hostFault, alloc, advise, invalidate, finish }, free, isExplicit };
}
