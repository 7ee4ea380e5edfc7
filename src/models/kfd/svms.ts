/** Setting up the shared virtual memory of the process: `svm_range_list_init`, and its link to core MM. */

import { BufferList } from '../../replay/buffer-list.ts';
import { IntervalSet } from '../../replay/interval-set.ts';
import { createLinuxMm } from '../../replay/linux-mm.ts';
import { countPagesIn, type PageMask } from '../../replay/mask.ts';
import { type Core, HOST, type Vma } from '../../replay/model.ts';
import { releaseBoRef } from './buffers.ts';
import { migrateToRam } from './faults.ts';
import { notifierCallback } from './mapping.ts';
import { maxRangePages } from './ranges.ts';
import { gpuBit, type SvmCosts, type SvmLog, type SvmRange, type Svms, type SvmVma } from './types.ts';

export interface SvmOptions {
  readonly legacy: boolean;
  readonly xnack: boolean;
  readonly apu: boolean;
  readonly granularity: number;
  /** Null: the driver's formula. */
  readonly maxRangePages: number | null;
  /** By actor; 0 = in no hive. */
  readonly hives: readonly number[];
  readonly cpuCoherent: readonly boolean[];
  readonly costs: SvmCosts;
}

/** `vmaAt` and `log` are for those who know more of VMAs than the core does, or want to see every step. */
export function createSvms(
  core: Core,
  options: SvmOptions,
  vmaAt: (page: number) => SvmVma | null = vmasOfCore(core),
  log?: SvmLog,
): Svms {
  const gpus = core.actors.map((_, actor) => actor).slice(1);
  const svms: Svms = {
    core,
    mm: createLinuxMm(core, {
      driver: {
        invalidate: (range) => notifierCallback(svms, range),
        // The driver's own hmm_range_fault comes here too (`faulting_task`) and is sent away with nothing done.
        migrateToRam: (page, _gpu, cause) => cause === 'device' || migrateToRam(svms, page),
        pageFree: (gpu, block, pages) => pagesFreed(svms, gpu, block, pages),
      },
    }),
    log,
    vmaAt,
    gpus,
    supported: gpus.reduce((bits, gpu) => bits | gpuBit(gpu), 0),
    hives: options.hives,
    legacy: options.legacy,
    xnack: options.xnack,
    apu: options.apu,
    cpuCoherent: options.cpuCoherent,
    defaultGranularity: options.granularity,
    maxRangePages: options.maxRangePages ?? maxRangePages(gpus.map((gpu) => core.effectiveCapacity(gpu))),
    costs: options.costs,
    list: new Set(),
    objects: new IntervalSet(),
    buffers: core.actors.map(() => new BufferList()),
    gpuMappings: new IntervalSet(),
    explicitPages: core.actors.map(() => 0),
    dead: [],
    nextBoId: 1,
    evictedRanges: 0,
  };
  return svms;
}

function vmasOfCore(core: Core): (page: number) => SvmVma | null {
  /** The one asked for last, and what it came to. */
  let last: Vma | null = null;
  let known: SvmVma | null = null;
  return (page) => {
    const vma = core.vmaAt(page);
    if (vma !== last) {
      known = vma === null ? null : asSvmVma(vma);
      last = vma;
    }
    return known;
  };
}

function asSvmVma(vma: Vma): SvmVma {
  const { kind, vma: place } = vma.allocation;
  return {
    first: vma.firstPage,
    last: vma.lastPage,
    readable: true,
    writable: true,
    heapOrStack: place !== 'map',
    deviceMemory: kind === 'device' || kind === 'pinned',
  };
}

/** `svm_migrate_folio_free`: pages left VRAM, and with them their references to the buffer. */
function pagesFreed(svms: Svms, gpu: number, block: number, pages: PageMask): void {
  if (gpu === HOST) return;
  const { objects } = svms;
  for (let i = objects.indexFrom(block * 512); i < objects.size && objects.get(i).first <= block * 512 + 511; i++) {
    const range = objects.get(i);
    const freed = countPagesIn(pages, inBlock(range, block, 'first'), inBlock(range, block, 'last'));
    if (freed === 0 || range.bo === null) continue;
    range.vramPages -= freed;
    range.bo.refs -= freed - 1;
    releaseBoRef(svms, range.bo);
  }
}

function inBlock(range: SvmRange, block: number, end: 'first' | 'last'): number {
  return Math.min(Math.max(range[end] - block * 512, 0), 511);
}
