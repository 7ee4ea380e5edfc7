/**
 * Sets of pages inside one 2 MiB block: 512 bits in sixteen 32-bit words, page 0 in bit 0 of word 0.
 * Every function works in place on its first argument; none allocates but `newMask` and `rangeMask`.
 */

export const PAGE_BYTES = 4096;
export const BLOCK_PAGES = 512;
export const BLOCK_BYTES = PAGE_BYTES * BLOCK_PAGES;
export const MASK_WORDS = BLOCK_PAGES / 32;

/** The same for what is below: V8 reads an exported constant anew each time. Loops take four words a step for its sake. */
const WORDS = MASK_WORDS;
const LAST_IN_BLOCK = BLOCK_PAGES - 1;
const BLOCKS_PER_PAGE = 1 / BLOCK_PAGES;

export type PageMask = Int32Array;

/** The 2 MiB block that a page is in. */
export function blockOf(page: number): number {
  return Math.floor(page * BLOCKS_PER_PAGE);
}

/** Place of a page in its block. Page numbers exceed 32 bits, of which `&` takes the low ones. */
export function pageInBlock(page: number): number {
  return page & LAST_IN_BLOCK;
}

/** Where the word with this page is in an array that has a mask for each slot. */
export function wordOf(slot: number, inBlock: number): number {
  return slot * WORDS + (inBlock >> 5);
}

export function newMask(): PageMask {
  return new Int32Array(MASK_WORDS);
}

const scratch: PageMask[] = [];
let scratchInUse = 0;
/** Masks kept for reuse at most; a call of a model that wants more at once gets new ones. */
const SCRATCH_KEPT = 1 << 14;

/**
 * An empty mask for use within the present call of a model: the core takes it back when that call returns. What lives
 * longer needs `newMask`.
 */
export function scratchMask(): PageMask {
  if (scratchInUse >= SCRATCH_KEPT) return newMask();
  if (scratchInUse === scratch.length) scratch.push(newMask());
  return clearMask(scratch[scratchInUse++]);
}

/** How many scratch masks are in use: what `releaseScratch` wants after a call. */
export function scratchMark(): number {
  return scratchInUse;
}

export function releaseScratch(mark: number): void {
  scratchInUse = mark;
}

export function clearMask(mask: PageMask): PageMask {
  for (let w = 0; w < WORDS; w += 4) {
    mask[w] = 0;
    mask[w + 1] = 0;
    mask[w + 2] = 0;
    mask[w + 3] = 0;
  }
  return mask;
}

/** Pages first..last (inclusive, 0..511) as a scratch mask. */
export function scratchRange(first: number, last: number): PageMask {
  return addRange(scratchMask(), first, last);
}

/** Pages first..last (inclusive, 0..511) as a fresh mask. */
export function rangeMask(first: number, last: number): PageMask {
  return addRange(newMask(), first, last);
}

export function addRange(mask: PageMask, first: number, last: number): PageMask {
  if (last < first) return mask;
  const firstWord = first >> 5;
  const lastWord = last >> 5;
  const head = -1 << (first & 31);
  const tail = -1 >>> (31 - (last & 31));
  if (firstWord === lastWord) {
    mask[firstWord] |= head & tail;
    return mask;
  }
  mask[firstWord] |= head;
  for (let w = firstWord + 1; w < lastWord; w++) mask[w] = -1;
  mask[lastWord] |= tail;
  return mask;
}

export function removeRange(mask: PageMask, first: number, last: number): PageMask {
  if (last < first) return mask;
  const firstWord = first >> 5;
  const lastWord = last >> 5;
  const head = -1 << (first & 31);
  const tail = -1 >>> (31 - (last & 31));
  if (firstWord === lastWord) {
    mask[firstWord] &= ~(head & tail);
    return mask;
  }
  mask[firstWord] &= ~head;
  for (let w = firstWord + 1; w < lastWord; w++) mask[w] = 0;
  mask[lastWord] &= ~tail;
  return mask;
}

/** Mask becomes exactly first..last. */
export function setRange(mask: PageMask, first: number, last: number): PageMask {
  return addRange(clearMask(mask), first, last);
}

export function addPage(mask: PageMask, page: number): PageMask {
  mask[page >> 5] |= 1 << (page & 31);
  return mask;
}

export function removePage(mask: PageMask, page: number): PageMask {
  mask[page >> 5] &= ~(1 << (page & 31));
  return mask;
}

export function hasPage(mask: PageMask, page: number): boolean {
  return (mask[page >> 5] & (1 << (page & 31))) !== 0;
}

export function copyMask(mask: PageMask, other: PageMask): PageMask {
  for (let w = 0; w < WORDS; w += 4) {
    mask[w] = other[w];
    mask[w + 1] = other[w + 1];
    mask[w + 2] = other[w + 2];
    mask[w + 3] = other[w + 3];
  }
  return mask;
}

export function orMask(mask: PageMask, other: PageMask): PageMask {
  for (let w = 0; w < WORDS; w += 4) {
    mask[w] |= other[w];
    mask[w + 1] |= other[w + 1];
    mask[w + 2] |= other[w + 2];
    mask[w + 3] |= other[w + 3];
  }
  return mask;
}

export function andMask(mask: PageMask, other: PageMask): PageMask {
  for (let w = 0; w < WORDS; w += 4) {
    mask[w] &= other[w];
    mask[w + 1] &= other[w + 1];
    mask[w + 2] &= other[w + 2];
    mask[w + 3] &= other[w + 3];
  }
  return mask;
}

export function andNotMask(mask: PageMask, other: PageMask): PageMask {
  for (let w = 0; w < WORDS; w += 4) {
    mask[w] &= ~other[w];
    mask[w + 1] &= ~other[w + 1];
    mask[w + 2] &= ~other[w + 2];
    mask[w + 3] &= ~other[w + 3];
  }
  return mask;
}

export function isEmptyMask(mask: PageMask): boolean {
  for (let w = 0; w < WORDS; w += 4) if ((mask[w] | mask[w + 1] | mask[w + 2] | mask[w + 3]) !== 0) return false;
  return true;
}

/** First word with a page in it; MASK_WORDS = none. Most masks of a fault are one page: loops go over few words. */
export function firstWord(mask: PageMask): number {
  let w = 0;
  while (w < WORDS && mask[w] === 0) w++;
  return w;
}

/** Last word with a page in it; -1 = none. */
export function lastWord(mask: PageMask): number {
  let w = MASK_WORDS - 1;
  while (w >= 0 && mask[w] === 0) w--;
  return w;
}

export function masksMeet(a: PageMask, b: PageMask): boolean {
  for (let w = 0; w < WORDS; w++) if ((a[w] & b[w]) !== 0) return true;
  return false;
}

/** True when every page of `inner` is in `outer`. */
export function maskCovers(outer: PageMask, inner: PageMask): boolean {
  for (let w = 0; w < WORDS; w++) if ((inner[w] & ~outer[w]) !== 0) return false;
  return true;
}

export function popcount32(word: number): number {
  let x = word - ((word >>> 1) & 0x55555555);
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
  return (((x + (x >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}

export function countPages(mask: PageMask): number {
  let n = 0;
  for (let w = 0; w < WORDS; w++) n += popcount32(mask[w]);
  return n;
}

/** Pages of the mask in first..last. */
export function countPagesIn(mask: PageMask, first: number, last: number): number {
  let n = 0;
  for (let w = first >> 5; w <= last >> 5; w++) {
    let bits = mask[w];
    if (w === first >> 5) bits &= -1 << (first & 31);
    if (w === last >> 5) bits &= -1 >>> (31 - (last & 31));
    n += popcount32(bits);
  }
  return n;
}

/** First page of the mask at or after `from`, or -1. */
export function nextPage(mask: PageMask, from: number): number {
  if (from >= BLOCK_PAGES) return -1;
  let w = from >> 5;
  let bits = mask[w] & (-1 << (from & 31));
  while (bits === 0) {
    if (++w === WORDS) return -1;
    bits = mask[w];
  }
  return (w << 5) + 31 - Math.clz32(bits & -bits);
}

/** Last page of the contiguous run that starts at `first` (which is in the mask). */
export function endOfRun(mask: PageMask, first: number): number {
  let w = first >> 5;
  let gaps = ~mask[w] & (-1 << (first & 31));
  while (gaps === 0) {
    if (++w === WORDS) return BLOCK_PAGES - 1;
    gaps = ~mask[w];
  }
  return (w << 5) + 31 - Math.clz32(gaps & -gaps) - 1;
}

export function countRuns(mask: PageMask): number {
  let runs = 0;
  for (let p = nextPage(mask, 0); p >= 0; p = nextPage(mask, endOfRun(mask, p) + 1)) runs++;
  return runs;
}

/** Calls `visit(first, last)` for each maximal run, ascending. Do not change the mask meanwhile. */
export function forEachRun(mask: PageMask, visit: (first: number, last: number) => void): void {
  for (let p = nextPage(mask, 0); p >= 0; ) {
    const last = endOfRun(mask, p);
    visit(p, last);
    p = nextPage(mask, last + 1);
  }
}

export function forEachPage(mask: PageMask, visit: (page: number) => void): void {
  for (let p = nextPage(mask, 0); p >= 0; p = nextPage(mask, p + 1)) visit(p);
}
