/** Parameters: the driver's own constants that can be set, and what its work costs. */

import type { ParameterSpec } from '../../replay/model.ts';

export const PARAMETERS = {
  granularity: {
    type: 'integer',
    default: 9,
    min: 0,
    max: 27,
    unit: 'log2 pages',
    doc: 'Block that a fault moves, and window of an unregistered range: 2^granularity pages',
    source: 'amdgpu module parameter svm_default_granularity, default 9 (2 MiB), at most 0x1B',
  },
  maxRange: {
    type: 'integer',
    default: null,
    min: 4096,
    unit: 'bytes',
    doc: "Largest range; unset = the driver's formula on the run's smallest device (1 GiB when memory is unlimited)",
    source: 'kfd_svm.c svm_range_set_max_pages: VRAM/32, 2 MiB to 1 GiB, power of two',
  },
  xnack: {
    type: 'boolean',
    default: true,
    doc: 'GPUs retry faulting accesses; off: no fault is served, ranges are mapped when registered',
    source: 'HSA_XNACK; the mode that SVM on demand needs',
  },
  alwaysMapped: {
    type: 'boolean',
    default: false,
    doc: 'Managed memory is registered with GPU_ALWAYS_MAPPED: mapped at once, an invalidation stops all queues',
    source: 'KFD_IOCTL_SVM_FLAG_GPU_ALWAYS_MAPPED, not set by default',
  },
  apu: {
    type: 'boolean',
    default: false,
    doc: 'Devices are application APUs (MI300A): they use RAM where it is, nothing migrates on a fault or prefetch',
    source: 'kfd_svm.c: gmc.is_app_apu, later apu_prefer_gtt',
  },
  cam: {
    type: 'boolean',
    default: true,
    doc: 'Retry CAM: hardware holds back further faults of a page; off: the software filter of 256 faults and 50 us',
    source: 'amdgpu irq.retry_cam_enabled (GC 9.4.2 and later)',
  },
  retryIntervalNs: {
    type: 'integer',
    default: 1_000_000,
    min: 1,
    unit: 'ns',
    doc: 'When an access whose fault was ignored (window of 2 ms, filter) raises it again',
    source: 'assumed: nobody published the retry interval of the hardware',
  },
  faultNs: {
    type: 'number',
    default: 8_000,
    min: 0,
    unit: 'ns',
    doc: 'Driver time of one served fault without migration and mapping: interrupt worker, locks, lookup',
    source: 'MI300A first-touch fault about 18 us in all (arXiv 2508.12743), less 10 us until the driver can fetch it',
  },
  repairedFaultNs: {
    type: 'number',
    default: 1_000,
    min: 0,
    unit: 'ns',
    doc: 'Driver time of one fault that is looked at and ignored',
    source: 'assumed: interrupt decoding and two locks, an eighth of a served fault',
  },
  migrateInPageNs: {
    type: 'number',
    default: 7_760,
    min: 0,
    unit: 'ns',
    doc: 'Driver time per page brought to VRAM: isolate, unmap, DMA-map, allocate, switch; the copy is apart',
    source:
      'rocprofiler-systems unified-memory sample (gfx950): 0.52 GB/s = 7,877 ns a page, less 114 ns of copy at 36 GB/s',
  },
  migrateOutPageNs: {
    type: 'number',
    default: 2_350,
    min: 0,
    unit: 'ns',
    doc: 'Driver time per page brought to RAM; the copy is apart',
    source: 'the same sample: 1.66 GB/s = 2,467 ns a page, less 114 ns of copy at 36 GB/s',
  },
  copyJobNs: {
    type: 'number',
    default: 2_000,
    min: 0,
    unit: 'ns',
    doc: 'Per SDMA copy job (at most 2 MiB): the job that writes the GART window before it',
    source: 'assumed: as a copy start; kfd_migrate.c svm_migrate_copy_memory_gart submits two jobs each',
  },
  mapPageNs: {
    type: 'number',
    default: 20,
    min: 0,
    unit: 'ns',
    doc: 'Per page looked up for and entered into a GPU page table',
    source: 'assumed: hmm_range_fault and dma_map_page at about 50 million pages/s',
  },
} as const satisfies Readonly<Record<string, ParameterSpec>>;
