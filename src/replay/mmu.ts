/**
 * The MMU of a pass: per actor, access kind and page id one 32-bit word with a bit per run, set when such a touch needs
 * nobody's attention in that run. Beside it, once some run needs them, running counts of touches and bytes, and by group
 * of 512 ids the touches that may pass before some run's access counter can be due.
 */
import type { AddressSpace } from './address-space.ts';
import { MASK_WORDS, type PageMask, popcount32 } from './mask.ts';
import { BYTES_SHIFT, COUNT_LIMIT, GROUP_SHIFT, TOUCHES_MASK } from './settled-rows.ts';

/** Read, write, atomic. */
export const KINDS = 3;

export class Mmu {
  /** The word of (actor, access, id) is `words[base[actor * KINDS + access] + id]`. */
  readonly words: Int32Array;
  readonly base: Int32Array;
  /** Bit of a run set: some device has a fault pending or deferred on this page. */
  readonly waiting: Int32Array;
  /**
   * Running counts: touches and bytes of (actor, id) in one number at `countBase[actor] + id` (`settled-rows.ts`);
   * -1 = this actor's touches are not counted.
   */
  counts: Int32Array = new Int32Array(0);
  readonly countBase: Int32Array;
  /** Touches and bytes moved out of `counts` before it could overflow, in pairs by place; empty until that happens. */
  private moved = new Float64Array(0);
  /** Touches until an access counter may be due, of (actor, id) at `leftBase[actor] + (id >> 9)`; -1 = none armed yet. */
  left: Int32Array = new Int32Array(0);
  readonly leftBase: Int32Array;
  /** Where actors that nobody watches may count down: a row of the hit path does so without asking. */
  readonly leftUnwatched = 0;
  /** Something that the hit path has a copy of changed: due times, counting, watching. */
  stale = true;
  /** By actor: trace time from which a record needs attention before it is issued (see `Pass`). */
  readonly dueNs: Float64Array;

  constructor(
    actors: number,
    /** Does some model want atomics apart from writes? Else they share the words. */
    readonly tellsAtomics: boolean,
    private readonly ids: number,
    private readonly space: AddressSpace,
  ) {
    const own = tellsAtomics ? 3 : 2;
    this.words = new Int32Array(actors * own * ids);
    this.base = new Int32Array(actors * KINDS);
    for (let a = 0; a < actors; a++) {
      for (let kind = 0; kind < KINDS; kind++) this.base[a * KINDS + kind] = (a * own + Math.min(kind, own - 1)) * ids;
    }
    this.waiting = new Int32Array(ids);
    this.countBase = new Int32Array(actors).fill(-1);
    this.leftBase = new Int32Array(actors).fill(-1);
    this.dueNs = new Float64Array(actors).fill(Number.POSITIVE_INFINITY);
  }

  startCounting(actor: number): void {
    if (this.countBase[actor] >= 0) return;
    this.countBase[actor] = this.counts.length;
    this.counts = longer(this.counts, this.ids);
    this.stale = true;
  }

  /** A touch by an actor whose touches are counted, `bytes` at most a page. */
  countTouch(actor: number, id: number, bytes: number): void {
    const { counts } = this;
    const i = this.countBase[actor] + id;
    counts[i] += (bytes << BYTES_SHIFT) + 1;
    if (counts[i] < COUNT_LIMIT && (counts[i] & TOUCHES_MASK) !== TOUCHES_MASK) return;
    if (this.moved.length < 2 * counts.length) {
      const { moved } = this;
      this.moved = new Float64Array(2 * counts.length);
      this.moved.set(moved);
    }
    this.moved[2 * i] += counts[i] & TOUCHES_MASK;
    this.moved[2 * i + 1] += counts[i] >> BYTES_SHIFT;
    counts[i] = 0;
  }

  touchesOf(actor: number, id: number): number {
    const i = this.countBase[actor] + id;
    return (this.counts[i] & TOUCHES_MASK) + (2 * i < this.moved.length ? this.moved[2 * i] : 0);
  }

  bytesOf(actor: number, id: number): number {
    const i = this.countBase[actor] + id;
    return (this.counts[i] >> BYTES_SHIFT) + (2 * i < this.moved.length ? this.moved[2 * i + 1] : 0);
  }

  /** Some run's access counter is due at the `touches`-th touch from now of this block, the present one included, or later. */
  watch(actor: number, slot: number, touches: number): void {
    if (this.leftBase[actor] < 0) {
      const groups = (this.ids >> GROUP_SHIFT) + 1;
      if (this.left.length === 0) this.left = longer(this.left, groups, UNWATCHED);
      this.leftBase[actor] = this.left.length;
      this.left = longer(this.left, groups, UNWATCHED);
      this.stale = true;
    }
    const { left } = this;
    const first = this.leftBase[actor] + this.firstGroup(slot);
    const last = this.leftBase[actor] + this.lastGroup(slot);
    // The touches of a block whose ids lie in two groups are shared out: both must not run out before it is due.
    const share = Math.floor((touches - 1) / (last - first + 1)) + 1;
    for (let i = first; i <= last; i++) if (share < left[i]) left[i] = share;
  }

  private firstGroup(slot: number): number {
    return this.space.slotFirstId[slot] >> GROUP_SHIFT;
  }

  private lastGroup(slot: number): number {
    return (this.space.slotFirstId[slot] + this.space.touchedIn(slot) - 1) >> GROUP_SHIFT;
  }

  /** May the next touch of this page be the one that some run's access counter waits for? */
  watchDue(actor: number, id: number): boolean {
    return this.leftBase[actor] >= 0 && this.left[this.leftBase[actor] + (id >> GROUP_SHIFT)] <= 1;
  }

  slotDue(actor: number, slot: number): boolean {
    if (this.leftBase[actor] < 0) return false;
    for (let group = this.firstGroup(slot); group <= this.lastGroup(slot); group++) {
      if (this.left[this.leftBase[actor] + group] <= 1) return true;
    }
    return false;
  }

  /** Forgets what the group of this page was watched for; whoever has a counter armed there watches again. */
  unwatch(actor: number, id: number): void {
    this.left[this.leftBase[actor] + (id >> GROUP_SHIFT)] = UNWATCHED;
  }

  /** A touch of this page went by; the actor is watched. */
  passWatched(actor: number, id: number): void {
    const i = this.leftBase[actor] + (id >> GROUP_SHIFT);
    if (this.left[i] > 1) this.left[i]--;
  }

  /** A touch of some page of this block went by that no row of the present chunk stands for. */
  passSlot(actor: number, slot: number): void {
    if (this.leftBase[actor] < 0) return;
    for (let group = this.firstGroup(slot); group <= this.lastGroup(slot); group++) {
      const i = this.leftBase[actor] + group;
      if (this.left[i] > 1) this.left[i]--;
    }
  }

  /** Clears a run's bits of these pages, all kinds of one actor. The pages are in words low..high of the mask. */
  clear(actor: number, slot: number, mask: PageMask, low: number, high: number, laneBit: number): void {
    const { words, base, ids } = this;
    const { slotTouched, slotFirstId, slotRank } = this.space;
    const at = slot * MASK_WORDS;
    const keep = ~laneBit;
    const read = base[actor * KINDS];
    const end = base[actor * KINDS + KINDS - 1];
    for (let w = low; w <= high; w++) {
      const there = slotTouched[at + w];
      const hit = there & mask[w];
      if (hit === 0) continue;
      const id = slotFirstId[slot] + slotRank[at + w];
      if (hit === there) {
        const n = popcount32(there);
        for (let kind = read; kind <= end; kind += ids) {
          for (let i = kind + id; i < kind + id + n; i++) words[i] &= keep;
        }
      } else {
        for (let rest = hit; rest !== 0; rest &= rest - 1) {
          const i = id + popcount32(there & ((rest & -rest) - 1));
          for (let kind = read; kind <= end; kind += ids) words[kind + i] &= keep;
        }
      }
    }
  }

  /** Clears a run's bits of one page for every actor: a fault was raised on it. */
  clearPage(id: number, laneBit: number): void {
    const { words, ids } = this;
    for (let i = id; i < words.length; i += ids) words[i] &= ~laneBit;
  }
}

/** No access counter is armed in the group. */
const UNWATCHED = 2 ** 31 - 1;

function longer(from: Int32Array, by: number, fill = 0): Int32Array {
  const to = new Int32Array(from.length + by);
  to.set(from);
  if (fill !== 0) to.fill(fill, from.length);
  return to;
}
