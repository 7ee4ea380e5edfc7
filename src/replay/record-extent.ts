/** Extent of the record that a row belongs to: its rows may come from the chunk before and go on in the next one. */
import { CONTINUES, type TraceChunk } from '../trace/compiled.ts';
import type { AddressSpace } from './address-space.ts';
import type { RecordFacts } from './in-flight.ts';

export class RecordExtent {
  readonly facts: RecordFacts = { record: 0, firstPage: 0, lastPage: 0, thread: -1, timeNs: 0 };
  /** Record whose extent `facts` holds. */
  private record = -1;
  /** First page of a record that goes on from the chunk before. */
  private carriedFirstPage = 0;

  constructor(private readonly space: AddressSpace) {}

  /** Facts of the record of `row`; the same object each time. */
  of(chunk: TraceChunk, row: number, next: TraceChunk | null): RecordFacts {
    if (chunk.record[row] !== this.record) {
      if (isWholeRecord(chunk, row)) this.readOnePage(chunk, row);
      else this.read(chunk, row, next);
    }
    return this.facts;
  }

  private readOnePage(chunk: TraceChunk, row: number): void {
    const { facts } = this;
    facts.record = this.record = chunk.record[row];
    facts.timeNs = chunk.timeNs[row];
    facts.thread = chunk.thread === null ? -1 : chunk.thread[row];
    facts.firstPage = facts.lastPage = this.space.pageOf(chunk.page[row]);
  }

  private read(chunk: TraceChunk, row: number, next: TraceChunk | null): void {
    const { facts } = this;
    facts.record = this.record = chunk.record[row];
    facts.timeNs = chunk.timeNs[row];
    facts.thread = chunk.thread?.[row] ?? -1;
    const here = this.space.pageOf(chunk.page[row]);
    // The rows before were all settled: the record may have begun earlier.
    facts.firstPage = (chunk.op[row] & CONTINUES) === 0 ? here : this.firstPageOf(chunk, row);
    facts.lastPage = here + chunk.pages[row] - 1 + this.pagesAfter(chunk, row, next);
  }

  private firstPageOf(chunk: TraceChunk, row: number): number {
    let start = row;
    while (start > 0 && (chunk.op[start] & CONTINUES) !== 0) start--;
    return (chunk.op[start] & CONTINUES) === 0 ? this.space.pageOf(chunk.page[start]) : this.carriedFirstPage;
  }

  private pagesAfter(chunk: TraceChunk, row: number, next: TraceChunk | null): number {
    let pages = 0;
    for (let at = chunk, r = row + 1; ; r++) {
      if (r === at.rows) {
        if (at !== chunk || next === null || next.rows === 0) return pages;
        at = next;
        r = 0;
      }
      if ((at.op[r] & CONTINUES) === 0 || at.record[r] !== this.record) return pages;
      pages += at.pages[r];
    }
  }

  /** `chunk` is done: notes where the record began that goes on in `next`. */
  carry(chunk: TraceChunk, next: TraceChunk): void {
    if (next.rows === 0 || (next.op[0] & CONTINUES) === 0) return;
    let start = chunk.rows - 1;
    while (start > 0 && (chunk.op[start] & CONTINUES) !== 0) start--;
    if ((chunk.op[start] & CONTINUES) === 0) this.carriedFirstPage = this.space.pageOf(chunk.page[start]);
  }
}

/** Is this row all of its record, and one page? So are most. */
function isWholeRecord(chunk: TraceChunk, row: number): boolean {
  if (chunk.pages[row] !== 1 || (chunk.op[row] & CONTINUES) !== 0) return false;
  return row + 1 < chunk.rows && (chunk.op[row + 1] & CONTINUES) === 0;
}
