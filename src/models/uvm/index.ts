/**
 * NVIDIA Unified Virtual Memory (nvidia-uvm, open-gpu-kernel-modules 595.45.04): 2 MiB VA blocks, batches of replayable
 * faults, 64 KiB growth and density prefetch, thrashing mitigation, eviction of 2 MiB root chunks in order of fault
 * service. docs/models/uvm.md says what is modelled how, and what is not.
 */

import { IntervalSet } from '../../replay/interval-set.ts';
import { createLinuxMm } from '../../replay/linux-mm.ts';
import { BLOCK_BYTES } from '../../replay/mask.ts';
import { type Core, defineModel, type ModelHooks, type ParameterValue } from '../../replay/model.ts';
import { FaultBatch } from './batch.ts';
import { copy, counter, invalidate, schedule, unpin } from './events.ts';
import { serveBatch } from './faults.ts';
import { advise, prefetch } from './hints.ts';
import { hostFault, serveHost } from './host.ts';
import { GpuMemory } from './memory.ts';
import { linuxDriver } from './pageable.ts';
import { parameters } from './parameters.ts';
import { allocate, free, noteMetadata } from './ranges.ts';
import { blockAt, type Costs, type ReplayPolicy, type Uvm } from './state.ts';
import { ThrashingDetector } from './thrashing.ts';
import { makeTopology } from './topology.ts';

function costsOf(values: Readonly<Record<string, ParameterValue>>): Costs {
  const ns = (key: keyof Costs) => (values[key] as number) * (values.cpuScale as number);
  return {
    batchNs: ns('batchNs'),
    fetchFaultNs: ns('fetchFaultNs'),
    sortFaultNs: ns('sortFaultNs'),
    faultNs: ns('faultNs'),
    blockNs: ns('blockNs'),
    pageNs: ns('pageNs'),
    replayNs: ns('replayNs'),
    flushFaultNs: ns('flushFaultNs'),
    putReadNs: ns('putReadNs'),
    evictNs: ns('evictNs'),
    hostFaultNs: ns('hostFaultNs'),
  };
}

function makeDriver(core: Core, values: Readonly<Record<string, ParameterValue>>): Uvm {
  const number = (key: string) => values[key] as number;
  const on = (key: string) =>
    ['on', 'true'].includes(values[key] as string) || (values[key] === 'auto' && core.platform.topology.ats);
  core.resolved('accessCounters', on('accessCounters') ? 'on' : 'off');
  core.resolved('ats', on('ats') ? 'on' : 'off');
  for (let device = 1; device < core.actors.length; device++) {
    const capacity = core.capacityBytes[device];
    if (!Number.isFinite(capacity)) continue;
    core.setEffectiveCapacity(device, Math.floor(capacity / BLOCK_BYTES) * BLOCK_BYTES);
  }
  const topology = makeTopology(core.platform.topology, core.actors.length);
  const uvm: Uvm = {
    core,
    topology,
    costs: costsOf(values),
    prefetch: {
      enabled: values.prefetch === true,
      threshold: number('prefetchThreshold'),
      minFaults: number('prefetchMinFaults'),
    },
    batchCount: number('batchCount'),
    replayPolicy: values.replayPolicy as ReplayPolicy,
    counterThreshold: on('accessCounters') ? number('counterThreshold') : 0,
    ats: on('ats'),
    linux: createLinuxMm(core, {
      driver: linuxDriver(
        () => uvm,
        (page) => comeHome(page),
      ),
    }),
    ranges: new IntervalSet(),
    blocks: new Map(),
    blockCount: 0,
    detector: new ThrashingDetector(
      {
        enabled: values.thrashing === true,
        threshold: number('thrashingThreshold'),
        pinThreshold: number('pinThreshold'),
        lapseUs: number('lapseUs'),
        adaptiveLapse: values.adaptiveLapse === true,
        lapseVotes: number('lapseVotes'),
        napLapses: number('napLapses'),
        epochLapses: number('epochLapses'),
        pinLapses: number('pinLapses'),
        maxResets: number('maxResets'),
      },
      topology,
      (timeNs) => schedule(uvm, timeNs),
    ),
    blockOfThrashing: new Map(),
    explicit: new Map(),
    memory: core.actors.map((_, device) => new GpuMemory(core, device)),
    batch: new FaultBatch(),
    idleServices: [],
  };
  const comeHome = (page: number): boolean => {
    const block = blockAt(uvm, page);
    return block !== null && serveHost(uvm, block, page, 0) && (core.residence(page) & 1) !== 0;
  };
  return uvm;
}

function create(core: Core, values: Readonly<Record<string, ParameterValue>>): ModelHooks {
  const uvm = makeDriver(core, values);
  return {
    deviceFaults: (device, faults) => {
      serveBatch(uvm, device, faults);
      noteMetadata(uvm);
    },
    hostFault: (page, access) => {
      const outcome = hostFault(uvm, page, access);
      noteMetadata(uvm);
      return outcome;
    },
    alloc: (vma) => allocate(uvm, vma),
    free: (pieces) => free(uvm, pieces),
    prefetch: (event) => prefetch(uvm, event),
    advise: (event) => advise(uvm, event),
    copy: (event) => copy(uvm, event),
    invalidate: (event) => invalidate(uvm, event),
    wake: () => unpin(uvm),
    counter: (device, block, page) => counter(uvm, device, block, page),
  };
}

export default defineModel({
  name: 'uvm',
  title: 'NVIDIA UVM',
  summary: [
    'A GPU fault waits in a buffer; the driver fetches up to 256, merges and sorts them, serves block by block, replays.',
    'A served page grows to 64 KiB, then to the largest subtree of its 2 MiB block that is more than 51 % full.',
    'Data is exclusive unless duplicated for reading; policies and a thrashing detector may map it remotely instead.',
    'Video memory is taken 2 MiB at a time; a full GPU evicts the 2 MiB longest without a fault service.',
    'CPU faults pull pages back through the same code.',
  ],
  sources: [
    'NVIDIA/open-gpu-kernel-modules 595.45.04, kernel-open/nvidia-uvm (MIT)',
    'DebashisGanguly/gpgpu-sim_UVMSmart, micro-benchmarks: profiler output on a GTX 1080 Ti',
    'rayanw36/SpecAsync-UVM, results/phaseC: phases of fault batches on a Tesla T4',
  ],
  defaultOrder: 1,
  presets: { default: { title: 'the driver as it ships' } },
  parameters,
  metrics: {
    putReads: { unit: 'count', direction: 'lower', definition: 'flushes that read PUT from the GPU again' },
    replays: { unit: 'count', direction: 'lower', definition: 'replays sent to the GPUs' },
  },
  atomics: true,
  create,
});
