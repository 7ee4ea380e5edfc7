/**
 * The MMU of a pass: per actor, access kind and page id one 32-bit word with a bit per run, set when such a touch needs
 * nobody's attention in that run. Beside it, once some run needs them, running counts of touches and bytes, and by group
 * of 512 ids the touches that may pass before some run's access counter can be due.
 */
import type { AddressSpace } from './address-space.ts';
import { BYTES_SHIFT, COUNT_LIMIT, COUNTED_STRIDE, GROUP_SHIFT, TOUCHES_MASK } from './kernel/layout.ts';
import { type MemoryOptions, PassMemory } from './kernel/memory.ts';
import { MASK_WORDS, type PageMask, popcount32 } from './mask.ts';

/** Read, write, atomic. */
export const KINDS = 3;

export class Mmu {
  readonly memory: PassMemory;
  /** Bit of a run set: some device has a fault pending or deferred on this page. */
  readonly waiting: Int32Array;
  /** By actor: trace time from which a record needs attention before it is issued (see `Pass`). */
  readonly dueNs: Float64Array;
  /** Something that the hit path has a copy of changed: due times, counting, watching. */
  stale = true;
  /** Kinds that have words of their own. */
  readonly own: number;
  /**
   * Word of (actor, access, id) in the memory: `base[actor * KINDS + access] + stride[actor] * id`. Of an actor whose
   * touches are counted the running count of these touches is the word after it.
   */
  private readonly base: Int32Array;
  private readonly stride: Int32Array;
  /** What was moved out of running counts before they could overflow: touches and bytes in pairs, by actor and id. */
  private readonly moved: Float64Array[];
  /** Touches until an access counter may be due, of (actor, id) at `leftBase[actor] + (id >> 9)`; -1 = none armed yet. */
  private readonly leftBase: Int32Array;
  /** Where actors that nobody watches may count down: a row of the hit path does so without asking. */
  private leftUnwatched = -1;

  constructor(
    private readonly actors: number,
    /** Does some model want atomics apart from writes? Else they share the words. */
    readonly tellsAtomics: boolean,
    private readonly ids: number,
    private readonly space: AddressSpace,
    options?: MemoryOptions,
  ) {
    this.memory = new PassMemory(options);
    const own = tellsAtomics ? KINDS : KINDS - 1;
    this.own = own;
    this.base = new Int32Array(actors * KINDS);
    this.stride = new Int32Array(actors).fill(1);
    const first = this.memory.take(actors * own * ids);
    for (let a = 0; a < actors; a++) {
      for (let kind = 0; kind < KINDS; kind++) {
        this.base[a * KINDS + kind] = first + (a * own + Math.min(kind, own - 1)) * ids;
      }
    }
    this.waiting = new Int32Array(ids);
    this.moved = Array.from({ length: actors }, () => new Float64Array(0));
    this.leftBase = new Int32Array(actors).fill(-1);
    this.dueNs = new Float64Array(actors).fill(Number.POSITIVE_INFINITY);
  }

  // --- words -----------------------------------------------------------------------------------------------------
  /** Runs in which such a touch needs nobody's attention. */
  settled(actor: number, access: number, id: number): number {
    return this.memory.words[this.base[actor * KINDS + access] + this.stride[actor] * id];
  }

  settle(actor: number, access: number, id: number, laneBit: number): void {
    this.memory.words[this.base[actor * KINDS + access] + this.stride[actor] * id] |= laneBit;
  }

  /** How many of the `n` pages from `id` on, first to last, are settled in every run. */
  settledPages(actor: number, access: number, id: number, n: number, allLanes: number): number {
    const { words } = this.memory;
    const stride = this.stride[actor];
    const base = this.base[actor * KINDS + access] + stride * id;
    let i = 0;
    while (i < n && words[base + stride * i] === allLanes) i++;
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
    const { base, waiting } = this;
    const { words } = this.memory;
    const { slotTouched, slotFirstId, slotRank } = this.space;
    const at = slot * MASK_WORDS;
    const stride = this.stride[actor];
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
          if ((waiting[id] & laneBit) !== 0) continue;
          for (let kind = 0; kind < kinds; kind++) words[read + apart * kind + stride * id] |= laneBit;
        }
        continue;
      }
      for (let rest = hit; rest !== 0; rest &= rest - 1) {
        const id = first + popcount32(there & ((rest & -rest) - 1));
        if ((waiting[id] & laneBit) !== 0) continue;
        for (let kind = 0; kind < kinds; kind++) words[read + apart * kind + stride * id] |= laneBit;
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
    const stride = this.stride[actor];
    const { own } = this;
    for (let w = low; w <= high; w++) {
      const there = slotTouched[at + w];
      const hit = there & mask[w];
      if (hit === 0) continue;
      const id = slotFirstId[slot] + slotRank[at + w];
      for (let kind = 0; kind < own; kind++) {
        const first = base[actor * KINDS + kind] + stride * id;
        if (hit === there) {
          const end = first + stride * popcount32(there);
          for (let i = first; i < end; i += stride) words[i] &= keep;
        } else {
          for (let rest = hit; rest !== 0; rest &= rest - 1) {
            words[first + stride * popcount32(there & ((rest & -rest) - 1))] &= keep;
          }
        }
      }
    }
  }

  /** Clears a run's bits of one page for every actor: a fault was raised on it. */
  clearPage(id: number, laneBit: number): void {
    const { base, stride, actors, own } = this;
    const { words } = this.memory;
    for (let a = 0; a < actors; a++) {
      for (let kind = 0; kind < own; kind++) words[base[a * KINDS + kind] + stride[a] * id] &= ~laneBit;
    }
  }

  // --- running counts --------------------------------------------------------------------------------------------
  counts(actor: number): boolean {
    return this.stride[actor] !== 1;
  }

  /**
   * From now on the touches of this actor are counted. Words and count of a page then lie side by side: what a touch
   * reads and writes is in one cache line.
   */
  startCounting(actor: number): void {
    if (this.counts(actor)) return;
    const { base, ids, memory, own } = this;
    const old = base[actor * KINDS];
    const before = memory.words.slice(old, old + own * ids);
    // The last actor's words have room to grow where they are; others leave theirs behind.
    const inPlace = memory.endsAt(old + own * ids);
    const first = inPlace ? old : memory.take(COUNTED_STRIDE * own * ids);
    if (inPlace) memory.take((COUNTED_STRIDE - 1) * own * ids);
    const { words } = memory;
    words.fill(0, first, first + COUNTED_STRIDE * own * ids);
    for (let i = 0; i < before.length; i++) words[first + COUNTED_STRIDE * i] = before[i];
    for (let kind = 0; kind < KINDS; kind++) {
      base[actor * KINDS + kind] = first + COUNTED_STRIDE * ids * Math.min(kind, own - 1);
    }
    this.stride[actor] = COUNTED_STRIDE;
    this.stale = true;
  }

  /** A touch by an actor whose touches are counted, `bytes` at most a page. */
  countTouch(actor: number, access: number, id: number, bytes: number): void {
    const { words } = this.memory;
    const i = this.base[actor * KINDS + access] + COUNTED_STRIDE * id + 1;
    words[i] += (bytes << BYTES_SHIFT) | 1;
    if (words[i] < COUNT_LIMIT && (words[i] & TOUCHES_MASK) !== TOUCHES_MASK) return;
    if (this.moved[actor].length === 0) this.moved[actor] = new Float64Array(2 * this.ids);
    this.moved[actor][2 * id] += words[i] & TOUCHES_MASK;
    this.moved[actor][2 * id + 1] += words[i] >> BYTES_SHIFT;
    words[i] = 0;
  }

  touchesOf(actor: number, id: number): number {
    const { base, own } = this;
    const { words } = this.memory;
    const moved = this.moved[actor];
    let touches = moved.length > 0 ? moved[2 * id] : 0;
    for (let kind = 0; kind < own; kind++) {
      touches += words[base[actor * KINDS + kind] + COUNTED_STRIDE * id + 1] & TOUCHES_MASK;
    }
    return touches;
  }

  bytesOf(actor: number, id: number): number {
    const { base, own } = this;
    const { words } = this.memory;
    const moved = this.moved[actor];
    let bytes = moved.length > 0 ? moved[2 * id + 1] : 0;
    for (let kind = 0; kind < own; kind++) {
      bytes += words[base[actor * KINDS + kind] + COUNTED_STRIDE * id + 1] >> BYTES_SHIFT;
    }
    return bytes;
  }

  // --- access counters -------------------------------------------------------------------------------------------
  /** Some run's access counter is due at the `touches`-th touch from now of this block, the present one included, or later. */
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
    const share = Math.floor((touches - 1) / (last - first + 1)) + 1;
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
    return this.watches(actor) && this.memory.words[this.leftBase[actor] + (id >> GROUP_SHIFT)] <= 1;
  }

  /** The same for any page of the block. */
  slotDue(actor: number, slot: number): boolean {
    if (!this.watches(actor)) return false;
    for (let group = this.firstGroup(slot); group <= this.lastGroup(slot); group++) {
      if (this.memory.words[this.leftBase[actor] + group] <= 1) return true;
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
    if (words[word] > 1) words[word]--;
  }

  // --- for the hit path --------------------------------------------------------------------------------------------
  /** Where the word of id 0 is. */
  baseOf(actor: number, access: number): number {
    return this.base[actor * KINDS + access];
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
