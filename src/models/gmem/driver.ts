/**
 * Everything that crosses the boundary to hardware: the `gm_mmu` functions of a device driver, and what host core MM
 * does for GMEM. Decisions are made elsewhere; here they are done, charged and counted. A test wraps these calls
 * to record them or to have them fail.
 *
 * Time is local (clock.ts): each call passes it, and who waits for whom (page mutex, link, a page being freed) is worked
 * out there.
 */
import type { LinkSpeed } from '../../platforms/platform.ts';
import {
  andMask,
  BLOCK_BYTES,
  BLOCK_PAGES,
  countPages,
  endOfRun,
  newMask,
  nextPage,
  PAGE_BYTES,
} from '../../replay/mask.ts';
import type { SpentOn, Trigger } from '../../replay/metrics.ts';
import { type Core, HOST, RIGHTS } from '../../replay/model.ts';
import type { GmClock } from './clock.ts';
import { GM, type GmConfig } from './config.ts';
import type { GmMapping } from './mapping.ts';

export type UnmapReason = 'fault' | 'evict' | 'free';

export interface GmDriver {
  // --- struct gm_mmu ---------------------------------------------------------------------------------------------
  peerVaAllocFixed(device: number, block: number, sizeBytes: number): number;
  peerVaFree(device: number, block: number, sizeBytes: number): void;
  /** `copy`: DMA in from the host page; else zero-fill. `device` = whose page it becomes. */
  peerMap(device: number, m: GmMapping, copy: boolean, devicePage: number, trigger: Trigger): number;
  /** `copy`: DMA out. `invalidate` false: the range invalidate of the page before covers this one too. */
  peerUnmap(
    m: GmMapping,
    reason: UnmapReason,
    copy: boolean,
    devicePage: number,
    trigger: Trigger,
    invalidate: boolean,
  ): number;
  /** Device page numbers handed over, or null when the driver refuses. */
  importPhysMem(device: number, pages: number): readonly number[] | null;
  peerHmemcpy(direction: 'H2D' | 'D2H', dst: Place, src: Place, sizeBytes: number, device: number): void;
  /** A page that the device holds already is entered again: data stays. */
  peerReenter(device: number, m: GmMapping): void;
  /** The device's entry goes, the page stays where it is. */
  peerInvalidate(device: number, m: GmMapping): void;
  /** REPLICATE mode: the device gets a copy of the CPU entry and reaches the page over the coherent bus. */
  peerReplicate(device: number, m: GmMapping): void;
  // --- host core MM ----------------------------------------------------------------------------------------------
  /** Zaps the CPU range; true when an entry existed. */
  zap(m: GmMapping): boolean;
  allocHostPage(m: GmMapping): boolean;
  zeroHostPage(m: GmMapping, firstTouch: boolean): void;
  dmaMap(m: GmMapping): boolean;
  dmaUnmap(m: GmMapping): void;
  installCpuEntry(m: GmMapping): void;
  // --- steps worth recording -------------------------------------------------------------------------------------
  evictionRound(device: number): void;
  queueWork(block: number, pages: number): void;
}

/** A byte inside the address space, as 2 MiB page and offset (byte addresses do not fit a number). */
export interface Place {
  readonly block: number;
  readonly offsetBytes: number;
}

/** Copies take their time on the clock of this model. */
const TIMED_HERE = { timing: 'none' } as const;

export function createDriver(core: Core, config: GmConfig, clock: GmClock): GmDriver {
  const { platform } = core;
  const { generation } = config;
  const deviceOwned = generation.deviceOwnsMemory ? 1 : 0;
  const entryStep = config.postedEntries ? 0 : 1;
  const linkFreeNs = new Map<number, number>();
  const present = newMask();
  const nextDevicePage: number[] = core.actors.map(() => 0);

  /** Most messages write page tables of the device. */
  function roundTrips(n: number, cause: SpentOn = 'mapping'): void {
    core.count('roundTrips', n);
    clock.pass(n * config.roundTripNs, cause);
  }

  /** The copy occupies its link from when both are free. */
  function copy(m: GmMapping, from: number, to: number, trigger: Trigger): void {
    const link = to === HOST ? platform.link.d2h : platform.link.h2d;
    let ns = 0;
    andMask(core.residentMask(from, m.block, present), m.mask);
    for (let first = nextPage(present, 0); first >= 0; ) {
      const last = endOfRun(present, first);
      ns += copyNs(link, (last - first + 1) * PAGE_BYTES);
      first = nextPage(present, last + 1);
    }
    const key = from * core.actors.length + to;
    clock.passUntil(linkFreeNs.get(key) ?? 0, 'transfer');
    clock.pass(ns, 'transfer');
    linkFreeNs.set(key, clock.ns);
    core.move(m.block, m.mask, to, trigger, TIMED_HERE);
  }

  function fill(m: GmMapping, at: number): void {
    const pages = core.populate(m.block, m.mask, at, TIMED_HERE);
    const speed = at === HOST ? platform.host.zeroBytesPerNs : platform.device.zeroBytesPerNs;
    clock.pass(Math.round((pages * PAGE_BYTES) / speed), 'transfer');
  }

  function map(device: number, m: GmMapping): void {
    core.map(device, m.block, m.mask, RIGHTS.write, 1);
  }

  function flushTlb(): void {
    core.count('tlb.invalidations');
    clock.pass(platform.device.tlbInvalidateNs, 'mapping');
  }

  function invalidate(device: number, m: GmMapping): void {
    roundTrips(config.coupled ? 1 : entryStep + 1);
    core.unmap(device, m.block, m.mask, 1);
    flushTlb();
  }

  function replicate(device: number, m: GmMapping): void {
    core.countOwn('replicas');
    roundTrips(config.coupled ? 1 : entryStep);
    map(device, m);
  }

  return {
    peerVaAllocFixed() {
      core.countOwn('vaRequests');
      roundTrips(1, 'faultService');
      return GM.ok;
    },

    peerVaFree() {
      roundTrips(1, 'faultService');
    },

    peerMap(device, m, withCopy, _devicePage, trigger) {
      core.countOwn('peerMap');
      core.beginMigration();
      // Coupled: allocate, fill, enter in one message. Decoupled: one each, `alloc` only where the device owns its memory.
      roundTrips(config.coupled ? 1 : deviceOwned + 1 + entryStep);
      if (withCopy) copy(m, HOST, device, trigger);
      fill(m, device);
      map(device, m);
      return GM.ok;
    },

    peerUnmap(m, reason, withCopy, _devicePage, trigger, withInvalidate) {
      core.countOwn('peerUnmap');
      const { device } = m;
      // Coupled: everything in one message. Decoupled: release, invalidate, DMA out, free.
      roundTrips(config.coupled ? 1 : entryStep + (withInvalidate ? 1 : 0) + (withCopy ? 1 : 0) + deviceOwned);
      // The device OS asks for its victim first: EVICT_PAGE with FREE_PAGE nested in it.
      if (reason === 'evict' && generation.deviceOwnsMemory) roundTrips(1);
      core.unmap(device, m.block, m.mask, 1);
      if (withInvalidate) flushTlb();
      if (reason === 'evict') {
        core.evicted(
          device,
          m.block * BLOCK_PAGES,
          BLOCK_BYTES,
          countPages(core.residentMask(device, m.block, present)),
        );
      }
      core.beginMigration();
      if (withCopy) copy(m, device, HOST, trigger);
      else core.discard(m.block, m.mask);
      return GM.ok;
    },

    importPhysMem(device, pages) {
      if (config.importMessage) roundTrips(1, 'faultService');
      if (!core.reserve(device, pages * BLOCK_BYTES)) return null;
      core.countOwn('imports');
      const first = nextDevicePage[device];
      nextDevicePage[device] = first + pages;
      return Array.from({ length: pages }, (_, i) => first + i);
    },

    peerHmemcpy(direction, _dst, _src, sizeBytes, device) {
      core.countOwn('hmemcpyPieces');
      roundTrips(1, 'transfer');
      clock.spend();
      if (direction === 'H2D') core.transfer(HOST, device, sizeBytes);
      else core.transfer(device, HOST, sizeBytes);
      clock.begin(core.now());
    },

    peerReenter(device, m) {
      core.countOwn('peerMap');
      roundTrips(config.coupled ? 1 : entryStep);
      if (core.mapping(device, firstPageOf(m)) === RIGHTS.none) map(device, m);
    },

    peerInvalidate: invalidate,
    peerReplicate: replicate,

    zap(m) {
      core.count('notifier.invalidations');
      const had = m.cpuEntry;
      if (had) {
        core.unmap(HOST, m.block, m.mask, 1);
        clock.pass(platform.host.tlbShootdownNs, 'mapping');
        if (config.replicate) {
          for (let d = 1; d < core.actors.length; d++) {
            if (core.mapping(d, firstPageOf(m)) !== RIGHTS.none) invalidate(d, m);
          }
        }
      }
      m.cpuEntry = false;
      return had;
    },

    allocHostPage() {
      return true;
    },

    zeroHostPage(m, firstTouch) {
      if (firstTouch) {
        core.beginMigration();
        fill(m, HOST);
      } else {
        // Every new folio is zeroed, also one that the DMA is about to overwrite.
        clock.pass(Math.round((countPages(m.mask) * PAGE_BYTES) / platform.host.zeroBytesPerNs), 'transfer');
      }
    },

    dmaMap() {
      return true;
    },

    dmaUnmap() {},

    installCpuEntry(m) {
      m.cpuEntry = true;
      core.map(HOST, m.block, m.mask, RIGHTS.write, 0);
      if (!config.replicate) return;
      for (let d = 1; d < core.actors.length; d++) replicate(d, m);
    },

    evictionRound() {
      core.countOwn('evictionRounds');
    },

    queueWork() {
      core.countOwn('workItems');
    },
  };
}

function copyNs(link: LinkSpeed, bytes: number): number {
  return Math.round(link.copyOverheadNs + bytes / link.bytesPerNs);
}

/** First base page of a mapping that takes part. */
export function firstPageOf(m: GmMapping): number {
  for (let w = 0; w < m.mask.length; w++) {
    if (m.mask[w] !== 0) return m.block * BLOCK_PAGES + w * 32 + 31 - Math.clz32(m.mask[w] & -m.mask[w]);
  }
  return m.block * BLOCK_PAGES;
}
