/** Changing residence: unmap, copy or zero-fill, and who is told (uvm_va_block_make_resident in uvm_va_block.c). */

import {
  andMask,
  andNotMask,
  copyMask,
  countPages,
  endOfRun,
  isEmptyMask,
  nextPage,
  orMask,
  type PageMask,
  scratchMask,
} from '../../replay/mask.ts';
import type { Trigger } from '../../replay/metrics.ts';
import { HOST, type MoveOptions, RIGHTS } from '../../replay/model.ts';
import { driverTime, duplicatedMask, trackThrashing, unmapFromAll } from './mapping.ts';
import { moveSystemPages } from './pageable.ts';
import { isFullSize, residentOn, type Uvm, type VaBlock } from './state.ts';
import type { BlockThrashing } from './thrashing-state.ts';

/**
 * uvm_va_block_make_resident: pages that are elsewhere are unmapped and copied, pages that are nowhere are zero-filled
 * at the destination. The memory behind them has been taken. Copies are queued: CPU work goes on meanwhile.
 */
export function makeResident(
  uvm: Uvm,
  block: VaBlock,
  destination: number,
  mask: PageMask,
  trigger: Trigger,
  brought: PageMask | null,
  keepSource: boolean,
): void {
  const { core } = uvm;
  if (block.range.kind === 'system') {
    moveSystemPages(uvm, block, destination, mask, trigger, brought);
    return;
  }
  const there = residentOn(uvm, block, destination, scratchMask());
  const coming = andNotMask(copyMask(scratchMask(), mask), there);
  core.spend(countPages(coming) * uvm.costs.pageNs, 'mapping');
  if (keepSource) {
    block.everDuplicated = true;
    leaveReaders(uvm, block, coming);
  } else {
    unmapFromAll(uvm, block, coming);
    if (block.everDuplicated) {
      const copies = andMask(andMask(duplicatedMask(uvm, block, scratchMask()), mask), there);
      if (!isEmptyMask(copies)) unmapFromAll(uvm, block, copies, destination);
    }
  }
  tellDetector(uvm, block, destination, coming, trigger, brought, keepSource);
  copying.keepSource = keepSource;
  copying.staged = destination !== HOST && core.platform.topology.peer === 'none';
  copying.speculative = brought ?? undefined;
  core.move(block.number, mask, destination, trigger, copying);
  core.populate(block.number, coming, destination, QUEUED);
  noteResidence(uvm, block, destination);
}

export const QUEUED = { timing: 'queue' } as const;

/** The one set of options that `makeResident` fills in: the core keeps nothing of it. */
const copying: { -readonly [Key in keyof MoveOptions]: MoveOptions[Key] } = { ...QUEUED };

/** Who holds a copy of pages that come to another place may only read from now on; remote mappings of others go. */
function leaveReaders(uvm: Uvm, block: VaBlock, coming: PageMask): void {
  const { core } = uvm;
  const local = scratchMask();
  const writable = scratchMask();
  for (let p = 0; p < uvm.topology.processors; p++) {
    andMask(core.mappedMask(p, block.number, writable, RIGHTS.write), coming);
    if (isEmptyMask(andMask(writable, residentOn(uvm, block, p, local)))) continue;
    core.map(p, block.number, writable, RIGHTS.read, countPages(writable));
    if (p === HOST) core.hostShootdown();
    else core.tlbInvalidate(p);
  }
}

/** Migration events, one a contiguous run of pages with one cause. First population is no migration. */
function tellDetector(
  uvm: Uvm,
  block: VaBlock,
  destination: number,
  coming: PageMask,
  trigger: Trigger,
  brought: PageMask | null,
  duplicate: boolean,
): void {
  const copied = scratchMask();
  const here = scratchMask();
  for (let p = 0; p < uvm.topology.processors; p++) {
    if (p !== destination) orMask(copied, uvm.core.residentMask(p, block.number, here));
  }
  andMask(copied, coming);
  if (isEmptyMask(copied)) return;
  const byHeuristics = trigger === 'deviceFault' || trigger === 'hostFault' || trigger === 'counter';
  if (!byHeuristics || duplicate || block.range.readDuplicate) {
    if (block.thrashing !== null) resetRuns(uvm, block.thrashing, copied);
    return;
  }
  const thrashing = (block.thrashing ??= trackThrashing(uvm, block));
  if (brought === null) {
    tellRuns(uvm, thrashing, destination, copied, false);
    return;
  }
  const guessed = andMask(copyMask(here, copied), brought);
  tellRuns(uvm, thrashing, destination, andNotMask(copied, guessed), false);
  tellRuns(uvm, thrashing, destination, guessed, true);
}

function tellRuns(uvm: Uvm, thrashing: BlockThrashing, destination: number, pages: PageMask, guessed: boolean): void {
  const time = driverTime(uvm);
  for (let first = nextPage(pages, 0); first >= 0; ) {
    const last = endOfRun(pages, first);
    uvm.detector.migrated(thrashing, destination, first, last, time, guessed);
    first = nextPage(pages, last + 1);
  }
}

function resetRuns(uvm: Uvm, thrashing: BlockThrashing, pages: PageMask): void {
  for (let first = nextPage(pages, 0); first >= 0; ) {
    const last = endOfRun(pages, first);
    uvm.detector.reset(thrashing, first, last);
    first = nextPage(pages, last + 1);
  }
}

/** The lists of root chunks follow residence, for full-size blocks only (block_mark_memory_used and its opposite). */
export function noteResidence(uvm: Uvm, block: VaBlock, destination: number): void {
  if (block.range.kind === 'system' || !isFullSize(block)) return;
  const here = scratchMask();
  for (let device = 1; device < uvm.topology.processors; device++) {
    const chunk = block.chunks[device].get(0);
    if (chunk === undefined) continue;
    if (device === destination) uvm.memory[device].markUsed(chunk.root);
    else if (isEmptyMask(residentOn(uvm, block, device, here))) uvm.memory[device].markUnused(chunk.root);
  }
}
