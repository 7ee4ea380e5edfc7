/** Life of VA ranges and blocks: alloc, free, and the cuts that hints and partial frees make. */

import { BLOCK_BYTES, BLOCK_PAGES, blockOf, PAGE_BYTES, scratchMask, setRange } from '../../replay/mask.ts';
import { HOST, RIGHTS, type Vma } from '../../replay/model.ts';
import { freeAts } from './ats.ts';
import { evictRoot, freeChunks } from './evict.ts';
import { unmapFromAll } from './mapping.ts';
import { BlockChunks } from './root-chunks.ts';
import { adopt, blocksIn, type Range, type Uvm, type VaBlock } from './state.ts';
import { forEachProcessor, has } from './topology.ts';

/** Bookkeeping of one VA block, roughly: block, per-GPU state with its masks, chunk pointers (assumed). */
const BLOCK_STATE_BYTES = 4096;

export function noteMetadata(uvm: Uvm): void {
  uvm.core.metadataBytes(uvm.blockCount * BLOCK_STATE_BYTES);
}

export function allocate(uvm: Uvm, vma: Vma): void {
  const { kind, actor } = vma.allocation;
  if (kind === 'device') allocateExplicit(uvm, vma, actor);
  else if (kind === 'pinned') allocateExplicit(uvm, vma, HOST);
  else adopt(uvm, vma);
}

/** cudaMalloc and cudaMallocHost: memory at once, mapped for all who can reach it, never moved. */
function allocateExplicit(uvm: Uvm, vma: Vma, at: number): void {
  const { core } = uvm;
  if (at !== HOST) {
    const pages = vma.lastPage - vma.firstPage + 1;
    const bytes = Math.ceil((pages * PAGE_BYTES) / BLOCK_BYTES) * BLOCK_BYTES;
    while (!core.reserve(at, bytes)) {
      if (evictRoot(uvm, at)) continue;
      core.warn(`explicit allocation ${vma.allocation.name} does not fit into ${core.actors[at]}: its accesses fail`);
      return;
    }
    uvm.explicit.set(vma.allocation.id, { device: at, bytes, pages });
  }
  const mask = scratchMask();
  forEachWindow(vma, (block, first, last) => {
    setRange(mask, first, last);
    core.populate(block, mask, at, { timing: 'none' });
    forEachProcessor(uvm.topology.accessibleFrom[at], (p) => {
      const native = has(uvm.topology.nativeAtomics[at], p);
      core.map(p, block, mask, native ? RIGHTS.atomic : RIGHTS.write, p === HOST ? 0 : 1);
    });
  });
}

/** Cuts the range that holds `page` so that a range begins at it (uvm_va_range_split). */
export function cutAt(uvm: Uvm, page: number): void {
  const range = uvm.ranges.at(page);
  if (range === null || range.first === page) return;
  const tail: Range = { ...range, first: page };
  range.last = page - 1;
  uvm.ranges.add(tail);
  for (const block of blocksIn(uvm, page, tail.last)) {
    const base = block.number * BLOCK_PAGES;
    if (base + block.first >= page) block.range = tail;
    else cutBlock(uvm, block, page - base, tail);
  }
}

/** Two blocks in place of one: memory stays in place, histories begin anew (BLOCK_SHRINK). */
function cutBlock(uvm: Uvm, block: VaBlock, at: number, tail: Range): void {
  const piece = (first: number, outer: number, range: Range): VaBlock => ({
    number: block.number,
    first,
    outer,
    range,
    history: { lastProcessor: -1, faults: 0 },
    thrashing: null,
    chunks: block.chunks.map(() => new BlockChunks()),
    everDuplicated: block.everDuplicated,
  });
  const pieces = [piece(block.first, at, block.range), piece(at, block.outer, tail)];
  for (const [device, chunks] of block.chunks.entries()) {
    for (const chunk of [...chunks.all()]) for (const p of pieces) uvm.memory[device].replace(chunk, p);
  }
  forgetThrashing(uvm, block);
  const list = uvm.blocks.get(block.number)!;
  list.splice(list.indexOf(block), 1, ...pieces);
  uvm.blockCount++;
}

function forgetThrashing(uvm: Uvm, block: VaBlock): void {
  if (block.thrashing === null) return;
  uvm.detector.forget(block.thrashing, block.first, block.outer - 1);
  uvm.blockOfThrashing.delete(block.thrashing);
}

export function free(uvm: Uvm, pieces: readonly Vma[]): void {
  for (const vma of pieces) {
    const { kind } = vma.allocation;
    if (kind === 'device' || kind === 'pinned') freeExplicit(uvm, vma);
    else if (kind !== 'managed') freePageable(uvm, vma);
    if (uvm.ranges.at(vma.firstPage) !== null) freeRange(uvm, vma.firstPage, vma.lastPage);
  }
}

function freeRange(uvm: Uvm, first: number, last: number): void {
  cutAt(uvm, first);
  cutAt(uvm, last + 1);
  const mask = scratchMask();
  for (const block of blocksIn(uvm, first, last)) {
    setRange(mask, block.first, block.outer - 1);
    unmapFromAll(uvm, block, mask);
    uvm.core.discard(block.number, mask);
    freeChunks(uvm, block);
    forgetThrashing(uvm, block);
    const list = uvm.blocks.get(block.number)!;
    list.splice(list.indexOf(block), 1);
    if (list.length === 0) uvm.blocks.delete(block.number);
    uvm.blockCount--;
  }
  for (const range of uvm.ranges.meeting(first, last)) uvm.ranges.remove(range);
}

function forEachWindow(vma: Vma, visit: (block: number, first: number, last: number) => void): void {
  for (let block = blockOf(vma.firstPage); block <= blockOf(vma.lastPage); block++) {
    const base = block * BLOCK_PAGES;
    visit(block, Math.max(vma.firstPage - base, 0), Math.min(vma.lastPage - base, BLOCK_PAGES - 1));
  }
}

function freePageable(uvm: Uvm, vma: Vma): void {
  if (uvm.ats) {
    const mask = scratchMask();
    forEachWindow(vma, (block, first, last) => {
      setRange(mask, first, last);
      freeAts(uvm, block, mask);
      for (let p = 0; p < uvm.core.actors.length; p++) uvm.core.unmap(p, block, mask, 0);
      uvm.core.discard(block, mask);
    });
  }
  uvm.linux.munmap(vma.firstPage, vma.lastPage);
}

/** Explicit memory is given back when the last page of the allocation is gone. */
function freeExplicit(uvm: Uvm, vma: Vma): void {
  const { core } = uvm;
  const mask = scratchMask();
  forEachWindow(vma, (block, first, last) => {
    setRange(mask, first, last);
    for (let p = 0; p < core.actors.length; p++) core.unmap(p, block, mask);
    core.discard(block, mask);
  });
  const held = uvm.explicit.get(vma.allocation.id);
  if (held === undefined) return;
  held.pages -= vma.lastPage - vma.firstPage + 1;
  if (held.pages > 0) return;
  core.release(held.device, held.bytes);
  uvm.explicit.delete(vma.allocation.id);
}
