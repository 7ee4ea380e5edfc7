/**
 * One run as the trace goes by: what happens before a record, at a touch that needs attention, at records that are no
 * accesses. docs/replay.md states the rules that this file follows step by step.
 */
import type { TraceEvent } from '../trace/compiled.ts';
import { type AddressSpace, PLACE_BITS } from './address-space.ts';
import { FaultRun } from './fault-run.ts';
import { ACCESS, type Access } from './faults.ts';
import { HostFaults } from './host-faults.ts';
import { InFlight, type RecordFacts } from './in-flight.ts';
import { checkAfterCall } from './invariants.ts';
import type { CostListener, EventLine, LaneSpec } from './lane.ts';
import { Machine } from './machine.ts';
import { PAGE_BYTES, pageInBlock } from './mask.ts';
import type { Mmu } from './mmu.ts';
import { HOST, type ModelHooks, type Vma } from './model.ts';
import { RecordHooks, triggerOf } from './record-hooks.ts';
import { Touches } from './touches.ts';

/** What the runs of a pass share. */
export interface PassState {
  readonly actors: readonly string[];
  readonly startNs: number;
  readonly space: AddressSpace;
  readonly mmu: Mmu;
  /** Trace time of the last record of each actor. */
  readonly lastTimeNs: Float64Array;
  readonly check: boolean;
}

export class LaneRun {
  readonly machine: Machine;
  private readonly hooks: ModelHooks;
  private readonly touches: Touches;
  private readonly inFlight: InFlight;
  private readonly hostFaults: HostFaults;
  private readonly recordHooks: RecordHooks;
  readonly faultRun: FaultRun;
  /** Trace time of the last record of each actor that the clock has seen. */
  private readonly seenNs: Float64Array;

  constructor(
    readonly index: number,
    readonly spec: LaneSpec,
    readonly laneBit: number,
    private readonly pass: PassState,
    listener: ((event: EventLine) => void) | null,
    costs: CostListener | null = null,
  ) {
    const { mmu, actors } = pass;
    this.machine = new Machine(spec, actors, pass.startNs, pass.space, mmu, laneBit, listener, costs);
    this.hooks = spec.model.create(this.machine, spec.parameters, spec.preset);
    this.touches = new Touches(this.machine, mmu, this.hooks, laneBit);
    const afterCall = (record: number) => this.afterCall(record);
    this.inFlight = new InFlight(index, this.machine, mmu, this.hooks, this.touches, laneBit, afterCall);
    this.hostFaults = new HostFaults(this.machine, this.hooks, this.touches, this.inFlight, afterCall);
    this.recordHooks = new RecordHooks(this.machine, this.hooks, spec.model.name);
    this.seenNs = new Float64Array(actors.length).fill(Number.NEGATIVE_INFINITY);
    const { pending, frames } = this.inFlight;
    this.faultRun = new FaultRun(this.machine, mmu, pending, frames, pass.lastTimeNs, laneBit);
  }

  private afterCall(record: number): void {
    if (this.pass.check) checkAfterCall(this, record);
  }

  // --- the clock -------------------------------------------------------------------------------------------------
  /** Takes in the records issued since the run was last looked at. */
  private sync(): void {
    const { lastTimeNs } = this.pass;
    for (let a = 0; a < lastTimeNs.length; a++) if (lastTimeNs[a] !== this.seenNs[a]) this.issue(a, lastTimeNs[a]);
  }

  private issue(actor: number, timeNs: number): void {
    this.seenNs[actor] = timeNs;
    this.machine.revisit[actor] = 0;
    this.reach(actor, timeNs);
  }

  private reach(actor: number, timeNs: number): void {
    this.machine.clockNs = Math.max(this.machine.clockNs, this.issueNs(actor, timeNs));
  }

  private issueNs(actor: number, timeNs: number): number {
    return timeNs + this.machine.delayNs[actor];
  }

  /** Least trace time at which a record of `actor` needs `beforeAccess`. */
  dueNs(actor: number, hasThreads: boolean): number {
    const { machine, inFlight } = this;
    if (machine.revisit[actor] !== 0 || inFlight.deferred[actor].count > 0) return Number.NEGATIVE_INFINITY;
    let due = inFlight.nextWakeNs();
    const waiting = inFlight.pending[actor];
    if (waiting.count > 0) {
      if (hasThreads) return Number.NEGATIVE_INFINITY;
      // Late means later than this; all times are whole nanoseconds.
      due = Math.min(due, waiting.timeNs[0] + machine.platform.faultLatencyNs + 0.5);
    }
    return due - machine.delayNs[actor];
  }

  // --- before a record -------------------------------------------------------------------------------------------
  /** Steps 1-3, 5 and 6 for an access record. `open`: devices that this CPU record synchronises with. */
  beforeAccess(actor: number, timeNs: number, thread: number, record: number, open: readonly boolean[] | null): void {
    const { inFlight } = this;
    this.machine.events.record = record;
    this.sync();
    if (open !== null) this.closeAll(open, timeNs);
    if (actor !== HOST) {
      inFlight.waitDeferred(actor);
      inFlight.handOverIfLate(actor, timeNs);
      this.handOverThread(actor, timeNs, thread);
    }
    this.wakeUntilIssue(actor, timeNs);
    this.issue(actor, timeNs);
  }

  /** Step 3: a thread waits for its own pending touch. */
  private handOverThread(actor: number, timeNs: number, thread: number): void {
    const { inFlight } = this;
    if (thread < 0 || !inFlight.pending[actor].holdsThread(thread)) return;
    inFlight.handOver(actor, this.issueNs(actor, timeNs));
    inFlight.waitDeferred(actor);
  }

  /** Steps 1-5 for a record that is not an access. */
  beforeEvent(event: TraceEvent, timeNs: number, thread: number, open: readonly boolean[] | null): void {
    const { actor, op } = event;
    const { delayNs } = this.machine;
    this.machine.events.record = event.record;
    this.sync();
    if (open !== null) this.closeAll(open, timeNs);
    this.handAllOver(actor, timeNs, thread);
    if (op === 'launch') delayNs[actor] = Math.max(delayNs[actor], delayNs[HOST]);
    this.wakeUntilIssue(actor, timeNs);
  }

  private handAllOver(actor: number, timeNs: number, thread: number): void {
    const { inFlight } = this;
    inFlight.waitAllDeferred();
    if (actor !== HOST) {
      inFlight.handOverIfLate(actor, timeNs);
      this.handOverThread(actor, timeNs, thread);
    }
    inFlight.handOverAll(this.issueNs(actor, timeNs));
    inFlight.waitAllDeferred();
  }

  /** Wake-ups due before the record is issued; they may delay it, and so make others due. */
  private wakeUntilIssue(actor: number, timeNs: number): void {
    let untilNs: number;
    do {
      untilNs = this.issueNs(actor, timeNs);
      this.inFlight.wakeUntil(untilNs);
    } while (this.issueNs(actor, timeNs) > untilNs);
  }

  /** Rule S for a CPU record while launched devices are open. */
  private closeAll(open: readonly boolean[], timeNs: number): void {
    const { delayNs } = this.machine;
    for (let d = 1; d < open.length; d++) {
      if (!open[d]) continue;
      this.handAllOver(d, timeNs, -1);
      this.wakeUntilIssue(d, timeNs);
      this.reach(d, timeNs);
      delayNs[HOST] = Math.max(delayNs[HOST], delayNs[d]);
    }
    this.machine.limitsChanged = true;
  }

  // --- touches ---------------------------------------------------------------------------------------------------
  /** True while touches of this device wait to be raised again: it issues nothing. */
  holdsBack(device: number): boolean {
    return this.inFlight.deferred[device].count > 0;
  }

  /** Before the next touch of a record that had a touch put off. */
  resume(device: number, record: number): void {
    this.machine.events.record = record;
    this.sync();
    this.inFlight.waitDeferred(device);
  }

  /** `touch` for one that needs no more than a look; false = it does. */
  completeLocal(actor: number, id: number, access: Access, word: number, bit: number): boolean {
    return this.touches.completeLocal(actor, id, access, word, bit);
  }

  /**
   * A touch whose MMU word has this run's bit clear, or whose access counter may be due. `counted`: the pass has it in the
   * running counts already.
   */
  touch(actor: number, id: number, access: Access, bytes: number, facts: RecordFacts, counted: boolean): void {
    const { touches, inFlight } = this;
    const place = this.pass.space.ofPage[2 * id];
    const slot = place >>> PLACE_BITS;
    const inBlock = pageInBlock(place);
    if (counted) touches.withdraw(actor, slot, inBlock, bytes);
    this.machine.events.record = facts.record;
    this.sync();
    if (inFlight.deferredTouches > 0 && actor !== HOST) inFlight.waitDeferred(actor);
    let waits = false;
    if ((this.pass.space.ofPage[2 * id + 1] & this.laneBit) !== 0) {
      inFlight.handOverOthers(actor, id, facts.timeNs);
      waits = inFlight.waitsOn(actor, id);
    }
    if (actor === HOST) {
      if (!this.hostFaults.grant(slot, inBlock, access, facts)) return;
    } else if (waits || !touches.granted(actor, slot, inBlock, access)) {
      inFlight.wait(actor, slot, inBlock, id, access, bytes, facts);
      return;
    }
    if (touches.complete(actor, slot, inBlock, bytes)) touches.settle(actor, slot, inBlock, id);
  }

  // --- records that are not accesses -----------------------------------------------------------------------------
  /** Step 6 of such a record: issue it and call the hook; its time delays the record's actor. */
  event(event: TraceEvent, timeNs: number, vmas: readonly Vma[]): void {
    const { machine, inFlight } = this;
    const { delayNs } = machine;
    this.issue(event.actor, timeNs);
    if (event.op === 'sync') delayNs[HOST] = Math.max(delayNs[HOST], delayNs[event.actor]);
    const startNs = machine.clockNs;
    const firstSeq = machine.events.nextSeq;
    if (event.op === 'copy' && !this.hooks.copy) {
      this.touchRange(event, event.sourceFirstPage, event.sourceOffsetBytes, ACCESS.read, timeNs);
      this.touchRange(event, event.firstPage, event.offsetBytes, ACCESS.write, timeNs);
    } else {
      machine.stops.begin();
      const outer = inFlight.enterHook(triggerOf(event.op));
      this.recordHooks.call(event, vmas);
      inFlight.leaveHook(outer);
      if (machine.clockNs > startNs) {
        inFlight.stopActor(event.actor, machine.clockNs - startNs, 'record', firstSeq);
      }
    }
    machine.limitsChanged = true;
    this.afterCall(event.record);
  }

  /** Touches of a byte range outside the columns (a default `copy`). */
  private touchRange(event: TraceEvent, firstPage: number, offsetBytes: number, access: Access, timeNs: number): void {
    const { mmu, space } = this.pass;
    const lastPage = firstPage + Math.floor((offsetBytes + event.sizeBytes - 1) / PAGE_BYTES);
    const facts = { record: event.record, firstPage, lastPage, thread: -1, timeNs };
    let left = event.sizeBytes;
    let offset = offsetBytes;
    for (let page = firstPage; page <= lastPage; page++) {
      const bytes = Math.min(left, PAGE_BYTES - offset);
      left -= bytes;
      offset = 0;
      if (this.holdsBack(event.actor)) this.resume(event.actor, event.record);
      const id = space.idOf(page);
      const armed = this.machine.pages.remote.counterLeft[event.actor][space.slotOfId(id)] > 0;
      if (armed || (mmu.settled(event.actor, access, id) & this.laneBit) === 0)
        this.touch(event.actor, id, access, bytes, facts, false);
      else this.touches.bookSettled(event.actor, id, bytes);
    }
  }

  /** The `alloc` of an inferred allocation, before the first record. */
  allocAtStart(vma: Vma): void {
    const { id, firstPage, lastPage, sizeBytes } = vma.allocation;
    const { clockNs, delayNs } = this.machine;
    this.event(
      { op: 'alloc', actor: HOST, record: -1, allocation: id, firstPage, lastPage, offsetBytes: 0, sizeBytes },
      clockNs - delayNs[HOST],
      [vma],
    );
  }

  /** Everything still in flight, then the model's last word; the books are complete afterwards. */
  finish(lastRecord: number): void {
    const { machine, inFlight } = this;
    machine.events.record = lastRecord;
    this.sync();
    do {
      inFlight.handOverAll(machine.clockNs);
      inFlight.waitAllDeferred();
    } while (inFlight.oldestPending() >= 0);
    const outer = inFlight.enterHook(null);
    this.hooks.finish?.();
    inFlight.leaveHook(outer);
    for (const slot of machine.space.slotsIn(0, Number.MAX_SAFE_INTEGER)) machine.pages.settleAll(slot);
    this.afterCall(-1);
  }
}
