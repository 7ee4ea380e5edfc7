/**
 * A tiny builder of compiled traces, independent of the real reader: slow, plain, exact. Model and engine tests write
 * their traces as rows of text or as objects.
 */
import { type CompiledTrace, OP, type TraceChunk, type TraceEvent } from '../../src/trace/compiled.ts';
import type { Arena } from '../../src/trace/kernel/arena.ts';
import { inArena } from './arena.ts';
import { cutChunks, type Life, livePeaks, makeColumns, numberLives, touchedWords } from './mini-lives.ts';
import {
  inferAllocations,
  launchedAllocations,
  meetsRange,
  type Owners,
  ownerOf,
  withoutRange,
} from './mini-owners.ts';
import {
  actorNames,
  BLOCK_PAGES,
  blockOf,
  isAccess,
  makeAllocation,
  makeEvent,
  PAGE,
  parseRow,
  type RecordRow,
  spanOf,
  touchedSpans,
} from './mini-rows.ts';

export { parseSize, type RecordObject, type RecordRow } from './mini-rows.ts';

const LINE = 64;

export interface CompileOptions {
  readonly name?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Rows a chunk, so that tests cross chunk borders. Default: all in one. */
  readonly chunkRows?: number;
  /** Names the device actors that never act and are not named by a hint either. */
  readonly actors?: readonly string[];
}

export function compileRecords(records: readonly RecordRow[], options: CompileOptions = {}): CompiledTrace {
  const rows = records.map(parseRow);
  const actors = actorNames(rows, options.actors ?? []);
  rows.forEach((row, i) => {
    if (i > 0 && row.timeNs < rows[i - 1].timeNs) throw new Error(`row ${i}: time runs backwards`);
  });
  const inferredAllocations = !rows.some((r) => r.op === 'alloc');
  const allocations = inferredAllocations ? inferAllocations(rows) : [];

  // Who owns which page before each record.
  const ownersBefore: Owners[] = [];
  let owners: Owners = [...allocations];
  const allocationOf = new Map<number, number>();
  for (const row of rows) {
    ownersBefore.push(owners);
    if (row.op !== 'alloc' && row.op !== 'free') continue;
    const { firstPage, lastPage } = spanOf(row.addr, row.size);
    const taken = meetsRange(owners, firstPage, lastPage);
    if (row.op === 'free') {
      if (!taken) throw new Error(`row ${row.record}: free of what is not allocated`);
      owners = withoutRange(owners, firstPage, lastPage);
      continue;
    }
    if (taken) throw new Error(`row ${row.record}: page allocated twice`);
    const allocation = makeAllocation(allocations.length, row, actors);
    allocations.push(allocation);
    allocationOf.set(row.record, allocation.id);
    owners = [...owners, { firstPage, lastPage, id: allocation.id }];
  }

  // Events, and the lives of blocks: from the first allocation in a block until no live one is left in it.
  const events: TraceEvent[] = [];
  const eventOf = new Map<number, number>();
  const begun: Life[] = [];
  const living = new Map<number, Life>();
  const begin = (block: number, beginEvent: number): void => {
    if (living.has(block)) return;
    const life: Life = {
      block,
      beginEvent,
      endEvent: -1,
      touched: new Set(),
      touchedBy: new Set(),
      lines: new Set(),
      firstId: 0,
      slot: 0,
    };
    begun.push(life);
    living.set(block, life);
  };
  for (const a of inferredAllocations ? allocations : []) {
    for (let b = blockOf(a.firstPage); b <= blockOf(a.lastPage); b++) begin(b, -1);
  }
  const lifeOfTouch = new Map<string, Life>();
  rows.forEach((row, i) => {
    if (!isAccess(row.op)) {
      const launched = row.op === 'launch' ? launchedAllocations(rows, i, (r) => ownersBefore[r]) : [];
      eventOf.set(i, events.length);
      events.push(makeEvent(row, actors, allocationOf.get(i) ?? -1, launched));
    }
    const actor = actors.indexOf(row.actor);
    touchedSpans(row).forEach(({ addr, size }) => {
      const span = spanOf(addr, size);
      for (let p = span.firstPage; p <= span.lastPage; p++) {
        const life = living.get(blockOf(p));
        if (ownerOf(ownersBefore[i], p) === undefined || !life)
          throw new Error(`row ${i}: access outside all live allocations`);
        life.touched.add(p);
        life.touchedBy.add(actor);
        lifeOfTouch.set(`${i}:${blockOf(p)}`, life);
        if (actor === 0) continue;
        const from = Math.max(addr, p * PAGE);
        const to = Math.min(addr + size, (p + 1) * PAGE) - 1;
        for (let line = Math.floor(from / LINE); line <= Math.floor(to / LINE); line++) life.lines.add(line);
      }
    });
    if (row.op !== 'alloc' && row.op !== 'free') return;
    const span = spanOf(row.addr, row.size);
    const after = ownersBefore[i + 1] ?? owners;
    for (let b = blockOf(span.firstPage); b <= blockOf(span.lastPage); b++) {
      if (row.op === 'alloc') begin(b, eventOf.get(i)!);
      else if (living.has(b)) {
        if (meetsRange(after, b * BLOCK_PAGES, (b + 1) * BLOCK_PAGES - 1)) continue;
        living.get(b)!.endEvent = eventOf.get(i)!;
        living.delete(b);
      }
    }
  });
  // Only blocks that the trace touches have an entry.
  const lives = begun.filter((life) => life.touched.size > 0);
  const { pageIds, slots } = numberLives(lives);
  const columns = makeColumns(rows, actors, eventOf, lifeOfTouch);

  const perActor = (): Float64Array => new Float64Array(actors.length);
  const recordsByOp = new Float64Array(Object.keys(OP).length);
  const [accessesByActor, touchesByActor, bytesByActor] = [perActor(), perActor(), perActor()];
  let handOvers = 0;
  let lastActor = -1;
  for (const row of rows) {
    recordsByOp[OP[row.op]]++;
    if (!isAccess(row.op)) continue;
    const actor = actors.indexOf(row.actor);
    const span = spanOf(row.addr, row.size);
    accessesByActor[actor]++;
    touchesByActor[actor] += span.lastPage - span.firstPage + 1;
    bytesByActor[actor] += row.size;
    if (lastActor >= 0 && lastActor !== actor) handOvers++;
    lastActor = actor;
  }
  const startNs = rows.length > 0 ? rows[0].timeNs : 0;
  return {
    name: options.name ?? 'mini.csv',
    sha256: '0'.repeat(64),
    metadata: options.metadata ?? {},
    actors,
    actorHasRecords: actors.map((name) => rows.some((r) => r.actor === name)),
    records: rows.length,
    recordsByOp,
    accessesByActor,
    touchesByActor,
    bytesByActor,
    footprintBytes: lives.reduce((sum, life) => sum + life.touched.size, 0) * PAGE,
    deviceLineBytes: lives.reduce((sum, life) => sum + life.lines.size, 0) * LINE,
    livePeakBytes: livePeaks(lives, actors.length, events.length),
    startNs,
    durationNs: rows.length > 0 ? rows[rows.length - 1].timeNs - startNs : 0,
    handOvers,
    hasTime: rows.some((r) => r.timeNs !== 0),
    hasAtomics: rows.some((r) => r.op === 'atomic'),
    threads: new Set(rows.filter((r) => r.thread !== null).map((r) => `${r.actor}/${r.thread}`)).size,
    inferredAllocations,
    allocations,
    events,
    lives: {
      count: lives.length,
      block: Float64Array.from(lives, (l) => l.block),
      slot: Int32Array.from(lives, (l) => l.slot),
      firstId: Int32Array.from(lives, (l) => l.firstId),
      touched: Int32Array.from(lives.flatMap((l) => touchedWords(l))),
      beginEvent: Int32Array.from(lives, (l) => l.beginEvent),
      endEvent: Int32Array.from(lives, (l) => l.endEvent),
    },
    pageIds,
    slots,
    warnings: rows.length === 0 ? ['the trace has no records'] : [],
    chunks: (arena) => someInArena(cutChunks(columns, options.chunkRows ?? Math.max(1, columns.length)), arena),
  };
}

/** Every other chunk lies where it is walked, the others are brought there. */
function* someInArena(chunks: Iterable<TraceChunk>, arena?: Arena): Generator<TraceChunk> {
  let here = true;
  for (const chunk of chunks) {
    yield arena !== undefined && here ? inArena(chunk, arena) : chunk;
    here = !here;
  }
}
