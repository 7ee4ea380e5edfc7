/**
 * Faults in flight of one run: touches that wait on their device, their hand-over to the model, those that the model put
 * off, and wake-ups. docs/replay.md has the rules by the names used here.
 */

import { FailedRecords } from './failed-records.ts';
import { FaultFrame } from './fault-frame.ts';
import { InvariantError, type Stop } from './lane.ts';
import type { Machine } from './machine.ts';
import { BLOCK_PAGES, releaseScratch, scratchMark } from './mask.ts';
import { M, type Trigger } from './metrics.ts';
import type { Mmu } from './mmu.ts';
import { HOST, type ModelHooks } from './model.ts';
import { Retries } from './retries.ts';
import type { Touches } from './touches.ts';
import { WaitingPages } from './waiting-pages.ts';
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

const IDLE_CALLS = 100_000;

export class InFlight {
  /** By actor index. */
  readonly pending: WaitingTouches[];
  readonly deferred: WaitingTouches[];
  readonly frames: FaultFrame[];
  /** Clock at the end of each device's last hand-over. */
  private readonly leftNs: Float64Array;
  private batches = 0;
  private inHandOver = false;
  private readonly failedRecords: FailedRecords;
  private readonly retries: Retries;
  /** Scratch masks in use when each hook that runs was entered. */
  private readonly scratchMarks: number[] = [];

  constructor(
    private readonly run: number,
    private readonly machine: Machine,
    mmu: Mmu,
    private readonly hooks: ModelHooks,
    touches: Touches,
    laneBit: number,
    /** Called after every call of the model. */
    private readonly afterCall: (record: number) => void,
  ) {
    this.pending = machine.actors.map(() => new WaitingTouches((bytes) => mmu.memory.roomFor(bytes)));
    const waiting = new WaitingPages(machine.space, laneBit);
    this.frames = this.pending.map((queue, device) => new FaultFrame(machine, mmu, queue, waiting, device, laneBit));
    machine.frames = this.frames;
    this.deferred = machine.actors.map(() => new WaitingTouches());
    this.failedRecords = new FailedRecords([...this.pending, ...this.deferred]);
    const fail = (record: number) => this.failRecord(record);
    this.retries = new Retries(machine, mmu, touches, waiting, this.pending, this.deferred, this.frames, fail, laneBit);
    this.leftNs = new Float64Array(machine.actors.length);
  }

  /** Touches of all devices that the model put off. */
  get deferredTouches(): number {
    return this.retries.deferredTouches;
  }

  /** When the next wake-up or deferred touch is due. */
  nextWakeNs(): number {
    let due = this.machine.timers.nextNs;
    if (this.deferredTouches === 0) return due;
    for (let d = 1; d < this.deferred.length; d++) due = Math.min(due, earliestWakeNs(this.deferred[d]));
    return due;
  }

  /** A device touch begins to wait. */
  wait(
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
    if (issueNs > machine.clockNs) machine.clockNs = issueNs;
    const before = queue.count;
    const timeNs = before > 0 ? Math.max(issueNs, queue.timeNs[before - 1]) : issueNs;
    const page = machine.space.slotBlock[slot] * BLOCK_PAGES + inBlock;
    const had = machine.pages.isMapped(device, slot, inBlock) ? 1 : 0;
    queue.push(id, page, access, bytes, facts.record, facts.firstPage, facts.lastPage, timeNs, facts.thread, had);
    this.retries.beginWaiting(device, slot, inBlock, id);
    if (before === 0) machine.limitsChanged = true;
    if (before + 1 >= machine.inFlight) this.handOver(device, issueNs);
  }

  waitsOn(device: number, id: number): boolean {
    if (!this.retries.isWaitedFor(id)) return false;
    return this.pending[device].holds(id) || this.deferred[device].holds(id);
  }

  /** Ends the stop that began `ns` ago with `stops.begin()`. `firstSeq`: of the first event since then. */
  stopActor(actor: number, ns: number, kind: Stop['kind'], firstSeq: number): void {
    const { machine } = this;
    machine.delayNs[actor] += ns;
    machine.books[actor === HOST ? M['time.stall.host.ns'] : M['time.stall.device.ns']] += ns;
    machine.stops.end();
    if (machine.costs !== null) machine.tellStop(actor, ns, kind, firstSeq);
    machine.limitsChanged = true;
  }

  /** An access failed: its record counts once. */
  failRecord(record: number): void {
    if (this.failedRecords.add(record)) this.machine.books[M['accesses.failed']]++;
  }

  /**
   * Before a hook is called: lines of the event stream carry its trigger, earlier migrations are over. Gives what
   * `leaveHook` wants.
   */
  enterHook(trigger: Trigger | null): string | null {
    const { machine } = this;
    const { events } = machine;
    const outer = events.trigger;
    this.scratchMarks.push(scratchMark());
    machine.disarmMigration();
    events.trigger = trigger;
    events.callSeq = events.nextSeq;
    return outer;
  }

  leaveHook(outer: string | null): void {
    this.machine.drain();
    this.machine.events.trigger = outer;
    releaseScratch(this.scratchMarks.pop() ?? 0);
  }

  // --- hand-over -------------------------------------------------------------------------------------------------
  handOverIfLate(actor: number, timeNs: number): void {
    while (this.pending[actor].count > 0) {
      const limit = this.pending[actor].timeNs[0] + this.machine.platform.faultLatencyNs;
      if (timeNs + this.machine.delayNs[actor] <= limit) return;
      this.handOver(actor, limit);
      this.waitDeferred(actor);
    }
  }

  handOverAll(causeNs: number): void {
    for (;;) {
      const device = this.oldestPending();
      if (device < 0) return;
      this.handOver(device, causeNs);
    }
  }

  oldestPending(): number {
    let oldest = -1;
    for (let d = 1; d < this.pending.length; d++) {
      if (this.pending[d].count === 0) continue;
      if (oldest < 0 || this.pending[d].timeNs[0] < this.pending[oldest].timeNs[0]) oldest = d;
    }
    return oldest;
  }

  /** Another actor's pending fault on this page is served before the page is touched. */
  handOverOthers(actor: number, id: number, timeNs: number): void {
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

  /** Serves all pending faults of a device but those that the model puts off. */
  handOver(device: number, causeNs: number): void {
    const { machine, hooks } = this;
    const queue = this.pending[device];
    machine.clockNs = Math.max(machine.clockNs, causeNs);
    const stoppedNs = machine.clockNs;
    const firstSeq = machine.events.nextSeq;
    machine.stops.begin();
    machine.passUntil(queue.timeNs[0] + machine.platform.faultLatencyNs, 'faultService');
    if (this.inHandOver) throw new InvariantError(this.run, queue.record[0], 'hand-over', 'nested');
    this.inHandOver = true;
    const outerRecord = machine.events.record;
    let idle = 0;
    while (queue.count > 0) {
      const record = queue.record[0];
      queue.unmark();
      machine.events.record = record;
      machine.events.batch = this.batches++;
      const outer = this.enterHook('deviceFault');
      if (hooks.deviceFaults) hooks.deviceFaults(device, queue);
      else for (let i = 0; i < queue.count; i++) queue.fail(i);
      this.leaveHook(outer);
      idle = this.retries.settleOutcomes(device) ? 0 : idle + 1;
      machine.events.batch = null;
      this.afterCall(record);
      if (idle === IDLE_CALLS) {
        throw new InvariantError(
          this.run,
          record,
          'progress',
          `${IDLE_CALLS} calls served no touch of ${machine.actors[device]}`,
        );
      }
    }
    this.inHandOver = false;
    machine.events.record = outerRecord;
    this.leftNs[device] = machine.clockNs;
    this.stopActor(device, machine.clockNs - stoppedNs, 'handOver', firstSeq);
  }

  // --- put off, and wake-ups ---------------------------------------------------------------------------------------
  /** Rule T: every wake-up due at or before `untilNs`. */
  wakeUntil(untilNs: number): void {
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
    const outer = this.enterHook(null);
    this.hooks.wake?.(token);
    this.leaveHook(outer);
  }

  /** Rule W. */
  waitDeferred(device: number): void {
    while (this.deferred[device].count > 0) this.wakeUntil(earliestWakeNs(this.deferred[device]));
  }

  /** Rule W for every device, the one that is due first first. */
  waitAllDeferred(): void {
    for (;;) {
      let next = -1;
      let nextNs = Number.POSITIVE_INFINITY;
      for (let d = 1; d < this.deferred.length; d++) {
        const wakeNs = earliestWakeNs(this.deferred[d]);
        if (wakeNs >= nextNs) continue;
        nextNs = wakeNs;
        next = d;
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
    machine.stops.book(stalled, 'wait');
    if (machine.costs !== null) machine.tellStop(device, stalled, 'putOff', machine.events.nextSeq);
    this.leftNs[device] = machine.clockNs;
    machine.limitsChanged = true;
    const waiting = this.deferred[device];
    const dueNs = machine.clockNs;
    let kept = 0;
    for (let i = 0; i < waiting.count; i++) {
      if (waiting.wakeNs[i] > dueNs) {
        waiting.moveEntry(i, kept++);
        continue;
      }
      if (!this.retries.tryAgain(device, waiting, i)) this.retries.raiseAgain(device, waiting, i);
    }
    this.retries.deferredTouches -= waiting.count - kept;
    waiting.count = kept;
    if (this.pending[device].count > 0) this.handOver(device, machine.clockNs);
  }
}

function earliestWakeNs(waiting: WaitingTouches): number {
  let earliest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < waiting.count; i++) if (waiting.wakeNs[i] < earliest) earliest = waiting.wakeNs[i];
  return earliest;
}
