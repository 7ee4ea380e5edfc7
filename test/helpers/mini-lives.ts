/** Lives of blocks and the page ids that they own; rows in columns. */
import { CONTINUES, OP, type TraceChunk } from '../../src/trace/compiled.ts';
import { BLOCK_PAGES, blockOf, isAccess, PAGE, type Parsed, spanOf } from './mini-rows.ts';

export interface Life {
  block: number;
  beginEvent: number;
  endEvent: number;
  touched: Set<number>;
  /** Actor index -> whether that actor touches the life at all. */
  touchedBy: Set<number>;
  /** 64-byte lines of the address space that devices touch. */
  lines: Set<number>;
  firstId: number;
  slot: number;
}

export function touchedWords(life: Life): number[] {
  const words = new Array<number>(16).fill(0);
  for (const page of life.touched) {
    const i = page - life.block * BLOCK_PAGES;
    words[Math.floor(i / 32)] |= 1 << (i % 32);
  }
  return words;
}

/** A life that ends at event e leaves its ids and its slot to lives that begin after e: the lowest that fit. */
export function numberLives(lives: readonly Life[]): { pageIds: number; slots: number } {
  let pageIds = 0;
  let slots = 0;
  const placed: Life[] = [];
  for (const life of lives) {
    const present = placed.filter((p) => p.endEvent === -1 || p.endEvent > life.beginEvent);
    const taken = new Set(present.map((p) => p.slot));
    while (taken.has(life.slot)) life.slot++;
    const size = life.touched.size;
    const meets = (p: Life): boolean => life.firstId < p.firstId + p.touched.size && p.firstId < life.firstId + size;
    for (let other = present.find(meets); other && size > 0; other = present.find(meets)) {
      life.firstId = other.firstId + other.touched.size;
    }
    placed.push(life);
    pageIds = Math.max(pageIds, life.firstId + size);
    slots = Math.max(slots, life.slot + 1);
  }
  return { pageIds, slots };
}

/** Peak over time of the live blocks that each device touches. Time is counted in events: nothing else changes it. */
export function livePeaks(lives: readonly Life[], actors: number, events: number): Float64Array {
  const peaks = new Float64Array(actors);
  for (let actor = 1; actor < actors; actor++) {
    for (let e = -1; e < events; e++) {
      const live = lives.filter(
        (l) => l.touchedBy.has(actor) && l.beginEvent <= e && (l.endEvent === -1 || l.endEvent > e),
      );
      peaks[actor] = Math.max(peaks[actor], live.length * BLOCK_PAGES * PAGE);
    }
  }
  return peaks;
}

interface Column {
  record: number;
  op: number;
  actor: number;
  timeNs: number;
  page: number;
  pages: number;
  offset: number;
  bytes: number;
  thread: number;
}

export function makeColumns(
  rows: readonly Parsed[],
  actors: readonly string[],
  eventOf: ReadonlyMap<number, number>,
  lifeOfTouch: ReadonlyMap<string, Life>,
): Column[] {
  const threads = new Map<string, number>();
  const columns: Column[] = [];
  for (const row of rows) {
    const { record, timeNs } = row;
    const actor = actors.indexOf(row.actor);
    let thread = -1;
    if (row.thread !== null) {
      const key = `${row.actor}/${row.thread}`;
      if (!threads.has(key)) threads.set(key, threads.size);
      thread = threads.get(key)!;
    }
    const shared = { record, actor, timeNs, thread };
    if (!isAccess(row.op)) {
      columns.push({ ...shared, op: OP[row.op], page: eventOf.get(record)!, pages: 0, offset: 0, bytes: 0 });
      continue;
    }
    const span = spanOf(row.addr, row.size);
    for (let first = span.firstPage; first <= span.lastPage; ) {
      const last = Math.min(span.lastPage, (blockOf(first) + 1) * BLOCK_PAGES - 1);
      const life = lifeOfTouch.get(`${record}:${blockOf(first)}`)!;
      const rank = [...life.touched].filter((p) => p < first).length;
      const from = Math.max(row.addr, first * PAGE);
      columns.push({
        ...shared,
        op: OP[row.op] + (first === span.firstPage ? 0 : CONTINUES),
        page: life.firstId + rank,
        pages: last - first + 1,
        offset: from % PAGE,
        bytes: Math.min(row.addr + row.size, (last + 1) * PAGE) - from,
      });
      first = last + 1;
    }
  }
  return columns;
}

export function* cutChunks(columns: readonly Column[], chunkRows: number): Generator<TraceChunk> {
  const threaded = columns.some((c) => c.thread >= 0);
  for (let at = 0; at < columns.length; at += chunkRows) {
    const part = columns.slice(at, at + chunkRows);
    yield {
      rows: part.length,
      record: Uint32Array.from(part, (c) => c.record),
      op: Uint8Array.from(part, (c) => c.op),
      actor: Uint8Array.from(part, (c) => c.actor),
      code: Uint8Array.from(part, (c) =>
        c.op < 3 && c.pages === 1 && c.actor * 3 + c.op < 250 ? c.actor * 3 + c.op : 255,
      ),
      timeNs: Float64Array.from(part, (c) => c.timeNs),
      page: Int32Array.from(part, (c) => c.page),
      pages: Uint16Array.from(part, (c) => c.pages),
      offset: Uint16Array.from(part, (c) => c.offset),
      bytes: Uint32Array.from(part, (c) => c.bytes),
      thread: threaded ? Int32Array.from(part, (c) => c.thread) : null,
    };
  }
}
