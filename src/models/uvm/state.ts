/** What the driver knows of one VA space: ranges with their policies, 2 MiB blocks, and what serves them. */

import type { IntervalSet } from '../../replay/interval-set.ts';
import type { LinuxMm } from '../../replay/linux-mm.ts';
import { BLOCK_PAGES, blockOf, type PageMask, pageInBlock, removeRange } from '../../replay/mask.ts';
import type { Core, Vma } from '../../replay/model.ts';
import type { FaultBatch } from './batch.ts';
import type { GpuMemory } from './memory.ts';
import type { PrefetchHistory, PrefetchSettings } from './prefetch.ts';
import { BlockChunks } from './root-chunks.ts';
import type { Service } from './service.ts';
import type { ThrashingDetector } from './thrashing.ts';
import type { BlockThrashing } from './thrashing-state.ts';
import type { Topology } from './topology.ts';

/** A VA range: one policy for all of its pages. `system` is pageable memory under HMM. */
export interface Range {
  first: number;
  last: number;
  readonly kind: 'managed' | 'system';
  /** System memory that may migrate: anonymous. */
  readonly migratable: boolean;
  /** -1 = none. */
  preferred: number;
  /** Processors that keep a mapping wherever the data is. */
  accessedBy: number;
  readDuplicate: boolean;
}

/** A VA block: the part of one range inside one 2 MiB of address space. Pages count from that 2 MiB boundary. */
export interface VaBlock {
  /** Address / 2 MiB. */
  readonly number: number;
  readonly first: number;
  readonly outer: number;
  range: Range;
  readonly history: PrefetchHistory;
  thrashing: BlockThrashing | null;
  /** Device memory behind the block, by device. */
  readonly chunks: readonly BlockChunks[];
  /** False: no page of it was ever copied for reading. */
  everDuplicated: boolean;
}

/** CPU costs of the driver in nanoseconds. */
export interface Costs {
  readonly batchNs: number;
  readonly fetchFaultNs: number;
  readonly sortFaultNs: number;
  readonly faultNs: number;
  readonly blockNs: number;
  readonly pageNs: number;
  readonly replayNs: number;
  readonly flushFaultNs: number;
  readonly putReadNs: number;
  readonly evictNs: number;
  readonly hostFaultNs: number;
}

export type ReplayPolicy = 'block' | 'batch' | 'batch_flush' | 'once';

export interface Uvm {
  readonly core: Core;
  readonly topology: Topology;
  readonly costs: Costs;
  readonly prefetch: PrefetchSettings;
  readonly batchCount: number;
  readonly replayPolicy: ReplayPolicy;
  /** Remote accesses until a notification; 0 = access counters off. */
  readonly counterThreshold: number;
  /** System memory is reached through the CPU page table (address translation services) instead of HMM. */
  readonly ats: boolean;
  readonly linux: LinuxMm;
  readonly ranges: IntervalSet<Range>;
  /** By address / 2 MiB; of one number by address. */
  readonly blocks: Map<number, VaBlock[]>;
  blockCount: number;
  readonly detector: ThrashingDetector;
  readonly blockOfThrashing: Map<BlockThrashing, VaBlock>;
  /** Explicit device memory by allocation: where, how much, and pages not yet freed. */
  readonly explicit: Map<number, { readonly device: number; readonly bytes: number; pages: number }>;
  /** By device; entry 0 unused. */
  readonly memory: readonly GpuMemory[];
  readonly batch: FaultBatch;
  /** Service contexts that nobody uses at present. */
  readonly idleServices: Service[];
}

/** A range for managed or pageable memory; null for what is served otherwise. */
export function adopt(uvm: Uvm, vma: Vma): Range | null {
  const { kind } = vma.allocation;
  if (kind === 'device' || kind === 'pinned' || (kind !== 'managed' && uvm.ats)) return null;
  const range: Range = {
    first: vma.firstPage,
    last: vma.lastPage,
    kind: kind === 'managed' ? 'managed' : 'system',
    migratable: kind !== 'file',
    preferred: -1,
    accessedBy: 0,
    readDuplicate: false,
  };
  uvm.ranges.add(range);
  return range;
}

/** The range of a page. Memory of a trace without `alloc` records is adopted when first met. */
export function rangeAt(uvm: Uvm, page: number): Range | null {
  const range = uvm.ranges.at(page);
  if (range !== null) return range;
  const vma = uvm.core.vmaAt(page);
  return vma === null ? null : adopt(uvm, vma);
}

/** The block of a page, made on first use; null outside managed and pageable memory. */
export function blockAt(uvm: Uvm, page: number): VaBlock | null {
  const number = blockOf(page);
  const inBlock = pageInBlock(page);
  const list = uvm.blocks.get(number);
  for (let i = 0; list !== undefined && i < list.length; i++) {
    if (list[i].first <= inBlock && inBlock < list[i].outer) return list[i];
  }
  const range = rangeAt(uvm, page);
  return range === null ? null : addBlock(uvm, number, range);
}

/** The part of the range in this 2 MiB becomes a block. */
function addBlock(uvm: Uvm, number: number, range: Range): VaBlock {
  const base = number * BLOCK_PAGES;
  const block: VaBlock = {
    number,
    first: Math.max(range.first - base, 0),
    outer: Math.min(range.last + 1 - base, BLOCK_PAGES),
    range,
    history: { lastProcessor: -1, faults: 0 },
    thrashing: null,
    chunks: uvm.core.actors.map(() => new BlockChunks()),
    everDuplicated: false,
  };
  const list = uvm.blocks.get(number) ?? [];
  const after = list.findIndex((other) => other.first > block.first);
  list.splice(after < 0 ? list.length : after, 0, block);
  uvm.blocks.set(number, list);
  uvm.blockCount++;
  return block;
}

/** Blocks that exist in pages first..last, by address. */
export function blocksIn(uvm: Uvm, first: number, last: number): VaBlock[] {
  const found: VaBlock[] = [];
  const from = blockOf(first);
  const to = blockOf(last);
  for (let number = from; number <= to; number++) {
    const base = number * BLOCK_PAGES;
    for (const block of uvm.blocks.get(number) ?? []) {
      if (base + block.first <= last && base + block.outer > first) found.push(block);
    }
  }
  return found;
}

export function isFullSize(block: VaBlock): boolean {
  return block.first === 0 && block.outer === BLOCK_PAGES;
}

/** Leaves only the block's own pages in the mask. */
export function clip(block: VaBlock, mask: PageMask): PageMask {
  removeRange(mask, 0, block.first - 1);
  return removeRange(mask, block.outer, BLOCK_PAGES - 1);
}

export function residentOn(uvm: Uvm, block: VaBlock, processor: number, out: PageMask): PageMask {
  return clip(block, uvm.core.residentMask(processor, block.number, out));
}
