/**
 * Which rows the loops of the kernel may pass: the hit path of a pass. It keeps the kernel's tables, and works them out
 * anew when a due time, the counting or the watching has changed.
 */
import type { TraceChunk } from '../trace/compiled.ts';
import { CODES, COUNTED_AT, LAST_ROW_AT, LEFT_AT, PLAIN_AT, ROOM_ROWS } from './kernel/layout.ts';
import { KINDS, type Mmu } from './mmu.ts';

/** Rows a call at most: a loop is left and entered again, so that compiled code takes over soon. */
const ROWS_PER_CALL = 1 << 13;
const UNSEEN = -1;

export class HitPath {
  /** Dispatch bytes in use. */
  private readonly codes: number;
  /** From this trace time on some actor's records need attention that do not yet. */
  private nextDueNs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly mmu: Mmu,
    private readonly allLanes: number,
    /** Kept up to date: trace time of the last record of each actor. */
    private readonly lastTimeNs: Float64Array,
  ) {
    this.codes = Math.min(lastTimeNs.length * KINDS, CODES - 1);
    const { words } = mmu.memory;
    words.fill(-1, PLAIN_AT, PLAIN_AT + CODES);
    words.fill(-1, COUNTED_AT, COUNTED_AT + CODES);
    words.fill(UNSEEN, LAST_ROW_AT, LAST_ROW_AT + CODES);
  }

  /** Passes the rows from `from` on that need nobody's attention; gives the first other one. */
  pass(chunk: TraceChunk, from: number): number {
    const { code, timeNs, rows } = chunk;
    const { mmu } = this;
    if (mmu.stale || timeNs[from] >= this.nextDueNs) this.open(timeNs[from]);
    const { words } = mmu.memory;
    const end = timeNs[rows - 1] < this.nextDueNs ? rows : firstRowAt(timeNs, from, rows, this.nextDueNs);
    let row = from;
    while (row < end) {
      const c = code[row];
      const table = words[PLAIN_AT + c] >= 0 ? PLAIN_AT : COUNTED_AT;
      if (words[table + c] < 0) break;
      const first = row - (row % ROOM_ROWS);
      const to = Math.min(row + ROWS_PER_CALL, end, first + ROOM_ROWS);
      row = this.passTo(chunk, row, to, table === COUNTED_AT);
      this.noteTimes(timeNs, first);
      // Rows of the other loop's actors may follow; any other row wants a look.
      if (row < to && words[table + code[row]] >= 0) break;
    }
    return row;
  }

  private passTo(chunk: TraceChunk, row: number, to: number, counted: boolean): number {
    const { mmu, allLanes } = this;
    const { memory } = mmu;
    const first = memory.load(chunk, row, counted);
    const { kernel } = memory;
    if (!counted) return first + kernel.settledRows(allLanes, row - first, to - first);
    return mmu.watching
      ? first + kernel.watchedRows(allLanes, row - first, to - first)
      : first + kernel.countedRows(allLanes, row - first, to - first);
  }

  private noteTimes(timeNs: Float64Array, first: number): void {
    const { lastTimeNs, codes } = this;
    const { words } = this.mmu.memory;
    for (let c = 0; c < codes; c++) {
      const row = words[LAST_ROW_AT + c];
      if (row === UNSEEN) continue;
      words[LAST_ROW_AT + c] = UNSEEN;
      const actor = (c / KINDS) | 0;
      // Times do not decrease, so the latest row has the greatest.
      if (timeNs[first + row] > lastTimeNs[actor]) lastTimeNs[actor] = timeNs[first + row];
    }
  }

  /** Opens the way to rows of every actor whose records need no attention at `timeNs`. */
  private open(timeNs: number): void {
    const { mmu } = this;
    const { dueNs } = mmu;
    const { words } = mmu.memory;
    mmu.stale = false;
    this.nextDueNs = Number.POSITIVE_INFINITY;
    for (let c = 0; c < this.codes; c++) {
      const actor = (c / KINDS) | 0;
      const due = timeNs >= dueNs[actor];
      if (!due && dueNs[actor] < this.nextDueNs) this.nextDueNs = dueNs[actor];
      const base = mmu.baseOf(actor, c % KINDS);
      const counted = mmu.counts(actor);
      words[PLAIN_AT + c] = due || counted ? -1 : base;
      words[COUNTED_AT + c] = due || !counted ? -1 : base;
      if (counted && mmu.watching) words[LEFT_AT + c] = mmu.leftBaseOf(actor);
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
