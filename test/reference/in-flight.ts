/** Faults in flight in the reference engine: hand-over, faults put off, wake-ups (rules W and T). */
import { type Access, FaultBuffer, OUTCOME } from '../../src/replay/faults.ts';
import { InvariantError } from '../../src/replay/lane.ts';
import { HOST, type ModelHooks, RIGHTS } from '../../src/replay/model.ts';
import type { Machine } from './machine.ts';
import type { Touching } from './touching.ts';

const STUCK_CALLS = 100_000;

/** Why pending faults went to the driver. */
export type Cause = 'inFlight' | 'late' | 'otherActor' | 'event' | 'thread' | 'end' | 'wake';

/** A touch that waits for its device's fault to be served. */
export interface Waiting {
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

export class InFlight {
  readonly pending: Waiting[][];
  private readonly deferred: Deferred[][];
  /** The clock at the end of each device's last hand-over. */
  private readonly left: number[];
  private batches = 0;

  constructor(
    private readonly m: Machine,
    private readonly hooks: ModelHooks,
    private readonly touching: Touching,
    private readonly onHandOver: (cause: Cause) => void,
  ) {
    this.pending = m.actors.map(() => []);
    this.deferred = m.actors.map(() => []);
    this.left = m.actors.map(() => 0);
  }

  holdsDeferred(device: number): boolean {
    return this.deferred[device].length > 0;
  }

  /** A device touch begins to wait. */
  raise(device: number, touch: Omit<Waiting, 'timeNs' | 'hadMapping'>, issueNs: number): void {
    const { m } = this;
    const waiting = this.pending[device];
    m.now = Math.max(m.now, issueNs);
    waiting.push({
      ...touch,
      timeNs: Math.max(issueNs, waiting.at(-1)?.timeNs ?? 0),
      hadMapping: m.rights(device, touch.page) !== RIGHTS.none,
    });
    if (waiting.length >= m.spec.inFlight) this.handOver(device, issueNs, 'inFlight');
  }

  devices(): number[] {
    return this.m.actors.map((_, actor) => actor).filter((actor) => actor !== HOST);
  }

  /** Devices with pending faults, by oldest pending fault, then by index. */
  oldestFirst(): number[] {
    return this.devices()
      .filter((device) => this.pending[device].length > 0)
      .sort((a, b) => this.oldest(a) - this.oldest(b) || a - b);
  }

  private oldest(device: number): number {
    return Math.min(...this.pending[device].map((touch) => touch.timeNs));
  }

  isLate(actor: number, issueNs: number): boolean {
    if (this.pending[actor].length === 0) return false;
    return issueNs > this.oldest(actor) + this.m.spec.platform.faultLatencyNs;
  }

  handOverLate(device: number): void {
    this.handOver(device, this.oldest(device) + this.m.spec.platform.faultLatencyNs, 'late');
  }

  hasPendingOf(actor: number, thread: number): boolean {
    return thread >= 0 && this.pending[actor].some((touch) => touch.thread === thread);
  }

  /** Step 1 of a touch: other devices with a fault pending on the page are handed over. */
  settleOthers(actor: number, page: number, timeNs: number): void {
    const isPending = (device: number): boolean => this.pending[device].some((touch) => touch.page === page);
    for (const device of this.oldestFirst()) {
      if (device !== actor && isPending(device)) this.handOver(device, timeNs + this.m.delay[actor], 'otherActor');
    }
  }

  handOver(device: number, causeNs: number, cause: Cause): void {
    const { m } = this;
    if (this.pending[device].length === 0) return;
    this.onHandOver(cause);
    m.now = Math.max(m.now, causeNs);
    const stopped = m.now;
    m.stopping(() => {
      m.pass(Math.max(0, this.oldest(device) + m.spec.platform.faultLatencyNs - m.now), 'faultService');
      this.serveAll(device);
    });
    this.touching.delayBy(device, m.now - stopped);
    this.left[device] = m.now;
  }

  private serveAll(device: number): void {
    const { m } = this;
    const before = m.context;
    for (let idle = 0; this.pending[device].length > 0; ) {
      m.context = { ...before, record: this.pending[device][0].record };
      idle = this.serveOnce(device) ? 0 : idle + 1;
      if (idle === STUCK_CALLS) {
        throw new InvariantError(0, before.record, 'progress', `${STUCK_CALLS} calls changed nothing`);
      }
    }
    m.context = before;
  }

  /** One call of `deviceFaults` and what follows from it. True when a touch was completed, deferred or failed. */
  private serveOnce(device: number): boolean {
    const { m } = this;
    const touches = this.pending[device];
    const faults = this.buffer(touches);
    const batch = this.batches++;
    return m.within({ trigger: 'deviceFault', batch }, () => {
      if (this.hooks.deviceFaults) this.touching.hook(() => this.hooks.deviceFaults?.(device, faults));
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
        this.touching.fail(touch.record);
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
    if (raw > 0) m.count('batches', faults.fetches);
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
    if (this.touching.granted(device, touch.page, touch.access)) {
      this.touching.complete(device, touch.page, touch.bytes);
      return true;
    }
    touch.timeNs = this.m.now;
    touch.hadMapping = this.m.rights(device, touch.page) !== RIGHTS.none;
    return false;
  }

  /** Waits until none of these devices has a deferred fault. */
  waitForDeferred(devices: readonly number[]): void {
    for (;;) {
      const times = devices.flatMap((device) => this.deferred[device].map((d) => d.wakeNs));
      if (times.length === 0) return;
      const earliest = Math.min(...times);
      this.runWakes(() => earliest);
    }
  }

  /** Runs what is due up to the given time, by time, then by request. */
  runWakes(limit: () => number): void {
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
    m.within({ trigger: null }, () => this.touching.hook(() => this.hooks.wake?.(token)));
  }

  /** The device's deferred faults that are due by now are raised again and handed over. */
  private release(device: number): void {
    const { m } = this;
    const due = this.deferred[device].filter((d) => d.wakeNs <= m.now);
    this.deferred[device] = this.deferred[device].filter((d) => d.wakeNs > m.now);
    m.count('time.by.wait.ns', m.now - this.left[device]);
    this.touching.delayBy(device, m.now - this.left[device]);
    this.left[device] = m.now;
    const again = due.filter(({ touch }) => !this.retry(device, touch));
    this.pending[device].push(...again.map(({ touch }) => touch));
    this.handOver(device, m.now, 'wake');
  }
}
