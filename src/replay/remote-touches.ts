/**
 * Touches of remote pages in one run, and the access counters that they count down. They are not counted one by one: the
 * touches of a page are the same in every run, so the pass keeps one running count a page and actor. A run takes it away
 * when a page begins to rely on it, and adds it when the page stops.
 */
import type { AddressSpace } from './address-space.ts';
import type { CostListener } from './lane.ts';
import { MASK_WORDS, type PageMask, popcount32, wordOf } from './mask.ts';
import { M } from './metrics.ts';
import type { Mmu } from './mmu.ts';
import { HOST } from './model.ts';

export class RemoteTouches {
  /** Pages that rely on the running counts; index = slot * 16 + word, one array an actor. */
  readonly reliant: Int32Array[] = [];
  /** Remote touches left until the hook `counter`, by slot, when last reckoned; 0 = not armed. */
  readonly counterLeft: Int32Array[] = [];
  /** By slot: what the running counts of its reliant pages came to then. */
  private counterBase: Float64Array[] = [];
  /** Slots that the arrays have room for. */
  private room = 0;

  constructor(
    private readonly actors: number,
    private readonly space: AddressSpace,
    private readonly mmu: Mmu,
    private readonly books: Float64Array,
    private readonly costs: CostListener | null,
  ) {}

  /** Room for so many slots. */
  grow(room: number): void {
    const { memory } = this.mmu;
    this.room = room;
    memory.growArrays(this.reliant, this.actors, room * MASK_WORDS);
    memory.growArrays(this.counterLeft, this.actors, room);
    this.counterBase = Array.from({ length: this.actors }, (_, a) => {
      const base = new Float64Array(room);
      if (a < this.counterBase.length) base.set(this.counterBase[a]);
      return base;
    });
  }

  // --- relying on the running counts -----------------------------------------------------------------------------
  relies(actor: number, slot: number, inBlock: number): boolean {
    return (this.reliant[actor][wordOf(slot, inBlock)] & (1 << (inBlock & 31))) !== 0;
  }

  /** A page begins to rely on the running counts: the touches that they hold by now are booked. */
  rely(actor: number, slot: number, inBlock: number, id: number): void {
    const { books, costs } = this;
    const { running, watched } = this.mmu;
    const touches = running.touchesOf(actor, id);
    const bytes = running.bytesOfTouches(actor, id, touches);
    this.reliant[actor][wordOf(slot, inBlock)] |= 1 << (inBlock & 31);
    books[accessesOf(actor)] -= touches;
    books[bytesOf(actor)] -= bytes;
    costs?.remote(this.space.pageOf(id), -bytes);
    if (this.counterLeft[actor][slot] === 0) return;
    this.counterBase[actor][slot] += touches;
    watched.watch(actor, slot, this.counterLeft[actor][slot]);
  }

  /** Pages of the mask rely on them no longer: what they hold is booked. */
  release(actor: number, slot: number, mask: PageMask): void {
    const { books, costs, space } = this;
    const { running } = this.mmu;
    const { slotFirstId, slotRank, slotTouched } = space;
    const reliant = this.reliant[actor];
    const armed = this.reckon(actor, slot) > 0;
    let touches = 0;
    let bytes = 0;
    for (let w = 0, word = slot * MASK_WORDS; w < MASK_WORDS; w++, word++) {
      const bits = reliant[word] & mask[w];
      if (bits === 0) continue;
      reliant[word] &= ~bits;
      const first = slotFirstId[slot] + slotRank[word];
      for (let rest = bits; rest !== 0; rest &= rest - 1) {
        const id = first + popcount32(slotTouched[word] & ((rest & -rest) - 1));
        const touchesOfPage = running.touchesOf(actor, id);
        const bytesOfPage = running.bytesOfTouches(actor, id, touchesOfPage);
        touches += touchesOfPage;
        bytes += bytesOfPage;
        if (costs !== null) costs.remote(space.pageOf(id), bytesOfPage);
      }
    }
    books[accessesOf(actor)] += touches;
    books[bytesOf(actor)] += bytes;
    if (armed) this.counterBase[actor][slot] -= touches;
  }

  // --- access counters -------------------------------------------------------------------------------------------
  arm(device: number, slot: number, threshold: number): void {
    this.counterLeft[device][slot] = threshold;
    this.counterBase[device][slot] = this.reliantTouches(device, slot);
    if (this.mmu.running.has(device)) this.mmu.watched.watch(device, slot, threshold);
  }

  disarm(device: number, slot: number): void {
    this.counterLeft[device][slot] = 0;
  }

  /** Brings the armed counter of a block up to date with the running counts; gives what is left, 0 = not armed. */
  reckon(device: number, slot: number): number {
    if (slot >= this.room || this.counterLeft[device][slot] === 0) return 0;
    const touches = this.reliantTouches(device, slot);
    this.counterLeft[device][slot] -= touches - this.counterBase[device][slot];
    this.counterBase[device][slot] = touches;
    return this.counterLeft[device][slot];
  }

  /** The running counts have a touch of this block that is not to count as one that went by. */
  discount(actor: number, slot: number): void {
    if (this.counterLeft[actor][slot] > 0) this.counterBase[actor][slot]++;
  }

  /** Sum of the running counts of a block's reliant pages. */
  private reliantTouches(device: number, slot: number): number {
    const { slotTouched, slotFirstId, slotRank } = this.space;
    const reliant = this.reliant[device];
    let sum = 0;
    const firstId = slotFirstId[slot];
    for (let w = slot * MASK_WORDS; w < (slot + 1) * MASK_WORDS; w++) {
      for (let rest = reliant[w]; rest !== 0; rest &= rest - 1) {
        const id = firstId + slotRank[w] + popcount32(slotTouched[w] & ((rest & -rest) - 1));
        sum += this.mmu.running.touchesOf(device, id);
      }
    }
    return sum;
  }
}

function accessesOf(actor: number): number {
  return M[actor === HOST ? 'remote.host.accesses' : 'remote.device.accesses'];
}

function bytesOf(actor: number): number {
  return M[actor === HOST ? 'remote.host.bytes' : 'remote.device.bytes'];
}
