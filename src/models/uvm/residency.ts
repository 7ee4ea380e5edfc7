/** Where a faulted page goes: the rules of block_select_processor_residency (uvm_va_block.c), first match wins. */

import { HOST } from '../../replay/model.ts';
import type { Range, Uvm } from './state.ts';
import type { ThrashingHint } from './thrashing-state.ts';
import { closest, has } from './topology.ts';

/** The page goes to the processor that faults; when that only reads, it is copied and the source keeps its own. */
export function mayDuplicate(range: Range, resident: number, hint: ThrashingHint): boolean {
  if (range.kind === 'system' && !range.migratable) return false;
  const copies = (resident & (resident - 1)) !== 0;
  return range.readDuplicate || (copies && hint.kind !== 'pin');
}

/**
 * The rules for pages that are in one place, with `resident` = where (0 = nowhere yet).
 * Left out of the driver's list: forced system memory and remote mapping on native atomics (module parameters that
 * are off), and CPU faults by foreign processes (a trace has one process).
 */
export function selectResidency(
  uvm: Uvm,
  range: Range,
  resident: number,
  processor: number,
  hint: ThrashingHint,
  byCounter: boolean,
): number {
  const { topology } = uvm;
  const { preferred } = range;
  if (range.kind === 'system' && !range.migratable) return HOST;
  if (processor === preferred) return processor;
  if (processor === HOST && range.kind === 'system') return HOST;
  if (hint.kind === 'pin') return hint.residency;
  const reach = topology.canAccess[processor];
  const reachesPreferred = preferred >= 0 && has(reach, preferred);
  if (resident === 0) return reachesPreferred ? preferred : processor;
  const home = closest(topology, resident, processor);
  if (has(range.accessedBy, processor) && has(reach, home) && !byCounter) return home;
  if (home !== processor && reachesPreferred) return preferred;
  return processor;
}
