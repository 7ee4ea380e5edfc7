/**
 * Which rows the loops of `settled-rows.ts` may pass: the hit path of a pass. It keeps what they need in the form in
 * which they need it, and works it out anew when a due time, the counting or the watching has changed.
 */
import type { TraceChunk } from '../trace/compiled.ts';
import { KINDS, type Mmu } from './mmu.ts';
import { CODES, countedRows, ROWS_PER_CALL, settledRows, watchedRows } from './settled-rows.ts';

const UNSEEN = -1;

export class HitPath {
  /** By dispatch byte: where the words of such rows begin, in one of the two; -1 in both = rows are looked at one by one. */
  private readonly plain = new Int32Array(CODES).fill(-1);
  private readonly counted = new Int32Array(CODES).fill(-1);
  private readonly countBase = new Int32Array(CODES);
  private readonly leftBase = new Int32Array(CODES);
  private readonly lastRow = new Int32Array(CODES).fill(UNSEEN);
  /** Dispatch bytes in use. */
  private readonly codes: number;
  private watching = false;
  /** From this trace time on some actor's records need attention that do not yet. */
  private nextDueNs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly mmu: Mmu,
    private readonly allLanes: number,
    /** Kept up to date: trace time of the last record of each actor. */
    private readonly lastTimeNs: Float64Array,
  ) {
    this.codes = Math.min(lastTimeNs.length * KINDS, CODES - 1);
  }

  /** Passes the rows from `from` on that need nobody's attention; gives the first other one. */
  pass(chunk: TraceChunk, from: number): number {
    const { code, timeNs, rows } = chunk;
    const { plain, counted } = this;
    if (this.mmu.stale || timeNs[from] >= this.nextDueNs) this.open(timeNs[from]);
    const end = timeNs[rows - 1] < this.nextDueNs ? rows : firstRowAt(timeNs, from, rows, this.nextDueNs);
    let row = from;
    while (row < end) {
      const base = plain[code[row]] >= 0 ? plain : counted;
      if (base[code[row]] < 0) break;
      const to = Math.min(row + ROWS_PER_CALL, end);
      row = base === plain ? this.passPlain(chunk, row, to) : this.passCounted(chunk, row, to);
      if (row < to && base[code[row]] >= 0) break;
    }
    if (row > from) this.noteTimes(timeNs);
    return row;
  }

  private passPlain(chunk: TraceChunk, from: number, to: number): number {
    return settledRows(chunk.code, chunk.page, this.mmu.words, this.plain, this.lastRow, this.allLanes, from, to);
  }

  private passCounted(chunk: TraceChunk, from: number, to: number): number {
    const { code, page, bytes } = chunk;
    const { counted, countBase, leftBase, lastRow, allLanes } = this;
    const { words, counts, left } = this.mmu;
    return this.watching
      ? watchedRows(code, page, bytes, words, counted, lastRow, counts, countBase, left, leftBase, allLanes, from, to)
      : countedRows(code, page, bytes, words, counted, lastRow, counts, countBase, allLanes, from, to);
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
    this.watching = mmu.left.length > 0;
    this.nextDueNs = Number.POSITIVE_INFINITY;
    for (let c = 0; c < this.codes; c++) {
      const actor = (c / KINDS) | 0;
      const due = timeNs >= dueNs[actor];
      if (!due && dueNs[actor] < this.nextDueNs) this.nextDueNs = dueNs[actor];
      const counts = mmu.countBase[actor] >= 0;
      this.plain[c] = due || counts ? -1 : mmu.base[c];
      this.counted[c] = due || !counts ? -1 : mmu.base[c];
      this.countBase[c] = mmu.countBase[actor];
      this.leftBase[c] = mmu.leftBase[actor] >= 0 ? mmu.leftBase[actor] : mmu.leftUnwatched;
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
