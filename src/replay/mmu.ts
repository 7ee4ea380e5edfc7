/**
 * The MMU of a pass: per actor, access kind and page id one 32-bit word with a bit per run, set when such a touch needs
 * nobody's attention in that run. Apart from it, once some run needs them, running counts of touches and bytes, and by
 * group of 512 ids the touches that may pass before some run's access counter can be due.
 */
import type { AddressSpace } from './address-space.ts';
import { CARRIED_AT, GROUP_SHIFT, HIGH_COUNT, HIGH_SUM } from './kernel/layout.ts';
import type { PassMemory } from './kernel/memory.ts';
import { MASK_WORDS, type PageMask, popcount32 } from './mask.ts';

/** Read, write, atomic. */
export const KINDS = 3;

export class Mmu {
  /** By actor: trace time from which a record needs attention before it is issued (see `Pass`). */
  readonly dueNs: Float64Array;
  /** Something that the hit path has a copy of changed: due times, counting, watching. */
  stale = true;
  /** Kinds that have words of their own. */
  readonly own: number;
  /** Word of (actor, access, id) in the memory: `base[actor * KINDS + access] + id`. */
  private readonly base: Int32Array;
  /**
   * Running counts of (actor, id), by actor where they begin; -1 = not counted. A low count is a byte, so that those of
   * many pages fit into a cache; what it cannot hold goes over into the high one, a word.
   */
  private readonly lowBase: Int32Array;
  private readonly highBase: Int32Array;
  /**
   * Sums of bytes of (actor, id) beyond `unitBytes` for each touch; likewise, but a low sum is a half word with a sign.
   * In most traces nearly all touches have as many bytes, and nothing is summed up.
   */
  private readonly lowSumBase: Int32Array;
  private readonly highSumBase: Int32Array;
  unitBytes = 0;
  /** Are there sums? Until then the unit is a guess. */
  summing = false;
  /** Where rows of actors that nobody counts may count: a row of the hit path does so without asking. */
  private spareCounts = -1;
  /** Touches that may pass before a counter can be due, of (actor, id) at `leftBase[actor] + (id >> 9)`; -1 = none armed yet. */
  private readonly leftBase: Int32Array;
  /** Where actors that nobody watches may count down: a row of the hit path does so without asking. */
  private leftUnwatched = -1;

  constructor(
    private readonly actors: number,
    /** Does some model want atomics apart from writes? Else they share the words. */
    readonly tellsAtomics: boolean,
    private readonly ids: number,
    private readonly space: AddressSpace,
    readonly memory: PassMemory,
  ) {
    const own = tellsAtomics ? KINDS : KINDS - 1;
    this.own = own;
    this.base = new Int32Array(actors * KINDS);
    this.lowBase = new Int32Array(actors).fill(-1);
    this.highBase = new Int32Array(actors).fill(-1);
    this.lowSumBase = new Int32Array(actors).fill(-1);
    this.highSumBase = new Int32Array(actors).fill(-1);
    const first = memory.take(actors * own * ids);
    for (let a = 0; a < actors; a++) {
      for (let kind = 0; kind < KINDS; kind++) {
        this.base[a * KINDS + kind] = first + (a * own + Math.min(kind, own - 1)) * ids;
      }
    }
    this.leftBase = new Int32Array(actors).fill(-1);
    this.dueNs = new Float64Array(actors).fill(Number.POSITIVE_INFINITY);
  }

  // --- words -----------------------------------------------------------------------------------------------------
  /** Runs in which such a touch needs nobody's attention. */
  settled(actor: number, access: number, id: number): number {
    return this.memory.words[this.base[actor * KINDS + access] + id];
  }

  settle(actor: number, access: number, id: number, laneBit: number): void {
    this.memory.words[this.base[actor * KINDS + access] + id] |= laneBit;
  }

  /** How many of the `n` pages from `id` on, first to last, are settled in every run. */
  settledPages(actor: number, access: number, id: number, n: number, allLanes: number): number {
    const { words } = this.memory;
    const base = this.base[actor * KINDS + access] + id;
    let i = 0;
    while (i < n && words[base + i] === allLanes) i++;
    return i;
  }

  /**
   * Sets a run's bits of these pages, the first `kinds` kinds of one actor, but of pages that somebody waits for. The
   * pages are in words low..high of the mask; of them those in `here` and not in `guessed` (words by slot).
   */
  settlePages(
    actor: number,
    slot: number,
    mask: PageMask,
    low: number,
    high: number,
    kinds: number,
    here: Int32Array,
    guessed: Int32Array,
    laneBit: number,
  ): void {
    const { base } = this;
    const { words } = this.memory;
    const { ofPage, slotTouched, slotFirstId, slotRank } = this.space;
    const at = slot * MASK_WORDS;
    const read = base[actor * KINDS];
    const apart = base[actor * KINDS + 1] - read;
    for (let w = low; w <= high; w++) {
      const there = slotTouched[at + w];
      const first = slotFirstId[slot] + slotRank[at + w];
      const hit = there & mask[w] & here[at + w] & ~guessed[at + w];
      if (hit === 0) continue;
      if (hit === there) {
        // The common case, a whole block: ids of neighbours are neighbours.
        for (let id = first, end = first + popcount32(there); id < end; id++) {
          if ((ofPage[2 * id + 1] & laneBit) !== 0) continue;
          for (let kind = 0; kind < kinds; kind++) words[read + apart * kind + id] |= laneBit;
        }
        continue;
      }
      for (let rest = hit; rest !== 0; rest &= rest - 1) {
        const id = first + popcount32(there & ((rest & -rest) - 1));
        if ((ofPage[2 * id + 1] & laneBit) !== 0) continue;
        for (let kind = 0; kind < kinds; kind++) words[read + apart * kind + id] |= laneBit;
      }
    }
  }

  /** Clears a run's bits of these pages, all kinds of one actor. The pages are in words low..high of the mask. */
  clear(actor: number, slot: number, mask: PageMask, low: number, high: number, laneBit: number): void {
    const { base } = this;
    const { words } = this.memory;
    const { slotTouched, slotFirstId, slotRank } = this.space;
    const at = slot * MASK_WORDS;
    const keep = ~laneBit;
    const { own } = this;
    for (let w = low; w <= high; w++) {
      const there = slotTouched[at + w];
      const hit = there & mask[w];
      if (hit === 0) continue;
      const id = slotFirstId[slot] + slotRank[at + w];
      for (let kind = 0; kind < own; kind++) {
        const first = base[actor * KINDS + kind] + id;
        if (hit === there) {
          const end = first + popcount32(there);
          for (let i = first; i < end; i++) words[i] &= keep;
        } else {
          for (let rest = hit; rest !== 0; rest &= rest - 1) {
            words[first + popcount32(there & ((rest & -rest) - 1))] &= keep;
          }
        }
      }
    }
  }

  /** `settlePages` of one page. */
  settlePage(actor: number, id: number, kinds: number, laneBit: number): void {
    if ((this.space.ofPage[2 * id + 1] & laneBit) !== 0) return;
    const { base } = this;
    const { words } = this.memory;
    for (let kind = 0; kind < kinds; kind++) words[base[actor * KINDS + kind] + id] |= laneBit;
  }

  /** Clears a run's bits of one page for one actor. */
  clearPageOf(actor: number, id: number, laneBit: number): void {
    const { base, own } = this;
    const { words } = this.memory;
    for (let kind = 0; kind < own; kind++) words[base[actor * KINDS + kind] + id] &= ~laneBit;
  }

  // --- running counts --------------------------------------------------------------------------------------------
  counts(actor: number): boolean {
    return this.lowBase[actor] >= 0;
  }

  /** Are the touches of some actor counted? */
  get counting(): boolean {
    return this.spareCounts >= 0;
  }

  /** From now on the touches of this actor are counted. */
  startCounting(actor: number): void {
    if (this.counts(actor)) return;
    // What spare counts hold is for nobody: low and high ones may share the place.
    if (!this.counting) this.spareCounts = this.memory.take(this.ids);
    this.lowBase[actor] = this.memory.take(Math.ceil(this.ids / 4));
    this.highBase[actor] = this.memory.take(this.ids);
    this.stale = true;
  }

  /**
   * A touch by an actor whose touches are counted. Before anything else becomes of it: what a run then takes from the
   * running counts, at whatever moment, has the touch in it.
   */
  countTouch(actor: number, id: number, bytes: number): void {
    const { memory } = this;
    const low = 4 * this.lowBase[actor] + id;
    memory.bytes[low]++;
    if (memory.bytes[low] === 0) {
      memory.words[this.highBase[actor] + id]++;
      memory.words[CARRIED_AT] = 1;
    }
    if (bytes === this.unitBytes) return;
    // A guess: that of the first touch needs no sum.
    if (this.unitBytes === 0) this.unitBytes = bytes;
    else this.addBeyond(actor, id, bytes - this.unitBytes);
  }

  private addBeyond(actor: number, id: number, bytes: number): void {
    if (this.lowSumBase[actor] < 0) this.sumBytesOf(actor);
    const { halves, words } = this.memory;
    const low = 2 * this.lowSumBase[actor] + id;
    const sum = halves[low] + bytes;
    halves[low] = sum;
    // Memory that nobody writes to costs nothing.
    if (halves[low] !== sum) words[this.highSumBase[actor] + id] += (sum - halves[low]) / HIGH_SUM;
  }

  /** Some row touches other than `unitBytes`: sums of bytes are wanted of every actor that is counted. */
  sumBytes(): void {
    for (let a = 0; a < this.actors; a++) if (this.counts(a) && this.lowSumBase[a] < 0) this.sumBytesOf(a);
  }

  private sumBytesOf(actor: number): void {
    this.summing = true;
    this.lowSumBase[actor] = this.memory.take(Math.ceil(this.ids / 2));
    this.highSumBase[actor] = this.memory.take(this.ids);
    this.stale = true;
  }

  /** From now on a touch is expected to have so many bytes. What was counted before comes to the same. */
  expectBytes(unit: number): void {
    const before = this.unitBytes;
    for (let a = 0; a < this.actors; a++) {
      for (let id = 0; this.counts(a) && id < this.ids; id++) {
        const touches = this.touchesOf(a, id);
        if (touches !== 0) this.addBeyond(a, id, touches * (before - unit));
      }
    }
    this.unitBytes = unit;
  }

  touchesOf(actor: number, id: number): number {
    const { memory } = this;
    const low = memory.bytes[4 * this.lowBase[actor] + id];
    return memory.words[CARRIED_AT] === 0 ? low : low + HIGH_COUNT * memory.words[this.highBase[actor] + id];
  }

  bytesOf(actor: number, id: number): number {
    return this.bytesOfTouches(actor, id, this.touchesOf(actor, id));
  }

  /** `bytesOf`, where `touchesOf` is known. */
  bytesOfTouches(actor: number, id: number, touches: number): number {
    const bytes = this.unitBytes * touches;
    if (this.lowSumBase[actor] < 0) return bytes;
    const { halves, words } = this.memory;
    return bytes + halves[2 * this.lowSumBase[actor] + id] + HIGH_SUM * words[this.highSumBase[actor] + id];
  }

  // --- access counters -------------------------------------------------------------------------------------------
  /** Some run's access counter is due at the `touches`-th touch from now of this block, or later. */
  watch(actor: number, slot: number, touches: number): void {
    if (this.leftBase[actor] < 0) {
      if (this.leftUnwatched < 0) this.leftUnwatched = this.takeGroups();
      this.leftBase[actor] = this.takeGroups();
      this.stale = true;
    }
    const { words } = this.memory;
    const first = this.leftBase[actor] + this.firstGroup(slot);
    const last = this.leftBase[actor] + this.lastGroup(slot);
    // The touches of a block whose ids lie in two groups are shared out: both must not run out before it is due.
    const share = Math.floor((touches - 1) / (last - first + 1));
    for (let i = first; i <= last; i++) if (share < words[i]) words[i] = share;
  }

  private takeGroups(): number {
    const groups = (this.ids >> GROUP_SHIFT) + 1;
    const first = this.memory.take(groups);
    this.memory.words.fill(UNWATCHED, first, first + groups);
    return first;
  }

  private firstGroup(slot: number): number {
    return this.space.slotFirstId[slot] >> GROUP_SHIFT;
  }

  private lastGroup(slot: number): number {
    return (this.space.slotFirstId[slot] + this.space.touchedIn(slot) - 1) >> GROUP_SHIFT;
  }

  watches(actor: number): boolean {
    return this.leftBase[actor] >= 0;
  }

  /** May the next touch of this page be the one that some run's access counter waits for? */
  watchDue(actor: number, id: number): boolean {
    return this.watches(actor) && this.memory.words[this.leftBase[actor] + (id >> GROUP_SHIFT)] <= 0;
  }

  /** The same for any page of the block. */
  slotDue(actor: number, slot: number): boolean {
    if (!this.watches(actor)) return false;
    for (let group = this.firstGroup(slot); group <= this.lastGroup(slot); group++) {
      if (this.memory.words[this.leftBase[actor] + group] <= 0) return true;
    }
    return false;
  }

  /** Forgets what the group of this page was watched for; whoever has a counter armed there watches again. */
  unwatch(actor: number, id: number): void {
    this.memory.words[this.leftBase[actor] + (id >> GROUP_SHIFT)] = UNWATCHED;
  }

  /** A touch of this page went by; the actor is watched. */
  passWatched(actor: number, id: number): void {
    this.countDown(this.leftBase[actor] + (id >> GROUP_SHIFT));
  }

  /** A touch of some page of this block went by that no row of the present chunk stands for. */
  passSlot(actor: number, slot: number): void {
    if (!this.watches(actor)) return;
    for (let group = this.firstGroup(slot); group <= this.lastGroup(slot); group++) {
      this.countDown(this.leftBase[actor] + group);
    }
  }

  private countDown(word: number): void {
    const { words } = this.memory;
    if (words[word] > 0) words[word]--;
  }

  // --- for loops in WebAssembly --------------------------------------------------------------------------------------------
  /** Where the word of id 0 is. */
  baseOf(actor: number, access: number): number {
    return this.base[actor * KINDS + access];
  }

  /** Words from one actor's to the next one's. */
  get actorStride(): number {
    return this.own * this.ids;
  }

  /** Words from one kind's to the next one's; the last one of its own has those of all after it. */
  get kindStride(): number {
    return this.ids;
  }

  lowBaseOf(actor: number): number {
    return this.counts(actor) ? this.lowBase[actor] : this.spareCounts;
  }

  highBaseOf(actor: number): number {
    return this.counts(actor) ? this.highBase[actor] : this.spareCounts;
  }

  lowSumBaseOf(actor: number): number {
    return this.lowSumBase[actor];
  }

  highSumBaseOf(actor: number): number {
    return this.highSumBase[actor];
  }

  leftBaseOf(actor: number): number {
    return this.watches(actor) ? this.leftBase[actor] : this.leftUnwatched;
  }

  get watching(): boolean {
    return this.leftUnwatched >= 0;
  }
}

/** No access counter is armed in the group. */
const UNWATCHED = 2 ** 31 - 1;
