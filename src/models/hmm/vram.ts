/**
 * Device memory of drm_pagemap: one buffer object a migrated range, held until its last page has left. Under pressure TTM
 * takes the object that was allocated first: a hit of the device does not move it in the LRU list.
 */

import type { LinuxMm } from '../../replay/linux-mm.ts';
import {
  andNotMask,
  BLOCK_PAGES,
  countPages,
  hasPage,
  isEmptyMask,
  newMask,
  orMask,
  PAGE_BYTES,
  type PageMask,
} from '../../replay/mask.ts';
import type { Core } from '../../replay/model.ts';

export interface BufferObject {
  readonly device: number;
  /** The range that it was made for. */
  readonly first: number;
  readonly last: number;
  /** Its pages that still hold data, within the block. */
  readonly pages: PageMask;
  /** Until then a CPU fault leaves the data where it is. */
  keepUntilNs: number;
}

export class Vram {
  /** By device, in order of allocation. */
  readonly #queues: Set<BufferObject>[];
  /** By device and block; a block may hold several. */
  readonly #byBlock: Map<number, BufferObject[]>[];
  readonly #core: Core;
  readonly #mm: () => LinuxMm;

  constructor(core: Core, mm: () => LinuxMm) {
    this.#core = core;
    this.#mm = mm;
    this.#queues = core.actors.map(() => new Set());
    this.#byBlock = core.actors.map(() => new Map());
  }

  /** Takes memory, at the cost of the oldest objects. False when it cannot be had. */
  reserve(device: number, bytes: number): boolean {
    if (bytes > this.#core.effectiveCapacity(device)) return false;
    while (!this.#core.reserve(device, bytes)) {
      const [oldest] = this.#queues[device];
      if (oldest === undefined) return false;
      this.#evict(oldest);
    }
    return true;
  }

  #evict(victim: BufferObject): void {
    const { device, first, last } = victim;
    const bytes = (last - first + 1) * PAGE_BYTES;
    this.#core.evicted(device, first, bytes, countPages(victim.pages));
    this.#core.beginMakingRoom();
    this.#mm().migrateDevicePages(device, Math.floor(first / BLOCK_PAGES), victim.pages, 'eviction');
    this.#core.endMakingRoom();
  }

  /** The pages of a range have arrived in memory that was reserved for them. */
  add(device: number, first: number, last: number, pages: PageMask): BufferObject {
    const object = { device, first, last, pages: orMask(newMask(), pages), keepUntilNs: 0 };
    this.#queues[device].add(object);
    const block = Math.floor(first / BLOCK_PAGES);
    const others = this.#byBlock[device].get(block);
    if (others === undefined) this.#byBlock[device].set(block, [object]);
    else others.push(object);
    return object;
  }

  at(device: number, page: number): BufferObject | null {
    const objects = this.#byBlock[device].get(Math.floor(page / BLOCK_PAGES)) ?? [];
    return objects.find((object) => hasPage(object.pages, page % BLOCK_PAGES)) ?? null;
  }

  /** Objects that hold pages of first..last. */
  within(device: number, first: number, last: number): BufferObject[] {
    const found: BufferObject[] = [];
    for (let block = Math.floor(first / BLOCK_PAGES); block <= Math.floor(last / BLOCK_PAGES); block++) {
      for (const object of this.#byBlock[device].get(block) ?? []) {
        if (object.first <= last && object.last >= first) found.push(object);
      }
    }
    return found;
  }

  /** dev_pagemap_ops.page_free. */
  pagesLeft(device: number, block: number, pages: PageMask): void {
    for (const object of [...(this.#byBlock[device].get(block) ?? [])]) {
      andNotMask(object.pages, pages);
      if (isEmptyMask(object.pages)) this.#drop(object, block);
    }
  }

  #drop(object: BufferObject, block: number): void {
    this.#queues[object.device].delete(object);
    const left = (this.#byBlock[object.device].get(block) ?? []).filter((other) => other !== object);
    if (left.length === 0) this.#byBlock[object.device].delete(block);
    else this.#byBlock[object.device].set(block, left);
    this.#core.release(object.device, (object.last - object.first + 1) * PAGE_BYTES);
  }
}
