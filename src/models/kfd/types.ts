/** The state of one process's shared virtual memory, in the words of `kfd_svm.h`. Page numbers are of 4 KiB pages. */

import type { BufferList } from '../../replay/buffer-list.ts';
import type { IntervalSet } from '../../replay/interval-set.ts';
import type { LinuxMm } from '../../replay/linux-mm/types.ts';
import type { Core } from '../../replay/model.ts';

/** `KFD_IOCTL_SVM_LOCATION_UNDEFINED`; 0 is system memory, else the number of a GPU (its actor index). */
export const UNDEFINED = -1;
export const SYSMEM = 0;

/** `KFD_IOCTL_SVM_FLAG_*` that the driver or a hint sets or looks at. */
export const FLAG = {
  hostAccess: 0x1,
  coherent: 0x2,
  gpuReadOnly: 0x8,
  gpuReadMostly: 0x20,
  gpuAlwaysMapped: 0x40,
} as const;

/** Of a new range (`svm_range_set_default_attributes`). */
export const DEFAULT_FLAGS = FLAG.hostAccess | FLAG.coherent;

/** `AMDGPU_SVM_RANGE_RETRY_FAULT_PENDING`: a fault so soon after a validation is taken for one already repaired. */
export const RETRY_FAULT_PENDING_NS = 2_000_000;
/** `AMDGPU_SVM_RANGE_RESTORE_DELAY_MS`: from stopping the queues to mapping again. */
export const RESTORE_DELAY_NS = 1_000_000;
/** `AMDGPU_GTT_MAX_TRANSFER_SIZE`: pages of one SDMA copy job. */
export const COPY_JOB_PAGES = 512;

/** A svm_range: attributes, where its data is, and its share of a buffer. `first..last` is what the notifier covers. */
export interface SvmRange {
  first: number;
  last: number;
  granularity: number;
  preferredLoc: number;
  prefetchLoc: number;
  /** Not SYSMEM as soon as one page is in VRAM, and until none is left and somebody noticed. */
  actualLoc: number;
  flags: number;
  /** Bit g: GPU g. */
  access: number;
  accessInPlace: number;
  mappedToGpu: boolean;
  /** Pages really in VRAM. */
  vramPages: number;
  /** The buffer it is linked to; `holdsBo` (`ttm_res`) says whether it counts as a user of it. */
  bo: SvmBo | null;
  holdsBo: boolean;
  /** First page inside the buffer. */
  offset: number;
  /** Invalidations since the last restore. */
  invalid: number;
  /** End of the last successful validation. */
  validatedAtNs: number;
}

/** A svm_range_bo: one VRAM buffer of the size that its range had at first touch. */
export interface SvmBo {
  readonly id: number;
  readonly gpu: number;
  readonly pages: number;
  /** Ranges that hold it and pages that live in it. */
  refs: number;
  evicting: boolean;
  /** Its VRAM is gone although somebody still refers to it. */
  gutted: boolean;
  /** Latest linked first. */
  ranges: SvmRange[];
}

/** What the driver needs to know of a VMA. */
export interface SvmVma {
  readonly first: number;
  readonly last: number;
  readonly readable: boolean;
  readonly writable: boolean;
  /** The initial heap or stack of the process. */
  readonly heapOrStack: boolean;
  /** VM_IO, VM_PFNMAP or VM_MIXEDMAP: no memory that can migrate. */
  readonly deviceMemory: boolean;
}

/** Why pages move, numbered as `KFD_MIGRATE_TRIGGER_*`. */
export const MIGRATE = { prefetch: 0, gpuFault: 1, cpuFault: 2, eviction: 3 } as const;
export type MigrateTrigger = (typeof MIGRATE)[keyof typeof MIGRATE];

/** Why mappings go, numbered as `KFD_SVM_UNMAP_TRIGGER_*`. */
export const UNMAP = { notifier: 0, notifierMigrate: 1, unmapFromCpu: 2 } as const;
export type UnmapTrigger = (typeof UNMAP)[keyof typeof UNMAP];

/** Driver time beyond copies, zeroing, traps and TLB flushes, which are the platform's. */
export interface SvmCosts {
  readonly faultNs: number;
  readonly repairedFaultNs: number;
  readonly migrateInPageNs: number;
  readonly migrateOutPageNs: number;
  readonly copyJobNs: number;
  readonly mapPageNs: number;
}

/** The driver's own event log (what its SMI events and tracepoints tell), for those who compare it step by step. */
export type SvmLog = (kind: string, ...fields: (number | boolean | string)[]) => void;

export interface GpuMapping {
  first: number;
  last: number;
  /** False: the allocation found no memory. */
  readonly backed: boolean;
}

export interface Svms {
  readonly core: Core;
  readonly mm: LinuxMm;
  /** Absent: nobody listens, and nothing is made for it. */
  readonly log: SvmLog | undefined;
  readonly vmaAt: (page: number) => SvmVma | null;
  /** All GPUs that can take part, ascending; and as a bit set. */
  readonly gpus: readonly number[];
  readonly supported: number;
  /** 0 = in no hive. By GPU. */
  readonly hives: readonly number[];
  readonly legacy: boolean;
  readonly xnack: boolean;
  readonly apu: boolean;
  /** The CPU reads device memory in place (`xgmi.connected_to_cpu`). */
  readonly cpuCoherent: readonly boolean[];
  readonly defaultGranularity: number;
  readonly maxRangePages: number;
  readonly costs: SvmCosts;
  /** `svms->list`, in the order in which ranges joined, and `svms->objects`. */
  readonly list: Set<SvmRange>;
  readonly objects: IntervalSet<SvmRange>;
  /** SVM buffers by GPU, oldest first. */
  readonly buffers: readonly BufferList<SvmBo>[];
  /** Addresses that explicit allocations have mapped on GPUs. */
  readonly gpuMappings: IntervalSet<GpuMapping>;
  /** Pages of explicit VRAM by GPU. */
  readonly explicitPages: number[];
  /** Ranges unmapped from the CPU: they go with the deferred work. */
  readonly dead: SvmRange[];
  nextBoId: number;
  evictedRanges: number;
}

export const gpuBit = (gpu: number): number => 1 << gpu;
export const pagesOf = (range: { first: number; last: number }): number => range.last - range.first + 1;
export const alignDown = (page: number, step: number): number => Math.floor(page / step) * step;
export const alignUp = (page: number, step: number): number => Math.ceil(page / step) * step;

/** GPUs of a bit set, ascending. */
export function gpusIn(svms: Pick<Svms, 'gpus'>, bits: number): number[] {
  return svms.gpus.filter((gpu) => (bits & gpuBit(gpu)) !== 0);
}

/** `svm_nodes_in_same_hive`. */
export function sameHive(svms: Pick<Svms, 'hives'>, a: number, b: number): boolean {
  return a === b || (svms.hives[a] !== 0 && svms.hives[a] === svms.hives[b]);
}

/** `SVM_ADEV_PGMAP_OWNER`: device pages of one owner are usable in place by all its GPUs. */
export function pageOwner(svms: Svms, gpu: number): string {
  return svms.hives[gpu] !== 0 ? `hive ${svms.hives[gpu]}` : `gpu ${gpu}`;
}
