/** HMM: drivers that mirror the CPU page table and move data with migrate_vma. */

import { defineModel } from '../../replay/model.ts';
import { createGpusvm } from './gpusvm.ts';
import { createNouveau } from './nouveau.ts';
import { PARAMETERS, typed } from './parameters.ts';
import { createTestDevice } from './test-device.ts';

/** Neither keeps anything for each range of memory. */
const NO_BOOKS = ['memory.metadata.peakBytes'] as const;

export default defineModel({
  name: 'hmm',
  title: 'Linux HMM: drivers on hmm_range_fault and migrate_vma',
  summary: [
    'The CPU page table is the only truth; a driver mirrors it with hmm_range_fault and moves pages with migrate_vma.',
    'gpusvm (drm_gpusvm, drm_pagemap, xe): a fault migrates and maps a range of 2 MiB, 64 KiB or 4 KiB, whole or not at all;',
    'a CPU touch takes the whole range back; under pressure the oldest range goes home.',
    'nouveau: a fault maps one page where it is; only bind (prefetch) migrates; a CPU touch takes one page back; no eviction.',
    'dmirror: the test device of the kernel, under the policies of the recording that the core MM service is held to.',
  ],
  sources: [
    'torvalds/linux v6.12 mm/hmm.c, mm/migrate_device.c, mm/mmu_notifier.c, mm/memory.c, lib/test_hmm.c',
    'torvalds/linux v6.12 drivers/gpu/drm/nouveau/nouveau_svm.c, nouveau_dmem.c',
    'torvalds/linux drivers/gpu/drm/drm_gpusvm.c (0542972950ef), drm_pagemap.c (10dd1eaa80a5), xe/xe_svm.c (0131514f9789)',
    'dri-devel: "enable THP support in drm_pagemap" v4 (cover letter: cost of one 2 MiB fault on Xe)',
    'a run of Linux 6.12.117 with lib/test_hmm.c in a virtual machine (test/oracle/data)',
  ],
  defaultOrder: 4,
  presets: {
    gpusvm: { title: 'drm_gpusvm + drm_pagemap + xe, discrete GPU' },
    nouveau: { title: 'nouveau of Linux 6.12: page at a time, migration only on bind', absent: NO_BOOKS },
    dmirror: { title: "the kernel's HMM test device under a chunk policy", absent: NO_BOOKS },
  },
  parameters: PARAMETERS,
  atomics: true,
  metrics: {
    ranges: { unit: 'count', direction: 'neutral', definition: 'ranges made (gpusvm)' },
    notifiers: { unit: 'count', direction: 'neutral', definition: 'interval notifiers made (gpusvm)' },
    retries: {
      unit: 'count',
      direction: 'lower',
      definition: 'faults or hmm_range_fault calls begun again: invalidated meanwhile, or a mixed range',
    },
    pageFaults: {
      unit: 'count',
      direction: 'lower',
      definition: 'page faults of the CPU page table taken on behalf of devices, one a 4 KiB page visited',
    },
    rangeFaults: { unit: 'count', direction: 'lower', definition: 'calls of hmm_range_fault' },
  },
  create(core, parameters, preset) {
    const p = typed(parameters);
    if (preset === 'nouveau') return createNouveau(core, p);
    if (preset === 'dmirror') return createTestDevice(core, p);
    return createGpusvm(core, p);
  },
});
