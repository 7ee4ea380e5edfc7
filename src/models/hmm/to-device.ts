/** drm_pagemap_migrate_to_devmem and what decides on it: a range goes to its device whole or not at all. */

import { blockOf } from '../../replay/linux-mm/page-flags.ts';
import type { LinuxMm } from '../../replay/linux-mm.ts';
import { andMask, countPages, maskCovers, newMask, PAGE_BYTES } from '../../replay/mask.ts';
import type { Trigger } from '../../replay/metrics.ts';
import { type Core, HOST, type Vma } from '../../replay/model.ts';
import type { HmmParameters } from './parameters.ts';
import { type Chunk, pagesOf, type SvmRange, sizeOf } from './ranges.ts';
import type { Vram } from './vram.ts';

/** Attempts to migrate for an access that needs device memory, and for any other. */
export const ATTEMPTS_NEEDED = 3;
const ATTEMPTS_WANTED = 1;

export interface ToDevice {
  /** Tries to migrate a range for an access; `retry` = times that the fault was begun again. */
  migrateIfWanted(device: number, range: SvmRange, vma: Vma, trigger: Trigger, needsVram: boolean, retry: number): void;
  /** 4 KiB pages of RAM lie anywhere: the copy engine takes them one by one. */
  scatteredCopy(range: Chunk, pages: number): void;
}

export function createToDevice(core: Core, mm: LinuxMm, vram: Vram, p: HmmParameters): ToDevice {
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
      const object = vram.at(device, range.first);
      if (needsVram && object !== null) object.keepUntilNs = core.now() + p.timesliceMs * 1e6 * 2 ** (retry + attempt);
      return;
    }
  }

  function isOnDevice(device: number, range: SvmRange): boolean {
    return maskCovers(core.residentMask(device, blockOf(range.first), newMask()), pagesOf(range));
  }

  function migrate(device: number, range: SvmRange, trigger: Trigger): boolean {
    const bytes = sizeOf(range) * PAGE_BYTES;
    if (!vram.reserve(device, bytes)) return false;
    const inRam = andMask(core.residentMask(HOST, blockOf(range.first), newMask()), pagesOf(range));
    const moved = mm.migrateToDevice(device, range.first, range.last, {
      trigger,
      allocate: (_block, pages) => {
        if (countPages(pages) < sizeOf(range)) pages.fill(0);
      },
      moved: (_block, pages) => {
        vram.add(device, range.first, range.last, pages);
        scatteredCopy(range, countPages(inRam));
      },
    });
    if (moved === 0) {
      core.release(device, bytes);
      return false;
    }
    core.count('roundTrips');
    return true;
  }

  function scatteredCopy(range: Chunk, pages: number): void {
    if (mm.mapOrder(range.first) === 0) core.spend(pages * p.copyPageNs, 'transfer');
  }

  return { migrateIfWanted, scatteredCopy };
}
