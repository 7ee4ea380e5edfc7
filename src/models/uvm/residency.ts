/** Where a faulted page goes: the rules of block_select_processor_residency (uvm_va_block.c), first match wins. */

import { ACCESS, type Access } from '../../replay/faults.ts';
import { HOST } from '../../replay/model.ts';
import type { Uvm, VaBlock } from './state.ts';
import type { ThrashingHint } from './thrashing-state.ts';
import { closest, has } from './topology.ts';

export interface Placement {
  readonly processor: number;
  /** The page is copied and the source keeps its own. */
  readonly duplicate: boolean;
}

/**
 * Left out of the driver's list: forced system memory and remote mapping on native atomics (module parameters that
 * are off), and CPU faults by foreign processes (a trace has one process).
 */
export function selectResidency(
  uvm: Uvm,
  block: VaBlock,
  page: number,
  processor: number,
  access: Access,
  hint: ThrashingHint,
  byCounter: boolean,
): Placement {
  const { topology } = uvm;
  const { range } = block;
  const to = (where: number): Placement => ({ processor: where, duplicate: false });
  if (range.kind === 'system' && !range.migratable) return to(HOST);

  const resident = uvm.core.residence(page);
  const copies = (resident & (resident - 1)) !== 0;
  if (range.readDuplicate || (copies && hint.kind !== 'pin')) {
    return { processor, duplicate: access === ACCESS.read };
  }
  const { preferred } = range;
  if (processor === preferred) return to(processor);
  if (processor === HOST && range.kind === 'system') return to(HOST);
  if (hint.kind === 'pin') return to(hint.residency);
  const reaches = (where: number) => has(topology.canAccess[processor], where);
  if (resident === 0) return to(preferred >= 0 && reaches(preferred) ? preferred : processor);
  const home = closest(topology, resident, processor);
  if (has(range.accessedBy, processor) && reaches(home) && !byCounter) return to(home);
  if (home !== processor && preferred >= 0 && reaches(preferred)) return to(preferred);
  return to(processor);
}
