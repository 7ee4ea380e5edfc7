/**
 * Which blocks have armed access counters: by group of 512 page ids, the touches that may pass before some run's counter can
 * be due. They lie in the memory that the loops in WebAssembly work on.
 */
import type { AddressSpace } from './address-space.ts';
import { GROUP_SHIFT } from './kernel/layout.ts';
import type { PassMemory } from './kernel/memory.ts';

/** No access counter is armed in the group. */
const UNWATCHED = 2 ** 31 - 1;

export class WatchedGroups {
  /** Of (actor, id) at `base[actor] + (id >> 9)`; -1 = none armed yet. */
  private readonly base: Int32Array;
  /** Where actors that nobody watches may count down: a row of the hit path does so without asking. */
  private unwatched = -1;

  constructor(
    private readonly memory: PassMemory,
    actors: number,
    private readonly ids: number,
    private readonly space: AddressSpace,
    /** Called when an actor is watched that was not. */
    private readonly onChange: () => void,
  ) {
    this.base = new Int32Array(actors).fill(-1);
  }

  /** Some run's access counter is due at the `touches`-th touch from now of this block, or later. */
  watch(actor: number, slot: number, touches: number): void {
    if (this.base[actor] < 0) {
      if (this.unwatched < 0) this.unwatched = this.takeGroups();
      this.base[actor] = this.takeGroups();
      this.onChange();
    }
    const { words } = this.memory;
    const first = this.base[actor] + this.firstGroup(slot);
    const last = this.base[actor] + this.lastGroup(slot);
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

  has(actor: number): boolean {
    return this.base[actor] >= 0;
  }

  /** May the next touch of this page be the one that some run's access counter waits for? */
  isDue(actor: number, id: number): boolean {
    return this.has(actor) && this.memory.words[this.base[actor] + (id >> GROUP_SHIFT)] <= 0;
  }

  /** The same for any page of the block. */
  slotDue(actor: number, slot: number): boolean {
    if (!this.has(actor)) return false;
    for (let group = this.firstGroup(slot); group <= this.lastGroup(slot); group++) {
      if (this.memory.words[this.base[actor] + group] <= 0) return true;
    }
    return false;
  }

  /** Forgets what the group of this page was watched for; whoever has a counter armed there watches again. */
  unwatch(actor: number, id: number): void {
    this.memory.words[this.base[actor] + (id >> GROUP_SHIFT)] = UNWATCHED;
  }

  /** A touch of this page went by; the actor is watched. */
  pass(actor: number, id: number): void {
    this.countDown(this.base[actor] + (id >> GROUP_SHIFT));
  }

  /** A touch of some page of this block went by that no row of the present chunk stands for. */
  passSlot(actor: number, slot: number): void {
    if (!this.has(actor)) return;
    for (let group = this.firstGroup(slot); group <= this.lastGroup(slot); group++) {
      this.countDown(this.base[actor] + group);
    }
  }

  private countDown(word: number): void {
    const { words } = this.memory;
    if (words[word] > 0) words[word]--;
  }

  // --- where things are, in words ----------------------------------------------------------------------------------
  baseOf(actor: number): number {
    return this.has(actor) ? this.base[actor] : this.unwatched;
  }

  get any(): boolean {
    return this.unwatched >= 0;
  }
}
