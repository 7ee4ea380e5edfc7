/**
 * Device memory of drm_pagemap: one buffer object a migrated range, held until its last page has left. Under pressure TTM
 * takes the object that was allocated first: a hit of the device does not move it in the LRU list.
 */

import type { LinuxMm } from '../../replay/linux-mm.ts';
import {
  andNotMask,
  BLOCK_PAGES,
  blockOf,
  copyMask,
  countPages,
  countPagesIn,
  hasPage,
  isEmptyMask,
  newMask,
  PAGE_BYTES,
  type PageMask,
  pageInBlock,
} from '../../replay/mask.ts';
import type { Core } from '../../replay/model.ts';

export interface BufferObject {
  readonly device: number;
  /** The range that it was made for. */
  first: number;
  last: number;
  /** Its pages that still hold data, within the block. */
  readonly pages: PageMask;
  /** Until then a CPU fault leaves the data where it is. */
  keepUntilNs: number;
  /** Neighbours in order of allocation. */
  older: BufferObject | null;
  newer: BufferObject | null;
}

/** The objects of one device. */
interface Queue {
  oldest: BufferObject | null;
  newest: BufferObject | null;
  /** By block; a block may hold several. */
  readonly byBlock: Map<number, BufferObject[]>;
  /** Objects and lists that are out of use: a migration makes none while there are some. */
  readonly spareObjects: BufferObject[];
  readonly spareLists: BufferObject[][];
}

const NONE: readonly BufferObject[] = [];

export class Vram {
  /** By actor. */
  readonly #queues: Queue[];
  readonly #core: Core;
  readonly #mm: () => LinuxMm;

  constructor(core: Core, mm: () => LinuxMm) {
    this.#core = core;
    this.#mm = mm;
    this.#queues = core.actors.map(() => ({
      oldest: null,
      newest: null,
      byBlock: new Map(),
      spareObjects: [],
      spareLists: [],
    }));
  }

  /** Takes memory, at the cost of the oldest objects. False when it cannot be had. */
  reserve(device: number, bytes: number): boolean {
    if (bytes > this.#core.effectiveCapacity(device)) return false;
    while (!this.#core.reserve(device, bytes)) {
      const { oldest } = this.#queues[device];
      if (oldest === null) return false;
      this.#evict(oldest);
    }
    return true;
  }

  #evict(victim: BufferObject): void {
    const { device, first, last, pages } = victim;
    const bytes = (last - first + 1) * PAGE_BYTES;
    this.#core.evicted(device, first, bytes, countPages(pages));
    this.#core.beginMakingRoom();
    this.#mm().migrateDevicePages(device, blockOf(first), pages, 'eviction');
    this.#core.endMakingRoom();
  }

  /** The pages of a range have arrived in memory that was reserved for them. */
  add(device: number, first: number, last: number, pages: PageMask): void {
    const queue = this.#queues[device];
    const object = queue.spareObjects.pop() ?? newObject(device);
    object.first = first;
    object.last = last;
    copyMask(object.pages, pages);
    object.keepUntilNs = 0;
    append(queue, object);
    const block = blockOf(first);
    let inBlock = queue.byBlock.get(block);
    if (inBlock === undefined) {
      inBlock = queue.spareLists.pop() ?? [];
      queue.byBlock.set(block, inBlock);
    }
    inBlock.push(object);
  }

  at(device: number, page: number): BufferObject | null {
    for (const object of this.#in(device, blockOf(page))) {
      if (hasPage(object.pages, pageInBlock(page))) return object;
    }
    return null;
  }

  /** Objects that hold pages of first..last, each with the range that it was made for. */
  within(device: number, first: number, last: number): { first: number; last: number }[] {
    const found: { first: number; last: number }[] = [];
    for (let block = blockOf(first); block <= blockOf(last); block++) {
      for (const object of this.#in(device, block)) {
        if (object.first <= last && object.last >= first) found.push({ first: object.first, last: object.last });
      }
    }
    return found;
  }

  #in(device: number, block: number): readonly BufferObject[] {
    return this.#queues[device].byBlock.get(block) ?? NONE;
  }

  /** dev_pagemap_ops.page_free. */
  pagesLeft(device: number, block: number, pages: PageMask): void {
    const queue = this.#queues[device];
    const objects = queue.byBlock.get(block);
    if (objects === undefined) return;
    const base = block * BLOCK_PAGES;
    let kept = 0;
    for (const object of objects) {
      const leaves = countPagesIn(pages, object.first - base, object.last - base) > 0;
      if (leaves && isEmptyMask(andNotMask(object.pages, pages))) this.#drop(queue, object);
      else objects[kept++] = object;
    }
    while (objects.length > kept) objects.pop();
    if (kept > 0) return;
    queue.byBlock.delete(block);
    queue.spareLists.push(objects);
  }

  #drop(queue: Queue, object: BufferObject): void {
    unlink(queue, object);
    queue.spareObjects.push(object);
    this.#core.release(object.device, (object.last - object.first + 1) * PAGE_BYTES);
  }
}

function newObject(device: number): BufferObject {
  return { device, first: 0, last: 0, pages: newMask(), keepUntilNs: 0, older: null, newer: null };
}

/** As the newest. */
function append(queue: Queue, object: BufferObject): void {
  object.older = queue.newest;
  object.newer = null;
  if (queue.newest === null) queue.oldest = object;
  else queue.newest.newer = object;
  queue.newest = object;
}

function unlink(queue: Queue, { older, newer }: BufferObject): void {
  if (older === null) queue.oldest = newer;
  else older.newer = newer;
  if (newer === null) queue.newest = older;
  else newer.older = older;
}
