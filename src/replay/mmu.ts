/**
 * The MMU of a pass: per actor, access kind and page id one 32-bit word with a bit per run, set when such a touch needs
 * nobody's attention in that run. Beside it, once some run needs them, running counts of touches and bytes.
 */
import type { AddressSpace } from './address-space.ts';
import { MASK_WORDS, type PageMask, popcount32 } from './mask.ts';

/** Read, write, atomic. */
export const KINDS = 3;

export class Mmu {
  /** The word of (actor, access, id) is `words[base[actor * KINDS + access] + id]`. */
  readonly words: Int32Array;
  readonly base: Int32Array;
  /** Bit of a run set: some device has a fault pending or deferred on this page. */
  readonly waiting: Int32Array;
  /** Running counts by actor and id; empty until `startCounting`. */
  readonly touches: Float64Array[];
  readonly bytes: Float64Array[];
  /** By actor: 1 = the running counts are on. */
  readonly counting: Uint8Array;
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
    this.touches = Array.from({ length: actors }, () => new Float64Array(0));
    this.bytes = Array.from({ length: actors }, () => new Float64Array(0));
    this.counting = new Uint8Array(actors);
    this.dueNs = new Float64Array(actors).fill(Number.POSITIVE_INFINITY);
  }

  startCounting(actor: number): void {
    if (this.counting[actor] !== 0) return;
    this.touches[actor] = new Float64Array(this.ids);
    this.bytes[actor] = new Float64Array(this.ids);
    this.counting[actor] = 1;
  }

  countTouch(actor: number, id: number, bytes: number): void {
    this.touches[actor][id]++;
    this.bytes[actor][id] += bytes;
  }

  /** Clears a run's bits of these pages, all kinds of one actor. */
  clear(actor: number, slot: number, mask: PageMask, laneBit: number): void {
    const { words, base, ids } = this;
    const at = slot * MASK_WORDS;
    const touched = this.space.slotTouched;
    const keep = ~laneBit;
    const read = base[actor * KINDS];
    const end = base[actor * KINDS + KINDS - 1];
    let id = this.space.slotFirstId[slot];
    for (let w = 0; w < MASK_WORDS; w++) {
      const there = touched[at + w];
      if (there === 0) continue;
      const hit = there & mask[w];
      const n = popcount32(there);
      if (hit === there) {
        for (let kind = read; kind <= end; kind += ids) {
          for (let i = kind + id; i < kind + id + n; i++) words[i] &= keep;
        }
      } else {
        for (let rest = hit; rest !== 0; rest &= rest - 1) {
          const i = id + popcount32(there & ((rest & -rest) - 1));
          for (let kind = read; kind <= end; kind += ids) words[kind + i] &= keep;
        }
      }
      id += n;
    }
  }

  /** Clears a run's bits of one page for every actor: a fault was raised on it. */
  clearPage(id: number, laneBit: number): void {
    const { words, ids } = this;
    for (let i = id; i < words.length; i += ids) words[i] &= ~laneBit;
  }
}
