/** One run's GMEM: the pieces put together, and what faults, hints and unmapping share. */
import { BLOCK_BYTES, BLOCK_PAGES, type PageMask } from '../../replay/mask.ts';
import type { Core } from '../../replay/model.ts';
import { GmClock } from './clock.ts';
import type { GmConfig } from './config.ts';
import { createDeviceOs, type DeviceOs } from './device-os.ts';
import { createDriver, type GmDriver } from './driver.ts';
import { createHostAllocator, type HostAllocator } from './hnode.ts';
import { type GmMapping, LogicalTable, STATE } from './mapping.ts';
import type { DeviceMemory, EvictPage } from './memory.ts';

/** The address space as GMEM sees it: VMAs mapped with MAP_PEER_SHARED, whole 2 MiB pages. */
export interface PeerSpace {
  isPeerShared(block: number): boolean;
  /** One peer-shared VMA holds all of first..last. */
  inOneVma(firstBlock: number, lastBlock: number): boolean;
  /** Base pages of the 2 MiB page that take part. */
  maskOf(block: number): PageMask;
}

export interface Gm {
  readonly core: Core;
  readonly config: GmConfig;
  readonly clock: GmClock;
  readonly driver: GmDriver;
  readonly space: PeerSpace;
  readonly table: LogicalTable;
  readonly memory: DeviceMemory;
  /** Exactly one of the two exists, as the generation says. */
  readonly host: HostAllocator | null;
  readonly device: DeviceOs | null;
  /** Device mappings that the host has forgotten, as `device:block` (literal runs only). */
  readonly stale: Set<string>;
  /** Attached devices by actor index, in attach order. */
  readonly attached: readonly number[];
}

export function createStack(
  core: Core,
  config: GmConfig,
  space: PeerSpace,
  wrapDriver: (driver: GmDriver) => GmDriver = (driver) => driver,
): Gm {
  const clock = new GmClock(core);
  const driver = wrapDriver(createDriver(core, config, clock));
  const table = new LogicalTable(core, config, (block) => space.maskOf(block));
  const evict: EvictPage = (m) => evictPage(gm, m);
  const lockWait = (ns: number) => core.countOwn('lockWait.ns', ns);
  const host = config.generation.deviceOwnsMemory
    ? null
    : createHostAllocator(core, config, driver, clock, table, evict, lockWait);
  const device = host ? null : createDeviceOs(core, config, clock, evict);
  const gm: Gm = {
    core,
    config,
    clock,
    driver,
    space,
    table,
    memory: (host ?? device)!,
    host,
    device,
    stale: new Set(),
    attached: core.actors.map((_, i) => i).slice(1),
  };
  for (const d of gm.attached) limitDevice(gm, d, core.capacityBytes[d]);
  return gm;
}

/** The size asked for: max_memsize of the hNUMA node in `olk66`, the card's memory elsewhere. */
function limitDevice(gm: Gm, device: number, capacityBytes: number): void {
  if (!Number.isFinite(capacityBytes)) return;
  const bytes = Math.max(BLOCK_BYTES, Math.floor(capacityBytes / BLOCK_BYTES) * BLOCK_BYTES);
  if (gm.host) {
    gm.host.setLimit(device, bytes);
    const importBytes = gm.config.importPages * BLOCK_BYTES;
    gm.core.setEffectiveCapacity(device, Math.ceil(bytes / importBytes) * importBytes);
    return;
  }
  gm.core.setEffectiveCapacity(device, bytes);
  if (bytes <= gm.config.highWatermarkBytes) {
    gm.core.warn(
      'device memory is not larger than the high watermark of the background evictor: it empties the device',
    );
  }
}

/** Takes the page's mutex at the earliest moment it is free; `unlock` gives it back. */
export function lock(gm: Gm, m: GmMapping): void {
  if (m.lockedUntilNs > gm.clock.ns) {
    gm.core.countOwn('lockWait.ns', m.lockedUntilNs - gm.clock.ns);
    gm.clock.passUntil(m.lockedUntilNs, m.lockedToEvict ? 'eviction' : 'wait');
  }
  m.lockedFromNs = gm.clock.ns;
}

export function unlock(gm: Gm, m: GmMapping): void {
  m.lockedUntilNs = gm.clock.ns;
  m.lockedToEvict = gm.clock.makingRoom;
}

function evictPage(gm: Gm, m: GmMapping): ReturnType<EvictPage> {
  gm.clock.beginMakingRoom();
  const outcome = evictPageLocked(gm, m);
  gm.clock.endMakingRoom();
  return outcome;
}

/** gm_evict_page_locked: the page goes home and keeps its data; no CPU entry is installed. */
function evictPageLocked(gm: Gm, m: GmMapping): ReturnType<EvictPage> {
  const { driver } = gm;
  lock(gm, m);
  if (!driver.allocHostPage(m)) {
    unlock(gm, m);
    return 'noHostPage';
  }
  if (!driver.dmaMap(m)) {
    unlock(gm, m);
    return 'noHostPage';
  }
  const code = driver.peerUnmap(m, 'evict', true, m.devicePage, 'eviction', true);
  driver.dmaUnmap(m);
  if (code === 0) toHost(m, false);
  unlock(gm, m);
  return code === 0 ? 'evicted' : 'refused';
}

/** State `cpu`, on a fresh host page. */
export function toHost(m: GmMapping, onLru: boolean): void {
  m.state = STATE.cpu;
  m.device = 0;
  m.devicePage = -1;
  m.pinned = false;
  m.hostPageLost = false;
  m.onLru = onLru;
}

export function toNomap(m: GmMapping): void {
  m.state = STATE.nomap;
  m.device = 0;
  m.devicePage = -1;
  m.pinned = false;
  m.cpuEntry = false;
  m.hostPageLost = false;
  m.onLru = false;
}

/** What the code gets wrong and a literal run repeats: counted and warned about. */
export function defect(gm: Gm, text: string, page: number): void {
  gm.core.countOwn('defects');
  gm.core.warn(`as written, the code has a defect here: ${text}`);
  gm.core.note('error', 0, page, BLOCK_BYTES);
}

export function pageOf(m: GmMapping): number {
  return m.block * BLOCK_PAGES;
}
