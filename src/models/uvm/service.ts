/**
 * Serving one block (uvm_va_block_service_locked): collect the faulted pages by destination, ask for prefetch, take
 * memory, copy, map. Whoever serves begins again after each eviction, as the driver does.
 */

import { ACCESS, type Access } from '../../replay/faults.ts';
import {
  addPage,
  andMask,
  andNotMask,
  clearMask,
  copyMask,
  hasPage,
  isEmptyMask,
  newMask,
  nextPage,
  orMask,
  PAGE_BYTES,
  type PageMask,
  scratchMask,
} from '../../replay/mask.ts';
import type { Trigger } from '../../replay/metrics.ts';
import { HOST, RIGHTS, type Rights } from '../../replay/model.ts';
import { evictRoot, takeMemory } from './evict.ts';
import { countRemote, driverTime, duplicatedMask, mapOthers, mapPages, newRights, revokeOthers } from './mapping.ts';
import { makeResident } from './migrate.ts';
import { type PrefetchRequest, prefetchHint } from './prefetch.ts';
import { mayDuplicate, selectResidency } from './residency.ts';
import { residentOn, type Uvm, type VaBlock } from './state.ts';
import { NO_HINT, type PageView, type ThrashingHint } from './thrashing-state.ts';
import { lowest } from './topology.ts';

/**
 * What one pass over the faults of a block decided (uvm_service_block_context_t). The driver keeps such contexts for
 * reuse; so does `takeService`.
 */
export interface Service {
  block: VaBlock;
  processor: number;
  trigger: Trigger;
  /** Processors that become the residence of some page, and which pages. */
  destinations: number;
  readonly goingTo: readonly PageMask[];
  readonly duplicate: PageMask;
  readonly pinned: PageMask;
  /** Pages by the strongest access that waits; prefetched ones count as read. */
  readonly readers: PageMask;
  readonly writers: PageMask;
  readonly atomics: PageMask;
  /** Without those brought along. */
  readonly faulted: PageMask;
  pages: number;
}

/** A context for serving the block: `beginService` before each pass over the faults, `endService` after the last. */
export function takeService(uvm: Uvm, block: VaBlock, processor: number, trigger: Trigger): Service {
  const service = uvm.idleServices.pop();
  if (service === undefined) return newService(uvm, block, processor, trigger);
  service.block = block;
  service.processor = processor;
  service.trigger = trigger;
  return service;
}

function newService(uvm: Uvm, block: VaBlock, processor: number, trigger: Trigger): Service {
  return {
    block,
    processor,
    trigger,
    destinations: 0,
    goingTo: uvm.core.actors.map(() => newMask()),
    duplicate: newMask(),
    pinned: newMask(),
    readers: newMask(),
    writers: newMask(),
    atomics: newMask(),
    faulted: newMask(),
    pages: 0,
  };
}

export function beginService(service: Service): void {
  for (let rest = service.destinations; rest !== 0; rest &= rest - 1) clearMask(service.goingTo[lowest(rest)]);
  service.destinations = 0;
  clearMask(service.duplicate);
  clearMask(service.pinned);
  clearMask(service.readers);
  clearMask(service.writers);
  clearMask(service.atomics);
  clearMask(service.faulted);
  service.pages = 0;
}

export function endService(uvm: Uvm, service: Service): void {
  uvm.idleServices.push(service);
}

/** Filled in for each question: the detector keeps nothing of it. */
const view: { -readonly [Key in keyof PageView]: PageView[Key] } = { preferred: -1, resident: 0 };

/** What the thrashing module says about a fault on the page (counted from the 2 MiB boundary). */
export function askDetector(uvm: Uvm, block: VaBlock, page: number, requester: number): ThrashingHint {
  if (block.thrashing === null || block.thrashing.pages === null) return NO_HINT;
  let resident = uvm.core.residence(block.number * 512 + page);
  // Pageable memory that the driver has not seen yet counts as resident on the CPU.
  if (resident === 0 && block.range.kind === 'system') resident = 1;
  view.preferred = block.range.preferred;
  view.resident = resident;
  const wasPinned = uvm.detector.isPinned(block.thrashing, page);
  const hint = uvm.detector.hint(block.thrashing, page, view, requester, driverTime(uvm));
  if (hint.kind === 'pin' && !wasPinned) uvm.core.note('pin', hint.residency, block.number * 512 + page, PAGE_BYTES);
  return hint;
}

/** Adds one faulted page to the service. */
export function addFault(uvm: Uvm, service: Service, page: number, access: Access, hint: ThrashingHint): void {
  const { block, processor } = service;
  const resident = uvm.core.residence(block.number * 512 + page);
  let destination = processor;
  if (mayDuplicate(block.range, resident, hint)) {
    if (access === ACCESS.read) addPage(service.duplicate, page);
  } else {
    destination = selectResidency(uvm, block.range, resident, processor, hint, service.trigger === 'counter');
  }
  service.destinations |= 1 << destination;
  addPage(service.goingTo[destination], page);
  if (hint.kind === 'pin') addPage(service.pinned, page);
  // A CPU write cannot be told from a CPU atomic: both are served as the stronger.
  if (access === ACCESS.read) addPage(service.readers, page);
  else if (access === ACCESS.write && processor !== HOST) addPage(service.writers, page);
  else addPage(service.atomics, page);
  addPage(service.faulted, page);
  service.pages++;
}

/** Asks for pages to bring along; only when all faulted pages go to one place. Returns them, or null. */
function askPrefetch(uvm: Uvm, service: Service): PageMask | null {
  const { block, destinations } = service;
  if (!uvm.prefetch.enabled || (destinations & (destinations - 1)) !== 0) return null;
  const destination = lowest(destinations);
  const faulted = service.goingTo[destination];
  const hint = scratchMask();
  if (!prefetchHint(fillRequest(uvm, block, destination, faulted), uvm.prefetch, hint)) return null;
  orMask(service.readers, hint);
  if (block.range.readDuplicate) orMask(service.duplicate, hint);
  else if (block.everDuplicated) {
    orMask(service.duplicate, andMask(duplicatedMask(uvm, block, scratchMask()), hint));
  }
  orMask(faulted, hint);
  return hint;
}

/** The one request that `fillRequest` lends: `prefetchHint` keeps nothing of it. */
const request = {} as { -readonly [Key in keyof PrefetchRequest]: PrefetchRequest[Key] };

function fillRequest(uvm: Uvm, block: VaBlock, destination: number, faulted: PageMask): PrefetchRequest {
  const resident = residentOn(uvm, block, destination, scratchMask());
  request.history = block.history;
  request.first = block.first;
  request.outer = block.outer;
  request.maxFirst = block.first;
  request.maxOuter = block.outer;
  request.system = block.range.kind === 'system';
  request.destination = destination;
  request.preferred = block.range.preferred;
  request.faulted = faulted;
  request.residentAtDestination = resident;
  request.residentNowhere = destination === block.range.preferred && isNowhere(uvm, block);
  request.thrashing = block.thrashing === null ? null : uvm.detector.thrashingPages(block.thrashing);
  request.hostMapped = destination === HOST ? uvm.core.mappedMask(HOST, block.number, scratchMask()) : null;
  return request;
}

function isNowhere(uvm: Uvm, block: VaBlock): boolean {
  const here = scratchMask();
  for (let p = 0; p < uvm.topology.processors; p++) if (!isEmptyMask(residentOn(uvm, block, p, here))) return false;
  return true;
}

/**
 * Carries the service out. False: memory is missing, nothing was moved; make room and begin again.
 * Thrashing pages stay apart from prefetch, so a page is pinned or brought along, never both.
 */
export function carryOut(uvm: Uvm, service: Service): boolean {
  const { block } = service;
  const brought = askPrefetch(uvm, service);
  for (let rest = service.destinations & ~1; rest !== 0; rest &= rest - 1) {
    const device = lowest(rest);
    if (!takeMemory(uvm, block, device, service.goingTo[device])) return false;
  }
  uvm.core.spend(uvm.costs.blockNs, 'faultService');
  for (let rest = service.destinations; rest !== 0; rest &= rest - 1) serveTo(uvm, service, lowest(rest), brought);
  return true;
}

/** Makes the pages of one destination resident there and maps them. */
function serveTo(uvm: Uvm, service: Service, destination: number, brought: PageMask | null): void {
  const { block } = service;
  const mask = service.goingTo[destination];
  const before = residentOn(uvm, block, destination, scratchMask());
  uvm.core.beginMigration();
  if (isEmptyMask(service.duplicate)) {
    makeResident(uvm, block, destination, mask, service.trigger, brought, false);
  } else {
    const duplicated = andMask(copyMask(scratchMask(), mask), service.duplicate);
    const alone = andNotMask(copyMask(scratchMask(), mask), duplicated);
    if (!isEmptyMask(duplicated)) makeResident(uvm, block, destination, duplicated, service.trigger, brought, true);
    if (!isEmptyMask(alone)) makeResident(uvm, block, destination, alone, service.trigger, brought, false);
  }
  // What could not migrate (pageable memory) is mapped where it is.
  const arrived = andNotMask(residentOn(uvm, block, destination, scratchMask()), before);
  mapServed(uvm, service, destination, mask, arrived);
}

/** What stayed in RAM must be in the CPU page table, and only what is somewhere can be mapped. */
function keepPresent(uvm: Uvm, service: Service, destination: number, mask: PageMask): void {
  const { block } = service;
  for (let page = nextPage(mask, 0); page >= 0; page = nextPage(mask, page + 1)) {
    const at = block.number * 512 + page;
    if (!hasPage(service.faulted, page) || uvm.core.residence(at) !== 0) continue;
    uvm.linux.fault(at, hasPage(service.writers, page), 'device');
  }
  const present = residentOn(uvm, block, HOST, scratchMask());
  andMask(mask, orMask(present, residentOn(uvm, block, destination, scratchMask())));
}

function mapServed(uvm: Uvm, service: Service, destination: number, mask: PageMask, arrived: PageMask): void {
  const { block, processor } = service;
  if (block.range.kind === 'system') keepPresent(uvm, service, destination, mask);
  const read = andMask(copyMask(scratchMask(), service.readers), mask);
  const write = andMask(copyMask(scratchMask(), service.writers), mask);
  const atomic = andMask(copyMask(scratchMask(), service.atomics), mask);
  newRights(uvm, block, processor, destination, read, write, atomic);
  mapWith(uvm, service, destination, read, RIGHTS.read, arrived);
  mapWith(uvm, service, destination, write, RIGHTS.write, arrived);
  mapWith(uvm, service, destination, atomic, RIGHTS.atomic, arrived);
  const pinned = isEmptyMask(service.pinned) ? null : service.pinned;
  mapOthers(uvm, block, processor, destination, read, write, atomic, pinned);
}

/** Maps the pages for the faulting processor; others lose what they may not keep on pages that did not just arrive. */
function mapWith(
  uvm: Uvm,
  service: Service,
  destination: number,
  pages: PageMask,
  right: Rights,
  arrived: PageMask,
): void {
  if (isEmptyMask(pages)) return;
  const { block, processor } = service;
  if (right !== RIGHTS.read) revokeOthers(uvm, block, processor, destination, pages, arrived, right);
  if (mapPages(uvm, block, processor, pages, right) > 0) countRemote(uvm, block, processor, destination);
}

/** After `carryOut` found no memory: evicts from the first of its devices that can. False: no memory at all. */
export function makeRoom(uvm: Uvm, service: Service): boolean {
  for (let rest = service.destinations & ~1; rest !== 0; rest &= rest - 1) {
    if (evictRoot(uvm, lowest(rest))) return true;
  }
  return false;
}

/** Has `processor` mapped the page with at least these rights? */
export function authorised(uvm: Uvm, block: VaBlock, processor: number, page: number, access: Access): boolean {
  const needed = access === ACCESS.read ? RIGHTS.read : access === ACCESS.write ? RIGHTS.write : RIGHTS.atomic;
  return uvm.core.mapping(processor, block.number * 512 + page) >= needed;
}
