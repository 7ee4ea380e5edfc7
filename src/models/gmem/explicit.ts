/**
 * Memory that GMEM has no part in: the device's own allocator (kind `device`), host memory pinned for DMA (`pinned`).
 * Both are there from the allocation on and never move.
 */
import { BLOCK_PAGES, blockOf, PAGE_BYTES, rangeMask } from '../../replay/mask.ts';
import { type Core, HOST, RIGHTS, type Vma } from '../../replay/model.ts';

export interface ExplicitMemory {
  alloc(vma: Vma): void;
  free(piece: Vma): void;
  /** A device fault in such memory; false = it has no way there. */
  deviceFault(device: number, vma: Vma): boolean;
}

export function createExplicitMemory(core: Core): ExplicitMemory {
  const refused = new Set<number>();

  function eachBlock(piece: Vma, visit: (block: number, first: number, last: number) => void): void {
    for (let page = piece.firstPage; page <= piece.lastPage; ) {
      const block = blockOf(page);
      const last = Math.min(piece.lastPage, block * BLOCK_PAGES + BLOCK_PAGES - 1);
      visit(block, page - block * BLOCK_PAGES, last - block * BLOCK_PAGES);
      page = last + 1;
    }
  }

  function sizeBytes(piece: Vma): number {
    return (piece.lastPage - piece.firstPage + 1) * PAGE_BYTES;
  }

  /** Where the allocation lives: device memory asked for by the CPU is taken as pinned host memory. */
  function home(piece: Vma): number {
    return piece.allocation.kind === 'device' ? piece.allocation.actor : HOST;
  }

  return {
    alloc(vma) {
      const at = home(vma);
      if (at !== HOST && !core.reserve(at, sizeBytes(vma))) {
        refused.add(vma.allocation.id);
        core.warn(`no memory left on ${core.actors[at]} for an explicit allocation: accesses to it fail`);
        return;
      }
      const mapped = at === HOST ? core.actors.map((_, actor) => actor) : [at];
      eachBlock(vma, (block, first, last) => {
        const mask = rangeMask(first, last);
        core.populate(block, mask, at);
        for (const actor of mapped) core.map(actor, block, mask, RIGHTS.write, 1);
      });
    },

    free(piece) {
      if (refused.has(piece.allocation.id)) return;
      const at = home(piece);
      eachBlock(piece, (block, first, last) => {
        const mask = rangeMask(first, last);
        core.actors.forEach((_, actor) => {
          core.unmap(actor, block, mask);
        });
        core.discard(block, mask);
      });
      if (at !== HOST) core.release(at, sizeBytes(piece));
    },

    deviceFault(device, vma) {
      if (refused.has(vma.allocation.id) || home(vma) === HOST) return false;
      if (core.platform.topology.peer === 'none') return false;
      eachBlock(vma, (block, first, last) => {
        core.map(device, block, rangeMask(first, last), RIGHTS.write, 1);
      });
      return true;
    },
  };
}
