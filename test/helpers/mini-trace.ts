/**
 * A tiny builder of compiled traces, independent of the real reader: slow, plain, exact. Model and engine tests write
 * their traces as rows of text or as objects.
 */
import {
  type Allocation,
  type AllocationKind,
  CONTINUES,
  type CompiledTrace,
  type InvalidateSort,
  LAST_ACCESS,
  OP,
  type OpName,
  type TraceChunk,
  type TraceEvent,
} from '../../src/trace/compiled.ts';

const PAGE = 4096;
const BLOCK_PAGES = 512;
const LINE = 64;

export interface RecordObject {
  readonly timeNs?: number;
  readonly actor: string;
  /** Op name of the contract; `r`, `w`, `a` for short. */
  readonly op: string;
  readonly addr?: number;
  readonly size?: number;
  readonly thread?: number;
  readonly arg?: string;
}

/** `TIME ACTOR OP [ADDR SIZE] [ARG] [t=THREAD]`, sizes as bytes or with K, M, G: `0 cpu alloc 0x200000 2M a`. */
export type RecordRow = string | RecordObject;

export interface CompileOptions {
  readonly name?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Rows a chunk, so that tests cross chunk borders. Default: all in one. */
  readonly chunkRows?: number;
  /** Names the device actors that never act and are not named by a hint either. */
  readonly actors?: readonly string[];
}

interface Parsed {
  record: number;
  timeNs: number;
  actor: string;
  op: OpName;
  addr: number;
  size: number;
  thread: number | null;
  arg: string;
}

/** Pages that a record covers: whole pages around its bytes. */
interface Span {
  firstPage: number;
  lastPage: number;
  offset: number;
}

export function parseSize(text: string): number {
  const match = /^(0x[0-9a-f]+|\d+)([KMG]?)$/i.exec(text);
  if (!match) throw new Error(`bad size ${text}`);
  return (
    Number(match[1]) * { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }[match[2].toUpperCase() as '' | 'K' | 'M' | 'G']
  );
}

function parseRow(row: RecordRow, record: number): Parsed {
  let fields: RecordObject;
  if (typeof row === 'string') {
    const words = row.trim().split(/\s+/);
    const threadWord = words.find((w) => /^t=\d+$/.test(w));
    const [time, actor, op, addr, size, arg] = words.filter((w) => w !== threadWord);
    fields = {
      timeNs: Number(time),
      actor,
      op,
      addr: addr === undefined ? 0 : Number(addr),
      size: size === undefined ? 0 : parseSize(size),
      thread: threadWord === undefined ? undefined : Number(threadWord.slice(2)),
      arg: arg ?? '',
    };
  } else fields = row;
  const op = ({ r: 'read', w: 'write', a: 'atomic' }[fields.op] ?? fields.op) as OpName;
  if (OP[op] === undefined) throw new Error(`row ${record}: unknown op ${fields.op}`);
  const timeNs = fields.timeNs ?? 0;
  const { addr = 0, size = 0 } = fields;
  if (!Number.isSafeInteger(timeNs) || !Number.isSafeInteger(addr) || !Number.isSafeInteger(size)) {
    throw new Error(`row ${record}: bad number in ${JSON.stringify(row)}`);
  }
  const needsRange = op !== 'launch' && op !== 'sync';
  if (needsRange && size < 1) throw new Error(`row ${record}: ${op} needs an address and a size`);
  return { record, timeNs, actor: fields.actor, op, addr, size, thread: fields.thread ?? null, arg: fields.arg ?? '' };
}

function spanOf(addr: number, size: number): Span {
  return { firstPage: Math.floor(addr / PAGE), lastPage: Math.floor((addr + size - 1) / PAGE), offset: addr % PAGE };
}

const isAccess = (op: OpName): boolean => OP[op] <= LAST_ACCESS;
const blockOf = (page: number): number => Math.floor(page / BLOCK_PAGES);

/** The actor that a hint names, or null. */
function hintTarget(row: Parsed): string | null {
  if (row.op === 'prefetch') return row.arg;
  if (row.op !== 'advise') return null;
  const word = row.arg.startsWith('unset:') ? row.arg.slice(6) : row.arg;
  const attribute = /^attr:.*@(\w+)$/.exec(word);
  if (attribute) return attribute[1];
  return /^(?:preferred|accessed_by|pin):(\w+)$/.exec(word)?.[1] ?? null;
}

function actorNames(rows: readonly Parsed[], more: readonly string[]): string[] {
  const names = new Set([...rows.map((r) => r.actor), ...rows.map(hintTarget).filter((t) => t !== null), ...more]);
  names.delete('cpu');
  const split = (name: string): [string, number] => {
    const match = /^([a-z]+)(\d+)$/.exec(name);
    if (!match) throw new Error(`bad actor ${name}`);
    return [match[1], Number(match[2])];
  };
  const byName = (a: string, b: string): number => {
    const [wordA, numberA] = split(a);
    const [wordB, numberB] = split(b);
    return wordA === wordB ? numberA - numberB : wordA < wordB ? -1 : 1;
  };
  return ['cpu', ...[...names].sort(byName)];
}

function makeEvent(
  row: Parsed,
  actors: readonly string[],
  allocation: number,
  launched: readonly number[],
): TraceEvent {
  const { record, op, arg, size } = row;
  const span = op === 'launch' || op === 'sync' ? { firstPage: 0, lastPage: -1, offset: 0 } : spanOf(row.addr, size);
  const base = {
    actor: actors.indexOf(row.actor),
    record,
    firstPage: span.firstPage,
    lastPage: span.lastPage,
    offsetBytes: span.offset,
    sizeBytes: op === 'launch' || op === 'sync' ? 0 : size,
  };
  const targetName = hintTarget(row);
  const target = targetName === null ? -1 : actors.indexOf(targetName);
  if (op === 'alloc') return { op, ...base, allocation };
  if (op === 'prefetch') return { op, ...base, target };
  if (op === 'launch') return { op, ...base, allocations: launched };
  if (op === 'invalidate') return { op, ...base, sort: arg as InvalidateSort };
  if (op === 'copy') {
    const source = spanOf(Number(arg), size);
    return {
      op,
      ...base,
      sourceFirstPage: source.firstPage,
      sourceLastPage: source.lastPage,
      sourceOffsetBytes: source.offset,
    };
  }
  if (op === 'advise') {
    const unset = arg.startsWith('unset:');
    const word = (unset ? arg.slice(6) : arg).replace(/@\w+$/, '');
    if (!word.startsWith('attr:')) {
      return { op, ...base, advice: word.split(':')[0], unset, target, attribute: null, value: null };
    }
    const [attribute, value = null] = word.slice(5).split('=');
    return { op, ...base, advice: 'attr', unset, target, attribute, value };
  }
  if (op === 'free' || op === 'sync') return { op, ...base } as TraceEvent;
  throw new Error(`not an event: ${op}`);
}

function makeAllocation(id: number, row: Parsed, actors: readonly string[]): Allocation {
  const [name = '', ...options] = row.arg.split(';');
  const option = (key: string, otherwise: string): string =>
    options.find((o) => o.startsWith(`${key}=`))?.slice(key.length + 1) ?? otherwise;
  const span = spanOf(row.addr, row.size);
  return {
    id,
    name,
    kind: option('kind', 'managed') as AllocationKind,
    vma: option('vma', 'map') as Allocation['vma'],
    actor: actors.indexOf(row.actor),
    firstPage: span.firstPage,
    lastPage: span.lastPage,
    sizeBytes: row.size,
    record: row.record,
  };
}

/** Page ranges that a record touches: its own, for a copy the source and then the destination. */
function touchedSpans(row: Parsed): { addr: number; size: number }[] {
  if (isAccess(row.op)) return [row];
  return row.op === 'copy' ? [{ addr: Number(row.arg), size: row.size }, row] : [];
}

interface Life {
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

/** Live parts of allocations, in no order; never changed in place. */
type Owners = readonly { readonly firstPage: number; readonly lastPage: number; readonly id: number }[];

const ownerOf = (owners: Owners, page: number): number | undefined =>
  owners.find((o) => o.firstPage <= page && page <= o.lastPage)?.id;

const meetsRange = (owners: Owners, first: number, last: number): boolean =>
  owners.some((o) => o.firstPage <= last && first <= o.lastPage);

/** What is left when the pages first..last go. */
function withoutRange(owners: Owners, first: number, last: number): Owners {
  return owners.flatMap((o) =>
    o.lastPage < first || last < o.firstPage
      ? [o]
      : [
          { ...o, lastPage: first - 1 },
          { ...o, firstPage: last + 1 },
        ].filter((part) => part.firstPage <= part.lastPage),
  );
}

function inferAllocations(rows: readonly Parsed[]): Allocation[] {
  const blocks = new Set<number>();
  for (const row of rows) {
    for (const { addr, size } of touchedSpans(row)) {
      const span = spanOf(addr, size);
      for (let b = blockOf(span.firstPage); b <= blockOf(span.lastPage); b++) blocks.add(b);
    }
  }
  const allocations: Allocation[] = [];
  for (const block of [...blocks].sort((a, b) => a - b)) {
    const last = allocations.at(-1);
    const firstPage = block * BLOCK_PAGES;
    const lastPage = firstPage + BLOCK_PAGES - 1;
    if (last && last.lastPage === firstPage - 1) {
      allocations[allocations.length - 1] = {
        ...last,
        lastPage,
        sizeBytes: (lastPage - last.firstPage + 1) * PAGE,
      };
    } else {
      allocations.push({
        id: allocations.length,
        name: `inferred${allocations.length}`,
        kind: 'managed',
        vma: 'map',
        actor: 0,
        firstPage,
        lastPage,
        sizeBytes: BLOCK_PAGES * PAGE,
        record: -1,
      });
    }
  }
  return allocations;
}

/** The allocations that the work launched by row `from` touches: up to the next CPU record or launch on the device. */
function launchedAllocations(rows: readonly Parsed[], from: number, ownersAt: (record: number) => Owners): number[] {
  const device = rows[from].actor;
  const found = new Set<number>();
  for (let i = from + 1; i < rows.length; i++) {
    const row = rows[i];
    if (row.actor === 'cpu' || (row.op === 'launch' && row.actor === device)) break;
    if (row.actor !== device) continue;
    for (const { addr, size } of touchedSpans(row)) {
      const span = spanOf(addr, size);
      for (let p = span.firstPage; p <= span.lastPage; p++) {
        const owner = ownerOf(ownersAt(i), p);
        if (owner !== undefined) found.add(owner);
      }
    }
  }
  return [...found].sort((a, b) => a - b);
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
    chunks: () => cutChunks(columns, options.chunkRows ?? Math.max(1, columns.length)),
  };
}

function touchedWords(life: Life): number[] {
  const words = new Array<number>(16).fill(0);
  for (const page of life.touched) {
    const i = page - life.block * BLOCK_PAGES;
    words[Math.floor(i / 32)] |= 1 << (i % 32);
  }
  return words;
}

/** A life that ends at event e leaves its ids and its slot to lives that begin after e: the lowest that fit. */
function numberLives(lives: readonly Life[]): { pageIds: number; slots: number } {
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
function livePeaks(lives: readonly Life[], actors: number, events: number): Float64Array {
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

function makeColumns(
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

function* cutChunks(columns: readonly Column[], chunkRows: number): Generator<TraceChunk> {
  const threaded = columns.some((c) => c.thread >= 0);
  for (let at = 0; at < columns.length; at += chunkRows) {
    const part = columns.slice(at, at + chunkRows);
    yield {
      rows: part.length,
      record: Uint32Array.from(part, (c) => c.record),
      op: Uint8Array.from(part, (c) => c.op),
      actor: Uint8Array.from(part, (c) => c.actor),
      timeNs: Float64Array.from(part, (c) => c.timeNs),
      page: Int32Array.from(part, (c) => c.page),
      pages: Uint16Array.from(part, (c) => c.pages),
      offset: Uint16Array.from(part, (c) => c.offset),
      bytes: Uint32Array.from(part, (c) => c.bytes),
      thread: threaded ? Int32Array.from(part, (c) => c.thread) : null,
    };
  }
}
