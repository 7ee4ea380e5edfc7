/**
 * Video memory of one GPU (uvm_pmm_gpu.c): root chunks of 2 MiB, whole for full blocks, split into 64 KiB and 4 KiB for
 * shorter ones. Root chunks stand in the lists from which victims are taken; nothing here moves data.
 */

import { addRange, BLOCK_BYTES, BLOCK_PAGES, countPagesIn, newMask, removeRange } from '../../replay/mask.ts';
import type { Core } from '../../replay/model.ts';
import { BIG_PAGE_PAGES } from './prefetch.ts';
import { type Chunk, type RootChunk, RootChunkList } from './root-chunks.ts';
import type { VaBlock } from './state.ts';

/** First page and length of the chunk that lies behind a page: blocks are cut to the largest aligned sizes. */
export function chunkSpan(block: VaBlock, page: number): { start: number; pages: number } {
  if (block.range.kind === 'system') return { start: page, pages: 1 };
  if (block.first === 0 && block.outer === BLOCK_PAGES) return { start: 0, pages: BLOCK_PAGES };
  const start = page - (page % BIG_PAGE_PAGES);
  if (start >= block.first && start + BIG_PAGE_PAGES <= block.outer) return { start, pages: BIG_PAGE_PAGES };
  return { start: page, pages: 1 };
}

export class GpuMemory {
  readonly #core: Core;
  readonly #device: number;
  readonly #used = new RootChunkList();
  readonly #unused = new RootChunkList();
  readonly #discarded = new RootChunkList();
  /** Split root chunks with room left. */
  readonly #partial = new Set<RootChunk>();
  /** Root chunks that are free memory, and chunks that were given back, for their next use. */
  readonly #freeRoots: RootChunk[] = [];
  readonly #freeChunks: Chunk[] = [];

  constructor(core: Core, device: number) {
    this.#core = core;
    this.#device = device;
  }

  /** A chunk for the block without evicting; null when memory is full. The root chunk becomes the youngest. */
  allocate(block: VaBlock, start: number, pages: number): Chunk | null {
    const root = this.#findRoom(pages) ?? this.#newRoot();
    if (root === null) return null;
    const unit = freeUnit(root, pages);
    addRange(root.units, unit, unit + pages - 1);
    root.usedUnits += pages;
    if (root.usedUnits === BLOCK_PAGES) this.#partial.delete(root);
    else this.#partial.add(root);
    const chunk = this.#place(root, unit, pages, block, start);
    this.markUsed(root);
    return chunk;
  }

  #place(root: RootChunk, unit: number, pages: number, block: VaBlock, start: number): Chunk {
    let chunk = this.#freeChunks.pop();
    if (chunk === undefined) {
      chunk = { root, unit, pages, block, start };
    } else {
      chunk.root = root;
      chunk.unit = unit;
      chunk.pages = pages;
      chunk.block = block;
      chunk.start = start;
    }
    root.chunks.push(chunk);
    block.chunks[this.#device].add(chunk);
    return chunk;
  }

  #findRoom(pages: number): RootChunk | null {
    if (pages === BLOCK_PAGES) return null;
    for (const root of this.#partial) if (freeUnit(root, pages) >= 0) return root;
    return null;
  }

  #newRoot(): RootChunk | null {
    if (!this.#core.reserve(this.#device, BLOCK_BYTES)) return null;
    const root = this.#freeRoots.pop();
    if (root !== undefined) return root;
    return { device: this.#device, units: newMask(), usedUnits: 0, chunks: [], list: null, older: null, newer: null };
  }

  /** Gives a chunk back; an empty root chunk is memory again. */
  free(chunk: Chunk): void {
    const { root } = chunk;
    removeFrom(root.chunks, chunk);
    chunk.block.chunks[this.#device].remove(chunk);
    this.#freeChunks.push(chunk);
    removeRange(root.units, chunk.unit, chunk.unit + chunk.pages - 1);
    root.usedUnits -= chunk.pages;
    if (root.usedUnits > 0) {
      this.#partial.add(root);
      return;
    }
    root.list?.remove(root);
    this.#partial.delete(root);
    this.#freeRoots.push(root);
    this.#core.release(this.#device, BLOCK_BYTES);
  }

  /** A block that was cut keeps its memory in place: `chunk` gives way to chunks of the pieces. */
  replace(chunk: Chunk, block: VaBlock): void {
    const { root } = chunk;
    removeFrom(root.chunks, chunk);
    chunk.block.chunks[this.#device].remove(chunk);
    for (let page = Math.max(chunk.start, block.first); page < Math.min(chunk.start + chunk.pages, block.outer); ) {
      const span = chunkSpan(block, page);
      this.#place(root, chunk.unit + page - chunk.start, span.pages, block, page);
      page += span.pages;
    }
  }

  markUsed(root: RootChunk): void {
    this.#used.append(root);
  }

  /** No page of the block is on this GPU any more: the chunk is the first to go, and for nothing. */
  markUnused(root: RootChunk): void {
    if (root.list !== this.#unused) this.#unused.append(root);
  }

  markDiscarded(root: RootChunk): void {
    if (root.list !== this.#discarded) this.#discarded.append(root);
  }

  /** Unused before discarded before used; of each, the one longest without a fault service. */
  victim(): RootChunk | null {
    return this.#unused.oldest ?? this.#discarded.oldest ?? this.#used.oldest;
  }
}

function removeFrom(chunks: Chunk[], chunk: Chunk): void {
  const at = chunks.lastIndexOf(chunk);
  if (at < 0) return;
  for (let i = at + 1; i < chunks.length; i++) chunks[i - 1] = chunks[i];
  chunks.pop();
}

/** First free aligned run of units, or -1. 4 KiB chunks fill units that are begun already. */
function freeUnit(root: RootChunk, pages: number): number {
  if (pages === BLOCK_PAGES) return root.usedUnits === 0 ? 0 : -1;
  let whole = -1;
  for (let unit = 0; unit < BLOCK_PAGES; unit += BIG_PAGE_PAGES) {
    const used = countPagesIn(root.units, unit, unit + BIG_PAGE_PAGES - 1);
    if (used === 0 && whole < 0) whole = unit;
    if (pages !== 1 || used === 0 || used === BIG_PAGE_PAGES) continue;
    for (let i = unit; i < unit + BIG_PAGE_PAGES; i++) if (countPagesIn(root.units, i, i) === 0) return i;
  }
  return whole;
}
