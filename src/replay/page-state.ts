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
  blockOf,
  clearMask,
  firstWord,
  lastWord,
  MASK_WORDS,
  newMask,
  type PageMask,
  pageInBlock,
  popcount32,
  wordOf,
} from './mask.ts';
import { KINDS, type Mmu } from './mmu.ts';
import { RIGHTS, type Rights } from './model.ts';
import { RemoteTouches } from './remote-touches.ts';

/** Constants of this module are those that V8 folds; an imported one is looked up at each use. */
const { none: NONE, read: READ, write: WRITE, atomic: ATOMIC } = RIGHTS;
const WORDS = MASK_WORDS;

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
  readonly remote: RemoteTouches;
  readonly residentPages: Float64Array;
  readonly peakResidentPages: Float64Array;
  /** Slots that the arrays have room for. */
  private room = 0;
  private readonly onePage = newMask();

  constructor(
    private readonly locations: number,
    readonly tellsAtomics: boolean,
    private readonly space: AddressSpace,
    private readonly mmu: Mmu,
    private readonly laneBit: number,
    books: Float64Array,
    costs: CostListener | null,
  ) {
    this.residentPages = new Float64Array(locations);
    this.peakResidentPages = new Float64Array(locations);
    this.remote = new RemoteTouches(locations, space, mmu, books, costs);
    this.grow();
  }

  private kinds(): Int32Array[][] {
    const kinds = [this.resident, this.readable, this.writable, this.speculated, this.evictedFrom];
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

  /** `residenceAt` of a page by number. */
  residence(page: number): number {
    const slot = this.find(blockOf(page));
    if (slot < 0) return 0;
    const inBlock = pageInBlock(page);
    return this.residenceAt(wordOf(slot, inBlock), 1 << (inBlock & 31));
  }

  /** The pages of one word that exist somewhere. */
  anywhere(word: number): number {
    let somewhere = 0;
    for (let l = 0; l < this.locations; l++) somewhere |= this.resident[l][word];
    return somewhere;
  }

  isMapped(actor: number, slot: number, inBlock: number): boolean {
    return (this.readable[actor][wordOf(slot, inBlock)] & (1 << (inBlock & 31))) !== 0;
  }

  rightsAt(actor: number, word: number, bit: number): Rights {
    if ((this.readable[actor][word] & bit) === 0) return NONE;
    if ((this.writable[actor][word] & bit) === 0) return READ;
    return this.tellsAtomics && (this.atomics[actor][word] & bit) !== 0 ? ATOMIC : WRITE;
  }

  /** `rightsAt` of a page by number. */
  mapping(actor: number, page: number): Rights {
    const slot = this.find(blockOf(page));
    if (slot < 0) return NONE;
    const inBlock = pageInBlock(page);
    return this.rightsAt(actor, wordOf(slot, inBlock), 1 << (inBlock & 31));
  }

  /** By actor: what is mapped with at least these rights. */
  mappedWith(rights: Rights): readonly Int32Array[] {
    if (rights === READ) return this.readable;
    return rights === ATOMIC && this.tellsAtomics ? this.atomics : this.writable;
  }

  /** Kinds of touches, from reads on, that the mapping of a page grants; 0 = there is none. */
  kindsAt(actor: number, word: number, bit: number): number {
    if ((this.readable[actor][word] & bit) === 0) return 0;
    if ((this.writable[actor][word] & bit) === 0) return 1;
    return this.tellsAtomics && (this.atomics[actor][word] & bit) === 0 ? 2 : KINDS;
  }

  read(words: Int32Array, block: number, out: PageMask): PageMask {
    const slot = this.find(block);
    if (slot < 0) return clearMask(out);
    const base = slot * WORDS;
    for (let w = 0; w < WORDS; w += 4) {
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
    const base = slot * WORDS;
    const high = lastWord(mask);
    for (let w = firstWord(mask); w <= high; w++) if (mask[w] !== 0) this.forgetWord(location, base + w, mask[w]);
  }

  // --- mappings --------------------------------------------------------------------------------------------------
  setRights(actor: number, slot: number, mask: PageMask, rights: Rights): void {
    const low = firstWord(mask);
    const high = lastWord(mask);
    this.unsettleActor(actor, slot, mask, low, high);
    put(this.readable[actor], slot, mask, rights >= READ, low, high);
    put(this.writable[actor], slot, mask, rights >= WRITE, low, high);
    if (this.tellsAtomics) put(this.atomics[actor], slot, mask, rights >= ATOMIC, low, high);
    if (rights !== NONE) this.settleMapped(actor, slot, mask, rights, low, high);
  }

  /** `setRights` of one page. */
  setRightsOfPage(actor: number, slot: number, inBlock: number, rights: Rights): void {
    const word = wordOf(slot, inBlock);
    const bit = 1 << (inBlock & 31);
    const readable = this.readable[actor];
    const writable = this.writable[actor];
    const wasMapped = (readable[word] & bit) !== 0;
    if (wasMapped) this.unsettlePage(actor, slot, inBlock);
    if (rights >= READ) readable[word] |= bit;
    else readable[word] &= ~bit;
    if (rights >= WRITE) writable[word] |= bit;
    else writable[word] &= ~bit;
    if (this.tellsAtomics) {
      if (rights >= ATOMIC) this.atomics[actor][word] |= bit;
      else this.atomics[actor][word] &= ~bit;
    }
    const settles = rights !== NONE && (this.resident[actor][word] & ~this.speculated[actor][word] & bit) !== 0;
    if (!wasMapped && !settles) return;
    const id = this.space.idIn(slot, inBlock);
    if (id < 0) return;
    if (wasMapped) this.mmu.clearPageOf(actor, id, this.laneBit);
    if (settles) this.mmu.settlePage(actor, id, this.kindsOf(rights), this.laneBit);
  }

  /** Touches of so many kinds, from reads on, need no attention with these rights. */
  private kindsOf(rights: Rights): number {
    if (rights === READ) return 1;
    return this.tellsAtomics && rights < ATOMIC ? Math.min(this.mmu.own, 2) : this.mmu.own;
  }

  /** Touches of pages that are here and no guess need no attention from the first one on. */
  private settleMapped(actor: number, slot: number, mask: PageMask, rights: Rights, low: number, high: number): void {
    const { laneBit, mmu } = this;
    const kinds = this.kindsOf(rights);
    mmu.settlePages(actor, slot, mask, low, high, kinds, this.resident[actor], this.speculated[actor], laneBit);
  }

  // --- the cache in front: shared MMU words and running counts -----------------------------------------------------
  /** Before anything about these pages changes: every actor's next touch of them looks again. All are in words low..high. */
  unsettle(slot: number, mask: PageMask, low = 0, high = WORDS - 1): void {
    for (let actor = 0; actor < this.locations; actor++) this.unsettleActor(actor, slot, mask, low, high);
  }

  unsettleActor(actor: number, slot: number, mask: PageMask, low = 0, high = WORDS - 1): void {
    const base = slot * WORDS;
    const read = this.readable[actor];
    const settled = this.remote.reliant[actor];
    let mapped = 0;
    let remote = 0;
    for (let w = low; w <= high; w++) {
      mapped |= read[base + w] & mask[w];
      remote |= settled[base + w] & mask[w];
    }
    if (mapped === 0) return;
    this.mmu.clear(actor, slot, mask, low, high, this.laneBit);
    if (remote !== 0) this.remote.release(actor, slot, mask);
  }

  /** The same for one page, whose words the caller clears. */
  unsettlePage(actor: number, slot: number, inBlock: number): void {
    if (!this.remote.relies(actor, slot, inBlock)) return;
    this.remote.release(actor, slot, addPage(clearMask(this.onePage), inBlock));
  }

  /** End of the trace: what the running counts hold of this block is booked. */
  settleAll(slot: number): void {
    if (slot < this.room) this.unsettle(slot, EVERY_PAGE);
  }

  /**
   * The present touch of a page that relies on the running counts, which have it already, needs attention after all: the
   * page no longer relies on them, and the touch is not among those that went by.
   */
  withdraw(actor: number, slot: number, inBlock: number): void {
    this.remote.discount(actor, slot);
    this.unsettleActor(actor, slot, addPage(clearMask(this.onePage), inBlock));
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
      this.setRights(l, slot, EVERY_PAGE, NONE);
      put(this.evictedFrom[l], slot, EVERY_PAGE, false);
      this.remote.disarm(l, slot);
    }
  }

  private grow(): void {
    this.room = this.space.slotCapacity;
    const { memory } = this.mmu;
    for (const kind of this.kinds()) memory.growArrays(kind, this.locations, this.room * WORDS);
    this.remote.grow(this.room);
  }
}

/** First page of a slot's block. */
export function firstPageOf(space: AddressSpace, slot: number): number {
  return space.slotBlock[slot] * BLOCK_PAGES;
}

function put(words: Int32Array, slot: number, mask: PageMask, on: boolean, low = 0, high = WORDS - 1): void {
  const base = slot * WORDS;
  for (let w = low; w <= high; w++) {
    if (on) words[base + w] |= mask[w];
    else words[base + w] &= ~mask[w];
  }
}
