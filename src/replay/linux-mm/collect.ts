/** First step of a migration cycle to a device (migrate_vma_setup): what can go, taken out of the CPU page table. */

import {
  andMask,
  andNotMask,
  BLOCK_PAGES,
  copyMask,
  maskCovers,
  orMask,
  type PageMask,
  scratchMask,
  scratchRange,
} from '../mask.ts';
import { HOST, RIGHTS, type Vma } from '../model.ts';
import { splitHugePage } from './huge.ts';
import type { PageFlags } from './page-flags.ts';
import { isAnonymous, isMigratable, type LinuxMmState } from './state.ts';

/** One block's part of a migration cycle: scratch masks, and valid as long as they are. */
export interface Part {
  block: number;
  /** Pages taken out of the CPU page table. */
  isolated: PageMask;
  writable: PageMask;
  /** Pages without data: they need a zeroed destination and no copy. */
  empty: PageMask;
  going: PageMask;
  huge: boolean;
}

/** A part for the present cycle, with empty masks. */
export function takePart(mm: LinuxMmState): Part {
  const isolated = scratchMask();
  const writable = scratchMask();
  const empty = scratchMask();
  const going = scratchMask();
  if (mm.partsInUse === mm.parts.length) mm.parts.push({ block: 0, isolated, writable, empty, going, huge: false });
  const part = mm.parts[mm.partsInUse++];
  part.isolated = isolated;
  part.writable = writable;
  part.empty = empty;
  part.going = going;
  return part;
}

/** Which pages can go; takes the present ones out of the CPU page table. */
export function collect(mm: LinuxMmState, part: Part, vma: Vma, block: number, from: number, to: number): void {
  const { core } = mm;
  const { isolated, writable, empty, going } = part;
  const whole = from === 0 && to === BLOCK_PAGES - 1;
  part.block = block;
  part.huge = mm.huge.get(block) === 'page' && whole && mm.options.hugeMigration === true;
  if (!part.huge) splitHugePage(mm, block);
  const range = scratchRange(from, to);
  const held = scratchMask();
  andMask(core.residentMask(HOST, block, isolated), range);
  andMask(isolated, core.mappedMask(HOST, block, held));
  andMask(core.mappedMask(HOST, block, writable, RIGHTS.write), isolated);
  if (isMigratable(vma)) {
    copyMask(going, isolated);
    if (isAnonymous(vma) && !maskCovers(isolated, range)) {
      copyMask(empty, range);
      for (let at = 0; at < core.actors.length; at++) andNotMask(empty, core.residentMask(at, block, held));
    }
  }
  keepFlagged(going, mm.pinned, block);
  keepFlagged(going, mm.fileBacked, block);
  keepFlagged(going, mm.partOfHuge, block);
  // A pinned zero page moves: the pin holds no page of the process.
  orMask(going, empty);
  core.unmap(HOST, block, isolated);
}

/** Flagged pages stay. */
function keepFlagged(going: PageMask, flags: PageFlags, block: number): void {
  const mask = flags.mask(block);
  if (mask !== null) andNotMask(going, mask);
}
