/**
 * The MMU of a pass: per actor, access kind and page id one 32-bit word with a bit per run, set when such a touch needs
 * nobody's attention in that run. Beside it, once some run needs them, running counts of touches and bytes.
 */
import type { AddressSpace } from './address-space.ts';
import { MASK_WORDS, type PageMask, popcount32 } from './mask.ts';

/** Access kinds told apart here: read, write, and atomic where some model asks for it. */
export type KindCount = 2 | 3;

export class Mmu {
  /** `words[actor * kinds + kind][id]`. */
  readonly words: Int32Array[] = [];
  /** Bit of a run set: some device has a fault pending or deferred on this page. */
  readonly waiting: Int32Array;
  /** Running counts by actor and id; empty until `startCounting`. */
  readonly touches: Float64Array[];
  readonly bytes: Float64Array[];
  /** By actor: are the running counts on? */
  readonly counting: boolean[];
  /** By actor: trace time from which a record needs attention before it is issued (see `Pass`). */
  readonly dueNs: Float64Array;

  constructor(
    actors: number,
    readonly kinds: KindCount,
    private readonly ids: number,
    private readonly space: AddressSpace,
  ) {
    for (let i = 0; i < actors * kinds; i++) this.words.push(new Int32Array(ids));
    this.waiting = new Int32Array(ids);
    this.touches = Array.from({ length: actors }, () => new Float64Array(0));
    this.bytes = Array.from({ length: actors }, () => new Float64Array(0));
    this.counting = new Array(actors).fill(false);
    this.dueNs = new Float64Array(actors).fill(Number.POSITIVE_INFINITY);
  }

  startCounting(actor: number): void {
    if (this.counting[actor]) return;
    this.touches[actor] = new Float64Array(this.ids);
    this.bytes[actor] = new Float64Array(this.ids);
    this.counting[actor] = true;
  }

  /** The next record of this actor is issued the slow way. */
  visitNext(actor: number): void {
    this.dueNs[actor] = Number.NEGATIVE_INFINITY;
  }

  /** Clears a run's bits of these pages, all kinds of one actor. */
  clear(actor: number, slot: number, mask: PageMask, laneBit: number): void {
    const base = slot * MASK_WORDS;
    const touched = this.space.slotTouched;
    const keep = ~laneBit;
    let id = this.space.slotFirstId[slot];
    for (let w = 0; w < MASK_WORDS; w++) {
      const there = touched[base + w];
      if (there === 0) continue;
      const hit = there & mask[w];
      const n = popcount32(there);
      if (hit === there) {
        for (let k = 0; k < this.kinds; k++) {
          const words = this.words[actor * this.kinds + k];
          for (let i = id; i < id + n; i++) words[i] &= keep;
        }
      } else {
        for (let rest = hit; rest !== 0; rest &= rest - 1) {
          const i = id + popcount32(there & ((rest & -rest) - 1));
          for (let k = 0; k < this.kinds; k++) this.words[actor * this.kinds + k][i] &= keep;
        }
      }
      id += n;
    }
  }

  /** Clears a run's bits of one page for every actor: a fault was raised on it. */
  clearPage(id: number, laneBit: number): void {
    for (let i = 0; i < this.words.length; i++) this.words[i][id] &= ~laneBit;
  }
}
