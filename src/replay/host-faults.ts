/** Faults of the CPU: each stops it until the model has dealt with it. */
import type { Access } from './faults.ts';
import type { InFlight, RecordFacts } from './in-flight.ts';
import type { Machine } from './machine.ts';
import { BLOCK_PAGES, PAGE_BYTES } from './mask.ts';
import { M } from './metrics.ts';
import { HOST, type ModelHooks } from './model.ts';
import type { Touches } from './touches.ts';

const CPU_FAULT_ROUNDS = 1000;

export class HostFaults {
  constructor(
    private readonly machine: Machine,
    private readonly hooks: ModelHooks,
    private readonly touches: Touches,
    private readonly inFlight: InFlight,
    /** Called after every call of the model. */
    private readonly afterCall: (record: number) => void,
  ) {}

  /** CPU faults until the touch is possible; false when it failed. */
  grant(slot: number, inBlock: number, access: Access, facts: RecordFacts): boolean {
    const { machine, inFlight } = this;
    const page = machine.space.slotBlock[slot] * BLOCK_PAGES + inBlock;
    for (let round = 0; !this.touches.granted(HOST, slot, inBlock, access); round++) {
      if (round === CPU_FAULT_ROUNDS) {
        machine.warn(`CPU faults on one page did not end after ${CPU_FAULT_ROUNDS} rounds: the access failed`);
        inFlight.failRecord(facts.record);
        return false;
      }
      const startNs = machine.clockNs;
      const firstSeq = machine.events.nextSeq;
      machine.stops.begin();
      machine.books[M['faults.host']]++;
      if (machine.residence(page) === 0) machine.books[M['faults.host.firstTouch']]++;
      machine.spend(machine.platform.host.faultNs, 'faultService');
      const outer = inFlight.enterHook('hostFault');
      const outcome = this.hooks.hostFault?.(page, access, facts.record) ?? 'failed';
      inFlight.leaveHook(outer);
      const tookNs = machine.clockNs - startNs;
      if (machine.events.on) {
        machine.events.emit('fault', HOST, page, PAGE_BYTES, startNs, tookNs, { trigger: 'hostFault' });
      }
      inFlight.stopActor(HOST, tookNs, 'hostFault', firstSeq);
      this.afterCall(facts.record);
      if (outcome === 'failed') {
        inFlight.failRecord(facts.record);
        return false;
      }
    }
    return true;
  }
}
