/**
 * The machine of one run: what is where, who has it mapped, memory taken, links, clock and books. It does what a model
 * asks through `Core`, charges and counts it. It decides nothing and raises no fault (`lane-faults.ts` does).
 *
 * State is a bit a page, in sixteen words a block slot, one array a location and kind. The shared MMU words of the pass
 * (`mmu.ts`) are a cache of it: a bit there promises that a touch needs no attention, so whatever changes a mapping or
 * a residence clears them first.
 */
import { copyNs, type LinkSpeed, type Platform } from '../platforms/platform.ts';
import type { AddressSpace } from './address-space.ts';
import { EventStream } from './event-stream.ts';
import type { EventLine, LaneSpec } from './lane.ts';
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
import { Timers } from './timers.ts';

export class Machine implements Core {
  readonly platform: Platform;
  readonly actors: readonly string[];
  readonly inFlight: number;
  readonly capacityBytes: readonly number[];
  readonly host: { readonly pageBytes: number; readonly zeroPage: boolean };

  readonly books = new Float64Array(METRIC_COUNT);
  readonly ownBooks: Record<string, number> = {};
  readonly parameters: Record<string, ParameterValue>;
  readonly warnings: string[] = [];
  readonly events: EventStream;

  clockNs: number;
  readonly delayNs: Float64Array;
  readonly timers = new Timers();
  /** 1 = the actor's delay changed by itself: its next record must be issued in full. */
  readonly revisit: Uint8Array;
  /** Orders wake-ups and deferred touches by request. */
  requests = 0;
  /** Set when a delay or a due time may have changed: the pass then works out its limits anew. */
  limitsChanged = true;

  // One word array a location (or actor) and kind; index = slot * 16 + word.
  readonly resident: Int32Array[] = [];
  readonly readable: Int32Array[] = [];
  readonly writable: Int32Array[] = [];
  readonly atomics: Int32Array[] = [];
  readonly speculated: Int32Array[] = [];
  readonly evictedFrom: Int32Array[] = [];
  /** Remote pages whose touches the shared running counts book (see `settleRemote`). */
  readonly remoteSettled: Int32Array[] = [];
  /** Remote touches left until the hook `counter`, by slot; 0 = not armed. */
  readonly counterLeft: Int32Array[] = [];
  private slotRoom: number;
  private readonly tellsAtomics: boolean;

  readonly residentPages: Float64Array;
  readonly peakResidentPages: Float64Array;
  readonly allocated: Float64Array;
  readonly peakAllocated: Float64Array;
  readonly effective: number[];
  capacityRounded = false;

  /** When each (from, to) link and each zeroing engine (at, at) is free of queued work. */
  private readonly linkFreeNs: Float64Array;
  private migrationArmed = false;
  private readonly candidates = newMask();
  private readonly sources: PageMask[];
  private readonly plain = newMask();
  private readonly had = newMask();

  constructor(
    readonly spec: LaneSpec,
    actors: readonly string[],
    startNs: number,
    readonly space: AddressSpace,
    readonly mmu: Mmu,
    /** Bit of this run in the shared words. */
    readonly laneBit: number,
    listener: ((event: EventLine) => void) | null,
  ) {
    this.tellsAtomics = spec.model.atomics === true;
    this.platform = spec.platform;
    this.actors = actors;
    this.inFlight = spec.inFlight;
    this.capacityBytes = spec.capacityBytes ?? actors.map(() => Number.POSITIVE_INFINITY);
    this.host = spec.host;
    this.parameters = { ...spec.parameters };
    this.events = new EventStream(actors, listener);
    this.clockNs = startNs;
    const n = actors.length;
    this.delayNs = new Float64Array(n);
    this.revisit = new Uint8Array(n);
    this.residentPages = new Float64Array(n);
    this.peakResidentPages = new Float64Array(n);
    this.allocated = new Float64Array(n);
    this.peakAllocated = new Float64Array(n);
    this.effective = actors.map((_, i) => (i === HOST ? Number.POSITIVE_INFINITY : this.capacityBytes[i]));
    this.linkFreeNs = new Float64Array(n * n);
    this.sources = actors.map(() => newMask());
    this.slotRoom = space.slotCapacity;
    for (const kind of this.stateByActor()) for (let a = 0; a < n; a++) kind.push(new Int32Array(this.slotRoom * 16));
    for (let a = 0; a < n; a++) this.counterLeft.push(new Int32Array(this.slotRoom));
  }

  private stateByActor(): Int32Array[][] {
    const kinds = [this.resident, this.readable, this.writable, this.speculated, this.evictedFrom, this.remoteSettled];
    if (this.tellsAtomics) kinds.push(this.atomics);
    return kinds;
  }

  // --- clock -----------------------------------------------------------------------------------------------------
  now(): number {
    return this.clockNs;
  }

  spend(ns: number): void {
    this.clockNs += Math.round(ns);
  }

  drain(): void {
    for (let i = 0; i < this.linkFreeNs.length; i++) {
      if (this.linkFreeNs[i] > this.clockNs) this.clockNs = this.linkFreeNs[i];
    }
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
    const slot = this.space.findSlot(Math.floor(page / BLOCK_PAGES));
    if (slot < 0 || slot >= this.slotRoom) return 0;
    const inBlock = page % BLOCK_PAGES;
    return this.residenceAt(slot * MASK_WORDS + (inBlock >> 5), 1 << (inBlock & 31));
  }

  residenceAt(word: number, bit: number): number {
    let where = 0;
    for (let l = 0; l < this.resident.length; l++) if ((this.resident[l][word] & bit) !== 0) where |= 1 << l;
    return where;
  }

  mapping(actor: number, page: number): Rights {
    const slot = this.space.findSlot(Math.floor(page / BLOCK_PAGES));
    if (slot < 0 || slot >= this.slotRoom) return RIGHTS.none;
    const inBlock = page % BLOCK_PAGES;
    const word = slot * MASK_WORDS + (inBlock >> 5);
    const bit = 1 << (inBlock & 31);
    if ((this.readable[actor][word] & bit) === 0) return RIGHTS.none;
    if ((this.writable[actor][word] & bit) === 0) return RIGHTS.read;
    return this.tellsAtomics && (this.atomics[actor][word] & bit) !== 0 ? RIGHTS.atomic : RIGHTS.write;
  }

  residentMask(location: number, block: number, out: PageMask): PageMask {
    return this.readWords(this.resident[location], block, out);
  }

  mappedMask(actor: number, block: number, out: PageMask, rights: Rights = RIGHTS.read): PageMask {
    const atomic = rights === RIGHTS.atomic && this.tellsAtomics;
    const words = rights === RIGHTS.read ? this.readable : atomic ? this.atomics : this.writable;
    return this.readWords(words[actor], block, out);
  }

  untouchedSpeculationMask(device: number, block: number, out: PageMask): PageMask {
    return this.readWords(this.speculated[device], block, out);
  }

  residentBytes(location: number): number {
    return this.residentPages[location] * PAGE_BYTES;
  }

  private readWords(words: Int32Array, block: number, out: PageMask): PageMask {
    const slot = this.space.findSlot(block);
    if (slot < 0 || slot >= this.slotRoom) return out.fill(0);
    const base = slot * MASK_WORDS;
    for (let w = 0; w < MASK_WORDS; w++) out[w] = words[base + w];
    return out;
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
    const slot = this.slotOf(block);
    const base = slot * MASK_WORDS;
    const there = this.resident[to];
    const { candidates, sources } = this;
    for (let w = 0; w < MASK_WORDS; w++) {
      let left = mask[w] & ~there[base + w];
      candidates[w] = 0;
      for (let l = 0; l < sources.length; l++) {
        const from = left & this.resident[l][base + w];
        sources[l][w] = from;
        candidates[w] |= from;
        left &= ~from;
      }
    }
    if (options?.keepSource !== true) this.dropOtherCopies(slot, mask, to);
    if (isEmptyMask(candidates)) return 0;
    this.unsettle(slot, candidates);
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

  /** Pages of the mask that are at `to` already lose every other copy. */
  private dropOtherCopies(slot: number, mask: PageMask, to: number): void {
    const base = slot * MASK_WORDS;
    let any = 0;
    for (let w = 0; w < MASK_WORDS; w++) {
      let others = 0;
      for (let l = 0; l < this.resident.length; l++) if (l !== to) others |= this.resident[l][base + w];
      this.had[w] = mask[w] & this.resident[to][base + w] & others;
      any |= this.had[w];
    }
    if (any === 0) return;
    this.unsettle(slot, this.had);
    for (let l = 0; l < this.resident.length; l++) if (l !== to) this.forget(l, slot, this.had);
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
    const pages = last - first + 1;
    const perCopy = options?.pagesPerCopy ?? BLOCK_PAGES;
    const staged = options?.staged === true && from !== HOST && to !== HOST;
    let ns: number;
    let lastLegNs = 0;
    if (staged) {
      const { d2h, h2d } = this.platform.link;
      ns = runNs(d2h, pages, perCopy) + runNs(h2d, pages, perCopy);
      lastLegNs = copyNs(h2d, (pages % perCopy || perCopy) * PAGE_BYTES);
      this.bookCopy(from, HOST, pages, trigger);
      this.bookCopy(HOST, to, pages, trigger);
    } else {
      ns = runNs(this.linkOf(from, to), pages, perCopy);
      this.bookCopy(from, to, pages, trigger);
    }
    const startNs = this.occupy(from, to, ns, lastLegNs, options?.timing ?? 'wait');
    this.books[M['time.link.busy.ns']] += ns;

    if (trigger === 'eviction') this.books[M['evictions.bytes']] += pages * PAGE_BYTES * (staged ? 2 : 1);
    const base = slot * MASK_WORDS;
    for (let w = first >> 5; w <= last >> 5; w++) {
      let bits = -1;
      if (w === first >> 5) bits &= -1 << (first & 31);
      if (w === last >> 5) bits &= -1 >>> (31 - (last & 31));
      const back = this.evictedFrom[to][base + w] & bits;
      if (back !== 0) {
        this.books[M['thrash.pages']] += popcount32(back);
        this.evictedFrom[to][base + w] &= ~back;
      }
      if (trigger === 'eviction' && from !== HOST) this.evictedFrom[from][base + w] |= bits;
      if (trigger === 'speculation') this.speculated[to][base + w] |= bits;
      else this.speculated[to][base + w] &= ~bits;
      this.resident[to][base + w] |= bits;
      if (options?.keepSource === true) continue;
      for (let l = 0; l < this.resident.length; l++) {
        if (l === to) continue;
        const gone = this.resident[l][base + w] & bits;
        if (gone === 0) continue;
        this.resident[l][base + w] &= ~gone;
        this.speculated[l][base + w] &= ~gone;
        this.residentPages[l] -= popcount32(gone);
      }
    }
    this.addResident(to, pages);
    if (trigger === 'speculation') this.books[M['speculation.pages']] += pages;
    if (this.events.on) {
      const page = this.space.slotBlock[slot] * BLOCK_PAGES + first;
      this.events.emit('migrate', to, page, pages * PAGE_BYTES, startNs, ns, { from, to, trigger });
    }
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
  }

  private linkOf(from: number, to: number): LinkSpeed {
    const { link } = this.platform;
    return to === HOST ? link.d2h : from === HOST ? link.h2d : link.d2d;
  }

  /**
   * Puts `ns` of work on the link from..to and gives its start. Staged copies (`lastLegNs` > 0) go over the host: the
   * first leg's link is free again when the last leg of the last piece begins.
   */
  private occupy(from: number, to: number, ns: number, lastLegNs: number, timing: 'wait' | 'queue' | 'none'): number {
    if (timing === 'none') return this.clockNs;
    const n = this.actors.length;
    const one = lastLegNs > 0 ? from * n + HOST : from * n + to;
    const two = lastLegNs > 0 ? HOST * n + to : one;
    const startNs = Math.max(this.clockNs, this.linkFreeNs[one], this.linkFreeNs[two]);
    this.linkFreeNs[one] = startNs + ns - lastLegNs;
    this.linkFreeNs[two] = startNs + ns;
    if (timing === 'wait') this.clockNs = startNs + ns;
    return startNs;
  }

  populate(block: number, mask: PageMask, at: number, options?: Pick<MoveOptions, 'timing'>): number {
    const slot = this.slotOf(block);
    const base = slot * MASK_WORDS;
    const fresh = this.candidates;
    for (let w = 0; w < MASK_WORDS; w++) {
      let somewhere = 0;
      for (let l = 0; l < this.resident.length; l++) somewhere |= this.resident[l][base + w];
      fresh[w] = mask[w] & ~somewhere;
    }
    const pages = countPages(fresh);
    if (pages === 0) return 0;
    this.unsettle(slot, fresh);
    this.countMigration();
    const startNs = this.clockNs;
    const speed = at === HOST ? this.platform.host.zeroBytesPerNs : this.platform.device.zeroBytesPerNs;
    this.occupy(at, at, Math.round((pages * PAGE_BYTES) / speed), 0, options?.timing ?? 'wait');
    const words = this.resident[at];
    for (let w = 0; w < MASK_WORDS; w++) {
      words[base + w] |= fresh[w];
      this.speculated[at][base + w] &= ~fresh[w];
    }
    this.addResident(at, pages);
    this.books[at === HOST ? M['populate.host.pages'] : M['populate.device.pages']] += pages;
    if (this.events.on) this.emitRuns('populate', at, slot, fresh, startNs, { to: at });
    return pages;
  }

  discard(block: number, mask: PageMask, at?: number): void {
    const slot = this.space.findSlot(block);
    if (slot < 0 || slot >= this.slotRoom) return;
    this.unsettle(slot, mask);
    for (let l = 0; l < this.resident.length; l++) if (at === undefined || at === l) this.forget(l, slot, mask);
  }

  private forget(location: number, slot: number, mask: PageMask): void {
    const base = slot * MASK_WORDS;
    for (let w = 0; w < MASK_WORDS; w++) {
      const gone = this.resident[location][base + w] & mask[w];
      if (gone === 0) continue;
      this.resident[location][base + w] &= ~gone;
      this.speculated[location][base + w] &= ~gone;
      this.residentPages[location] -= popcount32(gone);
    }
  }

  private addResident(location: number, pages: number): void {
    this.residentPages[location] += pages;
    if (this.residentPages[location] > this.peakResidentPages[location]) {
      this.peakResidentPages[location] = this.residentPages[location];
    }
  }

  transfer(from: number, to: number, bytes: number): void {
    if (from === to) return;
    const ns = copyNs(this.linkOf(from, to), bytes);
    const startNs = this.occupy(from, to, ns, 0, 'wait');
    const direction =
      to === HOST ? 'migration.d2h.bytes' : from === HOST ? 'migration.h2d.bytes' : 'migration.d2d.bytes';
    this.books[M[direction]] += bytes;
    this.books[BY_TRIGGER.copy] += bytes;
    this.books[M['time.link.busy.ns']] += ns;
    this.events.emit('migrate', to, null, bytes, startNs, ns, { from, to, trigger: 'copy' });
  }

  // --- page tables -----------------------------------------------------------------------------------------------
  map(actor: number, block: number, mask: PageMask, rights: Rights, entries: number): void {
    const slot = this.slotOf(block);
    const base = slot * MASK_WORDS;
    this.unsettleActor(actor, slot, mask);
    const read = this.readable[actor];
    const write = this.writable[actor];
    for (let w = 0; w < MASK_WORDS; w++) {
      const bits = mask[w];
      if (bits === 0) continue;
      if (rights >= RIGHTS.read) read[base + w] |= bits;
      else read[base + w] &= ~bits;
      if (rights >= RIGHTS.write) write[base + w] |= bits;
      else write[base + w] &= ~bits;
      if (!this.tellsAtomics) continue;
      if (rights >= RIGHTS.atomic) this.atomics[actor][base + w] |= bits;
      else this.atomics[actor][base + w] &= ~bits;
    }
    if (actor !== HOST) this.books[M['map.operations']] += entries;
    if (this.events.on) this.emitMapped(actor, slot, mask);
  }

  private emitMapped(actor: number, slot: number, mask: PageMask): void {
    const base = slot * MASK_WORDS;
    const remote = newMask();
    const local = newMask();
    for (let w = 0; w < MASK_WORDS; w++) {
      let somewhere = 0;
      for (let l = 0; l < this.resident.length; l++) somewhere |= this.resident[l][base + w];
      remote[w] = mask[w] & somewhere & ~this.resident[actor][base + w];
      local[w] = mask[w] & ~remote[w];
    }
    const page = this.space.slotBlock[slot] * BLOCK_PAGES;
    for (let first = nextPage(mask, 0); first >= 0; ) {
      const isRemote = (remote[first >> 5] & (1 << (first & 31))) !== 0;
      const last = endOfRun(isRemote ? remote : local, first);
      const kind = isRemote ? 'remoteMap' : 'map';
      this.events.emit(kind, actor, page + first, (last - first + 1) * PAGE_BYTES, this.clockNs, 0);
      first = nextPage(mask, last + 1);
    }
  }

  unmap(actor: number, block: number, mask: PageMask, calls?: number): void {
    const metric = actor === HOST ? M['unmap.host.operations'] : M['unmap.device.operations'];
    const slot = this.space.findSlot(block);
    if (slot < 0 || slot >= this.slotRoom) {
      this.books[metric] += calls ?? 0;
      return;
    }
    const base = slot * MASK_WORDS;
    const { had } = this;
    let any = 0;
    for (let w = 0; w < MASK_WORDS; w++) any |= had[w] = mask[w] & this.readable[actor][base + w];
    if (any === 0) {
      this.books[metric] += calls ?? 0;
      return;
    }
    this.books[metric] += calls ?? countRuns(had);
    if (this.events.on) this.emitRuns('unmap', actor, slot, had, this.clockNs);
    this.takeRights(actor, slot, had);
  }

  /** Takes all rights on pages that are mapped. */
  private takeRights(actor: number, slot: number, mapped: PageMask): void {
    this.unsettleActor(actor, slot, mapped);
    const base = slot * MASK_WORDS;
    for (let w = 0; w < MASK_WORDS; w++) {
      const bits = mapped[w];
      this.readable[actor][base + w] &= ~bits;
      this.writable[actor][base + w] &= ~bits;
      if (this.tellsAtomics) this.atomics[actor][base + w] &= ~bits;
    }
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
    if (this.allocated[device] + bytes > this.effective[device]) return false;
    this.allocated[device] += bytes;
    if (this.allocated[device] > this.peakAllocated[device]) this.peakAllocated[device] = this.allocated[device];
    return true;
  }

  release(device: number, bytes: number): void {
    this.allocated[device] -= bytes;
  }

  allocatedBytes(device: number): number {
    return this.allocated[device];
  }

  setEffectiveCapacity(device: number, bytes: number): void {
    this.effective[device] = bytes;
  }

  effectiveCapacity(device: number): number {
    return this.effective[device];
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
    const slot = this.slotOf(block);
    this.counterLeft[device][slot] = threshold;
    this.unsettleActor(device, slot, EVERY_PAGE);
  }

  disarmCounter(device: number, block: number): void {
    const slot = this.space.findSlot(block);
    if (slot >= 0 && slot < this.slotRoom) this.counterLeft[device][slot] = 0;
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

  // --- the cache in front: shared MMU words and running counts -----------------------------------------------------
  /** Before anything about these pages changes: every actor's next touch of them looks again. */
  unsettle(slot: number, mask: PageMask): void {
    for (let actor = 0; actor < this.actors.length; actor++) this.unsettleActor(actor, slot, mask);
  }

  unsettleActor(actor: number, slot: number, mask: PageMask): void {
    const base = slot * MASK_WORDS;
    const read = this.readable[actor];
    let mapped = 0;
    for (let w = 0; w < MASK_WORDS; w++) mapped |= read[base + w] & mask[w];
    if (mapped === 0) return;
    this.mmu.clear(actor, slot, mask, this.laneBit);
    const settled = this.remoteSettled[actor];
    for (let w = 0; w < MASK_WORDS; w++) {
      const bits = settled[base + w] & mask[w];
      if (bits === 0) continue;
      settled[base + w] &= ~bits;
      for (let rest = bits; rest !== 0; rest &= rest - 1) {
        this.bookRemote(actor, this.space.idIn(slot, (w << 5) + 31 - Math.clz32(rest & -rest)), 1);
      }
    }
  }

  /**
   * Remote touches are not counted one by one: the touches of a page are the same in every run, so the pass keeps one
   * running count a page and actor. A run takes it away when it begins to rely on it, and adds it when it stops.
   */
  bookRemote(actor: number, id: number, sign: 1 | -1): void {
    const host = actor === HOST;
    this.books[host ? M['remote.host.accesses'] : M['remote.device.accesses']] += sign * this.mmu.touches[actor][id];
    this.books[host ? M['remote.host.bytes'] : M['remote.device.bytes']] += sign * this.mmu.bytes[actor][id];
  }

  /** End of the trace: what the running counts hold of this block is booked. */
  settleAll(slot: number): void {
    if (slot < this.slotRoom) this.unsettle(slot, EVERY_PAGE);
  }

  /** The last allocation of a block is gone: nothing of it is left, uncounted. */
  clearSlot(slot: number): void {
    if (slot >= this.slotRoom) return;
    this.wipe(slot, EVERY_PAGE);
  }

  /** Freed pages: a later allocation there has no history. */
  forgetMarks(slot: number, mask: PageMask): void {
    if (slot >= this.slotRoom) return;
    const base = slot * MASK_WORDS;
    for (let l = 0; l < this.resident.length; l++) {
      for (let w = 0; w < MASK_WORDS; w++) {
        this.evictedFrom[l][base + w] &= ~mask[w];
        this.speculated[l][base + w] &= ~mask[w];
      }
    }
  }

  /** Forgets data, mappings and marks of these pages, uncounted. */
  wipe(slot: number, mask: PageMask): void {
    const base = slot * MASK_WORDS;
    this.unsettle(slot, mask);
    for (let l = 0; l < this.resident.length; l++) {
      this.forget(l, slot, mask);
      this.takeRights(l, slot, mask);
      for (let w = 0; w < MASK_WORDS; w++) this.evictedFrom[l][base + w] &= ~mask[w];
      if (mask === EVERY_PAGE) this.counterLeft[l][slot] = 0;
    }
  }

  private slotOf(block: number): number {
    const slot = this.space.slotOf(block);
    if (slot >= this.slotRoom) this.growSlots();
    return slot;
  }

  private growSlots(): void {
    this.slotRoom = this.space.slotCapacity;
    for (const kind of this.stateByActor()) {
      for (let a = 0; a < kind.length; a++) kind[a] = grown(kind[a], this.slotRoom * MASK_WORDS);
    }
    for (let a = 0; a < this.counterLeft.length; a++) this.counterLeft[a] = grown(this.counterLeft[a], this.slotRoom);
  }

  private emitRuns(
    kind: string,
    actor: number,
    slot: number,
    mask: PageMask,
    timeNs: number,
    more?: { to?: number },
  ): void {
    const page = this.space.slotBlock[slot] * BLOCK_PAGES;
    for (let first = nextPage(mask, 0); first >= 0; ) {
      const last = endOfRun(mask, first);
      this.events.emit(kind, actor, page + first, (last - first + 1) * PAGE_BYTES, timeNs, 0, more);
      first = nextPage(mask, last + 1);
    }
  }
}

const EVERY_PAGE: PageMask = newMask().fill(-1);

/** Time of one contiguous run cut into copy operations of at most `perCopy` pages. */
function runNs(link: LinkSpeed, pages: number, perCopy: number): number {
  const whole = Math.floor(pages / perCopy);
  const rest = pages % perCopy;
  return whole * copyNs(link, Math.min(perCopy, pages) * PAGE_BYTES) + (rest > 0 ? copyNs(link, rest * PAGE_BYTES) : 0);
}

function grown(from: Int32Array, length: number): Int32Array {
  const to = new Int32Array(length);
  to.set(from);
  return to;
}
