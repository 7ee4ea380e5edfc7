/**
 * Pageable memory under address translation services (uvm_ats_faults.c): devices use the CPU page table, video memory
 * is a NUMA node of Linux. A page that the CPU page table holds never faults; others are placed on the device's node,
 * with the prefetch tree without 64 KiB growth.
 */

import { ACCESS, type Access } from '../../replay/faults.ts';
import {
  addPage,
  andMask,
  andNotMask,
  BLOCK_PAGES,
  copyMask,
  countPages,
  forEachPage,
  newMask,
  orMask,
  PAGE_BYTES,
  type PageMask,
  rangeMask,
} from '../../replay/mask.ts';
import { HOST, RIGHTS } from '../../replay/model.ts';
import { BIG_PAGE_PAGES, prefetchAts } from './prefetch.ts';
import type { Uvm } from './state.ts';

export type AtsOutcome = 'served' | 'stale' | 'failed';

function isPageable(uvm: Uvm, page: number): boolean {
  const kind = uvm.core.vmaAt(page)?.allocation.kind;
  return uvm.ats && (kind === 'system' || kind === 'file');
}

/** Every processor sees what the one page table holds. Entries are Linux's: devices write none. */
function mapEverywhere(uvm: Uvm, block: number, mask: PageMask): void {
  for (let p = 0; p < uvm.core.actors.length; p++) uvm.core.map(p, block, mask, RIGHTS.atomic, 0);
}

/** First touch by the CPU; the page table of all gains the pages. */
export function hostFaultAts(uvm: Uvm, page: number, access: Access): 'retry' | 'failed' {
  if (!isPageable(uvm, page)) return 'failed';
  if (uvm.linux.hostFault(page, access) === 'failed') return 'failed';
  const block = Math.floor(page / BLOCK_PAGES);
  const mapped = uvm.core.mappedMask(HOST, block, newMask());
  const seen = uvm.core.mappedMask(1, block, newMask());
  mapEverywhere(uvm, block, andNotMask(mapped, seen));
  watch(uvm, block);
  return 'retry';
}

/** One 2 MiB window's faults (all of one window). */
export function serveAts(
  uvm: Uvm,
  device: number,
  faults: readonly { readonly page: number; readonly access: Access }[],
): AtsOutcome[] {
  const { core } = uvm;
  const outcomes: AtsOutcome[] = [];
  const byVma = new Map<number, PageMask>();
  for (const { page, access } of faults) {
    const needed = access === ACCESS.read ? RIGHTS.read : access === ACCESS.write ? RIGHTS.write : RIGHTS.atomic;
    const vma = core.vmaAt(page);
    if (vma === null || !isPageable(uvm, page)) outcomes.push('failed');
    else if (core.mapping(device, page) >= needed) outcomes.push('stale');
    else {
      let mask = byVma.get(vma.firstPage);
      if (mask === undefined) byVma.set(vma.firstPage, (mask = newMask()));
      addPage(mask, page % BLOCK_PAGES);
      outcomes.push('served');
    }
  }
  for (const [firstPage, faulted] of byVma) {
    core.count('services');
    core.spend(uvm.costs.blockNs, 'faultService');
    placeWindow(uvm, device, Math.floor(faults[0].page / BLOCK_PAGES), firstPage, faulted);
  }
  return outcomes;
}

function placeWindow(uvm: Uvm, device: number, block: number, vmaFirst: number, faulted: PageMask): void {
  const { core } = uvm;
  const vma = core.vmaAt(vmaFirst)!;
  const base = block * BLOCK_PAGES;
  const first = Math.max(vma.firstPage - base, 0);
  const outer = Math.min(vma.lastPage + 1 - base, BLOCK_PAGES);
  const wanted = newMask();
  prefetchAts(faulted, first, outer, core.residentMask(device, block, newMask()), uvm.prefetch, wanted);
  orMask(wanted, faulted);
  // What the CPU page table holds is left where it is and only reached.
  const held = core.mappedMask(HOST, block, newMask());
  andNotMask(wanted, held);
  core.spend(countPages(wanted) * uvm.costs.pageNs, 'mapping');
  const bytes = countPages(wanted) * PAGE_BYTES;
  // Linux falls back to another node when the preferred one is full.
  const at = vma.allocation.kind === 'system' && core.reserve(device, bytes) ? device : HOST;
  core.beginMigration();
  core.populate(block, wanted, at, { timing: 'queue' });
  mapEverywhere(uvm, block, orMask(copyMask(newMask(), wanted), faulted));
  watch(uvm, block);
}

/** Access counters watch what a device reaches remotely. */
function watch(uvm: Uvm, block: number): void {
  if (uvm.counterThreshold === 0) return;
  for (let device = 1; device < uvm.core.actors.length; device++) {
    uvm.core.armCounter(device, block, uvm.counterThreshold);
  }
}

/** A notification: what the CPU holds of the page's 64 KiB moves to the device's node, as far as it has room. */
export function counterAts(uvm: Uvm, device: number, page: number): void {
  const { core } = uvm;
  const block = Math.floor(page / BLOCK_PAGES);
  const first = (page % BLOCK_PAGES) - (page % BIG_PAGE_PAGES);
  const away = andMask(core.residentMask(HOST, block, newMask()), rangeMask(first, first + BIG_PAGE_PAGES - 1));
  const own = newMask();
  forEachPage(away, (p) => {
    if (isPageable(uvm, block * BLOCK_PAGES + p)) addPage(own, p);
  });
  const pages = countPages(own);
  if (pages > 0 && core.reserve(device, pages * PAGE_BYTES)) {
    core.hostShootdown();
    core.tlbInvalidate(device);
    core.spend(pages * uvm.costs.pageNs, 'mapping');
    core.beginMigration();
    core.move(block, own, device, 'counter', { timing: 'queue' });
    mapEverywhere(uvm, block, own);
  }
  core.armCounter(device, block, uvm.counterThreshold);
}

/** cudaMemPrefetchAsync on pageable memory (uvm_migrate_pageable.c): exactly the range. False: not all of it is such. */
export function migrateAts(uvm: Uvm, firstPage: number, lastPage: number, target: number): boolean {
  const { core } = uvm;
  for (let page = firstPage; page <= lastPage; page++) if (!isPageable(uvm, page)) return false;
  for (let block = Math.floor(firstPage / BLOCK_PAGES); block <= Math.floor(lastPage / BLOCK_PAGES); block++) {
    const base = block * BLOCK_PAGES;
    const mask = rangeMask(Math.max(firstPage - base, 0), Math.min(lastPage - base, BLOCK_PAGES - 1));
    const coming = andNotMask(copyMask(newMask(), mask), core.residentMask(target, block, newMask()));
    const pages = countPages(coming);
    if (pages === 0 || (target !== HOST && !core.reserve(target, pages * PAGE_BYTES))) continue;
    freeAts(uvm, block, coming);
    core.spend(uvm.costs.blockNs, 'faultService');
    core.spend(pages * uvm.costs.pageNs, 'mapping');
    core.beginMigration();
    core.move(block, coming, target, 'hint', { timing: 'queue' });
    core.populate(block, coming, target, { timing: 'queue' });
    mapEverywhere(uvm, block, coming);
    watch(uvm, block);
  }
  return true;
}

/** Device memory of pages that leave or are freed. */
export function freeAts(uvm: Uvm, block: number, mask: PageMask): void {
  for (let device = 1; device < uvm.core.actors.length; device++) {
    const here = andMask(uvm.core.residentMask(device, block, newMask()), mask);
    const bytes = countPages(here) * PAGE_BYTES;
    if (bytes > 0) uvm.core.release(device, bytes);
  }
}
