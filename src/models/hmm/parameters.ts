/** Parameters of all presets, and the costs that they share. */

import type { LinuxMmCosts } from '../../replay/linux-mm.ts';
import type { ParameterSpec, ParameterValue } from '../../replay/model.ts';

const SERIES =
  'Xe timings of one 2 MiB fault with 4 KiB pages and with a 2 MiB page (dri-devel series "enable THP support in drm_pagemap", v4)';

/** What driver and kernel spend, in nanoseconds. */
const COSTS = {
  faultNs: {
    type: 'number',
    default: 1000,
    min: 0,
    unit: 'ns',
    doc: 'driver work for each fault taken, valid or not',
    source: `assumed: the 1 us that ${SERIES} leaves unnamed with a 2 MiB page`,
  },
  pageFaultNs: {
    type: 'number',
    default: 500,
    min: 0,
    unit: 'ns',
    doc: 'handle_mm_fault of one page, for the CPU or within hmm_range_fault, without trap and zeroing',
    source: 'assumed: a minor fault of Linux takes 0.5 to 1 us with its trap',
  },
  migrateCycleNs: {
    type: 'number',
    default: 20_636,
    min: 0,
    unit: 'ns',
    doc: 'one migrate_vma cycle, whatever it moves',
    source: `${SERIES}: 719 us = cycle + 512 pages, 22 us = cycle + 1 page, solved`,
  },
  migratePageNs: {
    type: 'number',
    default: 1364,
    min: 0,
    unit: 'ns',
    doc: 'one page (4 KiB or 2 MiB) isolated, unmapped, switched and put in place',
    source: `${SERIES}: 719 us = cycle + 512 pages, 22 us = cycle + 1 page, solved; about 1.4 us a page in all`,
  },
  copyPageNs: {
    type: 'number',
    default: 228,
    min: 0,
    unit: 'ns',
    doc: 'gpusvm: copy time that each scattered 4 KiB page of RAM adds to the copy of a contiguous run',
    source: `${SERIES}: (223 us - 106 us) / 512; the link of the platform gives the rest; nouveau pays its cost of a copy operation for each page`,
  },
  getPagesNs: {
    type: 'number',
    default: 984,
    min: 0,
    unit: 'ns',
    doc: 'one hmm_range_fault call',
    source: `${SERIES}: get_pages 9 us = call + 512 entries, 1 us = call + 1 entry, solved`,
  },
  getPagesEntryNs: {
    type: 'number',
    default: 15.66,
    min: 0,
    unit: 'ns',
    doc: 'each CPU page-table entry that hmm_range_fault looks up',
    source: `${SERIES}: get_pages 9 us = call + 512 entries, 1 us = call + 1 entry, solved`,
  },
  bindNs: {
    type: 'number',
    default: 1977,
    min: 0,
    unit: 'ns',
    doc: 'one bind of a range into the device page table',
    source: `${SERIES}: bind and the rest 15 us and 3 us, less faultNs, solved`,
  },
  bindEntryNs: {
    type: 'number',
    default: 23.48,
    min: 0,
    unit: 'ns',
    doc: 'each CPU page-table entry handled in a bind',
    source: `${SERIES}: bind and the rest 15 us and 3 us, less faultNs, solved`,
  },
} as const satisfies Record<string, ParameterSpec>;

const GPUSVM = {
  partialUnmapEvicts: {
    type: 'boolean',
    default: true,
    doc: 'munmap of a part of a range first brings the rest home; false = the rest stays on the device without a range',
    source: 'drm_gpusvm.c, DOC: the template evicts; later xe only removes the range',
  },
  checkPagesThreshold: {
    type: 'integer',
    default: 65_536,
    values: [0, 4096, 65_536, 2_097_152],
    unit: 'bytes',
    doc: 'a chunk up to this size (but the smallest) is taken only if all its pages are in the CPU page table',
    source: 'xe_svm.c: 64 KiB on a discrete GPU, 0 on an integrated one',
  },
  notifierSize: {
    type: 'integer',
    default: 536_870_912,
    min: 2_097_152,
    unit: 'bytes',
    doc: 'aligned span of one interval notifier',
    source: 'xe_module.c: svm_notifier_size 512 MiB; drm_gpusvm.c recommends at least that',
  },
  allowMixed: {
    type: 'boolean',
    default: false,
    doc: 'a range may have pages on both sides; false = such a range is brought home and served again',
    source: 'drm_gpusvm.c, drm_gpusvm_get_pages: -EOPNOTSUPP unless allow_mixed',
  },
  timesliceMs: {
    type: 'number',
    default: 5,
    min: 0,
    unit: 'ms',
    doc: 'after an access that needs device memory the CPU cannot take the range back for so long',
    source: 'xe_device.c: atomic_svm_timeslice_ms',
  },
  vram64k: {
    type: 'boolean',
    default: false,
    doc: 'device memory comes in 64 KiB pages: ranges of 4 KiB do not migrate',
    source: 'xe_svm.c: platforms with XE_VRAM_FLAGS_NEED64K',
  },
  hugeMigration: {
    type: 'boolean',
    default: false,
    doc: 'a 2 MiB page of the CPU migrates as one page and is not split (needs host.page=2097152)',
    source: 'dri-devel series by Balbir Singh, 2025 (about Linux 6.19); before, huge pages were split',
  },
} as const satisfies Record<string, ParameterSpec>;

const DMIRROR = {
  chunk: {
    type: 'integer',
    default: 1,
    values: [1, 16, 512],
    unit: 'pages',
    doc: 'dmirror: pages that an access migrates, aligned by address and clipped to the VMA',
    source: 'recording of Linux 6.12.117 with its HMM test device',
  },
  policy: {
    type: 'string',
    default: 'A',
    values: ['A', 'B'],
    doc: 'dmirror: B first brings a chunk home that another device holds; A leaves those pages to the remote fault',
    source: 'recording of Linux 6.12.117 with its HMM test device',
  },
  service: {
    type: 'string',
    default: 'whole',
    values: ['whole', 'page'],
    doc: 'dmirror: the request of one access is mirrored whole (in windows of 64 pages), or page by page',
    source: 'recording of Linux 6.12.117 with its HMM test device',
  },
  migrateOnAccess: {
    type: 'boolean',
    default: true,
    doc: 'dmirror: an access migrates its chunks; false = only prefetch does',
    source: 'recording of Linux 6.12.117 with its HMM test device',
  },
} as const satisfies Record<string, ParameterSpec>;

export const PARAMETERS = { ...GPUSVM, ...DMIRROR, ...COSTS } as const;

type Values<S extends Record<string, ParameterSpec>> = {
  readonly [K in keyof S]: S[K]['type'] extends 'boolean' ? boolean : S[K]['type'] extends 'string' ? string : number;
};
export type HmmParameters = Values<typeof PARAMETERS>;

export function typed(values: Readonly<Record<string, ParameterValue>>): HmmParameters {
  return values as HmmParameters;
}

/** The kernel's share of the costs, for the core MM service. */
export function kernelCosts(p: HmmParameters): LinuxMmCosts {
  return {
    faultNs: p.pageFaultNs,
    migrateCycleNs: p.migrateCycleNs,
    migratePageNs: p.migratePageNs,
    rangeFaultNs: p.getPagesNs,
    rangeFaultEntryNs: p.getPagesEntryNs,
  };
}
