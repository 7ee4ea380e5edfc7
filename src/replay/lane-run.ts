/**
 * One run as the trace goes by: touches that need attention, faults in flight, hand-over to the model, delays and
 * wake-ups. docs/replay.md states the rules that this file follows step by step.
 */
import type { TraceEvent } from '../trace/compiled.ts';
import type { AddressSpace } from './address-space.ts';
import { ACCESS, type Access, OUTCOME } from './faults.ts';
import { checkAfterCall } from './invariants.ts';
import { type EventLine, InvariantError, type LaneSpec } from './lane.ts';
import { Machine } from './machine.ts';
import { addPage, BLOCK_BYTES, BLOCK_PAGES, MASK_WORDS, newMask, PAGE_BYTES, setRange } from './mask.ts';
import { M, type Trigger } from './metrics.ts';
import type { Mmu } from './mmu.ts';
import { type HintOutcome, HOST, type ModelHooks, type Vma } from './model.ts';
import { WaitingTouches } from './waiting-touches.ts';

/** What the pass says about the record that a touch belongs to. */
export interface RecordFacts {
  record: number;
  firstPage: number;
  lastPage: number;
  thread: number;
  /** `time_ns` of the record. */
  timeNs: number;
}

const CPU_FAULT_ROUNDS = 1000;
const IDLE_CALLS = 100_000;

export class LaneRun {
  readonly machine: Machine;
  private readonly hooks: ModelHooks;
  readonly pending: WaitingTouches[];
  readonly deferred: WaitingTouches[];
  /** Clock at the end of each device's last hand-over. */
  private readonly leftNs: Float64Array;
  /** Trace time of the last record of each actor that the clock has seen. */
  private readonly seenNs: Float64Array;
  private batches = 0;
  private inHandOver = false;
  private lastFailedRecord = -1;
  private readonly failedRecords = new Set<number>();
  private readonly onePage = newMask();

  constructor(
    readonly index: number,
    readonly spec: LaneSpec,
    actors: readonly string[],
    startNs: number,
    space: AddressSpace,
    private readonly mmu: Mmu,
    readonly laneBit: number,
    /** Trace time of the last record of each actor, shared by the pass. */
    private readonly lastTimeNs: Float64Array,
    private readonly check: boolean,
    listener: ((event: EventLine) => void) | null,
  ) {
    const tellsAtomics = spec.model.atomics === true;
    this.machine = new Machine(spec, actors, startNs, space, mmu, laneBit, listener, tellsAtomics);
    this.pending = actors.map(() => new WaitingTouches());
    this.deferred = actors.map(() => new WaitingTouches());
    this.leftNs = new Float64Array(actors.length);
    this.seenNs = new Float64Array(actors.length).fill(Number.NEGATIVE_INFINITY);
    this.hooks = spec.model.create(this.machine, spec.parameters, spec.preset);
  }

  // --- the clock -------------------------------------------------------------------------------------------------
  /** Takes in the records issued since the run was last looked at. */
  sync(): void {
    const { machine, seenNs, lastTimeNs } = this;
    for (let a = 0; a < seenNs.length; a++) {
      if (lastTimeNs[a] === seenNs[a]) continue;
      seenNs[a] = lastTimeNs[a];
      machine.clockNs = Math.max(machine.clockNs, lastTimeNs[a] + machine.delayNs[a]);
    }
  }

  private issue(actor: number, timeNs: number): void {
    this.seenNs[actor] = timeNs;
    this.reach(actor, timeNs);
  }

  private reach(actor: number, timeNs: number): void {
    this.machine.clockNs = Math.max(this.machine.clockNs, timeNs + this.machine.delayNs[actor]);
  }

  /** Least trace time at which a record of `actor` needs `beforeRecord`. */
  dueNs(actor: number, hasThreads: boolean): number {
    const { machine } = this;
    let due = machine.timers.nextNs;
    for (let d = 1; d < this.deferred.length; d++) {
      const waiting = this.deferred[d];
      for (let i = 0; i < waiting.count; i++) if (waiting.wakeNs[i] < due) due = waiting.wakeNs[i];
    }
    if (actor !== HOST) {
      if (this.deferred[actor].count > 0) return Number.NEGATIVE_INFINITY;
      const waiting = this.pending[actor];
      if (waiting.count > 0) {
        if (hasThreads) return Number.NEGATIVE_INFINITY;
        due = Math.min(due, waiting.timeNs[0] + machine.platform.faultLatencyNs);
      }
    }
    return due - machine.delayNs[actor];
  }

  // --- before a record -------------------------------------------------------------------------------------------
  /** Steps 1-3 and 5-6 for an access record. */
  beforeAccess(actor: number, timeNs: number, thread: number, open: readonly boolean[] | null): void {
    this.sync();
    if (open !== null) this.closeAll(open, timeNs);
    if (actor !== HOST) {
      this.waitDeferred(actor);
      this.handOverIfLate(actor, timeNs);
      if (thread >= 0 && this.pending[actor].holdsThread(thread)) {
        this.handOver(actor, timeNs + this.machine.delayNs[actor]);
        this.waitDeferred(actor);
      }
    }
    this.wakeUntil(timeNs + this.machine.delayNs[actor]);
    this.issue(actor, timeNs);
  }

  /** Steps 1-5 for a record that is not an access. */
  beforeEvent(actor: number, timeNs: number, open: readonly boolean[] | null): void {
    this.sync();
    if (open !== null) this.closeAll(open, timeNs);
    this.waitAllDeferred();
    if (actor !== HOST) this.handOverIfLate(actor, timeNs);
    this.handOverAll(timeNs + this.machine.delayNs[actor]);
    this.waitAllDeferred();
    this.wakeUntil(timeNs + this.machine.delayNs[actor]);
  }

  private handOverIfLate(actor: number, timeNs: number): void {
    while (this.pending[actor].count > 0) {
      const limit = this.pending[actor].timeNs[0] + this.machine.platform.faultLatencyNs;
      if (timeNs + this.machine.delayNs[actor] <= limit) return;
      this.handOver(actor, limit);
      this.waitDeferred(actor);
    }
  }

  private handOverAll(causeNs: number): void {
    for (;;) {
      const device = this.oldestPending();
      if (device < 0) return;
      this.handOver(device, causeNs);
    }
  }

  private oldestPending(): number {
    let oldest = -1;
    for (let d = 1; d < this.pending.length; d++) {
      if (this.pending[d].count === 0) continue;
      if (oldest < 0 || this.pending[d].timeNs[0] < this.pending[oldest].timeNs[0]) oldest = d;
    }
    return oldest;
  }

  /** Rule S for a CPU record while launched devices are open. */
  private closeAll(open: readonly boolean[], timeNs: number): void {
    for (let d = 1; d < open.length; d++) if (open[d]) this.closeDevice(d, timeNs);
  }

  private closeDevice(device: number, timeNs: number): void {
    const { machine } = this;
    this.waitAllDeferred();
    this.handOverIfLate(device, timeNs);
    this.handOverAll(timeNs + machine.delayNs[device]);
    this.waitAllDeferred();
    this.wakeUntil(timeNs + machine.delayNs[device]);
    this.reach(device, timeNs);
    machine.delayNs[HOST] = Math.max(machine.delayNs[HOST], machine.delayNs[device]);
    machine.limitsChanged = true;
  }

  // --- wake-ups --------------------------------------------------------------------------------------------------
  /** Rule T: every wake-up due at or before `untilNs`. */
  private wakeUntil(untilNs: number): void {
    const { machine } = this;
    for (;;) {
      let timeNs = machine.timers.nextNs;
      let order = timeNs < Number.POSITIVE_INFINITY ? machine.timers.nextOrder : Number.POSITIVE_INFINITY;
      let device = -1;
      for (let d = 1; d < this.deferred.length; d++) {
        const waiting = this.deferred[d];
        for (let i = 0; i < waiting.count; i++) {
          if (waiting.wakeNs[i] > timeNs || (waiting.wakeNs[i] === timeNs && waiting.order[i] > order)) continue;
          timeNs = waiting.wakeNs[i];
          order = waiting.order[i];
          device = d;
        }
      }
      if (timeNs === Number.POSITIVE_INFINITY || timeNs > untilNs) return;
      if (device >= 0) this.raiseDeferred(device, timeNs);
      else this.wake(timeNs);
    }
  }

  private wake(timeNs: number): void {
    const { machine } = this;
    const token = machine.timers.take();
    machine.clockNs = Math.max(machine.clockNs, timeNs);
    machine.limitsChanged = true;
    this.enter(null);
    this.hooks.wake?.(token);
    machine.drain();
  }

  /** Rule W. */
  private waitDeferred(device: number): void {
    while (this.deferred[device].count > 0) {
      const waiting = this.deferred[device];
      let timeNs = waiting.wakeNs[0];
      for (let i = 1; i < waiting.count; i++) timeNs = Math.min(timeNs, waiting.wakeNs[i]);
      this.wakeUntil(timeNs);
    }
  }

  private waitAllDeferred(): void {
    for (;;) {
      let next = -1;
      let nextNs = Number.POSITIVE_INFINITY;
      for (let d = 1; d < this.deferred.length; d++) {
        const waiting = this.deferred[d];
        for (let i = 0; i < waiting.count; i++) {
          if (waiting.wakeNs[i] < nextNs) {
            nextNs = waiting.wakeNs[i];
            next = d;
          }
        }
      }
      if (next < 0) return;
      this.waitDeferred(next);
    }
  }

  /** Deferred touches whose time has come wait again as pending ones, and are handed over. */
  private raiseDeferred(device: number, timeNs: number): void {
    const { machine } = this;
    machine.clockNs = Math.max(machine.clockNs, timeNs);
    const stalled = machine.clockNs - this.leftNs[device];
    machine.delayNs[device] += stalled;
    machine.books[M['time.stall.device.ns']] += stalled;
    this.leftNs[device] = machine.clockNs;
    machine.limitsChanged = true;
    const waiting = this.deferred[device];
    let kept = 0;
    for (let i = 0; i < waiting.count; i++) {
      if (waiting.wakeNs[i] > machine.clockNs) {
        waiting.moveEntry(i, kept++);
        continue;
      }
      if (this.tryAgain(device, waiting, i)) continue;
      this.raiseAgain(device, waiting, i);
    }
    waiting.count = kept;
    this.markWaiting();
    if (this.pending[device].count > 0) this.handOver(device, machine.clockNs);
  }

  // --- touches ---------------------------------------------------------------------------------------------------
  /** True while touches of this device wait to be raised again: it issues nothing. */
  holdsBack(device: number): boolean {
    return this.deferred[device].count > 0;
  }

  /** Before the next touch of a record that had a touch put off. */
  resume(device: number): void {
    this.sync();
    this.waitDeferred(device);
  }

  /**
   * A touch whose MMU word has this run's bit clear. `counted`: the pass adds it to the running counts afterwards, so it
   * may be settled.
   */
  touch(actor: number, id: number, access: Access, bytes: number, facts: RecordFacts, counted: boolean): void {
    this.sync();
    const { machine } = this;
    if (actor !== HOST && this.deferred[actor].count > 0) this.waitDeferred(actor);
    if ((this.mmu.waiting[id] & this.laneBit) !== 0) this.handOverOthers(actor, id, facts.timeNs);
    const slot = machine.space.idSlot[id];
    const inBlock = machine.space.idInBlock[id];
    if (actor === HOST) {
      if (!this.faultUntilGranted(slot, inBlock, id, access, facts)) return;
    } else if (this.waitsOn(actor, id) || !this.granted(actor, slot, inBlock, access)) {
      this.wait(actor, slot, inBlock, id, access, bytes, facts);
      return;
    }
    if (this.complete(actor, slot, inBlock, bytes) && counted) this.settle(actor, slot, inBlock, id, bytes);
  }

  /** Another actor's pending fault on this page is served before the page is touched. */
  private handOverOthers(actor: number, id: number, timeNs: number): void {
    for (;;) {
      let oldest = -1;
      for (let d = 1; d < this.pending.length; d++) {
        if (d === actor || !this.pending[d].holds(id)) continue;
        if (oldest < 0 || this.pending[d].timeNs[0] < this.pending[oldest].timeNs[0]) oldest = d;
      }
      if (oldest < 0) return;
      this.handOver(oldest, timeNs + this.machine.delayNs[actor]);
    }
  }

  private waitsOn(device: number, id: number): boolean {
    if ((this.mmu.waiting[id] & this.laneBit) === 0) return false;
    return this.pending[device].holds(id) || this.deferred[device].holds(id);
  }

  granted(actor: number, slot: number, inBlock: number, access: number): boolean {
    const { machine } = this;
    const word = slot * MASK_WORDS + (inBlock >> 5);
    const bit = 1 << (inBlock & 31);
    const told = machine.atomics.length > 0;
    const rights =
      access === ACCESS.read ? machine.readable : access === ACCESS.atomic && told ? machine.atomics : machine.writable;
    return (rights[actor][word] & bit) !== 0;
  }

  /** CPU faults until the touch is possible; false when it failed. */
  private faultUntilGranted(slot: number, inBlock: number, id: number, access: Access, facts: RecordFacts): boolean {
    const { machine } = this;
    let page = -1;
    for (let round = 0; !this.granted(HOST, slot, inBlock, access); round++) {
      if (page < 0) page = machine.space.pageOf(id);
      if (round === CPU_FAULT_ROUNDS) {
        machine.warn(`CPU faults on one page did not end after ${CPU_FAULT_ROUNDS} rounds: the access failed`);
        this.failRecord(facts.record);
        return false;
      }
      const startNs = machine.clockNs;
      machine.books[M['faults.host']]++;
      if (machine.residence(page) === 0) machine.books[M['faults.host.firstTouch']]++;
      machine.spend(machine.platform.host.faultNs);
      this.enter('hostFault', facts.record);
      const outcome = this.hooks.hostFault?.(page, access, facts.record) ?? 'failed';
      machine.drain();
      machine.events.emit('fault', HOST, page, PAGE_BYTES, startNs, machine.clockNs - startNs);
      this.stopActor(HOST, machine.clockNs - startNs);
      if (this.check) checkAfterCall(this, facts.record);
      if (outcome === 'failed') {
        this.failRecord(facts.record);
        return false;
      }
    }
    return true;
  }

  private stopActor(actor: number, ns: number): void {
    const { machine } = this;
    machine.delayNs[actor] += ns;
    machine.books[actor === HOST ? M['time.stall.host.ns'] : M['time.stall.device.ns']] += ns;
    machine.limitsChanged = true;
  }

  /** A device touch begins to wait. */
  private wait(
    device: number,
    slot: number,
    inBlock: number,
    id: number,
    access: number,
    bytes: number,
    facts: RecordFacts,
  ): void {
    const { machine } = this;
    const queue = this.pending[device];
    const issueNs = facts.timeNs + machine.delayNs[device];
    const timeNs = queue.count > 0 ? Math.max(issueNs, queue.timeNs[queue.count - 1]) : issueNs;
    const page = machine.space.slotBlock[slot] * BLOCK_PAGES + inBlock;
    const had = this.granted(device, slot, inBlock, ACCESS.read) ? 1 : 0;
    queue.push(id, page, access, bytes, facts.record, facts.firstPage, facts.lastPage, timeNs, facts.thread, had);
    this.clearForWaiting(device, slot, inBlock, id);
    if (queue.count === 1) machine.limitsChanged = true;
    if (queue.count >= machine.inFlight) this.handOver(device, issueNs);
  }

  /** While a page waits, every touch of it by any actor must come here. */
  private clearForWaiting(device: number, slot: number, inBlock: number, id: number): void {
    this.onePage.fill(0);
    this.machine.unsettleActor(device, slot, addPage(this.onePage, inBlock));
    this.mmu.clearPage(id, this.laneBit);
    this.mmu.waiting[id] |= this.laneBit;
  }

  /** The touch happens: local or remote, first use of a guess. True when it may be settled. */
  private complete(actor: number, slot: number, inBlock: number, bytes: number): boolean {
    const { machine } = this;
    const word = slot * MASK_WORDS + (inBlock >> 5);
    const bit = 1 << (inBlock & 31);
    if ((machine.speculated[actor][word] & bit) !== 0) {
      machine.speculated[actor][word] &= ~bit;
      machine.books[M['speculation.used']]++;
    }
    if ((machine.resident[actor][word] & bit) !== 0 || machine.residenceAt(word, bit) === 0) return true;
    if ((machine.remoteSettled[actor][word] & bit) !== 0) return true;
    machine.books[actor === HOST ? M['remote.host.accesses'] : M['remote.device.accesses']]++;
    machine.books[actor === HOST ? M['remote.host.bytes'] : M['remote.device.bytes']] += bytes;
    if (actor === HOST || machine.counterLeft[actor][slot] === 0) return true;
    if (--machine.counterLeft[actor][slot] === 0) this.notifyCounter(actor, slot);
    return false;
  }

  private notifyCounter(device: number, slot: number): void {
    const { machine } = this;
    const block = machine.space.slotBlock[slot];
    const context = machine.events.trigger;
    machine.events.trigger = 'counter';
    machine.disarmMigration();
    machine.events.emit('counter', device, block * BLOCK_PAGES, BLOCK_BYTES, machine.clockNs, 0);
    this.hooks.counter?.(device, block);
    machine.drain();
    machine.events.trigger = context;
    machine.limitsChanged = true;
  }

  /**
   * From now on this touch needs no attention. A remote page relies on the running counts, which the pass raises for
   * the present touch only after this call; `complete` has booked that one already.
   */
  private settle(actor: number, slot: number, inBlock: number, id: number, bytes: number): void {
    const { machine, mmu } = this;
    const word = slot * MASK_WORDS + (inBlock >> 5);
    const bit = 1 << (inBlock & 31);
    const remote = (machine.resident[actor][word] & bit) === 0 && machine.residenceAt(word, bit) !== 0;
    if (remote && (machine.remoteSettled[actor][word] & bit) === 0) {
      mmu.startCounting(actor);
      machine.remoteSettled[actor][word] |= bit;
      machine.bookRemote(actor, id, -1);
      machine.books[actor === HOST ? M['remote.host.accesses'] : M['remote.device.accesses']]--;
      machine.books[actor === HOST ? M['remote.host.bytes'] : M['remote.device.bytes']] -= bytes;
    }
    if ((mmu.waiting[id] & this.laneBit) !== 0 && this.anyPending(id)) return;
    const words = mmu.words;
    const first = actor * mmu.kinds;
    for (let access = 0; access < mmu.kinds; access++) {
      if (this.granted(actor, slot, inBlock, access)) words[first + access][id] |= this.laneBit;
    }
  }

  private anyPending(id: number): boolean {
    for (let d = 1; d < this.pending.length; d++) if (this.pending[d].holds(id)) return true;
    return false;
  }

  private failRecord(record: number): void {
    if (record === this.lastFailedRecord || this.failedRecords.has(record)) return;
    this.lastFailedRecord = record;
    this.failedRecords.add(record);
    this.machine.books[M['accesses.failed']]++;
  }

  // --- hand-over -------------------------------------------------------------------------------------------------
  private handOver(device: number, causeNs: number): void {
    const { machine, hooks } = this;
    const queue = this.pending[device];
    machine.clockNs = Math.max(machine.clockNs, causeNs);
    const stoppedNs = machine.clockNs;
    machine.clockNs = Math.max(machine.clockNs, queue.timeNs[0] + machine.platform.faultLatencyNs);
    if (this.inHandOver) throw new InvariantError(this.index, queue.record[0], 'hand-over', 'nested');
    this.inHandOver = true;
    let idle = 0;
    while (queue.count > 0) {
      const record = queue.record[0];
      queue.outcome.fill(OUTCOME.pending, 0, queue.count);
      queue.flushed = false;
      this.enter('deviceFault', record);
      machine.events.batch = this.batches++;
      if (hooks.deviceFaults) hooks.deviceFaults(device, queue);
      else for (let i = 0; i < queue.count; i++) queue.fail(i);
      machine.drain();
      idle = this.settleOutcomes(device, queue) ? 0 : idle + 1;
      machine.events.batch = null;
      if (this.check) checkAfterCall(this, record);
      if (idle === IDLE_CALLS) {
        throw new InvariantError(
          this.index,
          record,
          'progress',
          `${IDLE_CALLS} calls served no touch of ${machine.actors[device]}`,
        );
      }
    }
    this.inHandOver = false;
    this.leftNs[device] = machine.clockNs;
    this.stopActor(device, machine.clockNs - stoppedNs);
  }

  /** Books the outcomes and tries the touches again. True when some touch completed, failed or was put off. */
  private settleOutcomes(device: number, queue: WaitingTouches): boolean {
    const fetched = this.bookOutcomes(device, queue);
    if (fetched > 0) this.machine.books[M.batches]++;
    const n = queue.count;
    const again = this.retryMarked(device, queue, n);
    let progress = again < 0;
    const raised = again < 0 ? -again - 1 : again;
    let kept = 0;
    for (let i = 0; i < n; i++) {
      if (queue.outcome[i] !== OUTCOME.pending) continue;
      if (queue.flushed) {
        if (this.tryAgain(device, queue, i)) {
          progress = true;
          continue;
        }
        queue.timeNs[i] = this.machine.clockNs;
        queue.hadMapping[i] = this.hasMapping(device, queue, i);
      }
      queue.moveEntry(i, kept++);
    }
    for (let i = n; i < n + raised; i++) queue.moveEntry(i, kept++);
    queue.count = kept;
    this.markWaiting();
    return progress;
  }

  private bookOutcomes(device: number, queue: WaitingTouches): number {
    const { machine } = this;
    const { books, events } = machine;
    let fetched = 0;
    for (let i = 0; i < queue.count; i++) {
      const outcome = queue.outcome[i];
      if (outcome === OUTCOME.pending) continue;
      fetched++;
      if (outcome === OUTCOME.duplicate) books[M['faults.duplicate']]++;
      else if (outcome === OUTCOME.stale) books[M['faults.stale']]++;
      else if (outcome === OUTCOME.deferred) books[M['faults.deferred']]++;
      else {
        books[M['faults.device']]++;
        if (queue.hadMapping[i] !== 0) books[M['faults.permission']]++;
        if (events.on) {
          const { clockNs } = machine;
          const record = queue.record[i];
          events.emit('fault', device, queue.page[i], PAGE_BYTES, queue.timeNs[i], clockNs - queue.timeNs[i], {
            record,
          });
        }
      }
    }
    books[M['faults.deviceRaw']] += fetched;
    if (events.on) {
      for (let i = 0; i < queue.count; i++) {
        if (queue.outcome[i] !== OUTCOME.deferred) continue;
        const waitNs = Math.max(0, queue.wakeNs[i] - machine.clockNs);
        const record = queue.record[i];
        events.emit('defer', device, queue.page[i], PAGE_BYTES, machine.clockNs, waitNs, { record });
      }
    }
    return fetched;
  }

  /** Touches of marked entries. Gives how many were raised again (appended after n), as -count - 1 when some touch got on. */
  private retryMarked(device: number, queue: WaitingTouches, n: number): number {
    let progress = false;
    let raised = 0;
    for (let i = 0; i < n; i++) {
      switch (queue.outcome[i]) {
        case OUTCOME.served:
        case OUTCOME.duplicate:
        case OUTCOME.stale:
          if (this.tryAgain(device, queue, i)) progress = true;
          else {
            this.raiseAgain(device, queue, i);
            raised++;
          }
          break;
        case OUTCOME.failed:
          this.failRecord(queue.record[i]);
          this.mmu.waiting[queue.id[i]] &= ~this.laneBit;
          progress = true;
          break;
        case OUTCOME.deferred:
          queue.order[i] = this.machine.requests++;
          this.deferred[device].pushFrom(queue, i, queue.timeNs[i]);
          progress = true;
          break;
      }
    }
    return progress ? -raised - 1 : raised;
  }

  private hasMapping(device: number, from: WaitingTouches, i: number): number {
    const { space } = this.machine;
    const id = from.id[i];
    return this.granted(device, space.idSlot[id], space.idInBlock[id], ACCESS.read) ? 1 : 0;
  }

  private raiseAgain(device: number, from: WaitingTouches, i: number): void {
    const { machine } = this;
    const queue = this.pending[device];
    queue.pushFrom(from, i, machine.clockNs);
    queue.hadMapping[queue.count - 1] = this.hasMapping(device, from, i);
    queue.outcome[queue.count - 1] = OUTCOME.pending;
    const id = from.id[i];
    this.clearForWaiting(device, machine.space.idSlot[id], machine.space.idInBlock[id], id);
  }

  /** Completes a waiting touch if it has become possible. */
  private tryAgain(device: number, from: WaitingTouches, i: number): boolean {
    const { space } = this.machine;
    const id = from.id[i];
    const slot = space.idSlot[id];
    const inBlock = space.idInBlock[id];
    if (!this.granted(device, slot, inBlock, from.access[i])) return false;
    this.mmu.waiting[id] &= ~this.laneBit;
    this.complete(device, slot, inBlock, from.bytes[i]);
    return true;
  }

  /** Completed touches took their marks off; others may wait on the same pages. */
  private markWaiting(): void {
    for (let d = 1; d < this.pending.length; d++) {
      const pending = this.pending[d];
      for (let i = 0; i < pending.count; i++) this.mmu.waiting[pending.id[i]] |= this.laneBit;
      const deferred = this.deferred[d];
      for (let i = 0; i < deferred.count; i++) this.mmu.waiting[deferred.id[i]] |= this.laneBit;
    }
    this.machine.limitsChanged = true;
  }

  private enter(trigger: Trigger | null, record?: number): void {
    const { machine } = this;
    machine.disarmMigration();
    machine.events.trigger = trigger;
    if (record !== undefined) machine.events.record = record;
  }

  // --- records that are not accesses -----------------------------------------------------------------------------
  /** Step 6 of such a record: issue it and call the hook; its time delays the record's actor. */
  event(event: TraceEvent, timeNs: number, vmas: readonly Vma[]): void {
    const { machine } = this;
    if (event.op === 'launch') {
      machine.delayNs[event.actor] = Math.max(machine.delayNs[event.actor], machine.delayNs[HOST]);
    }
    this.issue(event.actor, timeNs);
    if (event.op === 'sync') {
      machine.delayNs[HOST] = Math.max(machine.delayNs[HOST], machine.delayNs[event.actor]);
    }
    const startNs = machine.clockNs;
    const trigger = CONTEXT[event.op] ?? null;
    this.enter(trigger, event.record);
    if (event.op === 'copy' && !this.hooks.copy) {
      this.touchRange(event, event.sourceFirstPage, event.sourceOffsetBytes, ACCESS.read, timeNs);
      this.touchRange(event, event.firstPage, event.offsetBytes, ACCESS.write, timeNs);
    } else {
      this.callHook(event, vmas);
      machine.drain();
      if (machine.clockNs > startNs) this.stopActor(event.actor, machine.clockNs - startNs);
    }
    machine.events.trigger = null;
    machine.limitsChanged = true;
    if (this.check) checkAfterCall(this, event.record);
  }

  private callHook(event: TraceEvent, vmas: readonly Vma[]): void {
    const { hooks } = this;
    switch (event.op) {
      case 'alloc':
        hooks.alloc?.(vmas[0], event);
        break;
      case 'free':
        hooks.free?.(vmas, event);
        break;
      case 'prefetch':
        this.bookHint(event, hooks.prefetch?.(event) ?? 'ignored', 'prefetch');
        break;
      case 'advise': {
        const name = event.advice === 'attr' ? `attr:${event.attribute}` : event.advice;
        this.bookHint(event, hooks.advise?.(event) ?? 'ignored', name);
        break;
      }
      case 'copy':
        hooks.copy?.(event);
        break;
      case 'launch':
        hooks.launch?.(event);
        break;
      case 'sync':
        hooks.sync?.(event.actor);
        break;
      case 'invalidate':
        if (hooks.invalidate) hooks.invalidate(event);
        else this.dropDeviceMappings(event.firstPage, event.lastPage);
    }
  }

  private bookHint(event: TraceEvent, outcome: HintOutcome, name: string): void {
    const { machine } = this;
    machine.drain();
    machine.books[M[`hints.${outcome}`]]++;
    if (outcome === 'ignored') machine.warn(`hint ${name} is unknown to ${this.spec.model.name}: ignored`);
    if (outcome === 'rejected') machine.warn(`hint ${name} was refused by ${this.spec.model.name}`);
    const { firstPage, sizeBytes, offsetBytes } = event;
    machine.events.emit('hint', event.actor, firstPage, sizeBytes, machine.clockNs, 0, { offsetBytes });
  }

  /** Touches of a byte range outside the columns (a default `copy`). */
  private touchRange(event: TraceEvent, firstPage: number, offsetBytes: number, access: Access, timeNs: number): void {
    const lastPage = firstPage + Math.floor((offsetBytes + event.sizeBytes - 1) / PAGE_BYTES);
    const facts = { record: event.record, firstPage, lastPage, thread: -1, timeNs };
    let left = event.sizeBytes;
    let offset = offsetBytes;
    for (let page = firstPage; page <= lastPage; page++) {
      const bytes = Math.min(left, PAGE_BYTES - offset);
      left -= bytes;
      offset = 0;
      if (event.actor !== HOST && this.holdsBack(event.actor)) this.resume(event.actor);
      const id = this.machine.space.idOf(page);
      const word = this.mmu.words[event.actor * this.mmu.kinds + Math.min(access, this.mmu.kinds - 1)];
      if ((word[id] & this.laneBit) === 0) this.touch(event.actor, id, access, bytes, facts, false);
      else this.touchSettled(event.actor, id, bytes);
    }
  }

  /** A settled touch that the pass does not count: only a remote one has to be booked here. */
  private touchSettled(actor: number, id: number, bytes: number): void {
    const { machine } = this;
    const inBlock = machine.space.idInBlock[id];
    const word = machine.space.idSlot[id] * MASK_WORDS + (inBlock >> 5);
    if ((machine.remoteSettled[actor][word] & (1 << (inBlock & 31))) === 0) return;
    machine.books[actor === HOST ? M['remote.host.accesses'] : M['remote.device.accesses']]++;
    machine.books[actor === HOST ? M['remote.host.bytes'] : M['remote.device.bytes']] += bytes;
  }

  private dropDeviceMappings(firstPage: number, lastPage: number): void {
    const { machine } = this;
    const mask = newMask();
    for (const slot of machine.space.slotsIn(firstPage, lastPage)) {
      const start = machine.space.slotBlock[slot] * BLOCK_PAGES;
      setRange(mask, Math.max(firstPage - start, 0), Math.min(lastPage - start, BLOCK_PAGES - 1));
      for (let d = 1; d < machine.actors.length; d++) machine.unmap(d, machine.space.slotBlock[slot], mask);
    }
  }

  /** The allocation's `alloc` before the first record (inferred allocations). */
  allocAtStart(vma: Vma): void {
    const { allocation } = vma;
    this.event(
      {
        op: 'alloc',
        actor: HOST,
        record: -1,
        allocation: allocation.id,
        firstPage: allocation.firstPage,
        lastPage: allocation.lastPage,
        offsetBytes: 0,
        sizeBytes: allocation.sizeBytes,
      },
      this.machine.clockNs - this.machine.delayNs[HOST],
      [vma],
    );
  }

  /** Everything still in flight, then the model's last word. */
  finish(): void {
    this.sync();
    do {
      this.handOverAll(this.machine.clockNs);
      this.waitAllDeferred();
    } while (this.oldestPending() >= 0);
    this.enter(null);
    this.hooks.finish?.();
    this.machine.drain();
    this.machine.space.slotsIn(0, Number.MAX_SAFE_INTEGER).forEach((slot) => {
      this.machine.settleAll(slot);
    });
    if (this.check) checkAfterCall(this, -1);
  }
}

const CONTEXT: Partial<Record<TraceEvent['op'], Trigger>> = {
  prefetch: 'hint',
  advise: 'hint',
  copy: 'copy',
  launch: 'launch',
};
