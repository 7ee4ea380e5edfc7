/**
 * Linux core MM as a service to the models of drivers that stand on it: page faults and first touch, migrate_vma,
 * hmm_range_fault, MMU notifiers and the system calls that matter. Semantics were checked step by step against a run of
 * Linux 6.12.117 with its own HMM test device (docs/models/hmm.md).
 *
 * The CPU page table lives in the core (rights of actor 0); what it cannot say is kept in `linux-mm/state.ts`.
 */

import { ACCESS } from './faults.ts';
import { handleFault } from './linux-mm/fault.ts';
import { migrateDevicePages, migrateToDevice, migrateToHost } from './linux-mm/migrate.ts';
import { PageFlags } from './linux-mm/page-flags.ts';
import { isValid, rangeFault, rangeFaults, validMask } from './linux-mm/range-fault.ts';
import { deviceOf, type LinuxMmState, notify } from './linux-mm/state.ts';
import { collapse, dontNeed, lock, makeExclusive, mprotect, munmap, pin, populate } from './linux-mm/system-calls.ts';
import type { LinuxMm, LinuxMmCosts, LinuxMmOptions, PageEntry, PageState } from './linux-mm/types.ts';
import { BLOCK_PAGES, blockOf } from './mask.ts';
import { type Core, HOST, RIGHTS } from './model.ts';

export type * from './linux-mm/types.ts';

const NO_COSTS: Required<LinuxMmCosts> = {
  faultNs: 0,
  migrateCycleNs: 0,
  migratePageNs: 0,
  migrateHugeNs: 0,
  rangeFaultNs: 0,
  rangeFaultEntryNs: 0,
};

export function createLinuxMm(core: Core, options: LinuxMmOptions): LinuxMm {
  const mm: LinuxMmState = {
    core,
    options,
    costs: { ...NO_COSTS, migrateHugeNs: options.costs?.migratePageNs ?? 0, ...options.costs },
    counters: {
      faults: { cpu: 0, kernel: 0, device: 0 },
      rangeFaults: 0,
      cyclesToDevice: 0,
      cyclesToHost: 0,
      hugePagesSplit: 0,
      hugeEntriesSplit: 0,
    },
    readOnlyEntry: new PageFlags(),
    readOnlyVma: new PageFlags(),
    deniedVma: new PageFlags(),
    lockedVma: new PageFlags(),
    exclusive: new PageFlags(),
    pinned: new PageFlags(),
    fileBacked: new PageFlags(),
    pageCache: new PageFlags(),
    partOfHuge: new PageFlags(),
    huge: new Map(),
    pageTables: new Set(),
    range: { event: 'clear', firstPage: 0, lastPage: 0, owner: -1 },
    parts: [],
    partsInUse: 0,
  };
  return {
    counters: mm.counters,
    hostFault: (page, access) => (handleFault(mm, page, access !== ACCESS.read, 'cpu') ? 'retry' : 'failed'),
    fault: (page, write, cause) => handleFault(mm, page, write, cause),
    rangeFault: (request) => rangeFault(mm, request),
    rangeFaults: (device, faults) => rangeFaults(mm, device, faults),
    validMask: (block, device, out, write) => validMask(mm, block, device, out, write),
    isValid: (page, device, write) => isValid(mm, page, device, write),
    entry: (page) => entry(mm, page),
    deviceOf: (page) => deviceOf(core, page),
    isDenied: (page) => mm.deniedVma.has(page),
    mapOrder: (page) => (mm.huge.size > 0 && mm.huge.has(blockOf(page)) ? Math.log2(BLOCK_PAGES) : 0),
    migrateToDevice: (device, first, last, how) => migrateToDevice(mm, device, first, last, how),
    migrateToHost: (device, first, last, how) => migrateToHost(mm, device, first, last, how),
    migrateDevicePages: (device, block, pages, trigger) => migrateDevicePages(mm, device, block, pages, trigger),
    makeExclusive: (first, last) => makeExclusive(mm, first, last),
    munmap: (first, last) => munmap(mm, first, last),
    dontNeed: (first, last) => dontNeed(mm, first, last),
    mprotect: (first, last, protection) => mprotect(mm, first, last, protection),
    populate: (first, last, write) => populate(mm, first, last, write),
    lock: (first, last) => lock(mm, first, last),
    unlock: (first, last) => mm.lockedVma.remove(first, last),
    pin: (first, last) => pin(mm, first, last),
    unpin: (first, last) => mm.pinned.remove(first, last),
    collapse: (first, last) => collapse(mm, first, last),
    invalidate: (event, first, last) => notify(mm, event, first, last),
  };
}

function entry(mm: LinuxMmState, page: number): PageEntry {
  const { core } = mm;
  const vma = core.vmaAt(page);
  const device = deviceOf(core, page);
  const rights = core.mapping(HOST, page);
  const denied = mm.deniedVma.has(page);
  let state: PageState;
  if (vma === null) state = 'unmapped';
  else if (device > 0) state = 'device';
  else if (mm.exclusive.has(page)) state = 'exclusive';
  else if (core.residence(page) === 0) state = rights === RIGHTS.none ? 'none' : 'zero';
  else state = mm.fileBacked.has(page) ? 'file' : 'ram';
  const writable = device > 0 ? !mm.readOnlyEntry.has(page) : rights >= RIGHTS.write;
  return { state, writable, huge: mm.huge.has(blockOf(page)), denied, device };
}
