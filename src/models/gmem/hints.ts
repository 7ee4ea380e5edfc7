/** `hmadvise`: prefetch, pin and unpin through a work queue; eager free in the caller. Hints are one-shot. */

import { BLOCK_BYTES } from '../../replay/mask.ts';
import type { TaskTime } from './clock.ts';
import { ERRNO, GM, type GmConfig, PREFETCH_WORKERS } from './config.ts';
import type { Place } from './driver.ts';
import { type Behavior, devFault } from './fault.ts';
import { type GmMapping, STATE } from './mapping.ts';
import { type Gm, lock, toNomap, unlock } from './stack.ts';

export type Hint = 'prefetch' | 'pin' | 'unpin' | 'free';

const BEHAVIOR: Readonly<Record<Exclude<Hint, 'free'>, Behavior>> = {
  prefetch: 'willneed',
  pin: 'pinned',
  unpin: 'unpinned',
};

/** `device` 0 = no node. Returns 0, -22 (bad argument), +5 (range not in one peer-shared VMA), -14 (some page failed). */
export function hmadvise(gm: Gm, device: number, start: Place, sizeBytes: number, hint: Hint): number {
  if (start.block < 0) return ERRNO.invalid;
  if (hint === 'free') return eagerFree(gm, start, sizeBytes);
  if (device <= 0 || device >= gm.core.actors.length) return ERRNO.invalid;
  // Outward: a length of 0 is nothing at an aligned address, one page at any other.
  const pages = Math.ceil((start.offsetBytes + sizeBytes) / BLOCK_BYTES);
  if (pages === 0) return GM.ok;
  if (!gm.space.inOneVma(start.block, start.block + pages - 1)) return GM.unknown;
  return runWork(gm, start.block, pages, (block) => devFault(gm, device, block, BEHAVIOR[hint], 'hint'));
}

interface WorkItem {
  next: number;
  readonly end: number;
}

/** One item below four pages, else a quarter (rounded down) each and the rest to the last. */
export function splitWork(firstBlock: number, pages: number): WorkItem[] {
  if (pages < PREFETCH_WORKERS) return [{ next: firstBlock, end: firstBlock + pages }];
  const each = Math.floor(pages / PREFETCH_WORKERS);
  const items = Math.floor(pages / each);
  return Array.from({ length: items }, (_, i) => ({
    next: firstBlock + i * each,
    end: i === items - 1 ? firstBlock + pages : firstBlock + (i + 1) * each,
  }));
}

/** Four workers at once, each on its own time; the caller waits for all. A page that fails does not stop the rest. */
function runWork(gm: Gm, firstBlock: number, pages: number, visit: (block: number) => number): number {
  const items = splitWork(firstBlock, pages);
  for (const item of items) gm.driver.queueWork(item.next, item.end - item.next);
  const workers = Array.from({ length: PREFETCH_WORKERS }, () => gm.clock.save());
  let failed = false;
  const step = (item: WorkItem, worker: number) => {
    gm.clock.resume(workers[worker]);
    if (visit(item.next++) !== GM.ok) failed = true;
    gm.clock.save(workers[worker]);
  };
  schedule(items, gm.config.workOrder, workers, step);
  gm.clock.resume(workers.reduce((last, worker) => (worker.ns > last.ns ? worker : last)));
  return failed ? ERRNO.fault : GM.ok;
}

/**
 * `fifo`: each item runs to its end in queue order, on the worker that is free first. `rr`: the four workers take one
 * page each in turn.
 */
function schedule(
  items: readonly WorkItem[],
  order: GmConfig['workOrder'],
  workers: readonly TaskTime[],
  step: (item: WorkItem, worker: number) => void,
): void {
  if (order === 'fifo') {
    for (const item of items) {
      const times = workers.map((worker) => worker.ns);
      const worker = times.indexOf(Math.min(...times));
      while (item.next < item.end) step(item, worker);
    }
    return;
  }
  const queue = [...items];
  const slots: (WorkItem | undefined)[] = Array.from({ length: PREFETCH_WORKERS }, () => queue.shift());
  while (slots.some((item) => item !== undefined)) {
    slots.forEach((held, worker) => {
      const item = held !== undefined && held.next === held.end ? queue.shift() : held;
      slots[worker] = item;
      if (item !== undefined) step(item, worker);
    });
  }
}

/** MADV_DONTNEED: inward; whatever lies in the range is dropped, pinned pages too. */
function eagerFree(gm: Gm, start: Place, sizeBytes: number): number {
  const first = start.block + (start.offsetBytes > 0 ? 1 : 0);
  const end = start.block + Math.floor((start.offsetBytes + sizeBytes) / BLOCK_BYTES);
  dropRange(
    gm,
    gm.table.inRange(first, end - 1).filter((m) => gm.space.isPeerShared(m.block)),
    freePage,
  );
  return GM.ok;
}

/** Page by page; with coalescing, contiguous pages of one device share one invalidate. */
export function dropRange(
  gm: Gm,
  mappings: readonly GmMapping[],
  drop: (gm: Gm, m: GmMapping, invalidate: boolean) => void,
): void {
  let before: { block: number; device: number } | null = null;
  for (const m of mappings) {
    const device = m.state === STATE.device ? m.device : 0;
    const joins = device > 0 && before !== null && before.device === device && before.block === m.block - 1;
    const invalidate = !(gm.config.coalesce && !gm.config.coupled && joins);
    before = { block: m.block, device };
    lock(gm, m);
    drop(gm, m, invalidate);
    unlock(gm, m);
  }
}

function freePage(gm: Gm, m: GmMapping, invalidate: boolean): void {
  if (m.state === STATE.nomap) return;
  if (m.state === STATE.cpu) {
    gm.driver.zap(m);
    gm.core.discard(m.block, m.mask);
    toNomap(m);
    return;
  }
  // The code hands page number 0 to the driver here.
  if (gm.driver.peerUnmap(m, 'free', false, 0, 'hint', invalidate) !== GM.ok) return;
  gm.memory.released(m);
  toNomap(m);
}
