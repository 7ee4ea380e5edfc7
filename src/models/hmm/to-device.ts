/** drm_pagemap_migrate_to_devmem and what decides on it: a range goes to its device whole or not at all. */

import type { LinuxMm } from '../../replay/linux-mm.ts';
import {
  andMask,
  blockOf,
  clearMask,
  countPages,
  maskCovers,
  PAGE_BYTES,
  type PageMask,
  scratchMask,
} from '../../replay/mask.ts';
import type { Trigger } from '../../replay/metrics.ts';
import { type Core, HOST, type Vma } from '../../replay/model.ts';
import type { HmmParameters } from './parameters.ts';
import { pagesOf, type SvmRange, sizeOf } from './ranges.ts';
import type { Vram } from './vram.ts';

/** Attempts to migrate for an access that needs device memory, and for any other. */
export const ATTEMPTS_NEEDED = 3;
const ATTEMPTS_WANTED = 1;

export interface ToDevice {
  /** Tries to migrate a range for an access; `retry` = times that the fault was begun again. */
  migrateIfWanted(device: number, range: SvmRange, vma: Vma, trigger: Trigger, needsVram: boolean, retry: number): void;
  /** 4 KiB pages of RAM lie anywhere: the copy engine takes them one by one. */
  scatteredCopy(firstPage: number, pages: number): void;
}

/** The migration that is being made: its device, its range, and the pages that came from RAM. */
interface Migration {
  device: number;
  range: SvmRange | null;
  pagesInRam: number;
}

export function createToDevice(core: Core, mm: LinuxMm, vram: Vram, p: HmmParameters): ToDevice {
  const present: Migration = { device: 0, range: null, pagesInRam: 0 };
  const options = { trigger: 'deviceFault' as Trigger, allocate, moved };

  function migrateIfWanted(
    device: number,
    range: SvmRange,
    vma: Vma,
    trigger: Trigger,
    needsVram: boolean,
    retry: number,
  ): void {
    const { kind } = vma.allocation;
    if (kind !== 'managed' && kind !== 'system') return;
    if (p.vram64k && sizeOf(range) === 1) return;
    if (isOnDevice(device, range)) return;
    const attempts = needsVram ? ATTEMPTS_NEEDED : ATTEMPTS_WANTED;
    for (let attempt = 0; attempt < attempts; attempt++) {
      if (!migrate(device, range, trigger)) continue;
      const object = needsVram ? vram.at(device, range.first) : null;
      if (object !== null) object.keepUntilNs = core.now() + p.timesliceMs * 1e6 * 2 ** (retry + attempt);
      return;
    }
  }

  function isOnDevice(device: number, range: SvmRange): boolean {
    return maskCovers(core.residentMask(device, blockOf(range.first), scratchMask()), pagesOf(range));
  }

  function migrate(device: number, range: SvmRange, trigger: Trigger): boolean {
    const bytes = sizeOf(range) * PAGE_BYTES;
    if (!vram.reserve(device, bytes)) return false;
    present.device = device;
    present.range = range;
    present.pagesInRam = countPages(
      andMask(core.residentMask(HOST, blockOf(range.first), scratchMask()), pagesOf(range)),
    );
    options.trigger = trigger;
    if (mm.migrateToDevice(device, range.first, range.last, options) === 0) {
      core.release(device, bytes);
      return false;
    }
    core.count('roundTrips');
    return true;
  }

  /** drm_pagemap: all pages of the range or none. */
  function allocate(_block: number, pages: PageMask): void {
    if (present.range !== null && countPages(pages) < sizeOf(present.range)) clearMask(pages);
  }

  function moved(_block: number, pages: PageMask): void {
    const { device, range, pagesInRam } = present;
    if (range === null) return;
    vram.add(device, range.first, range.last, pages);
    scatteredCopy(range.first, pagesInRam);
  }

  function scatteredCopy(firstPage: number, pages: number): void {
    if (mm.mapOrder(firstPage) === 0) core.spend(pages * p.copyPageNs, 'transfer');
  }

  return { migrateIfWanted, scatteredCopy };
}
