/**
 * The MMU of a pass: per actor, access kind and page id one 32-bit word with a bit per run, set when such a touch needs
 * nobody's attention in that run.
 */
import type { AddressSpace } from './address-space.ts';
import type { PassMemory } from './kernel/memory.ts';
import { MASK_WORDS, type PageMask, popcount32 } from './mask.ts';
import { RunningCounts } from './running-counts.ts';
import { WatchedGroups } from './watched-groups.ts';

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
  /** Once some run needs them. */
  readonly running: RunningCounts;
  readonly watched: WatchedGroups;

  constructor(
    actors: number,
    /** Does some model want atomics apart from writes? Else they share the words. */
    readonly tellsAtomics: boolean,
    private readonly ids: number,
    private readonly space: AddressSpace,
    readonly memory: PassMemory,
  ) {
    const own = tellsAtomics ? KINDS : KINDS - 1;
    this.own = own;
    this.base = new Int32Array(actors * KINDS);
    const first = memory.take(actors * own * ids);
    for (let a = 0; a < actors; a++) {
      for (let kind = 0; kind < KINDS; kind++) {
        this.base[a * KINDS + kind] = first + (a * own + Math.min(kind, own - 1)) * ids;
      }
    }
    const changed = () => {
      this.stale = true;
    };
    this.running = new RunningCounts(memory, actors, ids, changed);
    this.watched = new WatchedGroups(memory, actors, ids, space, changed);
    this.dueNs = new Float64Array(actors).fill(Number.POSITIVE_INFINITY);
  }

  // --- words -----------------------------------------------------------------------------------------------------
  /** Runs in which such a touch needs nobody's attention. */
  settled(actor: number, access: number, id: number): number {
    return this.memory.words[this.base[actor * KINDS + access] + id];
  }

  /** Sets a run's bits of a page, so many kinds of one actor, from reads on. */
  settleKinds(actor: number, id: number, kinds: number, laneBit: number): void {
    const { base, own } = this;
    const { words } = this.memory;
    for (let kind = 0; kind < kinds && kind < own; kind++) words[base[actor * KINDS + kind] + id] |= laneBit;
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
    if ((this.space.ofPage[2 * id + 1] & laneBit) === 0) this.settleKinds(actor, id, kinds, laneBit);
  }

  /** Clears a run's bits of one page for one actor. */
  clearPageOf(actor: number, id: number, laneBit: number): void {
    const { base, own } = this;
    const { words } = this.memory;
    // What is not settled for reads is settled for nothing.
    if ((words[base[actor * KINDS] + id] & laneBit) === 0) return;
    for (let kind = 0; kind < own; kind++) words[base[actor * KINDS + kind] + id] &= ~laneBit;
  }

  // --- where things are, in words ----------------------------------------------------------------------------------
  /** Where the word of id 0 is. */
  baseOf(actor: number, access: number): number {
    return this.base[actor * KINDS + access];
  }

  /** From one actor's to the next one's. */
  get actorStride(): number {
    return this.own * this.ids;
  }

  /** From one kind's to the next one's; the last one of its own has those of all after it. */
  get kindStride(): number {
    return this.ids;
  }
}
