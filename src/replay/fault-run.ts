/**
 * Faults that follow each other closely: the way of `LaneRun.touch` for the case that makes up nearly all touches of a
 * trace that does not fit, without the calls. Rows of one device, each a record of one page, go by while faults of it are
 * pending anyway: settled ones, and such as miss in this run alone and raise one fault more. Anything else - a page that
 * waits or is mapped without the right, an actor or time that needs attention, the fault that fills the buffer - ends it,
 * and the row takes the long way.
 */
import { CONTINUES, type TraceChunk } from '../trace/compiled.ts';
import { PLACE_BITS, wordOfPlace } from './address-space.ts';
import type { FaultFrame } from './fault-frame.ts';
import type { Machine } from './machine.ts';
import { BLOCK_PAGES, pageInBlock } from './mask.ts';
import { KINDS, type Mmu } from './mmu.ts';
import type { WaitingTouches } from './waiting-touches.ts';

export class FaultRun {
  constructor(
    private readonly machine: Machine,
    private readonly mmu: Mmu,
    /** By actor, as the frames. */
    private readonly pending: readonly WaitingTouches[],
    private readonly frames: readonly FaultFrame[],
    /** Trace time of the last record of each actor. */
    private readonly lastTimeNs: Float64Array,
    private readonly laneBit: number,
  ) {}

  /** Takes rows from `from` on, whose actor is `actor`; gives the first one that it does not take. */
  take(chunk: TraceChunk, from: number, actor: number, allLanes: number): number {
    const queue = this.pending[actor];
    // The last row's record may go on in the next chunk.
    const end = chunk.rows - 1;
    const most = Math.min(this.machine.inFlight - 1, queue.page.length);
    if (queue.count === 0 || queue.count >= most || from >= end || this.mmu.watched.has(actor)) return from;
    const frame = this.frames[actor];
    const row = frame.canRaise(chunk)
      ? frame.raise(chunk, from, end, most, allLanes)
      : this.raise(chunk, from, end, actor, most, allLanes);
    // The clock takes these records in when it is looked at next, as it does with touches that hit.
    if (row > from) this.lastTimeNs[actor] = chunk.timeNs[row - 1];
    return row;
  }

  /** What `raiseRows` of `kernel/raise-faults.ts` is held to, and what takes its place where it cannot be had. */
  private raise(chunk: TraceChunk, from: number, end: number, actor: number, most: number, allLanes: number): number {
    const { machine, mmu, laneBit } = this;
    const queue = this.pending[actor];

    const { code, op, page, timeNs, record } = chunk;
    let { words } = mmu.memory;
    const { ofPage, slotBlock } = machine.space;
    const { readable } = machine.pages;
    const mine = readable[actor];
    const counts = mmu.running.has(actor);
    const firstCode = actor * KINDS;
    const dueNs = mmu.dueNs[actor];
    const delayNs = machine.delayNs[actor];
    let { count } = queue;
    let row = from;
    for (; row < end; row++) {
      const access = code[row] - firstCode;
      if (access < 0 || access >= KINDS || timeNs[row] >= dueNs) break;
      const id = page[row];
      const settled = words[mmu.baseOf(actor, access) + id];
      if (settled !== allLanes) {
        if ((settled | laneBit) !== allLanes || (ofPage[2 * id + 1] & laneBit) !== 0) break;
        if (count === most || (op[row + 1] & CONTINUES) !== 0) break;
        const place = ofPage[2 * id];
        const inBlock = pageInBlock(place);
        const word = wordOfPlace(place);
        const bit = 1 << (inBlock & 31);
        if ((mine[word] & bit) !== 0) break;
        for (let other = 0; other < readable.length; other++) {
          if ((readable[other][word] & bit) !== 0) mmu.clearPageOf(other, id, laneBit);
        }
        ofPage[2 * id + 1] |= laneBit;
        const faulted = slotBlock[place >>> PLACE_BITS] * BLOCK_PAGES + inBlock;
        queue.id[count] = id;
        queue.page[count] = faulted;
        queue.access[count] = access;
        queue.bytes[count] = chunk.bytes[row];
        queue.record[count] = record[row];
        queue.firstPage[count] = faulted;
        queue.lastPage[count] = faulted;
        queue.timeNs[count] = timeNs[row] + delayNs;
        queue.thread[count] = -1;
        queue.hadMapping[count] = 0;
        count++;
      }
      if (!counts) continue;
      mmu.running.count(actor, id, chunk.bytes[row]);
      // Counting bytes of another size may have made the memory grow.
      words = mmu.memory.words;
    }
    queue.count = count;
    return row;
  }
}
