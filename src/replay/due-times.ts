/** From when on records of each actor need attention before they are issued, put together from what the runs say. */
import type { LaneRun } from './lane-run.ts';
import type { Mmu } from './mmu.ts';
import { HOST } from './model.ts';

export class DueTimes {
  /** Is some device launched on and not synchronised with? Then every CPU record needs attention. */
  anyOpen = false;
  /** By actor and run. */
  private readonly laneDueNs: Float64Array;

  constructor(
    private readonly lanes: readonly LaneRun[],
    private readonly mmu: Mmu,
    private readonly hasThreads: boolean,
  ) {
    this.laneDueNs = new Float64Array(mmu.dueNs.length * lanes.length).fill(Number.POSITIVE_INFINITY);
  }

  update(): void {
    for (let i = 0; i < this.lanes.length; i++) this.updateLane(i);
    const { dueNs } = this.mmu;
    const hostDueNs = this.anyOpen ? Number.NEGATIVE_INFINITY : this.leastDueNs(HOST);
    if (dueNs[HOST] === hostDueNs) return;
    dueNs[HOST] = hostDueNs;
    this.mmu.stale = true;
  }

  /** The same after something happened in one run. */
  updateLane(i: number): void {
    const { mmu, laneDueNs, lanes } = this;
    lanes[i].machine.limitsChanged = false;
    for (let a = 0; a < mmu.dueNs.length; a++) {
      const at = a * lanes.length + i;
      const before = laneDueNs[at];
      const now = lanes[i].dueNs(a, this.hasThreads);
      if (now === before) continue;
      laneDueNs[at] = now;
      if (a === HOST && this.anyOpen) continue;
      const least = mmu.dueNs[a];
      if (now < least) mmu.dueNs[a] = now;
      else if (before === least) mmu.dueNs[a] = this.leastDueNs(a);
      if (mmu.dueNs[a] !== least) mmu.stale = true;
    }
  }

  private leastDueNs(actor: number): number {
    const { laneDueNs, lanes } = this;
    let due = Number.POSITIVE_INFINITY;
    for (let at = actor * lanes.length; at < (actor + 1) * lanes.length; at++) {
      if (laneDueNs[at] < due) due = laneDueNs[at];
    }
    return due;
  }
}
