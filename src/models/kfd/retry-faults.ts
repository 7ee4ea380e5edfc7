/**
 * From the interrupt ring to `restorePages`: the worker takes one fault at a time, in the order of arrival.
 *
 * With a retry CAM the hardware holds back further faults of a page until the driver is done with the first. Without, the
 * driver's own filter drops them. Either way a dropped access raises its fault again if it still needs to.
 */

import { ACCESS, type FaultBuffer } from '../../replay/faults.ts';
import { RIGHTS } from '../../replay/model.ts';
import { ignoresFault, restorePages } from './faults.ts';
import { FaultFilter, TICK_NS } from './filter.ts';
import { HeldPages } from './held-pages.ts';
import type { Svms } from './types.ts';

export interface RetryFaultOptions {
  readonly cam: boolean;
  readonly retryIntervalNs: number;
}

/**
 * The hook `deviceFaults`. Each fault is a batch of its own; one call takes up a row of faults that are ignored, or one that is
 * not: that may take pages away again that the ones before it wait for.
 */
export function createRetryFaults(svms: Svms, options: RetryFaultOptions) {
  const { core } = svms;
  const filters = core.actors.map(() => new FaultFilter());
  /** Pages that the CAM of each GPU holds: taken up in the present round. */
  const held = core.actors.map(() => new HeldPages());

  const usable = (gpu: number, faults: FaultBuffer, i: number): boolean =>
    core.mapping(gpu, faults.page[i]) >= (faults.access[i] === ACCESS.read ? RIGHTS.read : RIGHTS.write);

  /** Takes up one fault. True when it was ignored: nothing has changed, and the next may follow at once. */
  function takeUp(gpu: number, faults: FaultBuffer, i: number, retryNs: number): boolean {
    const page = faults.page[i];
    const end = restorePages(svms, gpu, page, faults.access[i] !== ACCESS.read);
    if (end === 'window') {
      core.spend(svms.costs.repairedFaultNs, 'faultService');
      if (usable(gpu, faults, i)) faults.stale(i);
      else faults.defer(i, retryNs);
      return true;
    }
    if (end !== 'served') {
      // A no-retry entry is written: the access is a fatal fault.
      faults.fail(i);
      return false;
    }
    core.count('services');
    if (usable(gpu, faults, i)) {
      faults.serve(i);
    } else {
      core.warn(`${core.actors[gpu]} faults on a page for ever that is not mapped for it: the access failed`);
      faults.fail(i);
    }
    return false;
  }

  function withCam(gpu: number, faults: FaultBuffer): void {
    const pages = held[gpu];
    const retryNs = core.now() + options.retryIntervalNs;
    let taken = 0;
    let mayFollow = true;
    for (let i = 0; i < faults.count; i++) {
      const page = faults.page[i];
      if (pages.has(page)) continue;
      // Left for the next call.
      if (!mayFollow || (taken > 0 && !ignoresFault(svms, page))) {
        faults.fetches = taken;
        return;
      }
      pages.add(page);
      taken++;
      mayFollow = takeUp(gpu, faults, i, retryNs);
    }
    faults.fetches = Math.max(1, taken);
    // All that is left was held back: it tries again, and what is still not mapped faults anew.
    pages.clear();
    faults.flush();
  }

  function withFilter(gpu: number, faults: FaultBuffer): void {
    const retryNs = core.now() + options.retryIntervalNs;
    let taken = 0;
    for (let mayFollow = true; mayFollow && taken < faults.count; taken++) {
      const i = taken;
      if (i > 0 && !ignoresFault(svms, faults.page[i])) break;
      if (!filters[gpu].drops(faults.page[i], Math.floor(faults.timeNs[i] / TICK_NS))) {
        mayFollow = takeUp(gpu, faults, i, retryNs);
      } else if (usable(gpu, faults, i)) {
        faults.duplicate(i);
      } else {
        faults.defer(i, retryNs);
      }
    }
    faults.fetches = taken;
  }

  return options.cam ? withCam : withFilter;
}
