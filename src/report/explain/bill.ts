/**
 * Who pays for a stop: the time in which an actor stood still is shared, to the last nanosecond, among the lines of the
 * event stream that tell what was done meanwhile (docs/explain.md, What a page costs).
 */

import type { EventLine, Stop } from '../../replay/lane.ts';
import { pagesOf } from './span.ts';

export interface Ledger {
  /** `ns` of a stop go to this line; the pages that it covers share them evenly. */
  readonly charge: (line: EventLine, ns: number) => void;
  /** Time of a stop in which nothing was done to any page. */
  readonly elsewhere: (ns: number, record: number) => void;
}

/** Lines that tell of work on pages. */
const WORK = new Set(['migrate', 'populate', 'map', 'remoteMap', 'unmap', 'evict']);

export class Biller {
  /** What may belong to a stop that has not ended yet. */
  private lines: EventLine[] = [];
  /** By device: the faults that are put off. */
  private readonly putOff = new Map<string, EventLine[]>();

  constructor(private readonly ledger: Ledger) {}

  add(line: EventLine): void {
    const last = this.lines.at(-1);
    if (last !== undefined && !mayShareStop(last, line)) this.lines = [];
    this.lines.push(line);
    if (line.kind !== 'defer') return;
    const waiting = this.putOff.get(line.actor);
    if (waiting === undefined) this.putOff.set(line.actor, [line]);
    else waiting.push(line);
  }

  /** Comes after the lines of what was done in it. */
  stop(stop: Stop): void {
    if (stop.kind === 'putOff') this.sharePutOff(stop);
    else {
      const meanwhile = this.lines.filter((line) => line.seq >= stop.firstSeq);
      if (stop.kind === 'model') this.shareByWork(stop, stop.ns, meanwhile);
      else this.share(stop, meanwhile);
    }
    // The stack stops somebody in the middle of its work, which goes on.
    if (stop.kind !== 'model') this.lines = [];
  }

  /** Copies pay for their own time, faults for the rest. */
  private share(stop: Stop, meanwhile: readonly EventLine[]): void {
    const copies = meanwhile.filter((line) => line.kind === 'migrate');
    const copyingNs = copies.reduce((sum, line) => sum + line.durationNs, 0);
    // Links may have worked side by side.
    const factor = copyingNs > stop.ns ? stop.ns / copyingNs : 1;
    for (const line of copies) if (line.durationNs > 0) this.ledger.charge(line, line.durationNs * factor);
    const restNs = Math.max(0, stop.ns - copyingNs);
    const faults = meanwhile.filter(({ kind }) => kind === 'fault' || kind === 'defer');
    if (faults.length === 0) this.shareByWork(stop, restNs, meanwhile);
    else if (restNs > 0) for (const line of faults) this.ledger.charge(line, restNs / faults.length);
  }

  /** By the pages of each line of work. */
  private shareByWork(stop: Stop, ns: number, meanwhile: readonly EventLine[]): void {
    if (ns === 0) return;
    const work = meanwhile.filter((line) => WORK.has(line.kind) && line.addr !== null);
    const pages = work.reduce((sum, line) => sum + pagesOf(line), 0);
    if (pages === 0) this.ledger.elsewhere(ns, stop.record);
    else for (const line of work) this.ledger.charge(line, (ns * pagesOf(line)) / pages);
  }

  /** Evenly among the faults that were put off all that time; those that are due now wait no longer. */
  private sharePutOff({ actor, ns, endNs, record }: Stop): void {
    const waiting = this.putOff.get(actor) ?? [];
    if (ns > 0) {
      if (waiting.length === 0) this.ledger.elsewhere(ns, record);
      for (const line of waiting) this.ledger.charge(line, ns / waiting.length);
    }
    this.putOff.set(
      actor,
      waiting.filter((line) => line.timeNs + line.durationNs > endNs),
    );
  }
}

/** A hand-over's lines all have a batch; any other stop lies within one record. */
function mayShareStop(a: EventLine, b: EventLine): boolean {
  return a.batch === null ? b.batch === null && a.record === b.record : b.batch !== null;
}
