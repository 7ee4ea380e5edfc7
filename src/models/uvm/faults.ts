/**
 * Replayable faults of a GPU (uvm_gpu_replayable_faults.c): fetch a batch, merge and sort it, serve it block by block,
 * replay.
 */

import type { Access, FaultBuffer } from '../../replay/faults.ts';
import { BLOCK_PAGES } from '../../replay/mask.ts';
import { serveAts } from './ats.ts';
import { traceTime } from './mapping.ts';
import { makePresent } from './pageable.ts';
import { addFault, askDetector, authorised, newService, type Service, serveBlock } from './service.ts';
import { blockAt, type Uvm, type VaBlock } from './state.ts';

/** Above this share of duplicates a flush reads PUT from the GPU again (uvm_perf_fault_replay_update_put_ratio). */
const UPDATE_PUT_PER_CENT = 50;

/** A throttled processor asks again just after the period: at its very end it would still be refused. */
export const AFTER_PERIOD_NS = 1000;

/** One page of a batch: the strongest entry is served, the others are its duplicates. */
interface PageFault {
  readonly page: number;
  readonly access: Access;
  /** Entries first..end-1 of the sorted batch. */
  readonly first: number;
  readonly end: number;
}

export function serveBatch(uvm: Uvm, device: number, buffer: FaultBuffer): void {
  const { core, costs } = uvm;
  const fetched = Math.min(uvm.batchCount, buffer.count);
  core.spend(costs.batchNs + fetched * (costs.fetchFaultNs + costs.sortFaultNs), 'faultService');
  const order = sorted(buffer, fetched);
  const faults = merged(buffer, order);

  for (let i = 0; i < faults.length; ) {
    const block = blockAt(uvm, faults[i].page);
    const number = Math.floor(faults[i].page / BLOCK_PAGES);
    let end = i + 1;
    while (end < faults.length && sameBlock(uvm, block, number, faults[end].page)) end++;
    const ours = faults.slice(i, end);
    if (block !== null) serveFaultsOfBlock(uvm, device, buffer, order, block, ours);
    else serveElsewhere(uvm, device, buffer, order, ours);
    if (uvm.replayPolicy === 'block') replay(uvm);
    i = end;
  }
  finishBatch(uvm, buffer, fetched, fetched - faults.length);
}

function sameBlock(uvm: Uvm, block: VaBlock | null, number: number, page: number): boolean {
  if (Math.floor(page / BLOCK_PAGES) !== number) return false;
  return block === null ? blockAt(uvm, page) === null : page % BLOCK_PAGES < block.outer;
}

/** Entries by address, then strongest first, then age. */
function sorted(buffer: FaultBuffer, fetched: number): number[] {
  const order: number[] = [];
  for (let i = 0; i < fetched; i++) order.push(i);
  const { page, access } = buffer;
  return order.sort((a, b) => page[a] - page[b] || access[b] - access[a] || a - b);
}

function merged(buffer: FaultBuffer, order: readonly number[]): PageFault[] {
  const faults: PageFault[] = [];
  for (let first = 0; first < order.length; ) {
    const entry = order[first];
    const page = buffer.page[entry];
    let end = first + 1;
    while (end < order.length && buffer.page[order[end]] === page) end++;
    faults.push({ page, access: buffer.access[entry] as Access, first, end });
    first = end;
  }
  return faults;
}

function markDuplicates(buffer: FaultBuffer, order: readonly number[], fault: PageFault): void {
  for (let k = fault.first + 1; k < fault.end; k++) buffer.duplicate(order[k]);
}

function serveFaultsOfBlock(
  uvm: Uvm,
  device: number,
  buffer: FaultBuffer,
  order: readonly number[],
  block: VaBlock,
  faults: readonly PageFault[],
): void {
  const base = block.number * BLOCK_PAGES;
  let counted = false;
  const served = new Set<PageFault>();
  const enough = serveBlock(uvm, () => {
    const service: Service = newService(uvm, block, device, 'deviceFault');
    served.clear();
    uvm.core.spend(faults.length * uvm.costs.faultNs, 'faultService');
    for (const fault of faults) {
      const page = fault.page - base;
      if (authorised(uvm, block, device, page, fault.access)) {
        buffer.stale(order[fault.first]);
        markDuplicates(buffer, order, fault);
        continue;
      }
      const hint = askDetector(uvm, block, page, device);
      if (hint.kind === 'throttle') {
        // Every waiting touch of the page is put off, so that none is fetched over and over meanwhile.
        const wakeNs = Math.max(traceTime(hint.endNs), uvm.core.now()) + AFTER_PERIOD_NS;
        for (let k = fault.first; k < fault.end; k++) buffer.defer(order[k], wakeNs);
        continue;
      }
      if (block.range.kind === 'system' && !makePresent(uvm, block, fault.page, fault.access)) {
        buffer.fail(order[fault.first]);
        markDuplicates(buffer, order, fault);
        continue;
      }
      addFault(uvm, service, page, fault.access, hint);
      served.add(fault);
    }
    if (service.pages === 0) return null;
    if (!counted) uvm.core.count('services');
    counted = true;
    return service;
  });
  for (const fault of served) {
    if (enough) buffer.serve(order[fault.first]);
    else buffer.fail(order[fault.first]);
    markDuplicates(buffer, order, fault);
  }
}

/** Memory that is in no managed or HMM range: pageable under address translation services, or nothing at all. */
function serveElsewhere(
  uvm: Uvm,
  device: number,
  buffer: FaultBuffer,
  order: readonly number[],
  faults: readonly PageFault[],
): void {
  const wanted = faults.map(({ page, access }) => ({ page, access }));
  const outcomes = serveAts(uvm, device, wanted);
  for (const [i, fault] of faults.entries()) {
    if (outcomes[i] === 'served') buffer.serve(order[fault.first]);
    else if (outcomes[i] === 'stale') buffer.stale(order[fault.first]);
    else buffer.fail(order[fault.first]);
    markDuplicates(buffer, order, fault);
  }
}

/** The end of a batch: flush and replay as the policy says. */
function finishBatch(uvm: Uvm, buffer: FaultBuffer, fetched: number, duplicates: number): void {
  const { core, costs, replayPolicy } = uvm;
  if (replayPolicy === 'batch') replay(uvm);
  else if (replayPolicy === 'once' && fetched === buffer.count) replay(uvm);
  if (replayPolicy !== 'batch_flush') return;
  if (duplicates * 100 > fetched * UPDATE_PUT_PER_CENT) {
    core.spend(costs.putReadNs, 'faultService');
    core.count('roundTrips');
    core.countOwn('putReads');
  }
  core.spend((buffer.count - fetched) * costs.flushFaultNs, 'faultService');
  buffer.flush();
  replay(uvm);
}

/** The replay waits for the copies; the driver waits for the replay. */
function replay(uvm: Uvm): void {
  uvm.core.drain();
  uvm.core.spend(uvm.costs.replayNs, 'faultService');
  uvm.core.count('roundTrips');
  uvm.core.countOwn('replays');
}
