/**
 * Touched 2 MiB blocks while the trace is read. A block has a *life* from the first `alloc` in it until no live
 * allocation is left in it; a life is noted here when its first page is touched.
 */

import { BLOCK_PAGES, MASK_WORDS, popcount32 } from '../replay/mask.ts';

/** Pages of one life that a `free` took while another allocation keeps the block alive. */
export interface PartialFree {
  readonly life: number;
  readonly first: number;
  readonly last: number;
}

export class LiveBlocks {
  count = 0;
  block = new Float64Array(64);
  beginEvent = new Int32Array(64);
  endEvent = new Int32Array(64);
  /** Sixteen words a life: pages touched since they were last freed. */
  touched = new Int32Array(64 * MASK_WORDS);
  /** By actor: a bit a life. */
  readonly touchedBy: Int32Array[] = [];
  /** Pages x times they were touched as new memory, of pages freed while their block lived on. */
  pagesFreedAlive = 0;
  /** The life of a block that is alive now. */
  readonly current = new Map<number, number>();
  readonly #freedAlive = new Map<number, Int32Array>();

  addActor(): void {
    this.touchedBy.push(new Int32Array(this.block.length >> 5));
  }

  begin(block: number, event: number): number {
    const life = this.count++;
    if (life === this.block.length) this.#grow();
    this.block[life] = block;
    this.beginEvent[life] = event;
    this.endEvent[life] = -1;
    this.current.set(block, life);
    return life;
  }

  end(block: number, event: number): void {
    const life = this.current.get(block);
    if (life === undefined) return;
    this.endEvent[life] = event;
    this.current.delete(block);
  }

  /** Marks pages first..last of the block as touched by `actor`. */
  touch(life: number, first: number, last: number, actor: number): void {
    const words = this.touched;
    const base = life * MASK_WORDS;
    const firstWord = base + (first >> 5);
    const lastWord = base + (last >> 5);
    const head = -1 << (first & 31);
    const tail = -1 >>> (31 - (last & 31));
    if (firstWord === lastWord) words[firstWord] |= head & tail;
    else {
      words[firstWord] |= head;
      for (let w = firstWord + 1; w < lastWord; w++) words[w] = -1;
      words[lastWord] |= tail;
    }
    this.touchedBy[actor][life >> 5] |= 1 << (life & 31);
  }

  /** The next touch of these pages is one of new memory. */
  freeAlive(life: number, first: number, last: number): void {
    let old = this.#freedAlive.get(life);
    if (old === undefined) {
      old = new Int32Array(MASK_WORDS);
      this.#freedAlive.set(life, old);
    }
    for (let page = first; page <= last; page++) {
      const word = page >> 5;
      const bit = 1 << (page & 31);
      if ((this.touched[life * MASK_WORDS + word] & bit) === 0) continue;
      this.touched[life * MASK_WORDS + word] &= ~bit;
      old[word] |= bit;
      this.pagesFreedAlive++;
    }
  }

  /** Distinct pages touched, a page of new memory at an old address again; then `touched` is the union over the life. */
  finish(): number {
    let pages = this.pagesFreedAlive;
    for (let w = 0; w < this.count * MASK_WORDS; w++) pages += popcount32(this.touched[w]);
    for (const [life, old] of this.#freedAlive) {
      for (let w = 0; w < MASK_WORDS; w++) this.touched[life * MASK_WORDS + w] |= old[w];
    }
    this.#freedAlive.clear();
    return pages;
  }

  #grow(): void {
    this.block = doubled(this.block, Float64Array);
    this.beginEvent = doubled(this.beginEvent, Int32Array);
    this.endEvent = doubled(this.endEvent, Int32Array);
    this.touched = doubled(this.touched, Int32Array);
    for (let a = 0; a < this.touchedBy.length; a++) this.touchedBy[a] = doubled(this.touchedBy[a], Int32Array);
  }
}

function doubled<T extends Float64Array | Int32Array>(old: T, type: new (length: number) => T): T {
  const next = new type(old.length * 2);
  next.set(old);
  return next;
}

const CACHE_BITS = 10;
const CACHE_SIZE = 1 << CACHE_BITS;

/**
 * Where the last touches went, by block: direct-mapped, so that an access costs no address search as a rule.
 * An entry says that pages first..last of the block are live and belong to one allocation.
 */
export class BlockCache {
  readonly #block = new Float64Array(CACHE_SIZE).fill(-1);
  readonly #life = new Int32Array(CACHE_SIZE);
  readonly #first = new Uint16Array(CACHE_SIZE);
  readonly #last = new Uint16Array(CACHE_SIZE);
  readonly #allocation = new Int32Array(CACHE_SIZE);

  /** Entry that covers these pages, or -1. */
  find(block: number, first: number, last: number): number {
    const entry = entryOf(block);
    return this.#block[entry] === block && this.#first[entry] <= first && this.#last[entry] >= last ? entry : -1;
  }

  put(block: number, life: number, first: number, last: number, allocation: number): void {
    const entry = entryOf(block);
    this.#block[entry] = block;
    this.#life[entry] = life;
    this.#first[entry] = first;
    this.#last[entry] = last;
    this.#allocation[entry] = allocation;
  }

  life(entry: number): number {
    return this.#life[entry];
  }

  allocation(entry: number): number {
    return this.#allocation[entry];
  }

  clear(): void {
    this.#block.fill(-1);
  }
}

/** Mixes higher bits in: arrays that lie a power of two apart must not share their entries. */
function entryOf(block: number): number {
  const low = block | 0;
  return (low ^ (low >>> CACHE_BITS) ^ (low >>> (2 * CACHE_BITS))) & (CACHE_SIZE - 1);
}

/** Block of a page; both may exceed 2^32. */
export function blockOf(page: number): number {
  return Math.floor(page / BLOCK_PAGES);
}
