/**
 * Which rows the loops of `settled-rows.ts` may pass: the hit path of a pass. It keeps what they need in the form in
 * which they need it, and works it out anew when a due time, the counting or the watching has changed.
 */
import type { TraceChunk } from '../trace/compiled.ts';
import type { AddressSpace } from './address-space.ts';
import { KINDS, type Mmu } from './mmu.ts';
import { CODES, countedRows, ROWS_PER_CALL, settledRows, watchedRows } from './settled-rows.ts';

const UNSEEN = -1;

export class HitPath {
  /** By dispatch byte; -1 = rows with it are looked at one by one. */
  private readonly base = new Int32Array(CODES).fill(-1);
  private readonly countBase = new Int32Array(CODES).fill(-1);
  private readonly leftBase = new Int32Array(CODES).fill(0);
  private readonly lastRow = new Int32Array(CODES).fill(UNSEEN);
  /** Dispatch bytes in use. */
  private readonly codes: number;
  private counting = false;
  private watching = false;
  /** From this trace time on some actor's records need attention that do not yet. */
  private nextDueNs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly mmu: Mmu,
    private readonly space: AddressSpace,
    private readonly allLanes: number,
    /** Kept up to date: trace time of the last record of each actor. */
    private readonly lastTimeNs: Float64Array,
  ) {
    this.codes = Math.min(lastTimeNs.length * KINDS, CODES - 1);
  }

  /** Passes the rows from `from` on that need nobody's attention; gives the first other one. */
  pass(chunk: TraceChunk, from: number): number {
    const { code, page, timeNs, rows } = chunk;
    if (this.mmu.stale || timeNs[from] >= this.nextDueNs) this.open(timeNs[from]);
    if (this.base[code[from]] < 0) return from;
    const end = timeNs[rows - 1] < this.nextDueNs ? rows : firstRowAt(timeNs, from, rows, this.nextDueNs);
    let row = from;
    for (let to = from; row === to && row < end; ) {
      to = Math.min(row + ROWS_PER_CALL, end);
      row = this.passTo(chunk, code, page, row, to);
    }
    if (row > from) this.noteTimes(timeNs);
    return row;
  }

  private passTo(chunk: TraceChunk, code: Uint8Array, page: Int32Array, from: number, to: number): number {
    const { base, countBase, leftBase, lastRow, allLanes, mmu } = this;
    const { words, counts } = mmu;
    if (!this.counting) return settledRows(code, page, words, base, lastRow, allLanes, from, to);
    const { bytes } = chunk;
    if (!this.watching) {
      return countedRows(code, page, bytes, words, base, lastRow, counts, countBase, allLanes, from, to);
    }
    const { idSlot } = this.space;
    const { left } = mmu;
    return watchedRows(
      code,
      page,
      bytes,
      words,
      base,
      lastRow,
      counts,
      countBase,
      idSlot,
      left,
      leftBase,
      allLanes,
      from,
      to,
    );
  }

  private noteTimes(timeNs: Float64Array): void {
    const { lastRow, lastTimeNs, codes } = this;
    for (let c = 0; c < codes; c++) {
      const row = lastRow[c];
      if (row === UNSEEN) continue;
      lastRow[c] = UNSEEN;
      const actor = (c / KINDS) | 0;
      // Times do not decrease, so the latest row has the greatest.
      if (timeNs[row] > lastTimeNs[actor]) lastTimeNs[actor] = timeNs[row];
    }
  }

  /** Opens the way to rows of every actor whose records need no attention at `timeNs`. */
  private open(timeNs: number): void {
    const { mmu } = this;
    const { dueNs } = mmu;
    mmu.stale = false;
    this.counting = this.watching = false;
    this.nextDueNs = Number.POSITIVE_INFINITY;
    for (let c = 0; c < this.codes; c++) {
      const actor = (c / KINDS) | 0;
      const due = timeNs >= dueNs[actor];
      if (!due && dueNs[actor] < this.nextDueNs) this.nextDueNs = dueNs[actor];
      this.base[c] = due ? -1 : mmu.base[c];
      const countBase = mmu.countBase[actor];
      const leftBase = mmu.leftBase[actor];
      this.countBase[c] = countBase;
      if (countBase >= 0) this.counting = true;
      if (leftBase >= 0) this.watching = true;
      this.leftBase[c] = leftBase;
    }
  }
}

/** First row of from..rows-1 whose time is at least `atNs`, the last of which has; times do not decrease. */
function firstRowAt(timeNs: Float64Array, from: number, rows: number, atNs: number): number {
  let step = 1;
  let low = from;
  while (low + step < rows && timeNs[low + step] < atNs) {
    low += step;
    step *= 2;
  }
  let high = Math.min(low + step, rows - 1);
  while (low + 1 < high) {
    const middle = (low + high) >> 1;
    if (timeNs[middle] < atNs) low = middle;
    else high = middle;
  }
  return high;
}
