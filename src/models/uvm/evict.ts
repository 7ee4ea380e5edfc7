/** Taking video memory and giving it up: chunks behind a block, and the eviction of whole root chunks. */

import {
  addRange,
  andMask,
  BLOCK_BYTES,
  BLOCK_PAGES,
  countPages,
  isEmptyMask,
  newMask,
  nextPage,
  type PageMask,
} from '../../replay/mask.ts';
import { HOST, RIGHTS } from '../../replay/model.ts';
import { countRemote, mapPages, unmapFromAll } from './mapping.ts';
import { chunkSpan } from './memory.ts';
import { residentOn, type Uvm, type VaBlock } from './state.ts';
import { forEachProcessor, has } from './topology.ts';

/** Takes the chunks that the pages still lack on the device. False: memory is full (what was taken stays taken). */
export function takeMemory(uvm: Uvm, block: VaBlock, device: number, mask: PageMask): boolean {
  const chunks = block.chunks[device];
  for (let page = nextPage(mask, 0); page >= 0; ) {
    const span = chunkSpan(block, page);
    if (!chunks.has(span.start) && uvm.memory[device].allocate(block, span.start, span.pages) === null) return false;
    page = nextPage(mask, span.start + span.pages);
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
  core.beginMakingRoom();
  core.spend(uvm.costs.evictNs, 'eviction');
  const behind = new Map<VaBlock, PageMask>();
  for (const chunk of root.chunks) {
    let mask = behind.get(chunk.block);
    if (mask === undefined) behind.set(chunk.block, (mask = newMask()));
    addRange(mask, chunk.start, chunk.start + chunk.pages - 1);
  }
  let pages = 0;
  let firstPage = -1;
  for (const [block, mask] of behind) {
    if (firstPage < 0) firstPage = block.number * BLOCK_PAGES + nextPage(mask, 0);
    const leaving = andMask(residentOn(uvm, block, device, newMask()), mask);
    if (isEmptyMask(leaving)) continue;
    pages += countPages(leaving);
    core.spend(countPages(leaving) * uvm.costs.pageNs, 'eviction');
    if (block.range.kind === 'system') {
      uvm.linux.migrateDevicePages(device, block.number, leaving, 'eviction');
      continue;
    }
    unmapFromAll(uvm, block, leaving);
    core.beginMigration();
    core.move(block.number, leaving, HOST, 'eviction');
    mapEvicted(uvm, block, device, leaving);
  }
  core.evicted(device, firstPage, BLOCK_BYTES, pages);
  for (const chunk of [...root.chunks]) uvm.memory[device].free(chunk);
  core.endMakingRoom();
  return true;
}

/** accessed_by processors get remote mappings back; the evicted GPU only where access counters can bring pages back. */
function mapEvicted(uvm: Uvm, block: VaBlock, device: number, pages: PageMask): void {
  const { range } = block;
  let others = range.accessedBy & uvm.topology.accessibleFrom[HOST];
  if (uvm.counterThreshold > 0 && has(uvm.topology.canAccess[device], HOST)) others |= 1 << device;
  forEachProcessor(others, (p) => {
    mapPages(uvm, block, p, pages, has(uvm.topology.nativeAtomics[HOST], p) ? RIGHTS.atomic : RIGHTS.write);
    countRemote(uvm, block, p, HOST);
  });
}

/** Gives back the chunks of the block on every device. */
export function freeChunks(uvm: Uvm, block: VaBlock): void {
  for (const [device, chunks] of block.chunks.entries()) {
    for (const chunk of [...chunks.values()]) uvm.memory[device].free(chunk);
  }
}
