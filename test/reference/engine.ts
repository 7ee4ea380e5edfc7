/**
 * The reference engine: docs/replay.md word by word, one run, one page at a time. The fast engine must give the same
 * result and the same events to the last byte; where they differ, this one is the easier to check against the page.
 */
import type { Access } from '../../src/replay/faults.ts';
import { type EventLine, InvariantError, type LaneResult, type LaneSpec } from '../../src/replay/lane.ts';
import { BLOCK_PAGES, rangeMask } from '../../src/replay/mask.ts';
import { type HintOutcome, HOST, type ModelHooks } from '../../src/replay/model.ts';
import type { AllocEvent, CompiledTrace, TraceEvent } from '../../src/trace/compiled.ts';
import { makeCore } from './core.ts';
import { type Cause, InFlight } from './in-flight.ts';
import { Machine } from './machine.ts';
import { copyRanges, type PlainRecord, plainRecords, type TouchRange } from './records.ts';
import { laneResult } from './result.ts';
import { Touching } from './touching.ts';

const CPU_ROUNDS = 1_000;

/** What a record has to wait for before it is issued. */
interface Due {
  readonly actor: number;
  readonly timeNs: number;
  readonly thread: number;
  readonly isAccess: boolean;
}

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
  private readonly touching: Touching;
  private readonly inFlight: InFlight;
  /** Devices launched on and not synchronised with yet. */
  private readonly open = new Set<number>();

  constructor(
    private readonly m: Machine,
    private readonly options: ReferenceOptions,
  ) {
    const { model, parameters, preset } = m.spec;
    this.hooks = model.create(makeCore(m), parameters, preset);
    this.touching = new Touching(m, this.hooks);
    this.inFlight = new InFlight(m, this.hooks, this.touching, (cause) => options.onHandOver?.(cause));
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
    this.inFlight.runWakes(issue);
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
    const waiters = isAccess ? [actor] : this.inFlight.devices();
    for (;;) {
      this.inFlight.waitForDeferred(waiters);
      if (this.inFlight.isLate(actor, issue())) this.inFlight.handOverLate(actor);
      else if (this.inFlight.hasPendingOf(actor, thread)) this.inFlight.handOver(actor, issue(), 'thread');
      else if (!isAccess && this.inFlight.oldestFirst().length > 0) {
        const cause = issue();
        for (const device of this.inFlight.oldestFirst()) this.inFlight.handOver(device, cause, 'event');
      } else return;
    }
  }

  /** Rule S: a CPU record while devices are open counts as their `sync`, without the hook. */
  private syncOpenDevices(timeNs: number): void {
    for (const device of [...this.open].sort((a, b) => a - b)) {
      this.untilNothingIsDue({ actor: device, timeNs, thread: -1, isAccess: false });
      this.inFlight.runWakes(() => timeNs + this.m.delay[device]);
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
        this.inFlight.waitForDeferred([r.actor]);
        this.inFlight.settleOthers(r.actor, page, r.timeNs);
        if (r.actor === HOST) this.touchByHost(page, bytes, range.access, r.record);
        else this.touchByDevice(r, range, page, bytes);
      }
    }
  }

  private touchByHost(page: number, bytes: number, access: Access, record: number): void {
    const { m } = this;
    for (let round = 0; !this.touching.granted(HOST, page, access); round++) {
      if (round === CPU_ROUNDS) {
        m.warnings.add(`CPU faults on one page did not end after ${CPU_ROUNDS} rounds: the access failed`);
        this.touching.fail(record);
        return;
      }
      const before = m.now;
      m.count('faults.host');
      if (!m.existsAnywhere(page)) m.count('faults.host.firstTouch');
      let outcome = 'failed';
      m.stopping(() => {
        m.pass(Math.round(m.spec.platform.host.faultNs), 'faultService');
        m.within({ trigger: 'hostFault' }, () => {
          outcome = this.touching.hook(() => this.hooks.hostFault?.(page, access, record) ?? 'failed');
        });
      });
      m.emit('fault', HOST, page, 4096, { trigger: 'hostFault', timeNs: before, durationNs: m.now - before });
      this.touching.delayBy(HOST, m.now - before);
      if (outcome === 'failed') {
        this.touching.fail(record);
        return;
      }
    }
    this.touching.complete(HOST, page, bytes);
  }

  private touchByDevice(r: PlainRecord, range: TouchRange, page: number, bytes: number): void {
    const { access, firstPage, lastPage } = range;
    const { actor, record, thread } = r;
    const isWaitedFor = this.inFlight.pending[actor].some((touch) => touch.page === page);
    if (!isWaitedFor && this.touching.granted(actor, page, access)) {
      this.touching.complete(actor, page, bytes);
      return;
    }
    const touch = { page, bytes, access, record, firstPage, lastPage, thread };
    this.inFlight.raise(actor, touch, r.timeNs + this.m.delay[actor]);
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
    m.stopping(() =>
      m.within({ trigger }, () => {
        if (event.op === 'prefetch' || event.op === 'advise') this.hint(event);
        else this.touching.hook(() => this.callHook(event));
      }),
    );
    if (event.op === 'free') m.unmapRange(event.firstPage, event.lastPage);
    this.touching.delayBy(r.actor, m.now - before);
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
      m.stopping(() => this.touching.hook(() => this.alloc({ ...base, allocation: id })));
      this.touching.delayBy(HOST, m.now - before);
    }
  }

  private dropDeviceMappings(firstPage: number, lastPage: number): void {
    for (let block = Math.floor(firstPage / BLOCK_PAGES); block <= Math.floor(lastPage / BLOCK_PAGES); block++) {
      const base = block * BLOCK_PAGES;
      const mask = rangeMask(Math.max(firstPage - base, 0), Math.min(lastPage - base, BLOCK_PAGES - 1));
      for (const device of this.inFlight.devices()) this.m.unmap(device, block, mask);
    }
  }

  private hint(event: Extract<TraceEvent, { op: 'prefetch' | 'advise' }>): void {
    const { m, hooks } = this;
    const isPrefetch = event.op === 'prefetch';
    const outcome: HintOutcome =
      this.touching.hook(() => (isPrefetch ? hooks.prefetch?.(event) : hooks.advise?.(event))) ?? 'ignored';
    m.count(`hints.${outcome}`);
    const name = isPrefetch ? 'prefetch' : event.attribute === null ? event.advice : `attr:${event.attribute}`;
    if (outcome === 'ignored') m.warnings.add(`hint ${name} is unknown to ${m.spec.model.name}: ignored`);
    if (outcome === 'rejected') m.warnings.add(`hint ${name} was refused by ${m.spec.model.name}`);
    const addr = '0x' + (BigInt(event.firstPage) * 4096n + BigInt(event.offsetBytes)).toString(16);
    m.emit('hint', event.actor, event.firstPage, event.sizeBytes, { addr });
  }

  // --- the end, and what must always hold -------------------------------------------------------------------------
  private end(): void {
    while (
      this.inFlight.oldestFirst().length > 0 ||
      this.inFlight.devices().some((device) => this.inFlight.holdsDeferred(device))
    ) {
      for (const device of this.inFlight.oldestFirst()) this.inFlight.handOver(device, this.m.now, 'end');
      this.inFlight.waitForDeferred(this.inFlight.devices());
    }
    this.m.wakes = [];
    this.touching.hook(() => this.hooks.finish?.());
    this.checkInvariants(this.m.trace.records);
  }

  private checkInvariants(record: number): void {
    if (!this.options.check) return;
    const { m } = this;
    for (const device of this.inFlight.devices()) {
      const bytes = m.residentPages[device] * 4096;
      if (bytes > m.capacity[device]) {
        const detail = `${m.actors[device]} holds ${bytes} of ${m.capacity[device]} bytes`;
        throw new InvariantError(0, record, 'resident <= effective capacity', detail);
      }
    }
  }
}
