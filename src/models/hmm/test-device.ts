/**
 * The kernel's test device under the chunk policies of the recording: what an access asks of `dmirror.ts`. The recording
 * calls the device for every access. Here it is called for those that find a page in RAM, or none: with a page on the device
 * there is nothing to decide.
 */

import { ACCESS, type FaultBuffer } from '../../replay/faults.ts';
import { endInBlock } from '../../replay/linux-mm/page-flags.ts';
import { createLinuxMm, type LinuxMm } from '../../replay/linux-mm.ts';
import {
  addPage,
  addRange,
  blockOf,
  countPages,
  PAGE_BYTES,
  pageInBlock,
  releaseScratch,
  scratchMark,
  scratchMask,
} from '../../replay/mask.ts';
import { type Core, HOST, type ModelHooks, RIGHTS } from '../../replay/model.ts';
import type { PrefetchEvent } from '../../trace/compiled.ts';
import { createDmirror } from './dmirror.ts';
import { type HmmParameters, kernelCosts } from './parameters.ts';
import { createProcess } from './process.ts';

export function createTestDevice(core: Core, p: HmmParameters): ModelHooks {
  const device = createDmirror(core, () => mm, {
    reserve: (actor) => core.reserve(actor, PAGE_BYTES),
    hidesRam: p.migrateOnAccess,
  });
  const mm: LinuxMm = createLinuxMm(core, {
    driver: {
      invalidate: (range) => device.invalidate(range),
      pageFree: (actor, block, pages) => {
        device.pageFree(actor, block, pages);
        core.release(actor, countPages(pages) * PAGE_BYTES);
      },
    },
    costs: kernelCosts(p),
  });
  const process = createProcess(core, mm, { reserve: (actor, bytes) => core.reserve(actor, bytes) });

  /** Entries of the present request. */
  const entries: number[] = [];

  /** One request: the whole access of the first fault. */
  function deviceFaults(actor: number, faults: FaultBuffer): void {
    const firstPage = faults.firstPage[0];
    const lastPage = faults.lastPage[0];
    const write = faults.access[0] !== ACCESS.read;
    core.spend(p.faultNs, 'faultService');
    core.count('roundTrips');
    const reachable = !meetsExplicit(firstPage, lastPage);
    if (reachable && p.migrateOnAccess) migrateChunks(actor, firstPage, lastPage);
    if (reachable && request(actor, firstPage, lastPage, write)) faults.serve(0);
    else faults.fail(0);
    const own = findOwn(faults);
    lend(actor, faults, own);
    for (let k = 1; k < own; k++) {
      const i = entries[k];
      const needed = faults.access[i] === ACCESS.read ? RIGHTS.read : RIGHTS.write;
      if (core.mapping(actor, faults.page[i]) >= needed) faults.duplicate(i);
    }
  }

  /** Fills `entries` with those of the first fault's request; returns how many there are. */
  function findOwn({ count, record }: FaultBuffer): number {
    let own = 0;
    for (let i = 0; i < count; i++) if (record[i] === record[0]) entries[own++] = i;
    return own;
  }

  function meetsExplicit(firstPage: number, lastPage: number): boolean {
    const only = core.vmaAt(firstPage);
    if (only !== null && lastPage <= only.lastPage) return process.isExplicit(only);
    return core.vmasIn(firstPage, lastPage).some(process.isExplicit);
  }

  /**
   * The policy looks at every access, so pages in RAM are let go for this one only: until each page that it has yet to
   * touch was touched once. Those are the pages that wait and, when the device may issue no more, those behind them.
   */
  function lend(actor: number, faults: FaultBuffer, own: number): void {
    if (!p.migrateOnAccess) return;
    let first = faults.page[0];
    let last = first;
    for (let k = 1; k < own; k++) {
      first = Math.min(first, faults.page[entries[k]]);
      last = Math.max(last, faults.page[entries[k]]);
    }
    // A copy's faults are of two ranges: only that of the first fault is accessed now.
    const start = Math.max(first, faults.firstPage[0]);
    const end = faults.count >= core.inFlight ? faults.lastPage[0] : Math.min(last, faults.lastPage[0]);
    for (let page = start; page <= end; page = endInBlock(page, end) + 1) {
      const mark = scratchMark();
      const block = blockOf(page);
      const pages = scratchMask();
      for (let k = 0; k < own && page <= last; k++) {
        const waits = faults.page[entries[k]];
        if (blockOf(waits) === block) addPage(pages, pageInBlock(waits));
      }
      const behind = Math.max(page, last + 1);
      const endHere = endInBlock(page, end);
      if (behind <= endHere) addRange(pages, pageInBlock(behind), pageInBlock(endHere));
      const lent = device.mirror.lend(actor, block, pages);
      releaseScratch(mark);
      if (lent > 0) core.armCounter(actor, block, lent);
    }
  }

  function request(actor: number, firstPage: number, lastPage: number, write: boolean): boolean {
    const pages = p.service === 'page' ? 1 : lastPage - firstPage + 1;
    for (let first = firstPage; first <= lastPage; first += pages) {
      const { errno, faulted } = device.access(actor, first, first + pages - 1, write);
      if (faulted) core.count('services');
      if (errno !== 0) return false;
    }
    return true;
  }

  /** Each aligned chunk of which an accessed page is not on this device migrates as a whole. */
  function migrateChunks(actor: number, firstPage: number, lastPage: number): void {
    for (let first = firstPage - (firstPage % p.chunk); first <= lastPage; first += p.chunk) {
      const accessedFrom = Math.max(first, firstPage);
      const accessedTo = Math.min(first + p.chunk - 1, lastPage);
      const vma = core.vmaAt(accessedFrom);
      if (vma === null || isHeld(actor, accessedFrom, accessedTo)) continue;
      const from = Math.max(first, vma.firstPage);
      const to = Math.min(first + p.chunk - 1, vma.lastPage);
      if (p.policy === 'B') takeFromOthers(actor, from, to);
      device.toDevice(actor, from, to, 'deviceFault');
    }
  }

  function takeFromOthers(actor: number, from: number, to: number): void {
    for (let other = 1; other < core.actors.length; other++) {
      if (other !== actor && holdsAny(other, from, to)) device.toHost(other, from, to, 'deviceFault');
    }
  }

  function isHeld(actor: number, from: number, to: number): boolean {
    for (let page = from; page <= to; page++) if (mm.deviceOf(page) !== actor) return false;
    return true;
  }

  function holdsAny(actor: number, from: number, to: number): boolean {
    for (let page = from; page <= to; page++) if (mm.deviceOf(page) === actor) return true;
    return false;
  }

  function prefetch(event: PrefetchEvent): 'applied' {
    for (const vma of core.vmasIn(event.firstPage, event.lastPage)) {
      const first = Math.max(event.firstPage, vma.firstPage);
      const last = Math.min(event.lastPage, vma.lastPage);
      if (process.isExplicit(vma)) continue;
      if (event.target !== HOST) device.toDevice(event.target, first, last, 'hint');
      else for (let actor = 1; actor < core.actors.length; actor++) device.toHost(actor, first, last, 'hint');
    }
    return 'applied';
  }

  return {
    ...process.hooks,
    deviceFaults,
    counter: (actor, block) => device.mirror.takeBack(actor, block),
    free: process.free,
    prefetch,
  };
}
