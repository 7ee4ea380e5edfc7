/**
 * AMD's shared virtual memory: the amdkfd driver's svm_range machinery on top of Linux HMM, migrate_vma and TTM. Imitates
 * drivers/gpu/drm/amd/amdkfd/kfd_svm.c and kfd_migrate.c; docs/models/kfd.md has mechanism, sources and deviations.
 */
import { copyMask, newMask, PAGE_BYTES } from '../../replay/mask.ts';
import { type Core, defineModel, type ModelHooks, type ParameterValue, type Vma } from '../../replay/model.ts';
import type { InvalidateEvent } from '../../trace/compiled.ts';
import { type Attribute, setAttributes } from './attributes.ts';
import { allocExplicit, freeExplicit, isExplicit } from './explicit.ts';
import { advise, outcomeOf } from './hints.ts';
import { dropDead, RESTORE_WORK, restoreWork } from './mapping.ts';
import { PARAMETERS } from './parameters.ts';
import { firstOn, forEachBlock } from './residency.ts';
import { createRetryFaults } from './retry-faults.ts';
import { createSvms } from './svms.ts';
import { FLAG, type SvmCosts, type Svms } from './types.ts';

type Values = Readonly<Record<string, ParameterValue>>;

function costsOf(parameters: Values): SvmCosts {
  const ns = (key: string): number => parameters[key] as number;
  return {
    faultNs: ns('faultNs'),
    repairedFaultNs: ns('repairedFaultNs'),
    migrateInPageNs: ns('migrateInPageNs'),
    migrateOutPageNs: ns('migrateOutPageNs'),
    copyJobNs: ns('copyJobNs'),
    mapPageNs: ns('mapPageNs'),
  };
}

function setUp(core: Core, parameters: Values, preset: string): Svms {
  const { topology } = core.platform;
  const maxRange = parameters.maxRange as number | null;
  const svms = createSvms(core, {
    legacy: preset === 'legacy',
    xnack: parameters.xnack === true,
    apu: parameters.apu === true,
    granularity: parameters.granularity as number,
    maxRangePages: maxRange === null ? null : Math.max(1, Math.floor(maxRange / PAGE_BYTES)),
    hives: core.actors.map((_, actor) => (actor > 0 && topology.peer === 'fast' ? 1 : 0)),
    cpuCoherent: core.actors.map((_, actor) => actor > 0 && topology.coherent),
    costs: costsOf(parameters),
  });
  core.resolved('maxRange', svms.maxRangePages * PAGE_BYTES);
  return svms;
}

/** hipMallocManaged registers its memory with access for every GPU; HSA_SVM_FLAG_GPU_ALWAYS_MAPPED comes with it. */
function registration(svms: Svms, alwaysMapped: boolean): Attribute[] {
  const attributes: Attribute[] = svms.gpus.map((gpu) => ['access', gpu]);
  if (alwaysMapped) attributes.push(['set', FLAG.gpuAlwaysMapped]);
  return attributes;
}

/** Pages that exist no more, but that a GPU without access (or a stopped one) still has in its table. */
function forgetEntries(svms: Svms, first: number, last: number): void {
  const mask = newMask();
  forEachBlock(first, last, (block, pages) => {
    copyMask(mask, pages);
    for (const gpu of svms.gpus) svms.core.unmap(gpu, block, mask, 0);
  });
}

/** munmap of what core MM manages; neighbours go in one call. */
function unmapPieces(svms: Svms, pieces: readonly Vma[]): void {
  for (let i = 0; i < pieces.length; ) {
    const first = pieces[i].firstPage;
    let last = pieces[i].lastPage;
    for (i++; i < pieces.length && pieces[i].firstPage === last + 1; i++) last = pieces[i].lastPage;
    svms.mm.munmap(first, last);
    forgetEntries(svms, first, last);
  }
  dropDead(svms);
}

/** The kernel faults device pages home, block by block. */
function bringHome(svms: Svms, firstPage: number, lastPage: number): void {
  for (const vma of svms.core.vmasIn(firstPage, lastPage)) {
    if (isExplicit(vma)) continue;
    const last = Math.min(lastPage, vma.lastPage);
    for (const gpu of svms.gpus) {
      let page = firstOn(svms, gpu, Math.max(firstPage, vma.firstPage), last);
      for (; page >= 0; page = firstOn(svms, gpu, page + 1, last)) svms.mm.fault(page, false, 'kernel');
    }
  }
}

function invalidate(svms: Svms, { sort, firstPage, lastPage }: InvalidateEvent): void {
  if (sort === 'fork' || sort === 'hostio') bringHome(svms, firstPage, lastPage);
  if (sort === 'hostio') return;
  const event = {
    fork: 'protectionPage',
    compaction: 'clear',
    numa: 'protectionVma',
    mprotect: 'protectionVma',
  } as const;
  svms.mm.invalidate(event[sort], firstPage, lastPage);
}

function create(core: Core, parameters: Values, preset: string): ModelHooks {
  const svms = setUp(core, parameters, preset);
  const register = registration(svms, parameters.alwaysMapped === true);
  const takeFaults = createRetryFaults(svms, {
    cam: parameters.cam === true,
    retryIntervalNs: parameters.retryIntervalNs as number,
  });
  return {
    deviceFaults: takeFaults,
    // Explicit memory of a GPU is not in the CPU page table (and pinned memory never leaves it).
    hostFault: (page, access) => (svms.gpuMappings.at(page) === null ? svms.mm.hostFault(page, access) : 'failed'),
    alloc(vma) {
      if (isExplicit(vma)) allocExplicit(svms, vma);
      else if (vma.allocation.kind === 'managed') setAttributes(svms, vma.firstPage, vma.lastPage, register);
    },
    free(pieces) {
      for (const piece of pieces) if (isExplicit(piece)) freeExplicit(svms, piece);
      unmapPieces(
        svms,
        pieces.filter((piece) => !isExplicit(piece)),
      );
    },
    prefetch: (event) => outcomeOf(setAttributes(svms, event.firstPage, event.lastPage, [['prefetch', event.target]])),
    advise(event) {
      if (event.advice !== 'dontneed' || event.unset) return advise(svms, event);
      for (const vma of core.vmasIn(event.firstPage, event.lastPage)) {
        if (isExplicit(vma)) continue;
        const first = Math.max(vma.firstPage, event.firstPage);
        const last = Math.min(vma.lastPage, event.lastPage);
        svms.mm.dontNeed(first, last);
        forgetEntries(svms, first, last);
      }
      return 'applied';
    },
    invalidate: (event) => invalidate(svms, event),
    wake(token) {
      if (token === RESTORE_WORK) restoreWork(svms);
    },
  };
}

export default defineModel({
  name: 'kfd',
  title: 'AMD KFD SVM (ranges on Linux HMM)',
  summary: [
    'Registered memory is cut into ranges of at most VRAM/32; plain memory becomes ranges of 2 MiB at its first GPU fault.',
    'A GPU fault moves one aligned 2 MiB block (before Linux 6.8: the whole range) to the faulting GPU and maps it there.',
    'VRAM is taken for the whole range at its first touch, and taken back range by range in that order: FIFO.',
    'A fault within 2 ms of the last repair of its range is taken for repaired and has to be raised again.',
    'Between GPUs data goes through RAM, or is used in place within a hive. No read duplication, no access counters.',
  ],
  sources: [
    'Linux 6.12.117 drivers/gpu/drm/amd/amdkfd/kfd_svm.c, kfd_migrate.c, amdgpu/amdgpu_gmc.c (run outside the kernel)',
    'Linux v5.18 amdkfd/kfd_svm.c @8f8cc3fb4350 (preset legacy)',
    'ROCm/clr rocclr/device/rocm/rocdevice.cpp (managed memory and advice as attributes)',
    "Cooper, Scogland, Ge: Shared virtual memory: its design and performance implications, ICS '24, arXiv 2405.06811",
  ],
  defaultOrder: 2,
  presets: {
    partial: { title: 'Since Linux 6.8: faults move and map one block of the range' },
    legacy: { title: 'Linux 5.14 to 6.7, ROCm 5: a GPU fault moves and maps the whole range' },
  },
  parameters: PARAMETERS,
  metrics: {
    queueEvictions: {
      unit: 'count',
      direction: 'lower',
      definition:
        'times all queues of the process were stopped until mappings were made again (XNACK off, always mapped)',
    },
  },
  create,
});
