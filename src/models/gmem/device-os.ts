/**
 * Memory that the device's own OS hands out inside `peer_map` (`olk510`: drivers/remote_pager, swap/device; `rfc`: the
 * driver's affair, taken to be the same). Its list is in mapping order too. Full: evict one page, try again. A
 * background evictor (swapd) keeps some memory free.
 */
import { BLOCK_BYTES } from '../../replay/mask.ts';
import type { Core } from '../../replay/model.ts';
import type { GmClock } from './clock.ts';
import { DIRECT_EVICTIONS, type GmConfig } from './config.ts';
import type { GmMapping } from './mapping.ts';
import type { DeviceMemory, EvictPage } from './memory.ts';

export interface DeviceOs extends DeviceMemory {
  /** In eviction order, head first. */
  readonly lru: readonly Set<GmMapping>[];
  /** swapd of this device goes on: called at the time asked for with `wakeAt`. */
  swapd(device: number): void;
}

export function createDeviceOs(core: Core, config: GmConfig, clock: GmClock, evictPage: EvictPage): DeviceOs {
  const lru = core.actors.map(() => new Set<GmMapping>());
  const swapdRuns = core.actors.map(() => false);
  /** A victim of swapd still being written back. */
  const inFlight = core.actors.map(() => false);

  function freeBytes(device: number): number {
    return core.effectiveCapacity(device) - core.allocatedBytes(device);
  }

  function evictHead(device: number): boolean {
    for (const m of lru[device]) {
      lru[device].delete(m);
      if (evictPage(m) === 'evicted') {
        core.countOwn('driverEvictions');
        return true;
      }
      lru[device].add(m);
      return false;
    }
    return false;
  }

  function wakeSwapd(device: number): void {
    if (swapdRuns[device] || freeBytes(device) >= config.lowWatermarkBytes) return;
    swapdRuns[device] = true;
    core.countOwn('swapdWakes');
    core.wakeAt(clock.ns, device);
  }

  return {
    lru,

    take(device) {
      for (let tries = 0; tries <= DIRECT_EVICTIONS; tries++) {
        if (core.reserve(device, BLOCK_BYTES)) return 0;
        if (tries < DIRECT_EVICTIONS && evictHead(device)) core.release(device, BLOCK_BYTES);
      }
      return null;
    },

    giveBack(device) {
      core.release(device, BLOCK_BYTES);
    },

    appended(device, m) {
      lru[device].add(m);
      wakeSwapd(device);
    },

    refreshed(m) {
      const list = lru[m.device];
      list.delete(m);
      list.add(m);
    },

    released(m) {
      lru[m.device].delete(m);
      core.release(m.device, BLOCK_BYTES);
    },

    swapd(device) {
      if (inFlight[device]) {
        inFlight[device] = false;
        core.release(device, BLOCK_BYTES);
      }
      if (freeBytes(device) > config.highWatermarkBytes || lru[device].size === 0) {
        swapdRuns[device] = false;
        return;
      }
      inFlight[device] = evictHead(device);
      if (inFlight[device]) core.wakeAt(clock.ns, device);
      else swapdRuns[device] = false;
    },
  };
}
