/**
 * Replayable faults of a GPU (uvm_gpu_replayable_faults.c): fetch a batch, merge and sort it, serve it block by block,
 * replay.
 */

import type { FaultBuffer } from '../../replay/faults.ts';
import { BLOCK_PAGES, blockOf, pageInBlock, releaseScratch, scratchMark } from '../../replay/mask.ts';
import { serveAts } from './ats.ts';
import { traceTime } from './mapping.ts';
import { makePresent } from './pageable.ts';
import {
  addFault,
  askDetector,
  authorised,
  beginService,
  carryOut,
  endService,
  makeRoom,
  type Service,
  takeService,
} from './service.ts';
import { blockAt, type Uvm, type VaBlock } from './state.ts';

/** Above this share of duplicates a flush reads PUT from the GPU again (uvm_perf_fault_replay_update_put_ratio). */
const UPDATE_PUT_PER_CENT = 50;

/** A throttled processor asks again just after the period: at its very end it would still be refused. */
export const AFTER_PERIOD_NS = 1000;

export function serveBatch(uvm: Uvm, device: number, buffer: FaultBuffer): void {
  const { core, costs, batch } = uvm;
  const fetched = Math.min(uvm.batchCount, buffer.count);
  core.spend(costs.batchNs + fetched * (costs.fetchFaultNs + costs.sortFaultNs), 'faultService');
  batch.load(buffer, fetched);

  for (let i = 0; i < batch.count; ) {
    const block = blockAt(uvm, batch.page[i]);
    const number = blockOf(batch.page[i]);
    let end = i + 1;
    while (end < batch.count && sameBlock(uvm, block, number, batch.page[end])) end++;
    const mark = scratchMark();
    if (block !== null) serveFaultsOfBlock(uvm, device, buffer, block, i, end);
    else serveAts(uvm, device, buffer, i, end);
    releaseScratch(mark);
    if (uvm.replayPolicy === 'block') replay(uvm);
    i = end;
  }
  finishBatch(uvm, buffer, fetched, fetched - batch.count);
}

function sameBlock(uvm: Uvm, block: VaBlock | null, number: number, page: number): boolean {
  if (blockOf(page) !== number) return false;
  return block === null ? blockAt(uvm, page) === null : pageInBlock(page) < block.outer;
}

/** Serves faults from..end-1 of the batch, all of one block, again from the start after each eviction. */
function serveFaultsOfBlock(
  uvm: Uvm,
  device: number,
  buffer: FaultBuffer,
  block: VaBlock,
  from: number,
  end: number,
): void {
  const { batch } = uvm;
  const service = takeService(uvm, block, device, 'deviceFault');
  let counted = false;
  let enough = true;
  do {
    beginService(service);
    collectFaults(uvm, buffer, service, from, end);
    if (service.pages === 0) break;
    if (!counted) uvm.core.count('services');
    counted = true;
    enough = carryOut(uvm, service);
  } while (!enough && makeRoom(uvm, service));
  for (let fault = from; fault < end; fault++) {
    if (batch.inService[fault] === 0) continue;
    if (enough) batch.serve(buffer, fault);
    else batch.fail(buffer, fault);
  }
  endService(uvm, service);
}

/** Looks at each fault: found valid, put off, or part of the service. */
function collectFaults(uvm: Uvm, buffer: FaultBuffer, service: Service, from: number, end: number): void {
  const { batch } = uvm;
  const { block, processor } = service;
  const base = block.number * BLOCK_PAGES;
  uvm.core.spend((end - from) * uvm.costs.faultNs, 'faultService');
  for (let fault = from; fault < end; fault++) {
    const page = batch.page[fault] - base;
    const access = batch.accessOf(fault);
    batch.inService[fault] = 0;
    if (authorised(uvm, block, processor, page, access)) {
      batch.stale(buffer, fault);
      continue;
    }
    const hint = askDetector(uvm, block, page, processor);
    if (hint.kind === 'throttle') {
      batch.defer(buffer, fault, Math.max(traceTime(hint.endNs), uvm.core.now()) + AFTER_PERIOD_NS);
      continue;
    }
    if (block.range.kind === 'system' && !makePresent(uvm, block, batch.page[fault], access)) {
      batch.fail(buffer, fault);
      continue;
    }
    addFault(uvm, service, page, access, hint);
    batch.inService[fault] = 1;
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
