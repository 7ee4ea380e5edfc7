/** A compiled trace as a list of plain records with page numbers, as the reference engine reads it. */
import { ACCESS, type Access } from '../../src/replay/faults.ts';
import {
  CONTINUES,
  type CompiledTrace,
  LAST_ACCESS,
  OP,
  type TraceChunk,
  type TraceEvent,
} from '../../src/trace/compiled.ts';

const PAGE_BYTES = 4096;
const BLOCK_PAGES = 512;

export interface PageTouch {
  readonly page: number;
  readonly bytes: number;
}

/** Pages that one record touches with one kind of access; a copy has two of these. */
export interface TouchRange {
  readonly access: Access;
  readonly firstPage: number;
  readonly lastPage: number;
  readonly touches: readonly PageTouch[];
}

export interface PlainRecord {
  readonly record: number;
  readonly actor: number;
  readonly timeNs: number;
  readonly thread: number;
  /** Null for an access. */
  readonly event: TraceEvent | null;
  /** Empty for what is not an access. */
  readonly ranges: readonly TouchRange[];
}

interface Row {
  readonly chunk: TraceChunk;
  readonly at: number;
}

/** Page ids and the pages they stand for, as lives begin and end. */
class PageIds {
  private readonly pageOf = new Map<number, number>();

  constructor(private readonly trace: CompiledTrace) {
    this.begin(-1);
  }

  begin(event: number): void {
    const { lives } = this.trace;
    for (let life = 0; life < lives.count; life++) {
      if (lives.beginEvent[life] !== event) continue;
      let id = lives.firstId[life];
      for (let index = 0; index < BLOCK_PAGES; index++) {
        const word = lives.touched[life * 16 + Math.floor(index / 32)];
        if ((word >>> (index % 32)) % 2 === 1) this.pageOf.set(id++, lives.block[life] * BLOCK_PAGES + index);
      }
    }
  }

  page(id: number): number {
    const page = this.pageOf.get(id);
    if (page === undefined) throw new Error(`page id ${id} stands for no page`);
    return page;
  }
}

const accessOf = (op: number): Access =>
  op === OP.read ? ACCESS.read : op === OP.write ? ACCESS.write : ACCESS.atomic;

/** Bytes first..last of an address range, page by page. */
export function touchesOf(firstPage: number, offset: number, bytes: number): PageTouch[] {
  const touches: PageTouch[] = [];
  for (let at = offset, page = firstPage; at < offset + bytes; page++) {
    const end = Math.min((page - firstPage + 1) * PAGE_BYTES, offset + bytes);
    touches.push({ page, bytes: end - at });
    at = end;
  }
  return touches;
}

/** The ordinary touches that stand for a `copy` by default: the source is read, then the destination written. */
export function copyRanges(event: Extract<TraceEvent, { op: 'copy' }>): TouchRange[] {
  const source = touchesOf(event.sourceFirstPage, event.sourceOffsetBytes, event.sizeBytes);
  const destination = touchesOf(event.firstPage, event.offsetBytes, event.sizeBytes);
  return [
    { access: ACCESS.read, firstPage: event.sourceFirstPage, lastPage: event.sourceLastPage, touches: source },
    { access: ACCESS.write, firstPage: event.firstPage, lastPage: event.lastPage, touches: destination },
  ];
}

export function* plainRecords(trace: CompiledTrace): Generator<PlainRecord> {
  const ids = new PageIds(trace);
  let rows: Row[] = [];
  for (const chunk of trace.chunks()) {
    for (let at = 0; at < chunk.rows; at++) {
      if (rows.length > 0 && chunk.op[at] < CONTINUES) {
        yield toRecord(trace, rows, ids);
        rows = [];
      }
      rows.push({ chunk, at });
    }
  }
  if (rows.length > 0) yield toRecord(trace, rows, ids);
}

function toRecord(trace: CompiledTrace, rows: readonly Row[], ids: PageIds): PlainRecord {
  const [{ chunk, at }] = rows;
  const shared = {
    record: chunk.record[at],
    actor: chunk.actor[at],
    timeNs: chunk.timeNs[at],
    thread: chunk.thread === null ? -1 : chunk.thread[at],
  };
  if (chunk.op[at] > LAST_ACCESS) {
    const index = chunk.page[at];
    ids.begin(index);
    return { ...shared, event: trace.events[index], ranges: [] };
  }
  const touches = rows.flatMap((row) => {
    const c = row.chunk;
    const bytes = touchesOf(0, c.offset[row.at], c.bytes[row.at]);
    return bytes.map((touch, i) => ({ page: ids.page(c.page[row.at] + i), bytes: touch.bytes }));
  });
  const range = { access: accessOf(chunk.op[at]), firstPage: touches[0].page, lastPage: touches.at(-1)!.page, touches };
  return { ...shared, event: null, ranges: [range] };
}
