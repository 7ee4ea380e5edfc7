/** The address space of a trace as GMEM sees it: `managed` allocations are MAP_PEER_SHARED, grown to whole 2 MiB pages. */
import { BLOCK_PAGES, blockOf, newMask, type PageMask, removeRange, setRange } from '../../replay/mask.ts';
import type { Core, Vma } from '../../replay/model.ts';
import type { PeerSpace } from './stack.ts';

const WHOLE = setRange(newMask(), 0, BLOCK_PAGES - 1);

export function isPeerShared(vma: Vma): boolean {
  return vma.allocation.kind === 'managed';
}

export function tracedSpace(core: Core): PeerSpace {
  const vmasOf = (firstBlock: number, lastBlock: number) =>
    core.vmasIn(firstBlock * BLOCK_PAGES, lastBlock * BLOCK_PAGES + BLOCK_PAGES - 1);
  return {
    isPeerShared(block) {
      // Nearly always the VMA of the first page decides; a list is made for the others.
      const first = core.vmaAt(block * BLOCK_PAGES);
      return (first !== null && isPeerShared(first)) || vmasOf(block, block).some(isPeerShared);
    },

    inOneVma: (firstBlock, lastBlock) =>
      vmasOf(firstBlock, lastBlock).some(
        (vma) => isPeerShared(vma) && blockOf(vma.firstPage) <= firstBlock && blockOf(vma.lastPage) >= lastBlock,
      ),

    // Everything in the 2 MiB moves together, but for memory of another kind that shares it.
    maskOf(block) {
      const others = vmasOf(block, block).filter((vma) => !isPeerShared(vma));
      if (others.length === 0) return WHOLE;
      const mask: PageMask = new Int32Array(WHOLE);
      const start = block * BLOCK_PAGES;
      for (const vma of others) {
        removeRange(mask, Math.max(vma.firstPage - start, 0), Math.min(vma.lastPage - start, BLOCK_PAGES - 1));
      }
      return mask;
    },
  };
}
