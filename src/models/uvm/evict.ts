/** Taking video memory and giving it up: chunks behind a block, and the eviction of whole root chunks. */

import {
  addRange,
  andMask,
  BLOCK_BYTES,
  BLOCK_PAGES,
  countPages,
  nextPage,
  type PageMask,
  releaseScratch,
  scratchMark,
  scratchMask,
  scratchRange,
} from '../../replay/mask.ts';
import { HOST, RIGHTS } from '../../replay/model.ts';
import { countRemote, mapPages, unmapFromAll } from './mapping.ts';
import { chunkSpan } from './memory.ts';
import type { RootChunk } from './root-chunks.ts';
import { residentOn, type Uvm, type VaBlock } from './state.ts';
import { has, lowest } from './topology.ts';

/** Takes the chunks that the pages still lack on the device. False: memory is full (what was taken stays taken). */
export function takeMemory(uvm: Uvm, block: VaBlock, device: number, mask: PageMask): boolean {
  const chunks = block.chunks[device];
  for (let page = nextPage(mask, 0); page >= 0; ) {
    const { start, pages } = chunkSpan(block, page);
    if (chunks.get(start) === undefined && uvm.memory[device].allocate(block, start, pages) === null) return false;
    page = nextPage(mask, start + pages);
  }
  return true;
}

/**
 * Evicts one root chunk: the resident pages of every block in it go to the CPU, unmapped, and its memory is free.
 * False: there is nothing to evict. The next user of the memory waits for the copies.
 */
export function evictRoot(uvm: Uvm, device: number): boolean {
  const root = uvm.memory[device].victim();
  if (root === null) return false;
  const { core } = uvm;
  const mark = scratchMark();
  core.beginMakingRoom();
  core.spend(uvm.costs.evictNs, 'eviction');
  let pages = 0;
  let firstPage = -1;
  if (root.chunks.length === 1) {
    const { block, start, pages: length } = root.chunks[0];
    firstPage = block.number * BLOCK_PAGES + start;
    pages = evictBehind(uvm, block, device, scratchRange(start, start + length - 1));
  } else {
    for (const [block, mask] of blocksBehind(root)) {
      if (firstPage < 0) firstPage = block.number * BLOCK_PAGES + nextPage(mask, 0);
      pages += evictBehind(uvm, block, device, mask);
    }
  }
  core.evicted(device, firstPage, BLOCK_BYTES, pages);
  while (root.chunks.length > 0) uvm.memory[device].free(root.chunks[0]);
  core.endMakingRoom();
  releaseScratch(mark);
  return true;
}

/** The blocks that share a split root chunk, and their pages in it. */
function blocksBehind(root: RootChunk): Map<VaBlock, PageMask> {
  const behind = new Map<VaBlock, PageMask>();
  for (const chunk of root.chunks) {
    let mask = behind.get(chunk.block);
    if (mask === undefined) behind.set(chunk.block, (mask = scratchMask()));
    addRange(mask, chunk.start, chunk.start + chunk.pages - 1);
  }
  return behind;
}

/** Sends those of the block's pages home that are on the device. Returns how many. */
function evictBehind(uvm: Uvm, block: VaBlock, device: number, mask: PageMask): number {
  const { core } = uvm;
  const leaving = andMask(residentOn(uvm, block, device, scratchMask()), mask);
  const pages = countPages(leaving);
  if (pages === 0) return 0;
  core.spend(pages * uvm.costs.pageNs, 'eviction');
  if (block.range.kind === 'system') {
    uvm.linux.migrateDevicePages(device, block.number, leaving, 'eviction');
    return pages;
  }
  unmapFromAll(uvm, block, leaving);
  core.beginMigration();
  core.move(block.number, leaving, HOST, 'eviction');
  mapEvicted(uvm, block, device, leaving);
  return pages;
}

/** accessed_by processors get remote mappings back; the evicted GPU only where access counters can bring pages back. */
function mapEvicted(uvm: Uvm, block: VaBlock, device: number, pages: PageMask): void {
  const { range } = block;
  let others = range.accessedBy & uvm.topology.accessibleFrom[HOST];
  if (uvm.counterThreshold > 0 && has(uvm.topology.canAccess[device], HOST)) others |= 1 << device;
  for (let rest = others; rest !== 0; rest &= rest - 1) {
    const p = lowest(rest);
    mapPages(uvm, block, p, pages, has(uvm.topology.nativeAtomics[HOST], p) ? RIGHTS.atomic : RIGHTS.write);
    countRemote(uvm, block, p, HOST);
  }
}

/** Gives back the chunks of the block on every device. */
export function freeChunks(uvm: Uvm, block: VaBlock): void {
  for (const [device, chunks] of block.chunks.entries()) {
    for (const chunk of chunks.all()) uvm.memory[device].free(chunk);
  }
}
