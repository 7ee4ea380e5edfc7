/** What `alloc` and `free` records do to the address space of a pass, and to what its runs remember of the pages. */
import type { CompiledTrace } from '../trace/compiled.ts';
import type { AddressSpace } from './address-space.ts';
import { checkSlots } from './invariants.ts';
import type { LaneRun } from './lane-run.ts';
import { BLOCK_PAGES, newMask, setRange } from './mask.ts';
import type { Vma } from './model.ts';

export class AllocationEvents {
  constructor(
    private readonly trace: CompiledTrace,
    private readonly space: AddressSpace,
    private readonly lanes: readonly LaneRun[],
    private readonly check: boolean,
  ) {}

  vmasOf(index: number): readonly Vma[] {
    const event = this.trace.events[index];
    if (event.op === 'free') return this.space.piecesIn(event.firstPage, event.lastPage);
    if (event.op !== 'alloc') return [];
    return [this.space.alloc(index, this.trace.allocations[event.allocation])];
  }

  /** Takes the range out of the address space; in blocks that die, and in dead pages that nobody shares, nothing stays. */
  removeFreed(index: number): void {
    const event = this.trace.events[index];
    const mask = newMask();
    const slots = this.space.slotsIn(event.firstPage, event.lastPage);
    for (const slot of slots) {
      const start = this.space.slotBlock[slot] * BLOCK_PAGES;
      const first = Math.max(event.firstPage - start, 0);
      const last = Math.min(event.lastPage - start, BLOCK_PAGES - 1);
      for (const lane of this.lanes) lane.machine.pages.forgetMarks(slot, setRange(mask, first, last));
    }
    this.space.free(index, event.firstPage, event.lastPage, (slot) => {
      for (const lane of this.lanes) lane.machine.pages.clearSlot(slot);
    });
    if (this.check) {
      const live = this.space.slotsIn(0, Number.MAX_SAFE_INTEGER);
      for (const lane of this.lanes) checkSlots(lane, live, event.record);
    }
  }
}
