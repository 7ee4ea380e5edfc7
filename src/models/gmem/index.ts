/**
 * GMEM, "Generalized Memory Management": Linux MM extended by a logical page table that knows which 2 MiB pages of a
 * MAP_PEER_SHARED mapping are held by the CPU and which by a device. Imitates mm/gmem.c, mm/vm_object.c,
 * mm/gmem_phys.c, mm/gmem_util.c and the RFC they come from; see docs/models/gmem.md for sources and deviations.
 */
import type { MetricSpec } from '../../replay/metrics.ts';
import { type Core, defineModel, type ParameterValue } from '../../replay/model.ts';
import {
  GENERATIONS,
  type GenerationName,
  type GmConfig,
  HIGH_WATERMARK_BYTES,
  LOW_WATERMARK_BYTES,
} from './config.ts';
import { createHooks } from './hooks.ts';

const own = (unit: string, definition: string): MetricSpec => ({ unit, direction: 'lower', definition });

function resolveConfig(core: Core, parameters: Readonly<Record<string, ParameterValue>>, preset: string): GmConfig {
  const asked = (parameters.roundTripNs as number | null) ?? core.platform.faultLatencyNs;
  // Local time must stand still too where nothing takes time.
  const roundTripNs = core.platform.timeless === true ? 0 : asked;
  core.resolved('roundTripNs', roundTripNs);
  const replicate = parameters.replicate === true && core.platform.topology.coherent;
  if (parameters.replicate === true) {
    core.warn(
      replicate
        ? 'REPLICATE mode is declared by the RFC but implemented by no generation'
        : 'REPLICATE mode needs a coherent platform: not used',
    );
  }
  return {
    generation: GENERATIONS[preset as GenerationName],
    coupled: parameters.mmuOps === 'coupled',
    coalesce: parameters.coalesce === true,
    postedEntries: parameters.postedEntries === true,
    everyDevice: parameters.multiDevice === 'intent',
    literal: parameters.literal === true,
    importPages: parameters.importPages as number,
    importMessage: parameters.importMessage === true,
    replicate,
    roundTripNs,
    workOrder: parameters.workOrder as 'rr' | 'fifo',
    lowWatermarkBytes: parameters.lowWatermarkBytes as number,
    highWatermarkBytes: parameters.highWatermarkBytes as number,
  };
}

export default defineModel({
  name: 'gmem',
  title: 'GMEM (generalized memory management)',
  summary: [
    'A logical page table beside the CPU page table says of each 2 MiB page: nobody, CPU, or a device holds it.',
    'A fault on either side moves the whole page; a page is in one place only, reads move it like writes.',
    'The driver supplies hardware functions (peer_map, peer_unmap); core MM decides.',
    'olk66 evicts in core, 16 pages at a time in fault order; the device OS of olk510 evicts by watermarks.',
    'Hints are one-shot: prefetch outward with four workers, eager free inward, pin, hmemcpy.',
  ],
  sources: [
    'RFC "Supporting GMEM (generalized memory management) for external memory devices", 28 Nov 2023, 6 patches',
    'intel-lab-lkp/linux mm/gmem.c @8d56b5ab31c4, mm/vm_object.c @7c68a30fb08b (rfc)',
    'openeuler-mirror/kernel OLK-5.10 mm/gmem.c @b3c5ae6890a0, drivers/remote_pager (olk510)',
    'qmyyxtl/GVM-ARM-KERNEL OLK-6.6 mm/gmem*.c, mm/vm_object.c @355ad6cd1e20 (olk66; run outside the kernel)',
  ],
  defaultOrder: 0,
  presets: {
    olk66: { title: 'openEuler OLK-6.6: host core MM allocates device pages and evicts' },
    olk510: { title: 'openEuler OLK-5.10 with remote_pager: the device OS owns its memory, watermark eviction' },
    rfc: { title: 'RFC of November 2023: no oversubscription in core; the driver is taken to evict as in olk510' },
  },
  parameters: {
    mmuOps: {
      type: 'string',
      default: 'coupled',
      values: ['coupled', 'decoupled'],
      doc: 'One message per peer_map/peer_unmap, or one per step (allocate, fill, enter; release, invalidate, copy, free)',
      source: 'RFC cover letter leaves it open; remote_pager couples',
    },
    coalesce: {
      type: 'boolean',
      default: false,
      doc: 'Decoupled only: one invalidate per contiguous range at munmap and eager free',
      source: 'tlb_invl_coalesced is declared and never called',
    },
    postedEntries: {
      type: 'boolean',
      default: false,
      doc: 'Decoupled only: device page-table entries are written by posted writes, without a round trip',
      source: 'assumed: no driver in the tree says',
    },
    multiDevice: {
      type: 'string',
      default: 'intent',
      values: ['intent', 'literal'],
      doc: "Another device's page: moved through a host page as the RFC promises, or stuck as the code is written",
      source: 'RFC cover letter; mm/gmem.c of all generations',
    },
    literal: {
      type: 'boolean',
      default: false,
      doc: 'Repeat the defects of the code (each counted in gmem.defects and warned about) instead of what is meant',
      source: 'mm/gmem*.c @355ad6cd1e20, run',
    },
    importPages: {
      type: 'integer',
      default: 16,
      min: 1,
      max: 4096,
      unit: 'pages of 2 MiB',
      doc: 'olk66: device pages that the host asks for at a time; capacity is rounded up to a multiple',
      source: 'NUM_IMPORT_PAGES in mm/gmem_phys.c',
    },
    importMessage: {
      type: 'boolean',
      default: false,
      doc: 'olk66: an import costs one round trip',
      source: 'assumed: import_phys_mem is a driver call, its cost is not known',
    },
    replicate: {
      type: 'boolean',
      default: false,
      doc: 'Copy each new CPU entry to every device (coherent platforms only; declared, not implemented upstream)',
      source: 'GM_MMU_MODE_REPLICATE in include/linux/gmem.h of the RFC',
    },
    roundTripNs: {
      type: 'number',
      default: null,
      min: 0,
      unit: 'ns',
      doc: "One synchronous message to the device and its reply; unset = the platform's fault latency",
      source: 'assumed: no latency of GMEM was published',
    },
    workOrder: {
      type: 'string',
      default: 'rr',
      values: ['rr', 'fifo'],
      doc: 'Order of decisions among the four workers of a hint: a page each in turn, or item after item',
      source: 'assumed: unbound work queue with 4 workers in mm/gmem.c',
    },
    lowWatermarkBytes: {
      type: 'integer',
      default: LOW_WATERMARK_BYTES,
      min: 0,
      unit: 'bytes',
      doc: 'olk510, rfc: free device memory below which the background evictor wakes',
      source: 'drivers/remote_pager/swap/device/swap_manager.c: 128 MiB',
    },
    highWatermarkBytes: {
      type: 'integer',
      default: HIGH_WATERMARK_BYTES,
      min: 0,
      unit: 'bytes',
      doc: 'olk510, rfc: the background evictor stops above it',
      source: 'drivers/remote_pager/swap/device/swap_manager.c: 256 MiB',
    },
  },
  metrics: {
    peerMap: own('count', 'calls of peer_map, repeated ones on a resident page included'),
    peerUnmap: own('count', 'calls of peer_unmap, for faults, evictions, eager free and munmap'),
    imports: own('count', 'imports of device pages by the host (olk66)'),
    evictionRounds: own('count', 'rounds of eviction begun by the host, empty ones included (olk66)'),
    driverEvictions: own('count', "of evictions.count: decided by the device's own driver (olk510, rfc)"),
    swapdWakes: own('count', 'times the background evictor of a device woke (olk510, rfc)'),
    workItems: { unit: 'count', direction: 'neutral', definition: 'work items queued for hints' },
    hmemcpyPieces: { unit: 'count', direction: 'neutral', definition: 'DMA pieces of hmemcpy' },
    hmemcpySkipped: own('count', 'pieces that hmemcpy skipped while reporting success'),
    copyHostFaults: own('count', 'CPU faults taken inside hmemcpy, not in faults.host'),
    vaRequests: own('count', 'address ranges asked of devices at alloc'),
    mappings: own('count', 'peak number of entries in the logical page table'),
    replicas: { unit: 'count', direction: 'neutral', definition: 'CPU entries copied to devices (replicate)' },
    stuck: own('count', 'device faults reported as served that mapped nothing (multiDevice=literal)'),
    defects: own('count', 'defects of the code repeated (literal)'),
    'lockWait.ns': own(
      'ns',
      'time that faults waited for a page mutex, the mmap lock or a page still being written back',
    ),
  },
  create: (core, parameters, preset) => createHooks(core, resolveConfig(core, parameters, preset)),
});
