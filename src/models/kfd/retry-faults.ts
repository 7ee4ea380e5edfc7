/**
 * From the interrupt ring to `restorePages`: the worker takes one fault at a time, in the order of arrival.
 *
 * With a retry CAM the hardware holds back further faults of a page until the driver is done with the first. Without, the
 * driver's own filter drops them. Either way a dropped access raises its fault again if it still needs to.
 */

import { ACCESS, type FaultBuffer } from '../../replay/faults.ts';
import { RIGHTS } from '../../replay/model.ts';
import { restorePages } from './faults.ts';
import { FaultFilter, TICK_NS } from './filter.ts';
import type { Svms } from './types.ts';

export interface RetryFaultOptions {
  readonly cam: boolean;
  readonly retryIntervalNs: number;
}

/** The hook `deviceFaults`: each call takes up one fault. */
export function createRetryFaults(svms: Svms, options: RetryFaultOptions) {
  const { core } = svms;
  const filters = core.actors.map(() => new FaultFilter());
  /** Pages that the CAM of each GPU holds: taken up in the present round. */
  const held = core.actors.map(() => new Set<number>());

  const usable = (gpu: number, faults: FaultBuffer, i: number): boolean =>
    core.mapping(gpu, faults.page[i]) >= (faults.access[i] === ACCESS.read ? RIGHTS.read : RIGHTS.write);

  function takeUp(gpu: number, faults: FaultBuffer, i: number): void {
    const page = faults.page[i];
    const end = restorePages(svms, gpu, page, faults.access[i] !== ACCESS.read);
    switch (end) {
      case 'served':
        core.count('services');
        if (usable(gpu, faults, i)) {
          faults.serve(i);
          return;
        }
        core.warn(`${core.actors[gpu]} faults on a page for ever that is not mapped for it: the access failed`);
        faults.fail(i);
        return;
      case 'window':
        core.spend(svms.costs.repairedFaultNs);
        if (usable(gpu, faults, i)) faults.stale(i);
        else faults.defer(i, core.now() + options.retryIntervalNs);
        return;
      default:
        // A no-retry entry is written: the access is a fatal fault.
        faults.fail(i);
    }
  }

  function withCam(gpu: number, faults: FaultBuffer): void {
    const pages = held[gpu];
    let taken = -1;
    let more = false;
    for (let i = 0; i < faults.count; i++) {
      if (pages.has(faults.page[i])) continue;
      if (taken < 0) {
        taken = i;
        pages.add(faults.page[i]);
      } else {
        more = true;
        break;
      }
    }
    if (taken >= 0) takeUp(gpu, faults, taken);
    if (more) return;
    // All that is left was held back: it tries again, and what is still not mapped faults anew.
    pages.clear();
    faults.flush();
  }

  function withFilter(gpu: number, faults: FaultBuffer): void {
    if (!filters[gpu].drops(faults.page[0], Math.floor(faults.timeNs[0] / TICK_NS))) {
      takeUp(gpu, faults, 0);
    } else if (usable(gpu, faults, 0)) {
      faults.duplicate(0);
    } else {
      faults.defer(0, core.now() + options.retryIntervalNs);
    }
  }

  return options.cam ? withCam : withFilter;
}
