/**
 * nouveau_svm + nouveau_dmem: a fault maps one page where it is and never migrates; data moves only by the explicit bind
 * request, and comes back one page a CPU fault. Device memory is never evicted.
 */

import { ACCESS, type Access, type FaultBuffer, OUTCOME } from '../../replay/faults.ts';
import { endInBlock, forEachBlock } from '../../replay/linux-mm/page-flags.ts';
import {
  createLinuxMm,
  type FaultCause,
  type LinuxMm,
  type MigrateOptions,
  type NotifierRange,
} from '../../replay/linux-mm.ts';
import {
  andMask,
  andNotMask,
  BLOCK_BYTES,
  BLOCK_PAGES,
  blockOf,
  countPages,
  isEmptyMask,
  masksMeet,
  nextPage,
  type PageMask,
  pageInBlock,
  releaseScratch,
  removePage,
  scratchMark,
  scratchMask,
  scratchRange,
  setRange,
} from '../../replay/mask.ts';
import { type Core, HOST, type ModelHooks, RIGHTS } from '../../replay/model.ts';
import type { PrefetchEvent } from '../../trace/compiled.ts';
import { FaultOrder } from './fault-order.ts';
import { type HmmParameters, kernelCosts } from './parameters.ts';
import { createProcess, rightsFor } from './process.ts';

/** Pages of one migrate_vma cycle: SG_MAX_SINGLE_ALLOC = PAGE_SIZE / sizeof(struct scatterlist). */
const BIND_PAGES = 128;

/** Each page is a copy of its own. */
const PAGEWISE = { pagesPerCopy: 1 };
const FOR_DEVICE: MigrateOptions = { trigger: 'deviceFault', move: PAGEWISE };
const FOR_HOST: MigrateOptions = { trigger: 'hostFault', move: PAGEWISE };

export function createNouveau(core: Core, p: HmmParameters): ModelHooks {
  /** Sequence of each device's notifier, and its free pages in 2 MiB chunks that are never given back. */
  const sequence = core.actors.map(() => 0);
  const freePages = core.actors.map(() => 0);
  const mm: LinuxMm = createLinuxMm(core, { driver: { invalidate, migrateToRam, pageFree }, costs: kernelCosts(p) });
  const process = createProcess(core, mm, { reserve: (device, bytes) => core.reserve(device, bytes) });
  const order = new FaultOrder();
  /** The hmm_range_fault request that is being made. */
  const request = {
    firstPage: 0,
    lastPage: 0,
    device: 0,
    write: false,
    writable: false,
    sequence: () => sequence[request.device],
  };
  /** Did the bind find any page that may go? */
  let collected = false;
  let binding: number = HOST;
  const bindOptions: MigrateOptions = { trigger: 'hint', move: PAGEWISE, allocate };

  core.actors.forEach((_, device) => {
    const bytes = core.capacityBytes[device];
    if (device !== HOST && Number.isFinite(bytes)) core.setEffectiveCapacity(device, bytes - (bytes % BLOCK_BYTES));
  });

  // --- device faults ---------------------------------------------------------------------------------------------
  /**
   * One pass: the whole buffer, sorted by address and then the stronger access first, one page a service. Faults whose pages
   * are usable as they are go first and together: no service changes what another page's finds.
   */
  function deviceFaults(device: number, faults: FaultBuffer): void {
    const { count } = faults;
    core.spend(count * p.faultNs, 'faultService');
    const usable = mm.rangeFaults(device, faults);
    core.spend(p.bindNs + p.bindEntryNs, 'mapping', usable);
    const services = usable + (usable < count ? serviceOthers(device, faults) : 0);
    core.count('services', services);
    // One replay command for the pass.
    core.count('roundTrips');
  }

  /** One by one, the faults that were not served together; gives the services. */
  function serviceOthers(device: number, faults: FaultBuffer): number {
    const { count } = faults;
    const sorted = order.sort(faults);
    let mappedTo = -1;
    let services = 0;
    for (let k = 0; k < count; k++) {
      const i = sorted[k];
      const page = faults.page[i];
      if (faults.outcome[i] === OUTCOME.served) {
        mappedTo = page;
        continue;
      }
      const access = faults.access[i] as Access;
      if (page <= mappedTo && satisfied(device, page, access)) {
        faults.duplicate(i);
        continue;
      }
      services++;
      const mark = scratchMark();
      const last = access === ACCESS.atomic ? mapExclusive(device, page) : mapInPlace(device, page, access);
      releaseScratch(mark);
      if (last < 0) faults.fail(i);
      else faults.serve(i);
      mappedTo = last;
    }
    return services;
  }

  function satisfied(device: number, page: number, access: Access): boolean {
    return core.mapping(device, page) >= rightsFor(access);
  }

  /** nouveau_range_fault: the entry has the size of the CPU's. Returns the last page mapped, -1 = the fault is fatal. */
  function mapInPlace(device: number, page: number, access: Access): number {
    const vma = core.vmaAt(page);
    if (vma === null || process.isExplicit(vma)) return -1;
    request.firstPage = page;
    request.lastPage = page;
    request.device = device;
    request.write = access !== ACCESS.read;
    let status = mm.rangeFault(request);
    for (; status === 'busy'; status = mm.rangeFault(request)) core.countOwn('retries');
    if (status !== 'valid') return -1;
    const rights = request.writable ? RIGHTS.write : RIGHTS.read;
    const huge = mm.mapOrder(page) > 0;
    const block = blockOf(page);
    if (huge) core.map(device, block, scratchRange(0, BLOCK_PAGES - 1), rights, 1);
    else core.mapPage(device, page, rights);
    core.spend(p.bindNs + p.bindEntryNs, 'mapping');
    return huge ? block * BLOCK_PAGES + BLOCK_PAGES - 1 : page;
  }

  /** nouveau_atomic_range_fault: the page is taken from the CPU, in RAM; a device page comes home for it. */
  function mapExclusive(device: number, page: number): number {
    const vma = core.vmaAt(page);
    if (vma === null || process.isExplicit(vma) || mm.makeExclusive(page, page) === 0) return -1;
    core.mapPage(device, page, RIGHTS.atomic);
    core.spend(p.bindNs + p.bindEntryNs, 'mapping');
    return page;
  }

  // --- bind ------------------------------------------------------------------------------------------------------
  /** nouveau_svmm_bind: the only way to the device; there is no request for the way back. */
  function prefetch(event: PrefetchEvent): 'applied' | 'rejected' {
    if (event.target === HOST) return 'rejected';
    for (const vma of core.vmasIn(event.firstPage, event.lastPage)) {
      const end = Math.min(event.lastPage, vma.lastPage);
      if (process.isExplicit(vma)) continue;
      for (let first = Math.max(event.firstPage, vma.firstPage); first <= end; first += BIND_PAGES) {
        bind(event.target, first, Math.min(end, first + BIND_PAGES - 1));
      }
    }
    return 'applied';
  }

  /** nouveau_dmem_migrate_chunk. Each page is a copy of its own; the page table gets what moved, and nothing else. */
  function bind(device: number, first: number, last: number): void {
    collected = false;
    binding = device;
    const moved = mm.migrateToDevice(device, first, last, bindOptions);
    if (!collected) return;
    if (moved > 0) core.count('roundTrips');
    core.spend(p.bindNs + (last - first + 1) * p.bindEntryNs, 'mapping');
    forEachBlock(first, last, (block, from, to) => {
      const pages = scratchRange(from, to);
      const there = andMask(core.residentMask(device, block, scratchMask()), pages);
      const elsewhere = andNotMask(pages, there);
      if (!isEmptyMask(elsewhere)) core.unmap(device, block, elsewhere);
      if (!isEmptyMask(there)) core.map(device, block, there, RIGHTS.write, countPages(there));
    });
  }

  /** Every page is taken by itself. */
  function allocate(_block: number, pages: PageMask): void {
    if (!isEmptyMask(pages)) collected = true;
    for (let page = nextPage(pages, 0); page >= 0; page = nextPage(pages, page + 1)) {
      if (!takePage(binding)) removePage(pages, page);
    }
  }

  function takePage(device: number): boolean {
    if (freePages[device] === 0) {
      if (!core.reserve(device, BLOCK_BYTES)) return false;
      freePages[device] = BLOCK_PAGES;
    }
    freePages[device]--;
    return true;
  }

  // --- called by core MM -----------------------------------------------------------------------------------------
  /** nouveau_svmm_invalidate_range_start: one notifier for the whole process; the device's own moves are ignored. */
  function invalidate(range: NotifierRange): number {
    for (let device = 1; device < core.actors.length; device++) {
      if (range.event === 'migrate' && range.owner === device) continue;
      sequence[device]++;
      zap(device, range.firstPage, range.lastPage);
    }
    return core.actors.length - 1;
  }

  function zap(device: number, firstPage: number, lastPage: number): void {
    if (firstPage === lastPage && core.mapping(device, firstPage) === RIGHTS.none) return;
    const mark = scratchMark();
    const pages = scratchMask();
    const mapped = scratchMask();
    let zapped = false;
    for (let page = firstPage; page <= lastPage; ) {
      const block = blockOf(page);
      const end = endInBlock(page, lastPage);
      setRange(pages, pageInBlock(page), pageInBlock(end));
      page = end + 1;
      if (!masksMeet(pages, core.mappedMask(device, block, mapped))) continue;
      core.unmap(device, block, pages);
      zapped = true;
    }
    releaseScratch(mark);
    if (!zapped) return;
    core.tlbInvalidate(device);
    core.count('roundTrips');
  }

  /** nouveau_dmem_migrate_to_ram: exactly the page touched, unmapped from the device first. */
  function migrateToRam(page: number, device: number, cause: FaultCause): boolean {
    zap(device, page, page);
    const moved = mm.migrateToHost(device, page, page, cause === 'device' ? FOR_DEVICE : FOR_HOST);
    core.count('roundTrips');
    return moved === 1;
  }

  function pageFree(device: number, _block: number, pages: PageMask): void {
    freePages[device] += countPages(pages);
  }

  return {
    ...process.hooks,
    deviceFaults,
    free: process.free,
    prefetch,
  };
}
