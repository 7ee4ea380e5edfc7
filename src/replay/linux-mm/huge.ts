/** Transparent huge pages of the CPU: 2 MiB entries, and taking them apart. */

import { addPage, BLOCK_PAGES, blockOf, isEmptyMask, scratchMask, scratchRange } from '../mask.ts';
import { HOST } from '../model.ts';
import { type LinuxMmState, notify } from './state.ts';

/** __split_huge_pmd: the entry becomes 512 entries of the same pages. */
export function splitHugeEntry(mm: LinuxMmState, block: number): void {
  const kind = mm.huge.get(block);
  if (kind === undefined) return;
  mm.huge.delete(block);
  mm.counters.hugeEntriesSplit++;
  const first = block * BLOCK_PAGES;
  notify(mm, 'clear', first, first + BLOCK_PAGES - 1);
  if (kind === 'page') mm.partOfHuge.addMask(block, scratchRange(0, BLOCK_PAGES - 1));
}

/** split_folio: the huge page itself becomes 512 pages; those that hold only zeros are given up for the zero page. */
export function splitHugePage(mm: LinuxMmState, block: number): void {
  const kind = mm.huge.get(block);
  if (kind === undefined) return;
  splitHugeEntry(mm, block);
  if (kind === 'zero') return;
  mm.counters.hugePagesSplit++;
  const first = block * BLOCK_PAGES;
  notify(mm, 'clear', first, first + BLOCK_PAGES - 1);
  const all = scratchRange(0, BLOCK_PAGES - 1);
  mm.partOfHuge.removeMask(block, all);
  const { isZeroFilled } = mm.options;
  if (isZeroFilled === undefined) return;
  const zeros = scratchMask();
  for (let page = 0; page < BLOCK_PAGES; page++) if (isZeroFilled(first + page)) addPage(zeros, page);
  if (isEmptyMask(zeros)) return;
  mm.core.unmap(HOST, block, zeros, 0);
  mm.core.discard(block, zeros, HOST);
  mm.core.map(HOST, block, zeros, 1, 0);
}

/** Splits the 2 MiB entries that first..last covers only in part. */
export function splitAtEdges(mm: LinuxMmState, firstPage: number, lastPage: number): void {
  if (mm.huge.size === 0) return;
  const firstBlock = blockOf(firstPage);
  const lastBlock = blockOf(lastPage);
  if (firstPage % BLOCK_PAGES !== 0) splitHugeEntry(mm, firstBlock);
  if (lastPage % BLOCK_PAGES !== BLOCK_PAGES - 1) splitHugeEntry(mm, lastBlock);
}
