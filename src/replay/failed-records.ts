/** Access records that failed: each counts once, however many of its touches fail. */
import type { WaitingTouches } from './waiting-touches.ts';

const KEPT = 1024;

export class FailedRecords {
  private readonly failed = new Set<number>();

  constructor(
    /** Touches in flight: their records can still fail. */
    private readonly waiting: readonly WaitingTouches[],
  ) {}

  /** False when the record has failed before. */
  add(record: number): boolean {
    if (this.failed.has(record)) return false;
    if (this.failed.size >= KEPT) this.prune();
    this.failed.add(record);
    return true;
  }

  /** Only records that still have touches in flight, or are being issued, can fail again. */
  private prune(): void {
    let newest = -1;
    for (const record of this.failed) newest = Math.max(newest, record);
    for (const record of this.failed) {
      if (record !== newest && !this.waiting.some((list) => list.holdsRecord(record))) this.failed.delete(record);
    }
  }
}
