/**
 * Pageable memory under address translation services (uvm_ats_faults.c): devices use the CPU page table, video memory
 * is a NUMA node of Linux. A page that the CPU page table holds never faults; others are placed on the device's node,
 * with the prefetch tree without 64 KiB growth.
 */

import { ACCESS, type Access, type FaultBuffer } from '../../replay/faults.ts';
import {
  addPage,
  andMask,
  andNotMask,
  BLOCK_PAGES,
  blockOf,
  clearMask,
  copyMask,
  countPages,
  isEmptyMask,
  nextPage,
  orMask,
  PAGE_BYTES,
  type PageMask,
  pageInBlock,
  releaseScratch,
  scratchMark,
  scratchMask,
  scratchRange,
  setRange,
} from '../../replay/mask.ts';
import { HOST, RIGHTS, type Vma } from '../../replay/model.ts';
import { QUEUED } from './migrate.ts';
import { BIG_PAGE_PAGES, prefetchAts } from './prefetch.ts';
import type { Uvm } from './state.ts';

function isPageable(uvm: Uvm, page: number): boolean {
  return isPageableVma(uvm, uvm.core.vmaAt(page));
}

function isPageableVma(uvm: Uvm, vma: Vma | null): vma is Vma {
  if (vma === null || !uvm.ats) return false;
  return vma.allocation.kind === 'system' || vma.allocation.kind === 'file';
}

/** Every processor sees what the one page table holds. Entries are Linux's: devices write none. */
function mapEverywhere(uvm: Uvm, block: number, mask: PageMask): void {
  for (let p = 0; p < uvm.core.actors.length; p++) uvm.core.map(p, block, mask, RIGHTS.atomic, 0);
}

/** First touch by the CPU; the page table of all gains the pages. */
export function hostFaultAts(uvm: Uvm, page: number, access: Access): 'retry' | 'failed' {
  if (!isPageable(uvm, page)) return 'failed';
  if (uvm.linux.hostFault(page, access) === 'failed') return 'failed';
  const block = blockOf(page);
  const mapped = uvm.core.mappedMask(HOST, block, scratchMask());
  const seen = uvm.core.mappedMask(1, block, scratchMask());
  mapEverywhere(uvm, block, andNotMask(mapped, seen));
  watch(uvm, block);
  return 'retry';
}

/**
 * Faults from..end-1 of the batch, all in one 2 MiB window and in no managed or HMM range, VMA by VMA: pageable memory,
 * or nothing at all.
 */
export function serveAts(uvm: Uvm, device: number, buffer: FaultBuffer, from: number, end: number): void {
  const { core, batch } = uvm;
  const faulted = scratchMask();
  for (let fault = from; fault < end; ) {
    const vma = core.vmaAt(batch.page[fault]);
    if (!isPageableVma(uvm, vma)) {
      batch.fail(buffer, fault++);
      continue;
    }
    clearMask(faulted);
    for (; fault < end && batch.page[fault] <= vma.lastPage; fault++) {
      const page = batch.page[fault];
      const access = batch.accessOf(fault);
      const needed = access === ACCESS.read ? RIGHTS.read : access === ACCESS.write ? RIGHTS.write : RIGHTS.atomic;
      if (core.mapping(device, page) >= needed) {
        batch.stale(buffer, fault);
        continue;
      }
      addPage(faulted, pageInBlock(page));
      batch.serve(buffer, fault);
    }
    if (isEmptyMask(faulted)) continue;
    core.count('services');
    core.spend(uvm.costs.blockNs, 'faultService');
    placeWindow(uvm, device, blockOf(batch.page[fault - 1]), vma, faulted);
  }
}

function placeWindow(uvm: Uvm, device: number, block: number, vma: Vma, faulted: PageMask): void {
  const { core } = uvm;
  const base = block * BLOCK_PAGES;
  const first = Math.max(vma.firstPage - base, 0);
  const outer = Math.min(vma.lastPage + 1 - base, BLOCK_PAGES);
  const wanted = scratchMask();
  prefetchAts(faulted, first, outer, core.residentMask(device, block, scratchMask()), uvm.prefetch, wanted);
  orMask(wanted, faulted);
  // What the CPU page table holds is left where it is and only reached.
  const held = core.mappedMask(HOST, block, scratchMask());
  andNotMask(wanted, held);
  core.spend(countPages(wanted) * uvm.costs.pageNs, 'mapping');
  const bytes = countPages(wanted) * PAGE_BYTES;
  // Linux falls back to another node when the preferred one is full.
  const at = vma.allocation.kind === 'system' && core.reserve(device, bytes) ? device : HOST;
  core.beginMigration();
  core.populate(block, wanted, at, QUEUED);
  mapEverywhere(uvm, block, orMask(copyMask(scratchMask(), wanted), faulted));
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
  const block = blockOf(page);
  const first = (page % BLOCK_PAGES) - (page % BIG_PAGE_PAGES);
  const away = andMask(core.residentMask(HOST, block, scratchMask()), scratchRange(first, first + BIG_PAGE_PAGES - 1));
  const own = scratchMask();
  for (let page = nextPage(away, 0); page >= 0; page = nextPage(away, page + 1)) {
    if (isPageable(uvm, block * BLOCK_PAGES + page)) addPage(own, page);
  }
  const pages = countPages(own);
  if (pages > 0 && core.reserve(device, pages * PAGE_BYTES)) {
    core.hostShootdown();
    core.tlbInvalidate(device);
    core.spend(pages * uvm.costs.pageNs, 'mapping');
    core.beginMigration();
    core.move(block, own, device, 'counter', QUEUED);
    mapEverywhere(uvm, block, own);
  }
  core.armCounter(device, block, uvm.counterThreshold);
}

/** cudaMemPrefetchAsync on pageable memory (uvm_migrate_pageable.c): exactly the range. False: not all of it is such. */
export function migrateAts(uvm: Uvm, firstPage: number, lastPage: number, target: number): boolean {
  const { core } = uvm;
  for (let page = firstPage; page <= lastPage; page++) if (!isPageable(uvm, page)) return false;
  const coming = scratchMask();
  const there = scratchMask();
  for (let block = blockOf(firstPage); block <= blockOf(lastPage); block++) {
    const base = block * BLOCK_PAGES;
    setRange(coming, Math.max(firstPage - base, 0), Math.min(lastPage - base, BLOCK_PAGES - 1));
    andNotMask(coming, core.residentMask(target, block, there));
    const pages = countPages(coming);
    if (pages === 0 || (target !== HOST && !core.reserve(target, pages * PAGE_BYTES))) continue;
    freeAts(uvm, block, coming);
    core.spend(uvm.costs.blockNs, 'faultService');
    core.spend(pages * uvm.costs.pageNs, 'mapping');
    core.beginMigration();
    core.move(block, coming, target, 'hint', QUEUED);
    core.populate(block, coming, target, QUEUED);
    mapEverywhere(uvm, block, coming);
    watch(uvm, block);
  }
  return true;
}

/** Device memory of pages that leave or are freed. */
export function freeAts(uvm: Uvm, block: number, mask: PageMask): void {
  const mark = scratchMark();
  const here = scratchMask();
  for (let device = 1; device < uvm.core.actors.length; device++) {
    const pages = countPages(andMask(uvm.core.residentMask(device, block, here), mask));
    if (pages > 0) uvm.core.release(device, pages * PAGE_BYTES);
  }
  releaseScratch(mark);
}
