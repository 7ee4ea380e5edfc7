/** CPU faults (uvm_va_block_cpu_fault): one page a fault, same placement and prefetch, destination usually the CPU. */

import type { Access } from '../../replay/faults.ts';
import { BLOCK_PAGES, releaseScratch, scratchMark } from '../../replay/mask.ts';
import { HOST } from '../../replay/model.ts';
import { hostFaultAts } from './ats.ts';
import { AFTER_PERIOD_NS } from './faults.ts';
import { traceTime } from './mapping.ts';
import { addFault, askDetector, beginService, carryOut, endService, makeRoom, takeService } from './service.ts';
import { blockAt, type Uvm, type VaBlock } from './state.ts';
import type { ThrashingHint } from './thrashing-state.ts';

export function hostFault(uvm: Uvm, page: number, access: Access): 'retry' | 'failed' {
  const block = blockAt(uvm, page);
  if (block === null) return hostFaultAts(uvm, page, access);
  // Linux takes the fault; pages on a GPU come home through the driver's migrate_to_ram.
  if (block.range.kind === 'system') return uvm.linux.hostFault(page, access);
  uvm.core.spend(uvm.costs.hostFaultNs, 'faultService');
  return serveHost(uvm, block, page, access) ? 'retry' : 'failed';
}

/** Also what brings a page of pageable memory home. */
export function serveHost(uvm: Uvm, block: VaBlock, page: number, access: Access): boolean {
  const inBlock = page - block.number * BLOCK_PAGES;
  const fromDevice = (uvm.core.residence(page) & ~1) !== 0;
  for (;;) {
    const hint = askDetector(uvm, block, inBlock, HOST);
    if (hint.kind !== 'throttle') {
      const enough = serveFault(uvm, block, inBlock, access, hint);
      if (fromDevice) uvm.core.count('roundTrips');
      return enough;
    }
    // The faulting thread sleeps until the period is over.
    uvm.core.waitUntil(Math.max(traceTime(hint.endNs), uvm.core.now()) + AFTER_PERIOD_NS);
  }
}

function serveFault(uvm: Uvm, block: VaBlock, inBlock: number, access: Access, hint: ThrashingHint): boolean {
  const service = takeService(uvm, block, HOST, 'hostFault');
  const mark = scratchMark();
  let enough: boolean;
  do {
    beginService(service);
    addFault(uvm, service, inBlock, access, hint);
    enough = carryOut(uvm, service);
  } while (!enough && makeRoom(uvm, service));
  releaseScratch(mark);
  endService(uvm, service);
  return enough;
}
