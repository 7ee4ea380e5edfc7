/**
 * The machine of one run as its model sees it: `Core`. It does what the model asks, charges and counts it. It decides
 * nothing and raises no fault (`in-flight.ts` does).
 */
import type { Platform } from '../platforms/platform.ts';
import type { AddressSpace } from './address-space.ts';
import { DeviceMemory } from './device-memory.ts';
import { EventStream } from './event-stream.ts';
import type { FaultFrame } from './fault-frame.ts';
import type { FaultBuffer } from './faults.ts';
import type { CostListener, EventLine, LaneSpec, Stop } from './lane.ts';
import { Links } from './links.ts';
import { PAGE_BYTES, type PageMask } from './mask.ts';
import { M, METRIC_COUNT, type SpentOn, type Trigger } from './metrics.ts';
import type { Mmu } from './mmu.ts';
import {
  type Core,
  HOST,
  type MODEL_COUNTED,
  type MoveOptions,
  type ParameterValue,
  RIGHTS,
  type Rights,
  type Vma,
} from './model.ts';
import { Mover } from './mover.ts';
import { PageState } from './page-state.ts';
import { PageTables } from './page-tables.ts';
import { StopBooks } from './stop-books.ts';
import { Timers } from './timers.ts';

export class Machine implements Core {
  readonly platform: Platform;
  readonly inFlight: number;
  readonly capacityBytes: readonly number[];
  readonly host: { readonly pageBytes: number; readonly zeroPage: boolean };

  readonly books = new Float64Array(METRIC_COUNT);
  readonly ownBooks: Record<string, number> = {};
  readonly parameters: Record<string, ParameterValue>;
  readonly warnings: string[] = [];
  readonly events: EventStream;
  readonly pages: PageState;
  readonly memory: DeviceMemory;
  readonly links: Links;
  readonly stops: StopBooks;

  clockNs: number;
  readonly delayNs: Float64Array;
  readonly timers = new Timers();
  /** 1 = the actor's delay changed by itself: its next record must be issued in full. */
  readonly revisit: Uint8Array;
  /** By actor: where loops over its pending faults find what they work on. Empty until there are such. */
  frames: readonly FaultFrame[] = [];
  /** Orders wake-ups and deferred touches by request. */
  requests = 0;
  /** Set when a delay or a due time may have changed: the pass then works out its limits anew. */
  limitsChanged = true;

  private readonly mover: Mover;
  private readonly pageTables: PageTables;

  constructor(
    spec: LaneSpec,
    readonly actors: readonly string[],
    startNs: number,
    readonly space: AddressSpace,
    mmu: Mmu,
    /** Bit of this run in the shared words. */
    laneBit: number,
    listener: ((event: EventLine) => void) | null,
    readonly costs: CostListener | null = null,
  ) {
    const n = actors.length;
    this.platform = spec.platform;
    this.inFlight = spec.inFlight;
    this.capacityBytes = actors.map((_, i) =>
      i === HOST ? Number.POSITIVE_INFINITY : (spec.capacityBytes?.[i] ?? Number.POSITIVE_INFINITY),
    );
    this.host = spec.host;
    this.parameters = { ...spec.parameters };
    this.events = new EventStream(actors, listener);
    this.pages = new PageState(n, spec.model.atomics === true, space, mmu, laneBit, this.books, costs);
    this.memory = new DeviceMemory(this.capacityBytes);
    this.links = new Links(n, spec.platform);
    this.stops = new StopBooks(this.books);
    this.clockNs = startNs;
    this.delayNs = new Float64Array(n);
    this.revisit = new Uint8Array(n);
    this.mover = new Mover(this);
    this.pageTables = new PageTables(this);
  }

  // --- clock -----------------------------------------------------------------------------------------------------
  now(): number {
    return this.clockNs;
  }

  /** Whole nanoseconds that the clock moves by. */
  pass(ns: number, cause: SpentOn): void {
    this.clockNs += ns;
    this.stops.pass(ns, cause);
  }

  passUntil(timeNs: number, cause: SpentOn): void {
    if (timeNs > this.clockNs) this.pass(timeNs - this.clockNs, cause);
  }

  spend(ns: number, cause: SpentOn = 'faultService', times = 1): void {
    if (this.platform.timeless !== true) this.pass(Math.round(ns) * times, cause);
  }

  waitUntil(timeNs: number): void {
    this.passUntil(Math.round(timeNs), 'wait');
  }

  drain(): void {
    this.waitForLink(this.links.lastBusy());
  }

  /** Until the link is free; part of that may be for what evictions have put on it. */
  waitForLink(link: number): void {
    const waitNs = this.links.freeNs[link] - this.clockNs;
    if (waitNs <= 0) return;
    const evictionNs = this.links.evictionShare(link, waitNs);
    this.pass(evictionNs, 'eviction');
    this.pass(waitNs - evictionNs, 'transfer');
  }

  beginMakingRoom(): void {
    this.stops.rooms++;
  }

  endMakingRoom(): void {
    this.stops.rooms--;
  }

  stall(actor: number, ns: number, cause: SpentOn = 'wait'): void {
    const whole = Math.round(ns);
    this.delayNs[actor] += whole;
    this.books[actor === HOST ? M['time.stall.host.ns'] : M['time.stall.device.ns']] += whole;
    this.stops.book(whole, cause);
    if (this.costs !== null) this.tellStop(actor, whole, 'model', this.events.callSeq);
    this.revisit[actor] = 1;
    this.limitsChanged = true;
  }

  /** Only with someone to tell. */
  tellStop(actor: number, ns: number, kind: Stop['kind'], firstSeq: number): void {
    const { record } = this.events;
    this.costs?.stop({ actor: this.actors[actor], kind, endNs: this.clockNs, ns, firstSeq, record });
  }

  wakeAt(timeNs: number, token: number): void {
    this.timers.add(timeNs, this.requests++, token);
    this.limitsChanged = true;
  }

  cancelWake(token: number): void {
    this.timers.cancel(token);
    this.limitsChanged = true;
  }

  // --- what is where ---------------------------------------------------------------------------------------------
  vmaAt(page: number): Vma | null {
    return this.space.vmaAt(page);
  }

  vmasIn(firstPage: number, lastPage: number): readonly Vma[] {
    return this.space.vmasIn(firstPage, lastPage);
  }

  residence(page: number): number {
    return this.pages.residence(page);
  }

  mapping(actor: number, page: number): Rights {
    return this.pages.mapping(actor, page);
  }

  residentMask(location: number, block: number, out: PageMask): PageMask {
    return this.pages.read(this.pages.resident[location], block, out);
  }

  mappedMask(actor: number, block: number, out: PageMask, rights: Rights = RIGHTS.read): PageMask {
    return this.pages.read(this.pages.mappedWith(rights)[actor], block, out);
  }

  untouchedSpeculationMask(device: number, block: number, out: PageMask): PageMask {
    return this.pages.read(this.pages.speculated[device], block, out);
  }

  residentBytes(location: number): number {
    return this.pages.residentPages[location] * PAGE_BYTES;
  }

  // --- data ------------------------------------------------------------------------------------------------------
  beginMigration(): void {
    this.mover.migrationArmed = true;
  }

  /** Entering a hook: what it does belongs to no earlier migration. */
  disarmMigration(): void {
    this.mover.migrationArmed = false;
  }

  move(block: number, mask: PageMask, to: number, trigger: Trigger, options?: MoveOptions): number {
    return this.mover.move(block, mask, to, trigger, options);
  }

  populate(block: number, mask: PageMask, at: number, options?: Pick<MoveOptions, 'timing'>): number {
    return this.mover.populate(block, mask, at, options);
  }

  discard(block: number, mask: PageMask, at?: number): void {
    this.mover.discard(block, mask, at);
  }

  transfer(from: number, to: number, bytes: number): void {
    this.mover.transfer(from, to, bytes);
  }

  // --- page tables -----------------------------------------------------------------------------------------------
  map(actor: number, block: number, mask: PageMask, rights: Rights, entries: number): void {
    this.pageTables.map(actor, block, mask, rights, entries);
  }

  mapPage(actor: number, page: number, rights: Rights): void {
    this.pageTables.mapPage(actor, page, rights);
  }

  mirrorFaults(device: number, faults: FaultBuffer): number {
    return this.pageTables.mirrorFaults(device, faults);
  }

  unmap(actor: number, block: number, mask: PageMask, calls?: number): void {
    this.pageTables.unmap(actor, block, mask, calls);
  }

  tlbInvalidate(_device: number): void {
    this.books[M['tlb.invalidations']]++;
    this.spend(this.platform.device.tlbInvalidateNs, 'mapping');
  }

  hostShootdown(): void {
    this.spend(this.platform.host.tlbShootdownNs, 'mapping');
  }

  // --- device memory ---------------------------------------------------------------------------------------------
  reserve(device: number, bytes: number): boolean {
    return this.memory.reserve(device, bytes);
  }

  release(device: number, bytes: number): void {
    this.memory.release(device, bytes);
  }

  allocatedBytes(device: number): number {
    return this.memory.allocated[device];
  }

  setEffectiveCapacity(device: number, bytes: number): void {
    this.memory.effective[device] = bytes;
  }

  effectiveCapacity(device: number): number {
    return this.memory.effective[device];
  }

  metadataBytes(bytes: number): void {
    const peak = M['memory.metadata.peakBytes'];
    if (bytes > this.books[peak]) this.books[peak] = bytes;
  }

  evicted(device: number, firstPage: number, sizeBytes: number, residentPages: number): void {
    this.books[M['evictions.count']]++;
    this.books[M['evictions.pages']] += residentPages;
    this.events.emit('evict', device, firstPage, sizeBytes, this.clockNs, 0);
  }

  // --- access counters -------------------------------------------------------------------------------------------
  armCounter(device: number, block: number, threshold: number): void {
    this.pages.remote.arm(device, this.pages.slotOf(block), threshold);
  }

  disarmCounter(device: number, block: number): void {
    const slot = this.pages.find(block);
    if (slot >= 0) this.pages.remote.disarm(device, slot);
  }

  // --- books -----------------------------------------------------------------------------------------------------
  count(metric: (typeof MODEL_COUNTED)[number], n = 1): void {
    this.books[M[metric]] += n;
  }

  countOwn(name: string, n = 1): void {
    this.ownBooks[name] = (this.ownBooks[name] ?? 0) + n;
  }

  resolved(parameter: string, value: ParameterValue): void {
    this.parameters[parameter] = value;
  }

  warn(text: string): void {
    if (!this.warnings.includes(text)) this.warnings.push(text);
  }

  note(kind: 'pin' | 'unpin' | 'counter' | 'error', actor: number, page: number, sizeBytes: number): void {
    this.events.emit(kind, actor, page, sizeBytes, this.clockNs, 0);
  }
}
