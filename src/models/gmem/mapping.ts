/** The logical page table: one `gm_mapping` per touched 2 MiB page, kept until the VMA goes. */

import type { PageMask } from '../../replay/mask.ts';
import type { Core } from '../../replay/model.ts';
import { GM_PAGE_BYTES, type GmConfig, XARRAY_BYTES_PER_ENTRY, XARRAY_BYTES_PER_REGISTERED_PAGE } from './config.ts';

export const STATE = { nomap: 0, cpu: 1, device: 2 } as const;
export type State = (typeof STATE)[keyof typeof STATE];

export interface GmMapping {
  /** 2 MiB page number of the address space. */
  readonly block: number;
  /** Base pages that move with it: all 512, less those of ordinary memory in the same 2 MiB. */
  mask: PageMask;
  state: State;
  /** Device that holds the page; 0 unless state is `device`. */
  device: number;
  /** Number of the 2 MiB device page; -1 where the device's own OS keeps it. */
  devicePage: number;
  pinned: boolean;
  /** A CPU entry exists. An evicted page has none until the CPU faults. */
  cpuEntry: boolean;
  /** State `cpu`, but the pointer to the host page is gone (defect of the code, literal runs only). */
  hostPageLost: boolean;
  /** Its folio stands on the LRU of the host. */
  onLru: boolean;
  /** The page's mutex was held from..until. */
  lockedFromNs: number;
  lockedUntilNs: number;
  /** By an eviction: who waits for the mutex waits for that. */
  lockedToEvict: boolean;
}

export class LogicalTable {
  private readonly entries = new Map<number, GmMapping>();
  private importedPages = 0;
  private registeredBytes = 0;
  private peakEntries = 0;

  constructor(
    private readonly core: Core,
    private readonly config: GmConfig,
    private readonly maskOf: (block: number) => PageMask,
  ) {
    if (!config.generation.registersMemory) return;
    for (let d = 1; d < core.actors.length; d++) {
      const bytes = Number.isFinite(core.capacityBytes[d]) ? core.capacityBytes[d] : core.platform.device.memoryBytes;
      if (!Number.isFinite(bytes)) continue;
      this.registeredBytes +=
        Math.floor(bytes / 4096) * (config.generation.mappingBytes + XARRAY_BYTES_PER_REGISTERED_PAGE);
    }
    this.book();
  }

  get size(): number {
    return this.entries.size;
  }

  get(block: number): GmMapping | undefined {
    return this.entries.get(block);
  }

  /** vm_object_lookup, else vm_object_mapping_create. */
  getOrCreate(block: number): GmMapping {
    const found = this.entries.get(block);
    if (found) return found;
    const fresh: GmMapping = {
      block,
      mask: this.maskOf(block),
      state: STATE.nomap,
      device: 0,
      devicePage: -1,
      pinned: false,
      cpuEntry: false,
      hostPageLost: false,
      onLru: false,
      lockedFromNs: 0,
      lockedUntilNs: 0,
      lockedToEvict: false,
    };
    this.entries.set(block, fresh);
    if (this.entries.size > this.peakEntries) {
      this.core.countOwn('mappings', this.entries.size - this.peakEntries);
      this.peakEntries = this.entries.size;
    }
    this.book();
    return fresh;
  }

  delete(block: number): void {
    this.entries.delete(block);
  }

  /** Entries of first..last, ascending. */
  inRange(firstBlock: number, lastBlock: number): GmMapping[] {
    const found: GmMapping[] = [];
    if (lastBlock - firstBlock < this.entries.size) {
      for (let b = firstBlock; b <= lastBlock; b++) {
        const m = this.entries.get(b);
        if (m) found.push(m);
      }
      return found;
    }
    for (const m of this.entries.values()) if (m.block >= firstBlock && m.block <= lastBlock) found.push(m);
    return found.sort((a, b) => a.block - b.block);
  }

  pagesImported(pages: number): void {
    this.importedPages += pages;
    this.book();
  }

  private book(): void {
    const perEntry = this.config.generation.mappingBytes + XARRAY_BYTES_PER_ENTRY;
    this.core.metadataBytes(this.registeredBytes + this.importedPages * GM_PAGE_BYTES + this.entries.size * perEntry);
  }
}
