/**
 * Serving one block (uvm_va_block_service_locked): collect the faulted pages by destination, ask for prefetch, take
 * memory, copy, map. `serveBlock` restarts from the beginning after each eviction, as the driver does.
 */

import { ACCESS, type Access } from '../../replay/faults.ts';
import {
  addPage,
  andMask,
  andNotMask,
  copyMask,
  forEachPage,
  hasPage,
  isEmptyMask,
  newMask,
  orMask,
  PAGE_BYTES,
  type PageMask,
} from '../../replay/mask.ts';
import type { Trigger } from '../../replay/metrics.ts';
import { HOST, RIGHTS } from '../../replay/model.ts';
import { evictRoot, takeMemory } from './evict.ts';
import { countRemote, driverTime, duplicatedMask, mapOthers, mapPages, newRights, revokeOthers } from './mapping.ts';
import { makeResident } from './migrate.ts';
import { prefetchHint } from './prefetch.ts';
import { selectResidency } from './residency.ts';
import { residentOn, type Uvm, type VaBlock } from './state.ts';
import type { ThrashingHint } from './thrashing-state.ts';
import { forEachProcessor, lowest } from './topology.ts';

/** What one pass over the faults of a block decided (uvm_service_block_context_t). */
export interface Service {
  readonly block: VaBlock;
  readonly processor: number;
  readonly trigger: Trigger;
  /** Processors that become the residence of some page, and which pages. */
  destinations: number;
  readonly goingTo: PageMask[];
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

export function newService(uvm: Uvm, block: VaBlock, processor: number, trigger: Trigger): Service {
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

/** What the thrashing module says about a fault on the page (counted from the 2 MiB boundary). */
export function askDetector(uvm: Uvm, block: VaBlock, page: number, requester: number): ThrashingHint {
  if (block.thrashing === null) return { kind: 'none' };
  let resident = uvm.core.residence(block.number * 512 + page);
  // Pageable memory that the driver has not seen yet counts as resident on the CPU.
  if (resident === 0 && block.range.kind === 'system') resident = 1;
  const view = { preferred: block.range.preferred, resident };
  const wasPinned = uvm.detector.isPinned(block.thrashing, page);
  const hint = uvm.detector.hint(block.thrashing, page, view, requester, driverTime(uvm));
  if (hint.kind === 'pin' && !wasPinned) uvm.core.note('pin', hint.residency, block.number * 512 + page, PAGE_BYTES);
  return hint;
}

/** Adds one faulted page to the service. */
export function addFault(uvm: Uvm, service: Service, page: number, access: Access, hint: ThrashingHint): void {
  const { block, processor } = service;
  const byCounter = service.trigger === 'counter';
  const placement = selectResidency(uvm, block, block.number * 512 + page, processor, access, hint, byCounter);
  service.destinations |= 1 << placement.processor;
  addPage(service.goingTo[placement.processor], page);
  if (placement.duplicate) addPage(service.duplicate, page);
  if (hint.kind === 'pin') addPage(service.pinned, page);
  // A CPU write cannot be told from a CPU atomic: both are served as the stronger.
  const strongest = processor === HOST && access !== ACCESS.read ? ACCESS.atomic : access;
  const byAccess = [service.readers, service.writers, service.atomics];
  addPage(byAccess[strongest], page);
  addPage(service.faulted, page);
  service.pages++;
}

/** Asks for pages to bring along; only when all faulted pages go to one place. Returns them, or null. */
function askPrefetch(uvm: Uvm, service: Service): PageMask | null {
  const { block, destinations } = service;
  if ((destinations & (destinations - 1)) !== 0) return null;
  const destination = lowest(destinations);
  const system = block.range.kind === 'system';
  const faulted = service.goingTo[destination];
  const hint = newMask();
  const anywhere = newMask();
  const here = newMask();
  for (let p = 0; p < uvm.topology.processors; p++) orMask(anywhere, residentOn(uvm, block, p, here));
  const ok = prefetchHint(
    {
      history: block.history,
      first: block.first,
      outer: block.outer,
      maxFirst: block.first,
      maxOuter: block.outer,
      system,
      destination,
      preferred: block.range.preferred,
      faulted,
      residentAtDestination: residentOn(uvm, block, destination, here),
      residentNowhere: isEmptyMask(anywhere),
      thrashing: block.thrashing === null ? null : uvm.detector.thrashingPages(block.thrashing),
      hostMapped: destination === HOST ? uvm.core.mappedMask(HOST, block.number, newMask()) : null,
    },
    uvm.prefetch,
    hint,
  );
  if (!ok) return null;
  orMask(service.readers, hint);
  if (block.range.readDuplicate) orMask(service.duplicate, hint);
  else orMask(service.duplicate, andMask(duplicatedMask(uvm, block), hint));
  orMask(faulted, hint);
  return hint;
}

/**
 * Carries the service out. False: memory is missing, nothing was moved; evict and begin again.
 * Thrashing pages stay apart from prefetch, so a page is pinned or brought along, never both.
 */
export function carryOut(uvm: Uvm, service: Service): boolean {
  const { block } = service;
  const brought = askPrefetch(uvm, service);
  let enough = true;
  forEachProcessor(service.destinations & ~1, (device) => {
    if (enough && !takeMemory(uvm, block, device, service.goingTo[device])) enough = false;
  });
  if (!enough) return false;
  uvm.core.spend(uvm.costs.blockNs, 'faultService');
  forEachProcessor(service.destinations, (destination) => {
    const mask = service.goingTo[destination];
    const before = residentOn(uvm, block, destination, newMask());
    const duplicated = andMask(copyMask(newMask(), mask), service.duplicate);
    const alone = andNotMask(copyMask(newMask(), mask), duplicated);
    uvm.core.beginMigration();
    if (!isEmptyMask(duplicated)) makeResident(uvm, block, destination, duplicated, service.trigger, brought, true);
    if (!isEmptyMask(alone)) makeResident(uvm, block, destination, alone, service.trigger, brought, false);
    const arrived = andNotMask(residentOn(uvm, block, destination, newMask()), before);
    // What could not migrate (pageable memory) is mapped where it is.
    const stayed = andNotMask(copyMask(newMask(), mask), arrived);
    mapServed(uvm, service, destination, mask, stayed);
  });
  return true;
}

/** What stayed in RAM must be in the CPU page table, and only what is somewhere can be mapped. */
function keepPresent(uvm: Uvm, service: Service, destination: number, mask: PageMask): void {
  const { block } = service;
  forEachPage(andMask(copyMask(newMask(), service.faulted), mask), (page) => {
    const at = block.number * 512 + page;
    if (uvm.core.residence(at) === 0) uvm.linux.fault(at, hasPage(service.writers, page), 'device');
  });
  const present = residentOn(uvm, block, HOST, newMask());
  andMask(mask, orMask(present, residentOn(uvm, block, destination, newMask())));
}

function mapServed(uvm: Uvm, service: Service, destination: number, mask: PageMask, stayed: PageMask): void {
  const { block, processor } = service;
  if (block.range.kind === 'system') keepPresent(uvm, service, destination, mask);
  const only = (pages: PageMask) => andMask(copyMask(newMask(), pages), mask);
  const rights = newRights(
    uvm,
    block,
    processor,
    destination,
    only(service.readers),
    only(service.writers),
    only(service.atomics),
  );
  for (const [pages, right] of [
    [rights.read, RIGHTS.read],
    [rights.write, RIGHTS.write],
    [rights.atomic, RIGHTS.atomic],
  ] as const) {
    if (isEmptyMask(pages)) continue;
    if (right !== RIGHTS.read) {
      revokeOthers(uvm, block, processor, destination, andMask(copyMask(newMask(), stayed), pages), right);
    }
    if (mapPages(uvm, block, processor, pages, right) > 0) countRemote(uvm, block, processor, destination);
  }
  mapOthers(uvm, block, processor, destination, rights, isEmptyMask(service.pinned) ? null : service.pinned);
}

/** Serves the block with what `collect` finds to do, again from the start after each eviction. False: no memory at all. */
export function serveBlock(uvm: Uvm, collect: () => Service | null): boolean {
  for (;;) {
    const service = collect();
    if (service === null || carryOut(uvm, service)) return true;
    let evicted = false;
    forEachProcessor(service.destinations & ~1, (device) => {
      evicted = evicted || evictRoot(uvm, device);
    });
    if (!evicted) return false;
  }
}

/** Pages of the block that `processor` has mapped with at least these rights. */
export function authorised(uvm: Uvm, block: VaBlock, processor: number, page: number, access: Access): boolean {
  const needed = access === ACCESS.read ? RIGHTS.read : access === ACCESS.write ? RIGHTS.write : RIGHTS.atomic;
  return uvm.core.mapping(processor, block.number * 512 + page) >= needed;
}
