/**
 * The machine of one run as its model sees it: `Core`. It does what the model asks, charges and counts it. It decides
 * nothing and raises no fault (`in-flight.ts` does).
 */
import { copyNs, type Platform } from '../platforms/platform.ts';
import type { AddressSpace } from './address-space.ts';
import { DeviceMemory } from './device-memory.ts';
import { EventStream } from './event-stream.ts';
import type { EventLine, LaneSpec } from './lane.ts';
import { Links, runNs } from './links.ts';
import {
  BLOCK_PAGES,
  countPages,
  countRuns,
  endOfRun,
  isEmptyMask,
  MASK_WORDS,
  newMask,
  nextPage,
  PAGE_BYTES,
  type PageMask,
  popcount32,
} from './mask.ts';
import { BY_TRIGGER, M, METRIC_COUNT, type Trigger } from './metrics.ts';
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
import { firstPageOf, PageState } from './page-state.ts';
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
  private readonly links: Links;

  clockNs: number;
  readonly delayNs: Float64Array;
  readonly timers = new Timers();
  /** 1 = the actor's delay changed by itself: its next record must be issued in full. */
  readonly revisit: Uint8Array;
  /** Orders wake-ups and deferred touches by request. */
  requests = 0;
  /** Set when a delay or a due time may have changed: the pass then works out its limits anew. */
  limitsChanged = true;

  private migrationArmed = false;
  private readonly candidates = newMask();
  private readonly sources: PageMask[];
  private readonly plain = newMask();
  private readonly scratch = newMask();

  constructor(
    spec: LaneSpec,
    readonly actors: readonly string[],
    startNs: number,
    readonly space: AddressSpace,
    mmu: Mmu,
    /** Bit of this run in the shared words. */
    laneBit: number,
    listener: ((event: EventLine) => void) | null,
  ) {
    const n = actors.length;
    this.platform = spec.platform;
    this.inFlight = spec.inFlight;
    this.capacityBytes = spec.capacityBytes ?? actors.map(() => Number.POSITIVE_INFINITY);
    this.host = spec.host;
    this.parameters = { ...spec.parameters };
    this.events = new EventStream(actors, listener);
    this.pages = new PageState(n, spec.model.atomics === true, space, mmu, laneBit, this.books);
    this.memory = new DeviceMemory(this.capacityBytes);
    this.links = new Links(n, spec.platform);
    this.clockNs = startNs;
    this.delayNs = new Float64Array(n);
    this.revisit = new Uint8Array(n);
    this.sources = actors.map(() => newMask());
  }

  // --- clock -----------------------------------------------------------------------------------------------------
  now(): number {
    return this.clockNs;
  }

  spend(ns: number): void {
    this.clockNs += Math.round(ns);
  }

  drain(): void {
    this.clockNs = Math.max(this.clockNs, this.links.idleNs);
  }

  stall(actor: number, ns: number): void {
    const whole = Math.round(ns);
    this.delayNs[actor] += whole;
    this.books[actor === HOST ? M['time.stall.host.ns'] : M['time.stall.device.ns']] += whole;
    this.revisit[actor] = 1;
    this.limitsChanged = true;
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
    const slot = this.pages.find(Math.floor(page / BLOCK_PAGES));
    if (slot < 0) return 0;
    const inBlock = page % BLOCK_PAGES;
    return this.pages.residenceAt(slot * MASK_WORDS + (inBlock >> 5), 1 << (inBlock & 31));
  }

  mapping(actor: number, page: number): Rights {
    const slot = this.pages.find(Math.floor(page / BLOCK_PAGES));
    if (slot < 0) return RIGHTS.none;
    const inBlock = page % BLOCK_PAGES;
    return this.pages.rightsAt(actor, slot * MASK_WORDS + (inBlock >> 5), 1 << (inBlock & 31));
  }

  residentMask(location: number, block: number, out: PageMask): PageMask {
    return this.pages.read(this.pages.resident[location], block, out);
  }

  mappedMask(actor: number, block: number, out: PageMask, rights: Rights = RIGHTS.read): PageMask {
    const { readable, writable, atomics, tellsAtomics } = this.pages;
    const atomic = rights === RIGHTS.atomic && tellsAtomics;
    const words = rights === RIGHTS.read ? readable : atomic ? atomics : writable;
    return this.pages.read(words[actor], block, out);
  }

  untouchedSpeculationMask(device: number, block: number, out: PageMask): PageMask {
    return this.pages.read(this.pages.speculated[device], block, out);
  }

  residentBytes(location: number): number {
    return this.pages.residentPages[location] * PAGE_BYTES;
  }

  // --- data ------------------------------------------------------------------------------------------------------
  beginMigration(): void {
    this.migrationArmed = true;
  }

  /** Entering a hook: what it does belongs to no earlier migration. */
  disarmMigration(): void {
    this.migrationArmed = false;
  }

  private countMigration(): void {
    if (!this.migrationArmed) return;
    this.migrationArmed = false;
    this.books[M['migration.operations']]++;
  }

  move(block: number, mask: PageMask, to: number, trigger: Trigger, options?: MoveOptions): number {
    const { candidates, sources, pages } = this;
    const slot = pages.slotOf(block);
    this.findSources(slot, mask, to);
    if (options?.keepSource !== true) this.dropOtherCopies(slot, mask, to);
    if (isEmptyMask(candidates)) return 0;
    pages.unsettle(slot, candidates);
    this.countMigration();

    const speculative = options?.speculative;
    if (speculative) for (let w = 0; w < MASK_WORDS; w++) this.plain[w] = candidates[w] & ~speculative[w];
    let copied = 0;
    for (let first = nextPage(candidates, 0); first >= 0; ) {
      let from = 0;
      while ((sources[from][first >> 5] & (1 << (first & 31))) === 0) from++;
      let last = endOfRun(sources[from], first);
      const guess = speculative !== undefined && (speculative[first >> 5] & (1 << (first & 31))) !== 0;
      if (speculative) last = Math.min(last, endOfRun(guess ? speculative : this.plain, first));
      this.copyRun(slot, first, last, from, to, guess ? 'speculation' : trigger, options);
      copied += last - first + 1;
      first = nextPage(candidates, last + 1);
    }
    return copied;
  }

  /** Fills `candidates` with the pages of the mask that are elsewhere, and `sources` with where each is read from. */
  private findSources(slot: number, mask: PageMask, to: number): void {
    const { candidates, sources } = this;
    const { resident } = this.pages;
    const base = slot * MASK_WORDS;
    for (let w = 0; w < MASK_WORDS; w++) {
      let left = mask[w] & ~resident[to][base + w];
      candidates[w] = 0;
      for (let l = 0; l < sources.length; l++) {
        const from = left & resident[l][base + w];
        sources[l][w] = from;
        candidates[w] |= from;
        left &= ~from;
      }
    }
  }

  /** Pages of the mask that are at `to` already lose every other copy. */
  private dropOtherCopies(slot: number, mask: PageMask, to: number): void {
    const { pages, scratch } = this;
    const base = slot * MASK_WORDS;
    let any = 0;
    for (let w = 0; w < MASK_WORDS; w++) {
      let others = 0;
      for (let l = 0; l < this.actors.length; l++) if (l !== to) others |= pages.resident[l][base + w];
      scratch[w] = mask[w] & pages.resident[to][base + w] & others;
      any |= scratch[w];
    }
    if (any === 0) return;
    pages.unsettle(slot, scratch);
    for (let l = 0; l < this.actors.length; l++) if (l !== to) pages.forget(l, slot, scratch);
  }

  private copyRun(
    slot: number,
    first: number,
    last: number,
    from: number,
    to: number,
    trigger: Trigger,
    options: MoveOptions | undefined,
  ): void {
    const n = last - first + 1;
    const staged = options?.staged === true && from !== HOST && to !== HOST;
    if (staged) {
      this.bookCopy(from, HOST, n, trigger);
      this.bookCopy(HOST, to, n, trigger);
    } else this.bookCopy(from, to, n, trigger);
    const perCopy = options?.pagesPerCopy ?? BLOCK_PAGES;
    const [startNs, ns] = this.chargeCopy(n, from, to, perCopy, staged, options?.timing ?? 'wait');

    const { pages } = this;
    const base = slot * MASK_WORDS;
    for (let w = first >> 5; w <= last >> 5; w++) {
      let bits = -1;
      if (w === first >> 5) bits &= -1 << (first & 31);
      if (w === last >> 5) bits &= -1 >>> (31 - (last & 31));
      this.markCopied(base + w, bits, from, to, trigger);
      pages.resident[to][base + w] |= bits;
      if (options?.keepSource === true) continue;
      for (let l = 0; l < this.actors.length; l++) if (l !== to) pages.forgetWord(l, base + w, bits);
    }
    pages.addResident(to, n);
    if (trigger === 'speculation') this.books[M['speculation.pages']] += n;
    if (this.events.on) {
      const page = firstPageOf(this.space, slot) + first;
      this.events.emit('migrate', to, page, n * PAGE_BYTES, startNs, ns, { from, to, trigger });
    }
  }

  /** Marks and counts of pages that an eviction took or brings back, and of guesses. */
  private markCopied(word: number, bits: number, from: number, to: number, trigger: Trigger): void {
    const { evictedFrom, speculated } = this.pages;
    const back = evictedFrom[to][word] & bits;
    if (back !== 0) {
      this.books[M['thrash.pages']] += popcount32(back);
      evictedFrom[to][word] &= ~back;
    }
    if (trigger === 'eviction' && from !== HOST) evictedFrom[from][word] |= bits;
    if (trigger === 'speculation') speculated[to][word] |= bits;
    else speculated[to][word] &= ~bits;
  }

  /** Start and length of the copy of one contiguous run; moves the clock when the model waits for it. */
  private chargeCopy(
    pages: number,
    from: number,
    to: number,
    perCopy: number,
    staged: boolean,
    timing: 'wait' | 'queue' | 'none',
  ): [startNs: number, ns: number] {
    const { d2h, h2d } = this.platform.link;
    const ns = staged
      ? runNs(d2h, pages, perCopy) + runNs(h2d, pages, perCopy)
      : runNs(this.links.speedOf(from, to), pages, perCopy);
    this.books[M['time.link.busy.ns']] += ns;
    if (timing === 'none') return [this.clockNs, ns];
    const lastLegNs = copyNs(h2d, (pages % perCopy || perCopy) * PAGE_BYTES);
    const startNs = staged
      ? this.links.occupyStaged(from, to, ns, lastLegNs, this.clockNs)
      : this.links.occupy(from, to, ns, this.clockNs);
    if (timing === 'wait') this.clockNs = startNs + ns;
    return [startNs, ns];
  }

  private bookCopy(from: number, to: number, pages: number, trigger: Trigger): void {
    const bytes = pages * PAGE_BYTES;
    const { books } = this;
    if (to === HOST) {
      books[M['migration.d2h.bytes']] += bytes;
      books[M['migration.d2h.pages']] += pages;
    } else if (from === HOST) {
      books[M['migration.h2d.bytes']] += bytes;
      books[M['migration.h2d.pages']] += pages;
    } else {
      books[M['migration.d2d.bytes']] += bytes;
      books[M['migration.d2d.pages']] += pages;
    }
    books[BY_TRIGGER[trigger]] += bytes;
    if (trigger === 'eviction') books[M['evictions.bytes']] += bytes;
  }

  populate(block: number, mask: PageMask, at: number, options?: Pick<MoveOptions, 'timing'>): number {
    const { pages } = this;
    const slot = pages.slotOf(block);
    const base = slot * MASK_WORDS;
    const fresh = this.candidates;
    for (let w = 0; w < MASK_WORDS; w++) fresh[w] = mask[w] & ~pages.anywhere(base + w);
    const n = countPages(fresh);
    if (n === 0) return 0;
    pages.unsettle(slot, fresh);
    this.countMigration();
    const calledNs = this.clockNs;
    this.chargeZeroing(n, at, options?.timing ?? 'wait');
    for (let w = 0; w < MASK_WORDS; w++) {
      pages.resident[at][base + w] |= fresh[w];
      pages.speculated[at][base + w] &= ~fresh[w];
    }
    pages.addResident(at, n);
    this.books[at === HOST ? M['populate.host.pages'] : M['populate.device.pages']] += n;
    if (this.events.on) this.emitRuns('populate', at, slot, fresh, calledNs, { to: at });
    return n;
  }

  private chargeZeroing(pages: number, at: number, timing: 'wait' | 'queue' | 'none'): void {
    if (timing === 'none') return;
    const speed = at === HOST ? this.platform.host.zeroBytesPerNs : this.platform.device.zeroBytesPerNs;
    const ns = Math.round((pages * PAGE_BYTES) / speed);
    const startNs = this.links.occupy(at, at, ns, this.clockNs);
    if (timing === 'wait') this.clockNs = startNs + ns;
  }

  discard(block: number, mask: PageMask, at?: number): void {
    const slot = this.pages.find(block);
    if (slot < 0) return;
    this.pages.unsettle(slot, mask);
    for (let l = 0; l < this.actors.length; l++) if (at === undefined || at === l) this.pages.forget(l, slot, mask);
  }

  transfer(from: number, to: number, bytes: number): void {
    if (from === to) return;
    const ns = copyNs(this.links.speedOf(from, to), bytes);
    const startNs = this.links.occupy(from, to, ns, this.clockNs);
    this.clockNs = startNs + ns;
    const direction = to === HOST ? 'd2h' : from === HOST ? 'h2d' : 'd2d';
    this.books[M[`migration.${direction}.bytes`]] += bytes;
    this.books[BY_TRIGGER.copy] += bytes;
    this.books[M['time.link.busy.ns']] += ns;
    this.events.emit('migrate', to, null, bytes, startNs, ns, { from, to, trigger: 'copy' });
  }

  // --- page tables -----------------------------------------------------------------------------------------------
  map(actor: number, block: number, mask: PageMask, rights: Rights, entries: number): void {
    const slot = this.pages.slotOf(block);
    this.pages.setRights(actor, slot, mask, rights);
    if (actor !== HOST) this.books[M['map.operations']] += entries;
    if (this.events.on) this.emitMapped(actor, slot, mask);
  }

  private emitMapped(actor: number, slot: number, mask: PageMask): void {
    const { pages } = this;
    const base = slot * MASK_WORDS;
    const remote = newMask();
    const local = newMask();
    for (let w = 0; w < MASK_WORDS; w++) {
      remote[w] = mask[w] & pages.anywhere(base + w) & ~pages.resident[actor][base + w];
      local[w] = mask[w] & ~remote[w];
    }
    const page = firstPageOf(this.space, slot);
    for (let first = nextPage(mask, 0); first >= 0; ) {
      const isRemote = (remote[first >> 5] & (1 << (first & 31))) !== 0;
      const last = endOfRun(isRemote ? remote : local, first);
      const kind = isRemote ? 'remoteMap' : 'map';
      this.events.emit(kind, actor, page + first, (last - first + 1) * PAGE_BYTES, this.clockNs, 0);
      first = nextPage(mask, last + 1);
    }
  }

  unmap(actor: number, block: number, mask: PageMask, calls?: number): void {
    const { scratch } = this;
    this.mappedMask(actor, block, scratch);
    for (let w = 0; w < MASK_WORDS; w++) scratch[w] &= mask[w];
    this.books[actor === HOST ? M['unmap.host.operations'] : M['unmap.device.operations']] +=
      calls ?? countRuns(scratch);
    if (isEmptyMask(scratch)) return;
    const slot = this.pages.find(block);
    if (this.events.on) this.emitRuns('unmap', actor, slot, scratch, this.clockNs);
    this.pages.setRights(actor, slot, scratch, RIGHTS.none);
  }

  tlbInvalidate(_device: number): void {
    this.books[M['tlb.invalidations']]++;
    this.spend(this.platform.device.tlbInvalidateNs);
  }

  hostShootdown(): void {
    this.spend(this.platform.host.tlbShootdownNs);
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
    this.pages.arm(device, block, threshold);
  }

  disarmCounter(device: number, block: number): void {
    this.pages.disarm(device, block);
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

  private emitRuns(
    kind: string,
    actor: number,
    slot: number,
    mask: PageMask,
    timeNs: number,
    more?: { to?: number },
  ): void {
    const page = firstPageOf(this.space, slot);
    for (let first = nextPage(mask, 0); first >= 0; ) {
      const last = endOfRun(mask, first);
      this.events.emit(kind, actor, page + first, (last - first + 1) * PAGE_BYTES, timeNs, 0, more);
      first = nextPage(mask, last + 1);
    }
  }
}
