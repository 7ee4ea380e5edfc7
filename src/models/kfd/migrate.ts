/**
 * Moving pages: `kfd_migrate.c`. All of it runs under the lock of the process, one migration at a time, and waits for
 * its copies.
 */

import {
  andMask,
  countPages,
  endOfRun,
  nextPage,
  type PageMask,
  releaseScratch,
  scratchMark,
  scratchMask,
} from '../../replay/mask.ts';
import type { Trigger } from '../../replay/metrics.ts';
import { HOST, RIGHTS } from '../../replay/model.ts';
import { admits, ensureBo, leaveBo } from './buffers.ts';
import { COPY_JOB_PAGES, MIGRATE, type MigrateTrigger, pagesOf, type SvmRange, type Svms, SYSMEM } from './types.ts';

const BOOKED_UNDER: Readonly<Record<MigrateTrigger, Trigger>> = {
  [MIGRATE.prefetch]: 'hint',
  [MIGRATE.gpuFault]: 'deviceFault',
  [MIGRATE.cpuFault]: 'hostFault',
  [MIGRATE.eviction]: 'eviction',
};

/** `svm_migrate_to_vram`. False: the pages are not where they should be. */
export function migrateToVram(
  svms: Svms,
  range: SvmRange,
  gpu: number,
  first: number,
  last: number,
  trigger: MigrateTrigger,
): boolean {
  if (range.actualLoc === SYSMEM || range.actualLoc === gpu) return ramToVram(svms, range, gpu, first, last, trigger);
  // Between GPUs, always through RAM: the whole range goes there first.
  if (!vramToRam(svms, range, range.first, range.last, trigger)) return false;
  return ramToVram(svms, range, gpu, first, last, trigger);
}

/** `svm_migrate_ram_to_vram`: admission and buffer for the whole range, data for first..last. */
function ramToVram(
  svms: Svms,
  range: SvmRange,
  gpu: number,
  first: number,
  last: number,
  trigger: MigrateTrigger,
): boolean {
  if (!admits(svms, gpu, pagesOf(range))) return false;
  if (!ensureBo(svms, range, gpu)) return false;
  let moved = 0;
  for (let page = first; page <= last; ) {
    const vma = svms.vmaAt(page);
    if (vma === null) break;
    const end = Math.min(vma.last, last);
    moved += copyPiece(svms, range, page, end, HOST, gpu, trigger);
    page = end + 1;
  }
  if (moved > 0) range.actualLoc = gpu;
  else if (range.actualLoc === SYSMEM) leaveBo(svms, range);
  return true;
}

/** `svm_migrate_vram_to_ram`. False: part of the range has no VMA any more. */
export function vramToRam(svms: Svms, range: SvmRange, first: number, last: number, trigger: MigrateTrigger): boolean {
  const gpu = range.actualLoc;
  if (gpu === SYSMEM) return true;
  for (let page = first; page <= last; ) {
    const vma = svms.vmaAt(page);
    if (vma === null) return false;
    const end = Math.min(vma.last, last);
    copyPiece(svms, range, page, end, gpu, HOST, trigger);
    page = end + 1;
  }
  if (range.vramPages === 0 && range.holdsBo) {
    range.actualLoc = SYSMEM;
    leaveBo(svms, range);
  }
  return true;
}

/** `svm_migrate_vma_to_vram` and `_to_ram`: the pages of one VMA. Returns how many moved. */
function copyPiece(
  svms: Svms,
  range: SvmRange,
  first: number,
  last: number,
  from: number,
  to: number,
  trigger: MigrateTrigger,
): number {
  const { core, mm, costs } = svms;
  const mark = scratchMark();
  const { options, jobs } = piece;
  piece.begin(svms, range, from, to, trigger);
  const pages =
    to === HOST ? mm.migrateToHost(from, first, last, options) : mm.migrateToDevice(to, first, last, options);
  releaseScratch(mark);
  // The fence of the last job is waited for.
  if (jobs.count > 0) core.count('roundTrips');
  core.spend(jobs.count * costs.copyJobNs, 'transfer');
  core.spend(pages * (to === HOST ? costs.migrateOutPageNs : costs.migrateInPageNs), 'mapping');
  svms.log?.('mig', trigger, from, to, first, last, piece.collected, pages, piece.copied, jobs.count);
  return pages;
}

/** Each page in VRAM refers to its buffer (`svm_migrate_get_vram_page`). */
function adopt(range: SvmRange, pages: number): void {
  range.vramPages += pages;
  if (range.bo !== null) range.bo.refs += pages;
}

/** SDMA copy jobs: contiguous runs of pages, across blocks, cut every 512 pages (`svm_migrate_copy_memory_gart`). */
class CopyJobs {
  #end = -2;
  #runPages = 0;
  count = 0;

  begin(): void {
    this.#end = -2;
    this.#runPages = 0;
    this.count = 0;
  }

  add(block: number, pages: PageMask): void {
    for (let first = nextPage(pages, 0); first >= 0; ) {
      const last = endOfRun(pages, first);
      const start = block * 512 + first;
      if (start !== this.#end + 1) this.#runPages = 0;
      const before = Math.ceil(this.#runPages / COPY_JOB_PAGES);
      this.#runPages += last - first + 1;
      this.count += Math.ceil(this.#runPages / COPY_JOB_PAGES) - before;
      this.#end = block * 512 + last;
      first = nextPage(pages, last + 1);
    }
  }
}

/** What a migration of one piece tells core MM and hears from it. */
class Piece {
  readonly jobs = new CopyJobs();
  /** Pages that were asked for, and those of them that had data to copy. */
  collected = 0;
  copied = 0;
  readonly options = {
    trigger: 'hint' as Trigger,
    move: { pagesPerCopy: COPY_JOB_PAGES },
    // The buffer was cleared, and waited for, when it was made.
    populate: { timing: 'none' as const },
    allocate: (block: number, pages: PageMask): void => this.#collect(block, pages),
    moved: (block: number, pages: PageMask): void => this.#arrived(block, pages),
  };
  #svms!: Svms;
  #range!: SvmRange;
  #from = HOST as number;
  #to = HOST as number;
  #source!: PageMask;

  /** Takes a scratch mask, which the caller gives back at the end. */
  begin(svms: Svms, range: SvmRange, from: number, to: number, trigger: MigrateTrigger): void {
    this.#svms = svms;
    this.#range = range;
    this.#from = from;
    this.#to = to;
    this.#source = scratchMask();
    this.options.trigger = BOOKED_UNDER[trigger];
    this.collected = 0;
    this.copied = 0;
    this.jobs.begin();
  }

  #collect(block: number, pages: PageMask): void {
    this.collected += countPages(pages);
    andMask(this.#svms.core.residentMask(this.#from, block, this.#source), pages);
    this.copied += countPages(this.#source);
    this.jobs.add(block, this.#source);
  }

  #arrived(block: number, pages: PageMask): void {
    if (this.#to === HOST) return;
    adopt(this.#range, countPages(pages));
    // DEVICE_COHERENT pages stay in the CPU page table: the CPU reads them where they are.
    if (this.#svms.cpuCoherent[this.#to]) this.#svms.core.map(HOST, block, pages, RIGHTS.atomic, 0);
  }
}

/** One migration at a time, each done before the next begins: all of them use this. */
const piece = new Piece();
