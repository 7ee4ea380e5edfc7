/**
 * Touched 2 MiB blocks while the trace is read. A block has a *life* from the first `alloc` in it until no live
 * allocation is left in it; a life is noted here when its first page is touched.
 */

import { MASK_WORDS, popcount32 } from '../replay/mask.ts';

/** 256 actors, a bit each. */
export const ACTOR_WORDS = 8;

/** Pages of one life that a `free` took while another allocation keeps the block alive. */
export interface PartialFree {
  readonly life: number;
  readonly first: number;
  readonly last: number;
}

export class LiveBlocks {
  count = 0;
  block = new Float64Array(32);
  beginEvent = new Int32Array(32);
  endEvent = new Int32Array(32);
  /** Sixteen words a life: pages touched since they were last freed. */
  touched: Int32Array;
  /** `ACTOR_WORDS` words a life: a bit for each actor that touches it. */
  touchedBy: Int32Array;
  /** Pages x times they were touched as new memory, of pages freed while their block lived on. */
  pagesFreedAlive = 0;
  /** The life of a block that is alive now. */
  readonly current = new Map<number, number>();
  readonly #freedAlive = new Map<number, Int32Array>();

  readonly #newWords: (n: number) => Int32Array;

  /** `newWords` gives words that are zero. */
  constructor(newWords: (n: number) => Int32Array) {
    this.#newWords = newWords;
    this.touched = newWords(32 * MASK_WORDS);
    this.touchedBy = newWords(32 * ACTOR_WORDS);
    // The engine takes a field for a constant until it is assigned again, and then drops the code of the loops that use it.
    this.#grow();
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
    this.touchedBy[life * ACTOR_WORDS + (actor >> 5)] |= 1 << (actor & 31);
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

  #doubledWords(old: Int32Array): Int32Array {
    const next = this.#newWords(old.length * 2);
    next.set(old);
    return next;
  }

  #grow(): void {
    this.block = doubled(this.block, Float64Array);
    this.beginEvent = doubled(this.beginEvent, Int32Array);
    this.endEvent = doubled(this.endEvent, Int32Array);
    this.touched = this.#doubledWords(this.touched);
    this.touchedBy = this.#doubledWords(this.touchedBy);
  }
}

function doubled<T extends Float64Array | Int32Array>(old: T, type: new (length: number) => T): T {
  const next = new type(old.length * 2);
  next.set(old);
  return next;
}

const CACHE_BITS = 13;
const CACHE_ENTRIES = 1 << CACHE_BITS;

/** Words of a cache entry: block, its life, first page | last page << 16, allocation, launch that has noted it last. */
export const CACHE_LIFE = 1;
export const CACHE_PAGES = 2;
export const CACHE_ALLOCATION = 3;
export const CACHE_LAUNCH = 4;
const ENTRY_WORDS = 8;
/** From the first place of a block to its second: that of a block far away. */
export const SECOND_PLACE = (CACHE_ENTRIES / 2) * ENTRY_WORDS;
/** Above it a block is no 31-bit number, and is not kept here. */
const MOST_CACHED_BLOCK = 2 ** 31 - 1;

/**
 * Where the last touches went, by block, so that an access costs no address search as a rule. An entry says that pages
 * first..last of the block are live and belong to one allocation. A block has two places, for two allocations that
 * share it; what was found last moves to the second when the first is wanted.
 */
export class BlockCache {
  readonly words: Int32Array;

  constructor(words: Int32Array) {
    this.words = words.fill(-1);
  }

  /** Entry that covers these pages, or -1. */
  find(block: number, first: number, last: number): number {
    if (block > MOST_CACHED_BLOCK) return -1;
    const entry = cacheEntry(block);
    if (this.#covers(entry, block, first, last)) return entry;
    const second = entry ^ SECOND_PLACE;
    return this.#covers(second, block, first, last) ? second : -1;
  }

  #covers(entry: number, block: number, first: number, last: number): boolean {
    const pages = this.words[entry + CACHE_PAGES];
    return this.words[entry] === block && (pages & 0xffff) <= first && pages >> 16 >= last;
  }

  put(block: number, life: number, first: number, last: number, allocation: number): void {
    if (block > MOST_CACHED_BLOCK) return;
    const entry = cacheEntry(block);
    if (this.words[entry] === block) this.words.copyWithin(entry ^ SECOND_PLACE, entry, entry + ENTRY_WORDS);
    this.words[entry] = block;
    this.words[entry + CACHE_LIFE] = life;
    this.words[entry + CACHE_PAGES] = first | (last << 16);
    this.words[entry + CACHE_ALLOCATION] = allocation;
    this.words[entry + CACHE_LAUNCH] = -1;
  }

  /** Forgets blocks first..last. */
  drop(first: number, last: number): void {
    if (last - first >= CACHE_ENTRIES) {
      this.words.fill(-1);
      return;
    }
    for (let block = first; block <= last; block++) {
      const entry = cacheEntry(block);
      if (this.words[entry] === block) this.words[entry] = -1;
      if (this.words[entry ^ SECOND_PLACE] === block) this.words[entry ^ SECOND_PLACE] = -1;
    }
  }
}

/** First word of a block's entry. Mixes higher bits in: arrays that lie a power of two apart must not share entries. */
export function cacheEntry(block: number): number {
  const low = block | 0;
  return ((low ^ (low >>> CACHE_BITS) ^ (low >>> (2 * CACHE_BITS))) & (CACHE_ENTRIES - 1)) * ENTRY_WORDS;
}
