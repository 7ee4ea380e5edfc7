/**
 * The host's allocator of device pages (`olk66`, gmem_phys.c): a free list that is a stack, imports of 16 pages from the
 * device, and rounds of eviction from the head of the active list, which is in fault order.
 */
import { BLOCK_BYTES } from '../../replay/mask.ts';
import type { Core } from '../../replay/model.ts';
import type { GmClock } from './clock.ts';
import { EVICT_BATCH, EVICT_ROUNDS, type GmConfig } from './config.ts';
import type { GmDriver } from './driver.ts';
import type { GmMapping, LogicalTable } from './mapping.ts';
import type { DeviceMemory, EvictPage } from './memory.ts';

/** One hNUMA node. `nrFree` and `nrActive` are the code's own counters, which a defect can part from the lists. */
export interface Hnode {
  readonly free: number[];
  readonly freeAtNs: Map<number, number>;
  /** Free pages that an eviction made so. */
  readonly evicted: Set<number>;
  /** In eviction order, head first. */
  readonly active: Set<GmMapping>;
  nrFree: number;
  nrActive: number;
  /** Bytes; 0 = no limit. Tested only before an import, so capacity is rounded up to whole imports. */
  maxMemBytes: number;
  /** Once refused, never asked again. */
  importFailed: boolean;
}

export interface HostAllocator extends DeviceMemory {
  readonly nodes: readonly Hnode[];
  setLimit(device: number, bytes: number): number;
}

export function createHostAllocator(
  core: Core,
  config: GmConfig,
  driver: GmDriver,
  clock: GmClock,
  table: LogicalTable,
  evictPage: EvictPage,
  lockWait: (ns: number) => void,
): HostAllocator {
  const nodes: Hnode[] = core.actors.map(() => ({
    free: [],
    freeAtNs: new Map(),
    evicted: new Set(),
    active: new Set(),
    nrFree: 0,
    nrActive: 0,
    maxMemBytes: 0,
    importFailed: false,
  }));

  function popFree(node: Hnode): number | null {
    const page = node.free.pop();
    if (page === undefined) return null;
    node.nrFree--;
    // Another task still imports it, or writes the old content back.
    const freeAtNs = node.freeAtNs.get(page) ?? 0;
    if (freeAtNs > clock.ns) {
      lockWait(freeAtNs - clock.ns);
      clock.passUntil(freeAtNs, node.evicted.has(page) ? 'eviction' : 'wait');
    }
    return page;
  }

  function pushFree(node: Hnode, devicePage: number, byEviction = false): void {
    node.free.push(devicePage);
    node.freeAtNs.set(devicePage, clock.ns);
    if (byEviction) node.evicted.add(devicePage);
    else node.evicted.delete(devicePage);
    node.nrFree++;
  }

  function mayImport(node: Hnode): boolean {
    if (node.importFailed) return false;
    return node.maxMemBytes === 0 || (node.nrFree + node.nrActive) * BLOCK_BYTES < node.maxMemBytes;
  }

  function importPages(device: number, node: Hnode): boolean {
    const pages = driver.importPhysMem(device, config.importPages);
    if (!pages) {
      node.importFailed = true;
      return false;
    }
    for (const page of pages) pushFree(node, page);
    table.pagesImported(pages.length);
    return true;
  }

  /** gm_do_swap: takes up to 16 unpinned pages off the head of the list and evicts them, last taken first. */
  function evictionRound(device: number, node: Hnode): void {
    driver.evictionRound(device);
    const victims: GmMapping[] = [];
    for (const m of node.active) {
      if (victims.length === EVICT_BATCH) break;
      if (!m.pinned) victims.push(m);
    }
    for (const m of victims) node.active.delete(m);
    for (const m of victims.reverse()) {
      const { devicePage } = m;
      const outcome = evictPage(m);
      if (outcome === 'evicted') {
        node.nrActive--;
        pushFree(node, devicePage, true);
      } else if (outcome !== 'refused' || !config.literal) {
        node.active.add(m);
      }
      // Refused, as the code has it: the page stays on the device, off every list, and still counts as active.
    }
  }

  return {
    nodes,

    setLimit(device, bytes) {
      const pages = Math.floor(bytes / BLOCK_BYTES);
      nodes[device].maxMemBytes = pages * BLOCK_BYTES;
      return pages;
    },

    take(device) {
      const node = nodes[device];
      for (let rounds = 0; ; rounds++) {
        const page = popFree(node);
        if (page !== null) return page;
        if (mayImport(node) && importPages(device, node)) return popFree(node);
        if (rounds === EVICT_ROUNDS) return null;
        evictionRound(device, node);
      }
    },

    giveBack(device, devicePage) {
      pushFree(nodes[device], devicePage);
    },

    appended(device, m) {
      nodes[device].active.add(m);
      nodes[device].nrActive++;
    },

    refreshed(m) {
      const { active } = nodes[m.device];
      active.delete(m);
      active.add(m);
    },

    released(m) {
      const node = nodes[m.device];
      node.active.delete(m);
      node.nrActive--;
      pushFree(node, m.devicePage);
    },
  };
}
