/**
 * The reference engine: docs/replay.md word by word, one run, one page at a time. The fast engine must give the same
 * result and the same events to the last byte; where they differ, this one is the easier to check against the page.
 */
import { ACCESS, type Access, FaultBuffer, OUTCOME } from '../../src/replay/faults.ts';
import { type EventLine, InvariantError, type LaneResult, type LaneSpec } from '../../src/replay/lane.ts';
import { BLOCK_PAGES, rangeMask } from '../../src/replay/mask.ts';
import { type HintOutcome, HOST, type ModelHooks, RIGHTS, type Rights } from '../../src/replay/model.ts';
import type { AllocEvent, CompiledTrace, TraceEvent } from '../../src/trace/compiled.ts';
import { makeCore } from './core.ts';
import { Machine } from './machine.ts';
import { copyRanges, type PlainRecord, plainRecords, type TouchRange } from './records.ts';
import { laneResult } from './result.ts';

const CPU_ROUNDS = 1_000;
const STUCK_CALLS = 100_000;

/** A touch that waits for its device's fault to be served. */
interface Waiting {
  readonly page: number;
  readonly bytes: number;
  readonly access: Access;
  readonly record: number;
  readonly firstPage: number;
  readonly lastPage: number;
  readonly thread: number;
  timeNs: number;
  /** Some mapping of the page was there when the touch was raised. */
  hadMapping: boolean;
}

interface Deferred {
  readonly touch: Waiting;
  readonly wakeNs: number;
  readonly request: number;
}

/** What a record has to wait for before it is issued. */
interface Due {
  readonly actor: number;
  readonly timeNs: number;
  readonly thread: number;
  readonly isAccess: boolean;
}

/** Why pending faults went to the driver. */
export type Cause = 'inFlight' | 'late' | 'otherActor' | 'event' | 'thread' | 'end' | 'wake';

export interface ReferenceOptions {
  readonly check?: boolean;
  /** Told of every hand-over with something to hand over. */
  readonly onHandOver?: (cause: Cause) => void;
}

export interface ReferenceRun {
  readonly result: LaneResult;
  readonly events: EventLine[];
}

export function replayReference(trace: CompiledTrace, spec: LaneSpec, options: ReferenceOptions = {}): ReferenceRun {
  const m = new Machine(trace, spec);
  new Engine(m, options).run();
  return { result: laneResult(m), events: m.events };
}

class Engine {
  private readonly hooks: ModelHooks;
  private readonly pending: Waiting[][];
  private readonly deferred: Deferred[][];
  /** The clock at the end of each device's last hand-over. */
  private readonly left: number[];
  private readonly open = new Set<number>();
  private readonly failedRecords = new Set<number>();
  private batches = 0;

  constructor(
    private readonly m: Machine,
    private readonly options: ReferenceOptions,
  ) {
    this.pending = m.actors.map(() => []);
    this.deferred = m.actors.map(() => []);
    this.left = m.actors.map(() => 0);
    const { model, parameters, preset } = m.spec;
    this.hooks = model.create(makeCore(m), parameters, preset);
  }

  run(): void {
    this.inferredAllocations();
    for (const record of plainRecords(this.m.trace)) {
      this.m.context = { trigger: null, record: record.record, batch: null };
      this.step(record);
      this.checkInvariants(record.record);
    }
    this.end();
  }

  // --- a record, step by step ------------------------------------------------------------------------------------
  private step(r: PlainRecord): void {
    const { m } = this;
    const issue = (): number => r.timeNs + m.delay[r.actor];
    if (r.actor === HOST) this.syncOpenDevices(r.timeNs);

    this.untilNothingIsDue({ actor: r.actor, timeNs: r.timeNs, thread: r.thread, isAccess: r.event === null });
    if (r.event?.op === 'launch') {
      m.delay[r.actor] = Math.max(m.delay[r.actor], m.delay[HOST]);
      this.open.add(r.actor);
    }
    this.runWakes(issue);
    m.now = Math.max(m.now, issue());
    if (r.event === null) {
      const isHost = r.actor === HOST;
      m.count(isHost ? 'accesses.host' : 'accesses.device');
      m.count(isHost ? 'touches.host' : 'touches.device', r.ranges[0].touches.length);
      this.touchRanges(r, r.ranges);
    } else {
      if (r.event.op === 'sync') this.synchronise(r.actor);
      this.event(r, r.event);
    }
  }

  /** Steps 1-4, over and over: serving changes delays, and may leave faults deferred. */
  private untilNothingIsDue({ actor, timeNs, thread, isAccess }: Due): void {
    const issue = (): number => timeNs + this.m.delay[actor];
    const waiters = isAccess ? [actor] : this.devices();
    for (;;) {
      this.waitForDeferred(waiters);
      if (this.isLate(actor, issue())) this.handOverLate(actor);
      else if (this.hasPendingOf(actor, thread)) this.handOver(actor, issue(), 'thread');
      else if (!isAccess && this.oldestFirst().length > 0) {
        const cause = issue();
        for (const device of this.oldestFirst()) this.handOver(device, cause, 'event');
      } else return;
    }
  }

  private hasPendingOf(actor: number, thread: number): boolean {
    return thread >= 0 && this.pending[actor].some((touch) => touch.thread === thread);
  }

  private devices(): number[] {
    return this.m.actors.map((_, actor) => actor).filter((actor) => actor !== HOST);
  }

  /** Devices with pending faults, by oldest pending fault, then by index. */
  private oldestFirst(): number[] {
    return this.devices()
      .filter((device) => this.pending[device].length > 0)
      .sort((a, b) => this.oldest(a) - this.oldest(b) || a - b);
  }

  private oldest(device: number): number {
    return Math.min(...this.pending[device].map((touch) => touch.timeNs));
  }

  private isLate(actor: number, issueNs: number): boolean {
    if (this.pending[actor].length === 0) return false;
    return issueNs > this.oldest(actor) + this.m.spec.platform.faultLatencyNs;
  }

  private handOverLate(device: number): void {
    this.handOver(device, this.oldest(device) + this.m.spec.platform.faultLatencyNs, 'late');
  }

  /** Rule S: a CPU record while devices are open counts as their `sync`, without the hook. */
  private syncOpenDevices(timeNs: number): void {
    for (const device of [...this.open].sort((a, b) => a - b)) {
      this.untilNothingIsDue({ actor: device, timeNs, thread: -1, isAccess: false });
      this.runWakes(() => timeNs + this.m.delay[device]);
      this.m.now = Math.max(this.m.now, timeNs + this.m.delay[device]);
      this.synchronise(device);
    }
  }

  private synchronise(device: number): void {
    this.m.delay[HOST] = Math.max(this.m.delay[HOST], this.m.delay[device]);
    this.open.delete(device);
  }

  // --- touches ---------------------------------------------------------------------------------------------------
  private touchRanges(r: PlainRecord, ranges: readonly TouchRange[]): void {
    for (const range of ranges) {
      for (const { page, bytes } of range.touches) {
        this.waitForDeferred([r.actor]);
        this.settleOthers(r.actor, page, r.timeNs);
        if (r.actor === HOST) this.touchByHost(page, bytes, range.access, r.record);
        else this.touchByDevice(r, range, page, bytes);
      }
    }
  }

  /** Step 1 of a touch: other devices with a fault pending on the page are handed over. */
  private settleOthers(actor: number, page: number, timeNs: number): void {
    const isPending = (device: number): boolean => this.pending[device].some((touch) => touch.page === page);
    for (const device of this.oldestFirst()) {
      if (device !== actor && isPending(device)) this.handOver(device, timeNs + this.m.delay[actor], 'otherActor');
    }
  }

  private touchByHost(page: number, bytes: number, access: Access, record: number): void {
    const { m } = this;
    for (let round = 0; !this.granted(HOST, page, access); round++) {
      if (round === CPU_ROUNDS) {
        m.warnings.add(`CPU faults on one page did not end after ${CPU_ROUNDS} rounds: the access failed`);
        this.fail(record);
        return;
      }
      const before = m.now;
      m.count('faults.host');
      if (!m.existsAnywhere(page)) m.count('faults.host.firstTouch');
      m.now += Math.round(m.spec.platform.host.faultNs);
      const outcome = m.within({ trigger: 'hostFault' }, () =>
        this.hook(() => this.hooks.hostFault?.(page, access, record) ?? 'failed'),
      );
      m.emit('fault', HOST, page, 4096, { trigger: 'hostFault', timeNs: before, durationNs: m.now - before });
      this.delayBy(HOST, m.now - before);
      if (outcome === 'failed') {
        this.fail(record);
        return;
      }
    }
    this.complete(HOST, page, bytes);
  }

  private touchByDevice(r: PlainRecord, range: TouchRange, page: number, bytes: number): void {
    const { m } = this;
    const waiting = this.pending[r.actor];
    const isWaitedFor = waiting.some((t) => t.page === page);
    if (!isWaitedFor && this.granted(r.actor, page, range.access)) {
      this.complete(r.actor, page, bytes);
      return;
    }
    const issue = r.timeNs + m.delay[r.actor];
    m.now = Math.max(m.now, issue);
    waiting.push({
      page,
      bytes,
      access: range.access,
      record: r.record,
      firstPage: range.firstPage,
      lastPage: range.lastPage,
      thread: r.thread,
      timeNs: Math.max(issue, waiting.at(-1)?.timeNs ?? 0),
      hadMapping: m.rights(r.actor, page) !== RIGHTS.none,
    });
    if (waiting.length >= m.spec.inFlight) this.handOver(r.actor, issue, 'inFlight');
  }

  private granted(actor: number, page: number, access: Access): boolean {
    const ofAtomic: Rights = this.m.spec.model.atomics ? RIGHTS.atomic : RIGHTS.write;
    const wanted = access === ACCESS.read ? RIGHTS.read : access === ACCESS.write ? RIGHTS.write : ofAtomic;
    return this.m.rights(actor, page) >= wanted;
  }

  private fail(record: number): void {
    if (this.failedRecords.has(record)) return;
    this.failedRecords.add(record);
    this.m.count('accesses.failed');
  }

  /** A touch is done: local or remote, the first one of a speculated page, and the access counter. */
  private complete(actor: number, page: number, bytes: number): void {
    const { m } = this;
    if (m.speculated[actor].delete(page)) m.count('speculation.used');
    if (m.isLocal(actor, page)) return;
    m.count(actor === HOST ? 'remote.host.accesses' : 'remote.device.accesses');
    m.count(actor === HOST ? 'remote.host.bytes' : 'remote.device.bytes', bytes);
    const block = Math.floor(page / BLOCK_PAGES);
    const counter = m.counters.find((c) => c.device === actor && c.block === block);
    if (!counter || --counter.left > 0) return;
    m.disarm(actor, block);
    if (!this.hooks.counter) return;
    m.within({ trigger: 'counter' }, () => {
      m.emit('counter', actor, block * BLOCK_PAGES, BLOCK_PAGES * 4096);
      this.hook(() => this.hooks.counter?.(actor, block, page));
    });
  }

  // --- hand-over -------------------------------------------------------------------------------------------------
  private handOver(device: number, causeNs: number, cause: Cause): void {
    const { m } = this;
    if (this.pending[device].length === 0) return;
    this.options.onHandOver?.(cause);
    m.now = Math.max(m.now, causeNs);
    const stopped = m.now;
    m.now = Math.max(m.now, this.oldest(device) + m.spec.platform.faultLatencyNs);
    const before = m.context;
    for (let idle = 0; this.pending[device].length > 0; ) {
      m.context = { ...before, record: this.pending[device][0].record };
      idle = this.serveOnce(device) ? 0 : idle + 1;
      if (idle === STUCK_CALLS) {
        throw new InvariantError(0, before.record, 'progress', `${STUCK_CALLS} calls changed nothing`);
      }
    }
    m.context = before;
    this.delayBy(device, m.now - stopped);
    this.left[device] = m.now;
  }

  /** One call of `deviceFaults` and what follows from it. True when a touch was completed, deferred or failed. */
  private serveOnce(device: number): boolean {
    const { m } = this;
    const touches = this.pending[device];
    const faults = this.buffer(touches);
    const batch = this.batches++;
    return m.within({ trigger: 'deviceFault', batch }, () => {
      if (this.hooks.deviceFaults) this.hook(() => this.hooks.deviceFaults?.(device, faults));
      else for (let i = 0; i < faults.count; i++) faults.fail(i);
      this.bookOutcomes(device, touches, faults);
      return this.tryTouches(device, touches, faults);
    });
  }

  /** The touches of the marked entries, and after a flush of the others, are tried again. */
  private tryTouches(device: number, touches: readonly Waiting[], faults: FaultBuffer): boolean {
    const { m } = this;
    const outcomes = touches.map((_, i) => faults.outcome[i]);
    const unmarked = touches.filter((_, i) => outcomes[i] === OUTCOME.pending);
    const raisedAgain: Waiting[] = [];
    let progress = false;
    touches.forEach((touch, i) => {
      if (outcomes[i] === OUTCOME.pending) return;
      if (outcomes[i] === OUTCOME.failed) {
        this.fail(touch.record);
        progress = true;
      } else if (outcomes[i] === OUTCOME.deferred) {
        this.deferred[device].push({ touch, wakeNs: faults.wakeNs[i], request: m.requests++ });
        progress = true;
      } else if (this.retry(device, touch)) progress = true;
      else raisedAgain.push(touch);
    });
    // Only a flush has the others looked at: those possible by now leave uncounted, the rest are raised anew.
    const stay = faults.flushed ? unmarked.filter((touch) => !this.retry(device, touch)) : unmarked;
    if (stay.length < unmarked.length) progress = true;
    this.pending[device] = [...stay, ...raisedAgain];
    return progress;
  }

  private buffer(touches: readonly Waiting[]): FaultBuffer {
    const faults = new FaultBuffer(touches.length);
    faults.count = touches.length;
    touches.forEach((touch, i) => {
      faults.page[i] = touch.page;
      faults.access[i] = touch.access;
      faults.record[i] = touch.record;
      faults.firstPage[i] = touch.firstPage;
      faults.lastPage[i] = touch.lastPage;
      faults.timeNs[i] = touch.timeNs;
      faults.thread[i] = touch.thread;
    });
    return faults;
  }

  private bookOutcomes(device: number, touches: readonly Waiting[], faults: FaultBuffer): void {
    const { m } = this;
    const marked = touches.map((touch, i) => ({ touch, outcome: faults.outcome[i], wakeNs: faults.wakeNs[i] }));
    const of = (...outcomes: number[]) => marked.filter((entry) => outcomes.includes(entry.outcome));
    const served = of(OUTCOME.served, OUTCOME.failed);
    const deferred = of(OUTCOME.deferred);
    const raw = marked.filter((entry) => entry.outcome !== OUTCOME.pending).length;
    m.count('faults.device', served.length);
    m.count('faults.deviceRaw', raw);
    m.count('faults.duplicate', of(OUTCOME.duplicate).length);
    m.count('faults.stale', of(OUTCOME.stale).length);
    m.count('faults.deferred', deferred.length);
    m.count('faults.permission', served.filter((entry) => entry.touch.hadMapping).length);
    if (raw > 0) m.count('batches');
    for (const { touch } of served) {
      const { page, record, timeNs } = touch;
      m.emit('fault', device, page, 4096, { record, timeNs, durationNs: m.now - timeNs });
    }
    for (const { touch, wakeNs } of deferred) {
      m.emit('defer', device, touch.page, 4096, { record: touch.record, durationNs: Math.max(0, wakeNs - m.now) });
    }
  }

  /** Tries a waiting touch again: done, or raised anew at the present time. */
  private retry(device: number, touch: Waiting): boolean {
    if (this.granted(device, touch.page, touch.access)) {
      this.complete(device, touch.page, touch.bytes);
      return true;
    }
    touch.timeNs = this.m.now;
    touch.hadMapping = this.m.rights(device, touch.page) !== RIGHTS.none;
    return false;
  }

  private delayBy(actor: number, ns: number): void {
    this.m.delay[actor] += ns;
    this.m.count(actor === HOST ? 'time.stall.host.ns' : 'time.stall.device.ns', ns);
  }

  // --- rules W and T: deferred faults and wake-ups -----------------------------------------------------------------
  /** Waits until none of these devices has a deferred fault. */
  private waitForDeferred(devices: readonly number[]): void {
    for (;;) {
      const times = devices.flatMap((device) => this.deferred[device].map((d) => d.wakeNs));
      if (times.length === 0) return;
      const earliest = Math.min(...times);
      this.runWakes(() => earliest);
    }
  }

  /** Runs what is due up to the given time, by time, then by request. */
  private runWakes(limit: () => number): void {
    const { m } = this;
    for (;;) {
      const ofModel = m.wakes.map(({ timeNs, request }) => ({ timeNs, request, device: -1 }));
      const ofDevices = this.deferred.flatMap((list, device) =>
        list.map(({ wakeNs, request }) => ({ timeNs: wakeNs, request, device })),
      );
      const due = [...ofModel, ...ofDevices]
        .filter((wake) => wake.timeNs <= limit())
        .sort((a, b) => a.timeNs - b.timeNs || a.request - b.request)[0];
      if (!due) return;
      m.now = Math.max(m.now, due.timeNs);
      if (due.device < 0) this.wakeModel(due.request);
      else this.release(due.device);
    }
  }

  private wakeModel(request: number): void {
    const { m } = this;
    const { token } = m.wakes.find((wake) => wake.request === request)!;
    m.wakes = m.wakes.filter((wake) => wake.request !== request);
    m.within({ trigger: null }, () => this.hook(() => this.hooks.wake?.(token)));
  }

  /** The device's deferred faults that are due by now are raised again and handed over. */
  private release(device: number): void {
    const { m } = this;
    const due = this.deferred[device].filter((d) => d.wakeNs <= m.now);
    this.deferred[device] = this.deferred[device].filter((d) => d.wakeNs > m.now);
    this.delayBy(device, m.now - this.left[device]);
    this.left[device] = m.now;
    const again = due.filter(({ touch }) => !this.retry(device, touch));
    this.pending[device].push(...again.map(({ touch }) => touch));
    this.handOver(device, m.now, 'wake');
  }

  // --- records that are not an access ----------------------------------------------------------------------------
  private event(r: PlainRecord, event: TraceEvent): void {
    const { m, hooks } = this;
    if (event.op === 'copy' && !hooks.copy) {
      this.touchRanges(r, copyRanges(event));
      return;
    }
    const before = m.now;
    const trigger = { prefetch: 'hint', advise: 'hint', copy: 'copy', launch: 'launch' }[event.op as string] ?? null;
    m.within({ trigger }, () => {
      if (event.op === 'prefetch' || event.op === 'advise') this.hint(event);
      else this.hook(() => this.callHook(event));
    });
    if (event.op === 'free') m.unmapRange(event.firstPage, event.lastPage);
    this.delayBy(r.actor, m.now - before);
  }

  private callHook(event: TraceEvent): void {
    const { m, hooks } = this;
    if (event.op === 'alloc') this.alloc(event);
    else if (event.op === 'free') hooks.free?.(m.piecesIn(event.firstPage, event.lastPage), event);
    else if (event.op === 'copy') hooks.copy?.(event);
    else if (event.op === 'launch') hooks.launch?.(event);
    else if (event.op === 'sync') hooks.sync?.(event.actor);
    else if (event.op === 'invalidate') {
      if (hooks.invalidate) hooks.invalidate(event);
      else this.dropDeviceMappings(event.firstPage, event.lastPage);
    }
  }

  private alloc(event: AllocEvent): void {
    const allocation = this.m.trace.allocations[event.allocation];
    const vma = { allocation, firstPage: allocation.firstPage, lastPage: allocation.lastPage };
    this.m.vmas.push(vma);
    this.hooks.alloc?.(vma, event);
  }

  /** Allocations that no record made are there from the start; the stack hears of them then. */
  private inferredAllocations(): void {
    const { m } = this;
    const inferred = m.trace.allocations.filter((a) => a.record === -1).sort((a, b) => a.firstPage - b.firstPage);
    for (const { id, firstPage, lastPage, sizeBytes } of inferred) {
      const before = m.now;
      const base = { op: 'alloc' as const, actor: HOST, record: -1, firstPage, lastPage, offsetBytes: 0, sizeBytes };
      this.hook(() => this.alloc({ ...base, allocation: id }));
      this.delayBy(HOST, m.now - before);
    }
  }

  private dropDeviceMappings(firstPage: number, lastPage: number): void {
    for (let block = Math.floor(firstPage / BLOCK_PAGES); block <= Math.floor(lastPage / BLOCK_PAGES); block++) {
      const base = block * BLOCK_PAGES;
      const mask = rangeMask(Math.max(firstPage - base, 0), Math.min(lastPage - base, BLOCK_PAGES - 1));
      for (const device of this.devices()) this.m.unmap(device, block, mask);
    }
  }

  private hint(event: Extract<TraceEvent, { op: 'prefetch' | 'advise' }>): void {
    const { m, hooks } = this;
    const isPrefetch = event.op === 'prefetch';
    const outcome: HintOutcome =
      this.hook(() => (isPrefetch ? hooks.prefetch?.(event) : hooks.advise?.(event))) ?? 'ignored';
    m.count(`hints.${outcome}`);
    const name = isPrefetch ? 'prefetch' : event.attribute === null ? event.advice : `attr:${event.attribute}`;
    if (outcome === 'ignored') m.warnings.add(`hint ${name} is unknown to ${m.spec.model.name}: ignored`);
    if (outcome === 'rejected') m.warnings.add(`hint ${name} was refused by ${m.spec.model.name}`);
    const addr = '0x' + (BigInt(event.firstPage) * 4096n + BigInt(event.offsetBytes)).toString(16);
    m.emit('hint', event.actor, event.firstPage, event.sizeBytes, { addr });
  }

  /** Every hook begins without an open migration and ends with its queued copies done. */
  private hook<T>(call: () => T): T {
    this.m.migrationArmed = false;
    const answer = call();
    this.m.drain();
    return answer;
  }

  // --- the end, and what must always hold -------------------------------------------------------------------------
  private end(): void {
    while (this.oldestFirst().length > 0 || this.devices().some((device) => this.deferred[device].length > 0)) {
      for (const device of this.oldestFirst()) this.handOver(device, this.m.now, 'end');
      this.waitForDeferred(this.devices());
    }
    this.m.wakes = [];
    this.hook(() => this.hooks.finish?.());
    this.checkInvariants(this.m.trace.records);
  }

  private checkInvariants(record: number): void {
    if (!this.options.check) return;
    const { m } = this;
    for (const device of this.devices()) {
      const bytes = m.residentPages[device] * 4096;
      if (bytes > m.capacity[device]) {
        const detail = `${m.actors[device]} holds ${bytes} of ${m.capacity[device]} bytes`;
        throw new InvariantError(0, record, 'resident <= effective capacity', detail);
      }
    }
  }
}
