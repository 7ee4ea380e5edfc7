/**
 * Which rows the loops of the kernel may pass: the hit path of a pass. It keeps the kernel's table, and works it out anew
 * when a due time, the counting or the watching has changed.
 */
import type { TraceChunk } from '../trace/compiled.ts';
import {
  ACTOR_BIT,
  CODES,
  ENTRY_WORDS,
  HIGH,
  LEFT,
  LOW,
  SEEN_AT,
  SUM_HIGH,
  SUM_LOW,
  TABLE_AT,
  WORD,
} from './kernel/layout.ts';
import { KINDS, type Mmu } from './mmu.ts';

/** Actors from this one on share a bit. */
const SHARED_BIT = 31;

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
    for (let c = 0; c < CODES; c++) words[TABLE_AT + c * ENTRY_WORDS + WORD] = -1;
  }

  /** Passes the rows from `from` on that need nobody's attention; gives the first other one. */
  pass(chunk: TraceChunk, from: number): number {
    const { code, timeNs, rows } = chunk;
    const { mmu } = this;
    if (mmu.stale || timeNs[from] >= this.nextDueNs) this.open(timeNs[from]);
    const end = timeNs[rows - 1] < this.nextDueNs ? rows : firstRowAt(timeNs, from, rows, this.nextDueNs);
    const { memory } = mmu;
    let row = from;
    while (row < end && memory.words[TABLE_AT + code[row] * ENTRY_WORDS + WORD] >= 0) {
      const stopped = this.passTo(chunk, row, end);
      this.noteTimes(chunk, row, stopped);
      row = stopped;
      if (row < Math.min(end, memory.endRow)) break;
    }
    return row;
  }

  /** Passes rows up to `end` or to the last one that is brought in. */
  private passTo(chunk: TraceChunk, row: number, end: number): number {
    const { mmu, allLanes } = this;
    const { memory } = mmu;
    memory.load(chunk, row);
    const mixed = mmu.running.any && this.mixesBytes(chunk, row);
    const { kernel, codeAt, pageAt, firstRow } = memory;
    const from = row - firstRow;
    const to = Math.min(end, memory.endRow) - firstRow;
    if (!mmu.running.any) return firstRow + kernel.settledRows(allLanes, codeAt, pageAt, from, to);
    const stopped = mmu.watched.any
      ? kernel.watchedRows(allLanes, codeAt, pageAt, from, to)
      : kernel.countedRows(allLanes, codeAt, pageAt, from, to);
    if (mixed) kernel.countBytes(mmu.running.unitBytes, codeAt, pageAt, memory.bytesAt, from, stopped);
    return firstRow + stopped;
  }

  private mixesBytes(chunk: TraceChunk, row: number): boolean {
    const { mmu } = this;
    const bytes = chunk.bytes[row];
    // What a crowd of touches has is the better guess.
    if (!mmu.running.summing && bytes !== mmu.running.unitBytes) mmu.running.expectBytes(bytes);
    // Sums take memory: where it could not grow, the rows have to be brought in again.
    mmu.memory.load(chunk, row);
    if (!mmu.memory.mixesBytes(mmu.running.unitBytes)) return false;
    mmu.running.sumBytes();
    mmu.memory.load(chunk, row);
    if (mmu.stale) this.open(chunk.timeNs[row]);
    return true;
  }

  /** Of the rows passed; each actor that was seen has one among them, as a rule near the end. */
  private noteTimes({ code, timeNs }: TraceChunk, from: number, to: number): void {
    const { lastTimeNs } = this;
    let seen = this.mmu.memory.words[SEEN_AT];
    for (let row = to - 1; row >= from && seen !== 0; row--) {
      const actor = (code[row] / KINDS) | 0;
      if (actor < SHARED_BIT) seen &= ~(1 << actor);
      // Times do not decrease, so the latest row has the greatest.
      if (timeNs[row] > lastTimeNs[actor]) lastTimeNs[actor] = timeNs[row];
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
      const entry = TABLE_AT + c * ENTRY_WORDS;
      words[entry + WORD] = due ? -1 : mmu.baseOf(actor, c % KINDS);
      words[entry + ACTOR_BIT] = 1 << Math.min(actor, SHARED_BIT);
      if (!mmu.running.any) continue;
      words[entry + LOW] = mmu.running.lowBaseOf(actor);
      words[entry + HIGH] = mmu.running.highBaseOf(actor);
      words[entry + SUM_LOW] = mmu.running.lowSumBaseOf(actor);
      words[entry + SUM_HIGH] = mmu.running.highSumBaseOf(actor);
      if (mmu.watched.any) words[entry + LEFT] = mmu.watched.baseOf(actor);
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
