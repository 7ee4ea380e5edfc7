/** What a driver says to Linux core MM, and what it is told. Names follow the kernel's. */

import type { Access, FaultBuffer } from '../faults.ts';
import type { PageMask } from '../mask.ts';
import type { Trigger } from '../metrics.ts';
import type { MoveOptions, Vma } from '../model.ts';

/** Why an address range is invalidated (enum mmu_notifier_event). */
export type NotifierEvent = 'unmap' | 'clear' | 'protectionVma' | 'protectionPage' | 'migrate' | 'exclusive';

/** One mmu_notifier_range. Lent to the driver for the length of the call. */
export interface NotifierRange {
  readonly event: NotifierEvent;
  readonly firstPage: number;
  readonly lastPage: number;
  /** Device on whose behalf (`migrate` only), else -1: a driver may ignore what it does itself. */
  readonly owner: number;
}

export interface LinuxMmDriver {
  /**
   * A range is about to change: drop the device mappings that overlap it. Returns how many of the driver's interval
   * notifiers were called (`notifier.invalidations`). The driver keeps its intervals; whether its sequence number moves
   * (mmu_interval_set_seq) is its own affair too.
   */
  invalidate?(range: NotifierRange): number;
  /**
   * One `clear` notification for each of these pages, ascending, as eviction by page frame makes them. For a driver that
   * is quicker to say what all of them do. Returns the calls of all. Default: `invalidate` for each.
   */
  invalidateEach?(block: number, pages: PageMask): number;
  /**
   * dev_pagemap_ops.migrate_to_ram: somebody who is not `device` faulted on its page. Must bring at least that page
   * home with `migrateToHost` and say whether it did. Default: exactly that page, trigger `hostFault`.
   */
  migrateToRam?(page: number, device: number, cause: FaultCause): boolean;
  /** dev_pagemap_ops.page_free: these device pages were given up (moved away, unmapped, discarded). */
  pageFree?(device: number, block: number, pages: PageMask): void;
}

/** Who takes a page fault: CPU code, the kernel on its own behalf (mlock, pin), or hmm_range_fault for a device. */
export type FaultCause = 'cpu' | 'kernel' | 'device';

/** Work of the kernel itself; copies, zeroing, traps and shootdowns are the platform's. All default to 0. */
export interface LinuxMmCosts {
  /** One page fault handled (handle_mm_fault), whoever caused it. */
  readonly faultNs?: number;
  /** One migration cycle (migrate_vma_setup to migrate_vma_finalize), whatever it moves. */
  readonly migrateCycleNs?: number;
  /** Per page collected in a cycle: lock, isolate, unmap with its shootdown, switch, restore. */
  readonly migratePageNs?: number;
  /** A 2 MiB page migrated as one, in place of 512 times `migratePageNs`. Default: like one page. */
  readonly migrateHugeNs?: number;
  /** One attempt of hmm_range_fault, and each CPU page-table entry it looks up (4 KiB or 2 MiB). */
  readonly rangeFaultNs?: number;
  readonly rangeFaultEntryNs?: number;
}

export interface LinuxMmOptions {
  readonly driver: LinuxMmDriver;
  readonly costs?: LinuxMmCosts;
  /** VMAs under MADV_HUGEPAGE: an aligned 2 MiB inside the VMA without a page table is filled by one fault. */
  readonly hugePages?: (vma: Vma) => boolean;
  /** Private file mappings, whose written pages are anonymous copies. Other `file` memory is shared. */
  readonly privateFile?: (vma: Vma) => boolean;
  /** Splitting a huge page turns its all-zero pages into the zero page; only the caller can know which. */
  readonly isZeroFilled?: (page: number) => boolean;
  /** Kernel 6.19 and later: a whole huge page migrates as one and is not split. */
  readonly hugeMigration?: boolean;
}

/** The masks that it is called with, and scratch masks that it takes itself, end with each call. */
export interface MigrateOptions {
  readonly trigger: Trigger;
  /** Pages of one cycle, counted from the first page; a cycle never crosses a VMA. Default: the whole range. */
  readonly batchPages?: number;
  readonly move?: MoveOptions;
  /** For pages without data, which arrive zeroed. Default: as `move`. */
  readonly populate?: Pick<MoveOptions, 'timing'>;
  /**
   * Per block, before anything is copied: the pages that may go. Take out those that get no destination (memory
   * exhausted, or all of them: all or nothing); what is left moves.
   */
  readonly allocate?: (block: number, pages: PageMask) => void;
  /** Per block, when the pages have arrived: map them. Called only for blocks where pages moved. */
  readonly moved?: (block: number, pages: PageMask) => void;
}

export interface RangeFaultRequest {
  readonly firstPage: number;
  readonly lastPage: number;
  /** Whose device-private pages are returned as they are; -1 = nobody's: all come home. */
  readonly device: number;
  readonly write: boolean;
  /** The driver's notifier sequence number; a change during the walk makes the walk busy. */
  readonly sequence: () => number;
  /** Filled in by a valid request for one page: has it HMM_PFN_WRITE? */
  writable?: boolean;
}

/** `busy` = -EBUSY, begin again; `denied` = -EPERM; `fault` = -EFAULT. */
export type RangeFaultStatus = 'valid' | 'busy' | 'denied' | 'fault';

/** State of one page in the CPU page table. */
export type PageState =
  | 'unmapped' // no VMA
  | 'none'
  | 'zero'
  | 'ram'
  | 'file'
  | 'device'
  | 'exclusive';

export interface PageEntry {
  readonly state: PageState;
  readonly writable: boolean;
  /** Inside a 2 MiB entry. */
  readonly huge: boolean;
  /** Under PROT_NONE: present but reachable by nobody. */
  readonly denied: boolean;
  /** Holder of a device-private page, else -1. */
  readonly device: number;
}

/** Running totals for a driver's own metrics and for tests. */
export interface LinuxMmCounters {
  /** Page faults handled, by cause. */
  faults: Record<FaultCause, number>;
  rangeFaults: number;
  cyclesToDevice: number;
  cyclesToHost: number;
  hugePagesSplit: number;
  hugeEntriesSplit: number;
}

export interface LinuxMm {
  readonly counters: LinuxMmCounters;

  // --- faults ------------------------------------------------------------------------------------------------------
  /** The model hook of the same name: one CPU page fault. */
  hostFault(page: number, access: Access): 'retry' | 'failed';
  /** handle_mm_fault for others than CPU code. False: no such memory, or not permitted. */
  fault(page: number, write: boolean, cause: FaultCause): boolean;
  /** hmm_range_fault with faulting: one attempt. Pages are in the core's page table of the CPU afterwards. */
  rangeFault(request: RangeFaultRequest): RangeFaultStatus;
  /**
   * rangeFault of one page for each of many faults, and the mapping of it (`Core.mirrorFaults`), where the page is usable
   * as it is. Gives how many faults were served; the others take the ordinary way.
   */
  rangeFaults(device: number, faults: FaultBuffer): number;
  /** Pages of the block that a snapshot for `device` returns as valid (with write permission). */
  validMask(block: number, device: number, out: PageMask, write?: boolean): PageMask;
  /** The same of one page. */
  isValid(page: number, device: number, write: boolean): boolean;
  entry(page: number): PageEntry;
  /** Of `entry`, without the rest of it: holder of a device-private page, else -1. */
  deviceOf(page: number): number;
  /** Of `entry`: under PROT_NONE. */
  isDenied(page: number): boolean;
  /** 9 when the page lies in a 2 MiB entry of the CPU, else 0 (hmm_pfn_to_map_order). */
  mapOrder(page: number): number;

  // --- migration ---------------------------------------------------------------------------------------------------
  /** migrate_vma with SELECT_SYSTEM: holes, zero page and RAM pages go to `device`. Returns pages moved. */
  migrateToDevice(device: number, firstPage: number, lastPage: number, options: MigrateOptions): number;
  /** migrate_vma with SELECT_DEVICE_PRIVATE: the device's pages go to RAM. Returns pages moved. */
  migrateToHost(device: number, firstPage: number, lastPage: number, options: MigrateOptions): number;
  /** migrate_device_range: by device page frame, with one `clear` notification a page. For eviction. */
  migrateDevicePages(device: number, block: number, pages: PageMask, trigger: Trigger): number;
  /** make_device_exclusive_range: RAM pages that the CPU may not touch without telling. Returns pages made so. */
  makeExclusive(firstPage: number, lastPage: number): number;

  // --- system calls ------------------------------------------------------------------------------------------------
  /** munmap, or the range of a `free` record. */
  munmap(firstPage: number, lastPage: number): void;
  /** madvise(MADV_DONTNEED). */
  dontNeed(firstPage: number, lastPage: number): void;
  mprotect(firstPage: number, lastPage: number, protection: 'none' | 'read' | 'write'): void;
  /** MADV_POPULATE_*: faults every page that is not present with the rights. Returns the faults taken. */
  populate(firstPage: number, lastPage: number, write: boolean): number;
  /** mlock: populates, and device pages come home. It does not keep pages from migrating afterwards. */
  lock(firstPage: number, lastPage: number): number;
  unlock(firstPage: number, lastPage: number): void;
  /** Extra references (DMA, vmsplice): pages come home first and cannot migrate until unpinned. */
  pin(firstPage: number, lastPage: number): void;
  unpin(firstPage: number, lastPage: number): void;
  /** MADV_COLLAPSE of aligned 2 MiB; false where a device page is in the way. */
  collapse(firstPage: number, lastPage: number): boolean;
  /** Any other range invalidation (NUMA balancing, compaction, MADV_FREE): data and CPU entries stay. */
  invalidate(event: NotifierEvent, firstPage: number, lastPage: number): void;
}
