/**
 * The address space of the traced process: live VMAs, and the dense numbers that stand for its blocks (slots) and
 * touched pages (ids). The same for all runs of a pass, since records take effect in file order in every run alike.
 */
import type { Allocation, CompiledTrace } from '../trace/compiled.ts';
import { BlockTable } from './block-table.ts';
import type { PassMemory } from './kernel/memory.ts';
import { BLOCK_PAGES, blockOf, MASK_WORDS, pageInBlock, popcount32 } from './mask.ts';
import type { Vma } from './model.ts';

/** 2^9 pages a block; slots of touched blocks are below 2^23, which is 16 TiB of them. */
export const PLACE_BITS = 9;

/** Where the word with the page at this place is in an array that has a mask for each slot. */
export function wordOfPlace(place: number): number {
  return place >>> 5;
}

export class AddressSpace {
  /**
   * By page id two numbers, which every fault wants both: slot of its block x 512 + page in the block; and a bit for each
   * run in which some device has a fault pending or deferred on the page.
   */
  readonly ofPage: Int32Array;
  /** By slot: block number, first page id, and sixteen words of touched pages. Grown by `slotOf`. */
  slotBlock: Float64Array;
  slotFirstId: Int32Array;
  slotTouched: Int32Array;
  /** By slot and word: touched pages in the words before. */
  slotRank: Uint16Array;

  private slots: number;
  private readonly freeSlots: number[] = [];
  private readonly slotByBlock = new BlockTable();
  /** The block asked for last (-1 = none) and its slot: a service asks many times in a row. */
  private lastBlock = -1;
  private lastSlot = -1;
  private readonly vmas: Vma[] = [];
  /** The VMA found last, null = none since the VMAs changed. */
  private lastVma: Vma | null = null;
  private readonly beginning = new Map<number, number[]>();
  private readonly ending = new Map<number, number[]>();

  constructor(
    private readonly trace: CompiledTrace,
    private readonly memory: PassMemory,
  ) {
    this.slots = trace.slots;
    const ids = 2 * trace.pageIds;
    this.ofPage = new Int32Array(...memory.roomFor(4 * ids), ids);
    const room = Math.max(trace.slots, 16);
    this.slotBlock = new Float64Array(...memory.roomFor(8 * room), room).fill(-1);
    this.slotFirstId = new Int32Array(room);
    this.slotTouched = new Int32Array(room * MASK_WORDS);
    this.slotRank = new Uint16Array(room * MASK_WORDS);
    const { lives } = trace;
    for (let life = 0; life < lives.count; life++) {
      append(this.beginning, lives.beginEvent[life], life);
      if (lives.endEvent[life] >= 0) append(this.ending, lives.endEvent[life], life);
    }
    this.beginLives(-1);
    if (trace.inferredAllocations) for (const allocation of trace.allocations) this.addVma(allocation);
  }

  /** Slots that per-slot state must have room for. */
  get slotCapacity(): number {
    return this.slotBlock.length;
  }

  /** Slot of a block, or -1 when nothing ever happened there. */
  findSlot(block: number): number {
    if (block === this.lastBlock) return this.lastSlot;
    const slot = this.slotByBlock.get(block);
    if (slot < 0) return -1;
    this.lastBlock = block;
    this.lastSlot = slot;
    return slot;
  }

  /** Slot of a block that some model acts on, touched by the trace or not. */
  slotOf(block: number): number {
    const known = this.findSlot(block);
    if (known >= 0) return known;
    const slot = this.freeSlots.pop() ?? this.slots++;
    if (slot >= this.slotBlock.length) this.grow();
    this.slotBlock[slot] = block;
    this.slotFirstId[slot] = -1;
    this.slotTouched.fill(0, slot * MASK_WORDS, (slot + 1) * MASK_WORDS);
    this.slotRank.fill(0, slot * MASK_WORDS, (slot + 1) * MASK_WORDS);
    this.slotByBlock.set(block, slot);
    return slot;
  }

  /** Pages of the slot's block that the trace touches. */
  touchedIn(slot: number): number {
    const last = slot * MASK_WORDS + MASK_WORDS - 1;
    return this.slotRank[last] + popcount32(this.slotTouched[last]);
  }

  slotOfId(id: number): number {
    return this.ofPage[2 * id] >>> PLACE_BITS;
  }

  inBlockOfId(id: number): number {
    return pageInBlock(this.ofPage[2 * id]);
  }

  pageOf(id: number): number {
    return this.slotBlock[this.slotOfId(id)] * BLOCK_PAGES + this.inBlockOfId(id);
  }

  /** Id of a page that the trace touches, or -1. */
  idOf(page: number): number {
    const slot = this.findSlot(blockOf(page));
    if (slot < 0) return -1;
    return this.idIn(slot, pageInBlock(page));
  }

  idIn(slot: number, inBlock: number): number {
    const base = slot * MASK_WORDS;
    const word = inBlock >> 5;
    const bit = 1 << (inBlock & 31);
    if ((this.slotTouched[base + word] & bit) === 0) return -1;
    return this.slotFirstId[slot] + this.slotRank[base + word] + popcount32(this.slotTouched[base + word] & (bit - 1));
  }

  vmaAt(page: number): Vma | null {
    const last = this.lastVma;
    if (last !== null && last.firstPage <= page && page <= last.lastPage) return last;
    const i = this.lastVmaFrom(page);
    if (i < 0 || this.vmas[i].lastPage < page) return null;
    this.lastVma = this.vmas[i];
    return this.lastVma;
  }

  vmasIn(firstPage: number, lastPage: number): Vma[] {
    const found: Vma[] = [];
    let i = this.lastVmaFrom(firstPage);
    if (i < 0 || this.vmas[i].lastPage < firstPage) i++;
    for (; i < this.vmas.length && this.vmas[i].firstPage <= lastPage; i++) found.push(this.vmas[i]);
    return found;
  }

  /** Live parts of first..last, cut to that range. */
  piecesIn(firstPage: number, lastPage: number): Vma[] {
    return this.vmasIn(firstPage, lastPage).map((vma) => ({
      allocation: vma.allocation,
      firstPage: Math.max(vma.firstPage, firstPage),
      lastPage: Math.min(vma.lastPage, lastPage),
    }));
  }

  alloc(event: number, allocation: Allocation): Vma {
    this.beginLives(event);
    return this.addVma(allocation);
  }

  /** Takes the range out of the live VMAs; `onDead` is called for each block left without any, before its slot goes. */
  free(event: number, firstPage: number, lastPage: number, onDead: (slot: number) => void): void {
    this.lastVma = null;
    const first = this.vmas.findIndex((vma) => vma.lastPage >= firstPage);
    if (first >= 0) {
      let end = first;
      const kept: Vma[] = [];
      for (; end < this.vmas.length && this.vmas[end].firstPage <= lastPage; end++) {
        const vma = this.vmas[end];
        if (vma.firstPage < firstPage) kept.push({ ...vma, lastPage: firstPage - 1 });
        if (vma.lastPage > lastPage) kept.push({ ...vma, firstPage: lastPage + 1 });
      }
      this.vmas.splice(first, end - first, ...kept);
    }
    for (const slot of this.slotsIn(firstPage, lastPage)) {
      const start = this.slotBlock[slot] * BLOCK_PAGES;
      if (this.vmasIn(start, start + BLOCK_PAGES - 1).length === 0) {
        onDead(slot);
        if (slot >= this.trace.slots) this.dropSlot(slot);
      }
    }
    for (const life of this.ending.get(event) ?? []) this.dropSlot(this.trace.lives.slot[life]);
  }

  /** Slots of the blocks that meet first..last, ascending by block. */
  slotsIn(firstPage: number, lastPage: number): number[] {
    const firstBlock = blockOf(firstPage);
    const lastBlock = blockOf(lastPage);
    const found: number[] = [];
    if (lastBlock - firstBlock < this.slotByBlock.size) {
      for (let block = firstBlock; block <= lastBlock; block++) {
        const slot = this.slotByBlock.get(block);
        if (slot >= 0) found.push(slot);
      }
    } else {
      this.slotByBlock.forEach((block, slot) => {
        if (block >= firstBlock && block <= lastBlock) found.push(slot);
      });
      found.sort((a, b) => this.slotBlock[a] - this.slotBlock[b]);
    }
    return found;
  }

  private addVma(allocation: Allocation): Vma {
    this.lastVma = null;
    const vma: Vma = { allocation, firstPage: allocation.firstPage, lastPage: allocation.lastPage };
    this.vmas.splice(this.lastVmaFrom(vma.firstPage) + 1, 0, vma);
    return vma;
  }

  /** Index of the last VMA that begins at or before `page`, or -1. */
  private lastVmaFrom(page: number): number {
    let low = 0;
    let high = this.vmas.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.vmas[middle].firstPage <= page) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  private beginLives(event: number): void {
    const { lives } = this.trace;
    for (const life of this.beginning.get(event) ?? []) {
      const slot = lives.slot[life];
      const touched = lives.touched.subarray(life * MASK_WORDS, (life + 1) * MASK_WORDS);
      this.slotBlock[slot] = lives.block[life];
      this.slotFirstId[slot] = lives.firstId[life];
      this.slotTouched.set(touched, slot * MASK_WORDS);
      for (let w = 0, rank = 0; w < MASK_WORDS; w++) {
        this.slotRank[slot * MASK_WORDS + w] = rank;
        rank += popcount32(touched[w]);
      }
      this.slotByBlock.set(lives.block[life], slot);
      this.lastBlock = -1;
      let id = lives.firstId[life];
      for (let page = 0; page < BLOCK_PAGES; page++) {
        if ((touched[page >> 5] & (1 << (page & 31))) === 0) continue;
        this.ofPage[2 * id++] = (slot << PLACE_BITS) | page;
      }
    }
  }

  private dropSlot(slot: number): void {
    if (this.slotBlock[slot] < 0) return;
    this.slotByBlock.delete(this.slotBlock[slot]);
    this.lastBlock = -1;
    this.slotBlock[slot] = -1;
    if (slot >= this.trace.slots) this.freeSlots.push(slot);
  }

  private grow(): void {
    const room = this.slotBlock.length * 2;
    const grown = <T extends Float64Array | Int32Array | Uint16Array>(to: T, from: T): T => {
      to.set(from);
      return to;
    };
    this.slotBlock = grown(new Float64Array(...this.memory.roomFor(8 * room), room).fill(-1), this.slotBlock);
    this.slotFirstId = grown(new Int32Array(room), this.slotFirstId);
    this.slotTouched = grown(new Int32Array(room * MASK_WORDS), this.slotTouched);
    this.slotRank = grown(new Uint16Array(room * MASK_WORDS), this.slotRank);
  }
}

function append(lists: Map<number, number[]>, key: number, value: number): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}
