/**
 * Pageable (system) memory: HMM on ordinary machines. Migration goes through Linux core MM, page by page; the rest of
 * the block machinery is that of managed memory.
 */

import { ACCESS, type Access } from '../../replay/faults.ts';
import type { LinuxMmDriver } from '../../replay/linux-mm.ts';
import {
  andMask,
  andNotMask,
  BLOCK_PAGES,
  blockOf,
  copyMask,
  countPages,
  hasPage,
  isEmptyMask,
  nextPage,
  type PageMask,
  releaseScratch,
  scratchMark,
  scratchMask,
  scratchRange,
} from '../../replay/mask.ts';
import type { Trigger } from '../../replay/metrics.ts';
import { HOST } from '../../replay/model.ts';
import { unmapFrom } from './mapping.ts';
import { blockAt, residentOn, type Uvm, type VaBlock } from './state.ts';

/** Moves the pages to a device or home with migrate_vma; what cannot migrate stays where it is. */
export function moveSystemPages(
  uvm: Uvm,
  block: VaBlock,
  destination: number,
  mask: PageMask,
  trigger: Trigger,
  brought: PageMask | null,
): void {
  const base = block.number * BLOCK_PAGES;
  const first = nextPage(mask, 0);
  const last = lastPage(mask);
  const here = residentOn(uvm, block, destination, scratchMask());
  uvm.core.spend(countPages(andNotMask(copyMask(scratchMask(), mask), here)) * uvm.costs.pageNs, 'mapping');
  const options = {
    trigger,
    move: { timing: 'queue', ...(brought === null ? {} : { speculative: brought }) },
    allocate: (_number: number, pages: PageMask) => {
      andMask(pages, mask);
    },
  } as const;
  if (destination !== HOST) {
    // Pages of another GPU come home first: device-private memory moves between devices through system memory.
    for (let device = 1; device < uvm.topology.processors; device++) {
      if (device === destination) continue;
      const held = andMask(residentOn(uvm, block, device, scratchMask()), mask);
      if (!isEmptyMask(held)) uvm.linux.migrateToHost(device, base + first, base + last, options);
    }
    uvm.linux.migrateToDevice(destination, base + first, base + last, options);
    freeUnbacked(uvm, block, destination);
    return;
  }
  for (let device = 1; device < uvm.topology.processors; device++) {
    const held = andMask(residentOn(uvm, block, device, scratchMask()), mask);
    if (!isEmptyMask(held)) uvm.linux.migrateToHost(device, base + first, base + last, options);
  }
}

function lastPage(mask: PageMask): number {
  let w = mask.length - 1;
  while (w > 0 && mask[w] === 0) w--;
  return (w << 5) + 31 - Math.clz32(mask[w]);
}

/** Memory that stays in RAM (files) must be in the CPU page table before a GPU can map it. */
export function makePresent(uvm: Uvm, block: VaBlock, page: number, access: Access): boolean {
  if (block.range.migratable || uvm.core.residence(page) !== 0) return true;
  return uvm.linux.fault(page, access !== ACCESS.read, 'device');
}

/** Chunks taken for pages that did not come. */
function freeUnbacked(uvm: Uvm, block: VaBlock, device: number): void {
  const here = residentOn(uvm, block, device, scratchMask());
  for (const chunk of block.chunks[device].all()) if (!hasPage(here, chunk.start)) uvm.memory[device].free(chunk);
}

/** Device mappings of the block's pages in the range go, but those of `owner`. False: nothing of this driver's there. */
function invalidateBlock(uvm: Uvm, block: VaBlock, firstPage: number, lastPage: number, owner: number): boolean {
  const base = block.number * BLOCK_PAGES;
  const first = Math.max(firstPage - base, block.first);
  const last = Math.min(lastPage - base, block.outer - 1);
  if (block.range.kind !== 'system' || first > last) return false;
  const mark = scratchMark();
  const mask = scratchRange(first, last);
  for (let p = 1; p < uvm.topology.processors; p++) if (p !== owner) unmapFrom(uvm, block, p, mask);
  releaseScratch(mark);
  return true;
}

/** The driver as Linux core MM sees it: device mappings follow the CPU page table. */
export function linuxDriver(uvm: () => Uvm, comeHome: (page: number) => boolean): LinuxMmDriver {
  return {
    invalidate: ({ firstPage, lastPage, owner }) => {
      const { blocks } = uvm();
      let called = 0;
      for (let number = blockOf(firstPage); number * BLOCK_PAGES <= lastPage; number++) {
        const there = blocks.get(number);
        for (let i = 0; there !== undefined && i < there.length; i++) {
          if (invalidateBlock(uvm(), there[i], firstPage, lastPage, owner)) called++;
        }
      }
      return called;
    },
    migrateToRam: (page) => comeHome(page),
    pageFree: (device, number, pages) => {
      for (let page = nextPage(pages, 0); page >= 0; page = nextPage(pages, page + 1)) {
        const block = blockAt(uvm(), number * BLOCK_PAGES + page);
        const chunk = block?.chunks[device].get(page);
        if (chunk !== undefined) uvm().memory[device].free(chunk);
      }
    },
  };
}
