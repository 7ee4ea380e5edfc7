/**
 * What is where in one run: a bit a page, in sixteen words a block slot, one array a location (or actor) and kind.
 *
 * The shared MMU words of the pass (`mmu.ts`) are a cache of it: a bit there promises that a touch needs no attention.
 * Whatever changes a mapping or a residence calls `unsettle` first.
 */
import type { AddressSpace } from './address-space.ts';
import type { CostListener } from './lane.ts';
import {
  addPage,
  BLOCK_PAGES,
  clearMask,
  firstWord,
  lastWord,
  MASK_WORDS,
  newMask,
  type PageMask,
  popcount32,
} from './mask.ts';
import { M } from './metrics.ts';
import type { Mmu } from './mmu.ts';
import { HOST, RIGHTS, type Rights } from './model.ts';

const EVERY_PAGE: PageMask = newMask().fill(-1);

export class PageState {
  // Index = slot * 16 + word.
  readonly resident: Int32Array[] = [];
  readonly readable: Int32Array[] = [];
  readonly writable: Int32Array[] = [];
  /** Filled only when the model tells atomics from writes. */
  readonly atomics: Int32Array[] = [];
  /** Brought here on a guess and not touched from here since. */
  readonly speculated: Int32Array[] = [];
  readonly evictedFrom: Int32Array[] = [];
  /** Remote pages whose touches the shared running counts book (see `bookRemote`). */
  readonly remoteSettled: Int32Array[] = [];
  /** Remote touches left until the hook `counter`, by slot, when last reckoned; 0 = not armed. */
  readonly counterLeft: Int32Array[] = [];
  /** By slot: what the running counts of its settled remote pages came to then. */
  private readonly counterBase: Float64Array[] = [];
  readonly residentPages: Float64Array;
  readonly peakResidentPages: Float64Array;
  /** Slots that the arrays have room for. */
  private room: number;
  private readonly onePage = newMask();

  constructor(
    private readonly locations: number,
    readonly tellsAtomics: boolean,
    private readonly space: AddressSpace,
    private readonly mmu: Mmu,
    private readonly laneBit: number,
    private readonly books: Float64Array,
    private readonly costs: CostListener | null,
  ) {
    this.residentPages = new Float64Array(locations);
    this.peakResidentPages = new Float64Array(locations);
    this.room = space.slotCapacity;
    for (const kind of this.kinds()) this.makeRoom(kind, this.room * MASK_WORDS);
    this.makeRoom(this.counterLeft, this.room);
    for (let l = 0; l < locations; l++) this.counterBase.push(new Float64Array(this.room));
  }

  private kinds(): Int32Array[][] {
    const kinds = [this.resident, this.readable, this.writable, this.speculated, this.evictedFrom, this.remoteSettled];
    if (this.tellsAtomics) kinds.push(this.atomics);
    return kinds;
  }

  // --- looking ---------------------------------------------------------------------------------------------------
  /** Slot of a block that may hold state, or -1. */
  find(block: number): number {
    const slot = this.space.findSlot(block);
    return slot < this.room ? slot : -1;
  }

  /** Slot of a block that is about to hold state. */
  slotOf(block: number): number {
    const slot = this.space.slotOf(block);
    if (slot >= this.room) this.grow();
    return slot;
  }

  /** Bit L: resident at location L. */
  residenceAt(word: number, bit: number): number {
    let where = 0;
    for (let l = 0; l < this.locations; l++) if ((this.resident[l][word] & bit) !== 0) where |= 1 << l;
    return where;
  }

  /** The pages of one word that exist somewhere. */
  anywhere(word: number): number {
    let somewhere = 0;
    for (let l = 0; l < this.locations; l++) somewhere |= this.resident[l][word];
    return somewhere;
  }

  isMapped(actor: number, slot: number, inBlock: number): boolean {
    return (this.readable[actor][slot * MASK_WORDS + (inBlock >> 5)] & (1 << (inBlock & 31))) !== 0;
  }

  rightsAt(actor: number, word: number, bit: number): Rights {
    if ((this.readable[actor][word] & bit) === 0) return RIGHTS.none;
    if ((this.writable[actor][word] & bit) === 0) return RIGHTS.read;
    return this.tellsAtomics && (this.atomics[actor][word] & bit) !== 0 ? RIGHTS.atomic : RIGHTS.write;
  }

  read(words: Int32Array, block: number, out: PageMask): PageMask {
    const slot = this.find(block);
    if (slot < 0) return clearMask(out);
    const base = slot * MASK_WORDS;
    for (let w = 0; w < MASK_WORDS; w += 4) {
      out[w] = words[base + w];
      out[w + 1] = words[base + w + 1];
      out[w + 2] = words[base + w + 2];
      out[w + 3] = words[base + w + 3];
    }
    return out;
  }

  // --- residence -------------------------------------------------------------------------------------------------
  addResident(location: number, pages: number): void {
    this.residentPages[location] += pages;
    if (this.residentPages[location] > this.peakResidentPages[location]) {
      this.peakResidentPages[location] = this.residentPages[location];
    }
  }

  /** Takes pages of one word away from a location. */
  forgetWord(location: number, word: number, bits: number): void {
    const gone = this.resident[location][word] & bits;
    if (gone === 0) return;
    this.resident[location][word] &= ~gone;
    this.speculated[location][word] &= ~gone;
    this.residentPages[location] -= popcount32(gone);
  }

  forget(location: number, slot: number, mask: PageMask): void {
    const base = slot * MASK_WORDS;
    const high = lastWord(mask);
    for (let w = firstWord(mask); w <= high; w++) if (mask[w] !== 0) this.forgetWord(location, base + w, mask[w]);
  }

  // --- mappings --------------------------------------------------------------------------------------------------
  setRights(actor: number, slot: number, mask: PageMask, rights: Rights): void {
    const low = firstWord(mask);
    const high = lastWord(mask);
    this.unsettleActor(actor, slot, mask, low, high);
    put(this.readable[actor], slot, mask, rights >= RIGHTS.read, low, high);
    put(this.writable[actor], slot, mask, rights >= RIGHTS.write, low, high);
    if (this.tellsAtomics) put(this.atomics[actor], slot, mask, rights >= RIGHTS.atomic, low, high);
    if (rights !== RIGHTS.none) this.settleMapped(actor, slot, mask, rights, low, high);
  }

  /** `setRights` of one page. */
  setRightsOfPage(actor: number, slot: number, inBlock: number, rights: Rights): void {
    const word = slot * MASK_WORDS + (inBlock >> 5);
    const bit = 1 << (inBlock & 31);
    const readable = this.readable[actor];
    const writable = this.writable[actor];
    const wasMapped = (readable[word] & bit) !== 0;
    if (wasMapped) this.unsettlePage(actor, slot, inBlock);
    if (rights >= RIGHTS.read) readable[word] |= bit;
    else readable[word] &= ~bit;
    if (rights >= RIGHTS.write) writable[word] |= bit;
    else writable[word] &= ~bit;
    if (this.tellsAtomics) {
      if (rights >= RIGHTS.atomic) this.atomics[actor][word] |= bit;
      else this.atomics[actor][word] &= ~bit;
    }
    const settles = rights !== RIGHTS.none && (this.resident[actor][word] & ~this.speculated[actor][word] & bit) !== 0;
    if (!wasMapped && !settles) return;
    const id = this.space.idIn(slot, inBlock);
    if (id < 0) return;
    if (wasMapped) this.mmu.clearPageOf(actor, id, this.laneBit);
    if (settles) this.mmu.settlePage(actor, id, this.kindsOf(rights), this.laneBit);
  }

  /** Touches of so many kinds, from reads on, need no attention with these rights. */
  private kindsOf(rights: Rights): number {
    if (rights === RIGHTS.read) return 1;
    return this.tellsAtomics && rights < RIGHTS.atomic ? Math.min(this.mmu.own, 2) : this.mmu.own;
  }

  /** Touches of pages that are here and no guess need no attention from the first one on. */
  private settleMapped(actor: number, slot: number, mask: PageMask, rights: Rights, low: number, high: number): void {
    const { laneBit, mmu } = this;
    const kinds = this.kindsOf(rights);
    mmu.settlePages(actor, slot, mask, low, high, kinds, this.resident[actor], this.speculated[actor], laneBit);
  }

  // --- the cache in front: shared MMU words and running counts -----------------------------------------------------
  /** Before anything about these pages changes: every actor's next touch of them looks again. All are in words low..high. */
  unsettle(slot: number, mask: PageMask, low = 0, high = MASK_WORDS - 1): void {
    for (let actor = 0; actor < this.locations; actor++) this.unsettleActor(actor, slot, mask, low, high);
  }

  unsettleActor(actor: number, slot: number, mask: PageMask, low = 0, high = MASK_WORDS - 1): void {
    const base = slot * MASK_WORDS;
    const read = this.readable[actor];
    const settled = this.remoteSettled[actor];
    let mapped = 0;
    let remote = 0;
    for (let w = low; w <= high; w++) {
      mapped |= read[base + w] & mask[w];
      remote |= settled[base + w] & mask[w];
    }
    if (mapped === 0) return;
    this.mmu.clear(actor, slot, mask, low, high, this.laneBit);
    if (remote !== 0) this.unsettleRemote(actor, slot, mask);
  }

  /** The same for one page, whose words the caller clears. */
  unsettlePage(actor: number, slot: number, inBlock: number): void {
    if (!this.countsRemotely(actor, slot, inBlock)) return;
    this.unsettleRemote(actor, slot, addPage(clearMask(this.onePage), inBlock));
  }

  private unsettleRemote(actor: number, slot: number, mask: PageMask): void {
    const { books, costs, mmu } = this;
    const { slotFirstId, slotRank, slotTouched } = this.space;
    const settled = this.remoteSettled[actor];
    const armed = this.reckon(actor, slot) > 0;
    let touches = 0;
    let bytes = 0;
    for (let w = 0, word = slot * MASK_WORDS; w < MASK_WORDS; w++, word++) {
      const bits = settled[word] & mask[w];
      if (bits === 0) continue;
      settled[word] &= ~bits;
      const first = slotFirstId[slot] + slotRank[word];
      for (let rest = bits; rest !== 0; rest &= rest - 1) {
        const id = first + popcount32(slotTouched[word] & ((rest & -rest) - 1));
        const touchesOfPage = mmu.running.touchesOf(actor, id);
        const bytesOfPage = mmu.running.bytesOfTouches(actor, id, touchesOfPage);
        touches += touchesOfPage;
        bytes += bytesOfPage;
        if (costs !== null) costs.remote(this.space.pageOf(id), bytesOfPage);
      }
    }
    books[M[actor === HOST ? 'remote.host.accesses' : 'remote.device.accesses']] += touches;
    books[M[actor === HOST ? 'remote.host.bytes' : 'remote.device.bytes']] += bytes;
    if (armed) this.counterBase[actor][slot] -= touches;
  }

  /**
   * Remote touches are not counted one by one: the touches of a page are the same in every run, so the pass keeps one
   * running count a page and actor. A run takes it away when it begins to rely on it, and adds it when it stops.
   */
  bookRemote(actor: number, id: number, sign: 1 | -1): void {
    const { books, mmu } = this;
    books[M[actor === HOST ? 'remote.host.accesses' : 'remote.device.accesses']] +=
      sign * mmu.running.touchesOf(actor, id);
    books[M[actor === HOST ? 'remote.host.bytes' : 'remote.device.bytes']] += sign * mmu.running.bytesOf(actor, id);
    this.costs?.remote(this.space.pageOf(id), sign * mmu.running.bytesOf(actor, id));
  }

  /** End of the trace: what the running counts hold of this block is booked. */
  settleAll(slot: number): void {
    if (slot < this.room) this.unsettle(slot, EVERY_PAGE);
  }

  // --- access counters -------------------------------------------------------------------------------------------
  arm(device: number, block: number, threshold: number): void {
    const slot = this.slotOf(block);
    this.counterLeft[device][slot] = threshold;
    this.counterBase[device][slot] = this.settledTouches(device, slot);
    if (this.mmu.running.has(device)) this.mmu.watched.watch(device, slot, threshold);
  }

  /** Brings the armed counter of a block up to date with the running counts; gives what is left, 0 = not armed. */
  reckon(device: number, slot: number): number {
    if (slot >= this.room || this.counterLeft[device][slot] === 0) return 0;
    const touches = this.settledTouches(device, slot);
    this.counterLeft[device][slot] -= touches - this.counterBase[device][slot];
    this.counterBase[device][slot] = touches;
    return this.counterLeft[device][slot];
  }

  /** Sum of the running counts of a block's pages that rely on them. */
  private settledTouches(device: number, slot: number): number {
    const { slotTouched, slotFirstId, slotRank } = this.space;
    const settled = this.remoteSettled[device];
    let sum = 0;
    const firstId = slotFirstId[slot];
    for (let w = slot * MASK_WORDS; w < (slot + 1) * MASK_WORDS; w++) {
      for (let rest = settled[w]; rest !== 0; rest &= rest - 1) {
        const id = firstId + slotRank[w] + popcount32(slotTouched[w] & ((rest & -rest) - 1));
        sum += this.mmu.running.touchesOf(device, id);
      }
    }
    return sum;
  }

  /** Is this page a remote one whose touches go by uncounted? */
  countsRemotely(device: number, slot: number, inBlock: number): boolean {
    return (this.remoteSettled[device][slot * MASK_WORDS + (inBlock >> 5)] & (1 << (inBlock & 31))) !== 0;
  }

  /** A remote page begins to rely on the running counts; the touches that they hold by now are booked. */
  settleRemote(actor: number, slot: number, inBlock: number, id: number): void {
    this.remoteSettled[actor][slot * MASK_WORDS + (inBlock >> 5)] |= 1 << (inBlock & 31);
    this.bookRemote(actor, id, -1);
    if (this.counterLeft[actor][slot] === 0) return;
    this.counterBase[actor][slot] += this.mmu.running.touchesOf(actor, id);
    this.mmu.watched.watch(actor, slot, this.counterLeft[actor][slot]);
  }

  /**
   * The present touch of a page that relies on the running counts, which have it already, needs attention after all: the
   * page no longer relies on them, and the touch is not among those that went by.
   */
  withdraw(actor: number, slot: number, inBlock: number): void {
    if (this.counterLeft[actor][slot] > 0) this.counterBase[actor][slot]++;
    this.unsettleActor(actor, slot, addPage(clearMask(this.onePage), inBlock));
  }

  disarm(device: number, block: number): void {
    const slot = this.find(block);
    if (slot >= 0) this.counterLeft[device][slot] = 0;
  }

  // --- free ------------------------------------------------------------------------------------------------------
  /** Freed pages: a later allocation there has no history. */
  forgetMarks(slot: number, mask: PageMask): void {
    if (slot >= this.room) return;
    for (let l = 0; l < this.locations; l++) {
      put(this.evictedFrom[l], slot, mask, false);
      put(this.speculated[l], slot, mask, false);
    }
  }

  /** The last allocation of a block is gone: nothing of it is left, uncounted. */
  clearSlot(slot: number): void {
    if (slot >= this.room) return;
    this.unsettle(slot, EVERY_PAGE);
    for (let l = 0; l < this.locations; l++) {
      this.forget(l, slot, EVERY_PAGE);
      this.setRights(l, slot, EVERY_PAGE, RIGHTS.none);
      put(this.evictedFrom[l], slot, EVERY_PAGE, false);
      this.counterLeft[l][slot] = 0;
    }
  }

  private grow(): void {
    this.room = this.space.slotCapacity;
    for (const kind of this.kinds()) this.makeRoom(kind, this.room * MASK_WORDS);
    this.makeRoom(this.counterLeft, this.room);
    for (let l = 0; l < this.locations; l++) {
      const before = this.counterBase[l];
      this.counterBase[l] = new Float64Array(this.room);
      this.counterBase[l].set(before);
    }
  }

  /** Arrays of so many words, one a location, that lie one after another; with what was in those before. */
  private makeRoom(kind: Int32Array[], words: number): void {
    const [buffer, offset] = this.mmu.memory.roomFor(4 * words * this.locations);
    for (let l = 0; l < this.locations; l++) {
      const array = new Int32Array(buffer, offset + 4 * words * l, words);
      if (l < kind.length) array.set(kind[l]);
      kind[l] = array;
    }
  }
}

/** First page of a slot's block. */
export function firstPageOf(space: AddressSpace, slot: number): number {
  return space.slotBlock[slot] * BLOCK_PAGES;
}

function put(words: Int32Array, slot: number, mask: PageMask, on: boolean, low = 0, high = MASK_WORDS - 1): void {
  const base = slot * MASK_WORDS;
  for (let w = low; w <= high; w++) {
    if (on) words[base + w] |= mask[w];
    else words[base + w] &= ~mask[w];
  }
}
