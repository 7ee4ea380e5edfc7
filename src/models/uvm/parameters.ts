/** Parameters of the model: the driver's module parameters by their own defaults, and what its CPU work costs. */

import type { ParameterSpec } from '../../replay/model.ts';

const PREFETCH = 'uvm_perf_prefetch.c, open-gpu-kernel-modules 595.45.04';
const THRASHING = 'uvm_perf_thrashing.c, open-gpu-kernel-modules 595.45.04';
const FAULTS = 'uvm_gpu_replayable_faults.c, open-gpu-kernel-modules 595.45.04';
const COUNTERS = 'uvm_gpu_access_counters.c, open-gpu-kernel-modules 595.45.04';
const T4 =
  'per-batch phases on a Tesla T4 under driver 595 (rayanw36/SpecAsync-UVM, results/phaseC), divided by 2.5 for a desktop CPU';
const LADDER =
  'fit to five warm faults on a GTX 1080 Ti (DebashisGanguly/gpgpu-sim_UVMSmart, getHWPrefetcherP1 output): 64 KiB to 1 MiB';

function cost(ns: number, doc: string, source: string): ParameterSpec {
  return { type: 'number', default: ns, min: 0, unit: 'ns', doc, source };
}

function toggle(on: boolean, doc: string, source: string): ParameterSpec {
  return { type: 'boolean', default: on, doc, source };
}

function whole(value: number, min: number, max: number, doc: string, source: string, unit?: string): ParameterSpec {
  return { type: 'integer', default: value, min, max, doc, source, ...(unit === undefined ? {} : { unit }) };
}

export const parameters: Record<string, ParameterSpec> = {
  prefetch: toggle(true, 'density prefetch (uvm_perf_prefetch_enable)', PREFETCH),
  prefetchThreshold: whole(51, 0, 100, 'share of a subtree that must be exceeded', PREFETCH, 'per cent'),
  prefetchMinFaults: whole(1, 1, 20, 'pages faulted towards one processor before prefetch acts', PREFETCH),
  batchCount: whole(256, 1, 2 ** 20, 'fault entries fetched per batch, duplicates included', FAULTS),
  replayPolicy: {
    type: 'string',
    default: 'batch_flush',
    values: ['block', 'batch', 'batch_flush', 'once'],
    doc: 'when waiting accesses are sent again: after each block, each batch, each batch with a flush, or an empty buffer',
    source: FAULTS,
  },
  thrashing: toggle(true, 'thrashing detection and mitigation', THRASHING),
  thrashingThreshold: whole(3, 1, 7, 'consecutive events before a page is thrashing', THRASHING),
  pinThreshold: whole(10, 1, 255, 'throttling periods before a page is pinned', THRASHING),
  lapseUs: whole(500, 1, 2 ** 31, 'events of one page closer than this are consecutive', THRASHING, 'us'),
  adaptiveLapse: toggle(true, 'the lapse tunes itself while left at 500 us (since 590.44)', THRASHING),
  lapseVotes: whole(32, 1, 127, 'net votes that change the lapse', THRASHING),
  napLapses: whole(1, 1, 100, 'length of a throttling period', THRASHING, 'lapses'),
  epochLapses: whole(2000, 1, 2 ** 31, "quiet time after which a block's history may be reset", THRASHING, 'lapses'),
  pinLapses: whole(300, 0, 2 ** 31, 'how long a pin lasts; 0 = for ever', THRASHING, 'lapses'),
  maxResets: whole(4, 0, 2 ** 31, 'resets of one block', THRASHING),
  accessCounters: {
    type: 'string',
    default: 'auto',
    values: ['auto', 'on', 'off', 'true', 'false'],
    doc: 'migration by access counters; auto = where the platform supports ATS; true = on, false = off',
    source: COUNTERS,
  },
  counterThreshold: whole(256, 1, 65535, 'remote accesses in 2 MiB before a notification', COUNTERS),
  ats: {
    type: 'string',
    default: 'auto',
    values: ['auto', 'on', 'off', 'true', 'false'],
    doc: 'pageable memory through the CPU page table; auto = where the platform supports ATS; true = on, false = off',
    source: 'uvm_ats.c, open-gpu-kernel-modules 595.45.04',
  },
  cpuScale: {
    type: 'number',
    default: 1,
    min: 0,
    doc: 'factor on all costs below: 1 = a fast desktop CPU, 2.5 = the servers of the Tesla T4 and the A100 measured',
    source: 'ratio of the T4 phases to the GTX 1080 Ti fit; see docs/validation.md',
  },
  batchNs: cost(1500, 'begin of a batch: bottom half, first read of the buffer', T4),
  fetchFaultNs: cost(100, 'fetching one raw entry', T4),
  sortFaultNs: cost(100, 'sorting, per raw entry', T4),
  faultNs: cost(25, 'looking at one distinct fault of a block', T4),
  blockNs: cost(4800, 'serving a block: locks, masks, pushing copies and page-table writes', LADDER),
  pageNs: cost(214, 'per page moved or populated: DMA mapping, unmapping, page-table entry', LADDER),
  replayNs: cost(900, 'sending a replay and waiting for it', T4),
  flushFaultNs: cost(70, 'per entry dropped by a flush', T4),
  putReadNs: cost(1000, 'reading PUT from the GPU', 'assumed: one read over PCIe'),
  evictNs: cost(4800, 'evicting a root chunk and beginning the service again, without copies', 'assumed: as blockNs'),
  hostFaultNs: cost(
    28_000,
    'a CPU fault in the driver, without block, page and copy costs',
    'fit to 64 KiB pulled back in about 40 us on a GTX 1080 Ti (getHWPrefetcherP1, P3 timestamps)',
  ),
};
