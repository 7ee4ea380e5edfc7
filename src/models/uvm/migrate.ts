/** Changing residence: unmap, copy or zero-fill, and who is told (uvm_va_block_make_resident in uvm_va_block.c). */

import {
  andMask,
  andNotMask,
  copyMask,
  countPages,
  forEachRun,
  isEmptyMask,
  newMask,
  orMask,
  type PageMask,
} from '../../replay/mask.ts';
import type { Trigger } from '../../replay/metrics.ts';
import { HOST, RIGHTS } from '../../replay/model.ts';
import { driverTime, duplicatedMask, trackThrashing, unmapFromAll } from './mapping.ts';
import { moveSystemPages } from './pageable.ts';
import { isFullSize, residentOn, type Uvm, type VaBlock } from './state.ts';

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
  const there = residentOn(uvm, block, destination, newMask());
  const coming = andNotMask(copyMask(newMask(), mask), there);
  core.spend(countPages(coming) * uvm.costs.pageNs, 'mapping');
  if (keepSource) {
    // Who holds a copy may only read from now on; remote mappings of others go.
    for (let p = 0; p < uvm.topology.processors; p++) {
      const local = residentOn(uvm, block, p, newMask());
      const writable = andMask(core.mappedMask(p, block.number, newMask(), RIGHTS.write), coming);
      if (!isEmptyMask(andMask(writable, local))) {
        core.map(p, block.number, writable, RIGHTS.read, countPages(writable));
        if (p === HOST) core.hostShootdown();
        else core.tlbInvalidate(p);
      }
    }
  } else {
    unmapFromAll(uvm, block, coming);
    const copies = andMask(andMask(duplicatedMask(uvm, block), mask), there);
    if (!isEmptyMask(copies)) unmapFromAll(uvm, block, copies, destination);
  }
  tellDetector(uvm, block, destination, coming, trigger, brought, keepSource);
  const staged = destination !== HOST && uvm.core.platform.topology.peer === 'none';
  core.move(block.number, mask, destination, trigger, {
    keepSource,
    staged,
    timing: 'queue',
    ...(brought === null ? {} : { speculative: brought }),
  });
  core.populate(block.number, coming, destination, { timing: 'queue' });
  noteResidence(uvm, block, destination);
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
  const copied = newMask();
  const here = newMask();
  for (let p = 0; p < uvm.topology.processors; p++) orMask(copied, residentOn(uvm, block, p, here));
  andMask(copied, coming);
  if (isEmptyMask(copied)) return;
  const byHeuristics = trigger === 'deviceFault' || trigger === 'hostFault' || trigger === 'counter';
  if (!byHeuristics || duplicate || block.range.readDuplicate) {
    if (block.thrashing !== null) forEachRun(copied, (f, l) => uvm.detector.reset(block.thrashing!, f, l));
    return;
  }
  const thrashing = (block.thrashing ??= trackThrashing(uvm, block));
  const time = driverTime(uvm);
  const guessed = brought === null ? newMask() : andMask(copyMask(newMask(), copied), brought);
  andNotMask(copied, guessed);
  forEachRun(copied, (f, l) => uvm.detector.migrated(thrashing, destination, f, l, time));
  forEachRun(guessed, (f, l) => uvm.detector.migrated(thrashing, destination, f, l, time, true));
}

/** The lists of root chunks follow residence, for full-size blocks only (block_mark_memory_used and its opposite). */
export function noteResidence(uvm: Uvm, block: VaBlock, destination: number): void {
  if (block.range.kind === 'system' || !isFullSize(block)) return;
  const here = newMask();
  for (let device = 1; device < uvm.topology.processors; device++) {
    const chunk = block.chunks[device].get(0);
    if (chunk === undefined) continue;
    if (device === destination) uvm.memory[device].markUsed(chunk.root);
    else if (isEmptyMask(residentOn(uvm, block, device, here))) uvm.memory[device].markUnused(chunk.root);
  }
}
