/** What becomes of waiting touches after a call of the model: done, raised again, failed, or put off. */
import type { FaultFrame } from './fault-frame.ts';
import { OUTCOME } from './faults.ts';
import type { Machine } from './machine.ts';
import { M } from './metrics.ts';
import type { Mmu } from './mmu.ts';
import { bookOutcomes } from './outcomes.ts';
import { ServedRun } from './served-run.ts';
import type { Touches } from './touches.ts';
import type { WaitingPages } from './waiting-pages.ts';
import type { WaitingTouches } from './waiting-touches.ts';

export class Retries {
  /** Touches in all of `deferred`. */
  deferredTouches = 0;
  private readonly servedRun: ServedRun;
  /** Did some touch complete, fail or get put off in the present call? */
  private progress = false;

  constructor(
    private readonly machine: Machine,
    private readonly mmu: Mmu,
    private readonly touches: Touches,
    private readonly waitingPages: WaitingPages,
    /** By actor index. */
    private readonly pending: readonly WaitingTouches[],
    private readonly deferred: readonly WaitingTouches[],
    frames: readonly FaultFrame[],
    /** Called with the record of an access that failed. */
    private readonly fail: (record: number) => void,
    private readonly laneBit: number,
  ) {
    this.servedRun = new ServedRun(machine, mmu, waitingPages, frames, laneBit);
  }

  isWaitedFor(id: number): boolean {
    return this.waitingPages.has(id);
  }

  /** A touch of the page begins to wait. */
  beginWaiting(device: number, slot: number, inBlock: number, id: number): void {
    this.clearForWaiting(device, slot, inBlock, id);
    this.waitingPages.begin(id);
  }

  /** While a page waits, every touch of it by any actor must come here. Only of mapped pages are touches settled. */
  private clearForWaiting(device: number, slot: number, inBlock: number, id: number): void {
    const { mmu, laneBit } = this;
    const { actors, pages } = this.machine;
    for (let actor = 0; actor < actors.length; actor++) {
      if (!pages.isMapped(actor, slot, inBlock)) continue;
      if (actor === device) pages.unsettlePage(device, slot, inBlock);
      mmu.clearPageOf(actor, id, laneBit);
    }
  }

  /** Books the outcomes and tries the touches again. True when some touch completed, failed or was put off. */
  settleOutcomes(device: number): boolean {
    const { machine } = this;
    const queue = this.pending[device];
    if (bookOutcomes(machine, device, queue) > 0) machine.books[M.batches] += queue.fetches;
    const n = queue.count;
    const first = queue.flushed ? 0 : Math.min(queue.firstMarked, n);
    const end = queue.flushed ? n : queue.lastMarked + 1;
    this.progress = false;
    this.retryMarked(device, queue);
    // Raised again = appended after the first n; what was not fetched goes before it.
    let kept = first;
    for (let i = first; i < end; i++) {
      if (queue.outcome[i] !== OUTCOME.pending) continue;
      if (queue.flushed) {
        if (this.tryAgain(device, queue, i)) continue;
        queue.timeNs[i] = machine.clockNs;
        queue.hadMapping[i] = this.hasMapping(device, queue, i);
      }
      queue.moveEntry(i, kept++);
    }
    if (end > first) queue.closeGap(kept, end);
    machine.limitsChanged = true;
    return this.progress;
  }

  /** The touches of marked entries: done, raised again at the end, failed, or put off. */
  private retryMarked(device: number, queue: WaitingTouches): void {
    const { firstMarked, lastMarked } = queue;
    for (let i = firstMarked; i <= lastMarked; i++) {
      i = this.completeServed(device, queue, i);
      if (i > lastMarked) break;
      switch (queue.outcome[i]) {
        case OUTCOME.served:
        case OUTCOME.duplicate:
        case OUTCOME.stale:
          if (!this.tryAgain(device, queue, i)) this.raiseAgain(device, queue, i);
          break;
        case OUTCOME.failed:
          this.fail(queue.record[i]);
          this.waitingPages.end(queue.id[i]);
          this.progress = true;
          break;
        case OUTCOME.deferred:
          queue.order[i] = this.machine.requests++;
          this.deferred[device].pushFrom(queue, i, queue.timeNs[i]);
          this.deferredTouches++;
          this.progress = true;
          break;
      }
    }
  }

  /** Takes the touches from `from` on that are done with; gives the first other one. */
  private completeServed(device: number, queue: WaitingTouches, from: number): number {
    const end = this.servedRun.take(device, queue, from, queue.lastMarked);
    if (end > from) this.progress = true;
    return end;
  }

  private hasMapping(device: number, from: WaitingTouches, i: number): number {
    const { pages, space } = this.machine;
    const id = from.id[i];
    return pages.isMapped(device, space.slotOfId(id), space.inBlockOfId(id)) ? 1 : 0;
  }

  /** The fault of a touch that is still impossible is raised once more, at the end of the queue. */
  raiseAgain(device: number, from: WaitingTouches, i: number): void {
    const { machine } = this;
    const queue = this.pending[device];
    queue.pushFrom(from, i, machine.clockNs);
    queue.hadMapping[queue.count - 1] = this.hasMapping(device, from, i);
    queue.outcome[queue.count - 1] = OUTCOME.pending;
    const id = from.id[i];
    this.clearForWaiting(device, machine.space.slotOfId(id), machine.space.inBlockOfId(id), id);
  }

  /** Completes a waiting touch if it has become possible. */
  tryAgain(device: number, from: WaitingTouches, i: number): boolean {
    const { space } = this.machine;
    const id = from.id[i];
    const slot = space.slotOfId(id);
    const inBlock = space.inBlockOfId(id);
    if (!this.touches.granted(device, slot, inBlock, from.access[i])) return false;
    this.waitingPages.end(id);
    this.progress = true;
    const done = this.touches.complete(device, slot, inBlock, from.bytes[i]);
    if (done && !this.waitingPages.has(id)) this.touches.settle(device, slot, inBlock, id);
    return true;
  }
}
