/**
 * Turns records, one by one, into a compiled trace. Whatever the text format, a reader sets `line`, then calls
 * `access` or one of the record functions; every rule of the trace that does not depend on the format is checked here.
 */

import { BLOCK_PAGES, PAGE_BYTES } from '../replay/mask.ts';
import { ActorTable } from './actors.ts';
import { INVALIDATE_SORTS, parseAdvise, parseAlloc } from './arguments.ts';
import { type Allocation, CONTINUES, type InvalidateSort, LAST_ACCESS, OP, type OpName } from './compiled.ts';
import { quoted, TraceError } from './errors.ts';
import { LaunchTracker } from './launches.ts';
import { BlockCache, blockOf, LiveBlocks } from './live-blocks.ts';
import { ADDRESS_PAGES, hexAddress } from './numbers.ts';
import { Regions } from './regions.ts';
import { RowWriter } from './rows.ts';

/** Largest access in blocks: page ids are 31-bit. */
const MOST_BLOCKS = 2 ** 22;

/** A range of addresses; see `setRange`. */
export class Range {
  firstPage = 0;
  lastPage = 0;
  offsetBytes = 0;
  sizeBytes = 0;

  /** From an address and a length, each as pages and rest. False when it leaves the address space. */
  set(page: number, offset: number, sizePages: number, sizeRest: number): boolean {
    this.firstPage = page;
    this.offsetBytes = offset;
    this.sizeBytes = sizePages * PAGE_BYTES + sizeRest;
    this.lastPage = page + sizePages + Math.floor((offset + sizeRest - 1) / PAGE_BYTES);
    return page < ADDRESS_PAGES && this.lastPage < ADDRESS_PAGES;
  }

  toString(): string {
    return `${hexAddress(this.firstPage, this.offsetBytes)}+${this.sizeBytes}`;
  }
}

/** An event as long as actors have numbers by order of appearance. */
export interface DraftEvent {
  op: OpName;
  actor: number;
  record: number;
  firstPage: number;
  lastPage: number;
  offsetBytes: number;
  sizeBytes: number;
  [more: string]: unknown;
}

/** Pages that a `copy` touches, block by block: life, first page in it, offset in that page, bytes. */
export interface CopyTouch {
  readonly life: number;
  readonly pageInBlock: number;
  readonly offset: number;
  readonly bytes: number;
}

export class TraceCompiler {
  /** Line of the record at hand. */
  line = 0;
  /** Records so far. */
  records = 0;
  readonly file: string;
  readonly metadata: Record<string, string> = {};
  readonly warnings: string[] = [];
  readonly actors: ActorTable;
  readonly blocks = new LiveBlocks();
  readonly launches = new LaunchTracker();
  readonly allocations: Allocation[] = [];
  readonly events: DraftEvent[] = [];
  /** By event: what a device's `copy` touches; what a `free` takes from blocks that live on. */
  readonly copyTouches = new Map<number, CopyTouch[]>();
  readonly partialFrees = new Map<number, { life: number; first: number; last: number }[]>();
  readonly recordsByOp = new Float64Array(Object.keys(OP).length);
  readonly accesses = new Float64Array(256);
  readonly touches = new Float64Array(256);
  readonly bytes = new Float64Array(256);
  startNs = 0;
  endNs = 0;
  handOvers = 0;
  hasTime = false;
  rows = new RowWriter(false);

  readonly #regions = new Regions();
  readonly #cache = new BlockCache();
  /** Event that began the life of a block that several allocations share; else it is their own `alloc`. */
  readonly #sharedBegin = new Map<number, number>();
  readonly #allocEvent: number[] = [];
  readonly #allocLine: number[] = [];
  #lastAccessor = -1;
  #lastTimeLine = 0;
  #firstAccess: { line: number; what: string } | null = null;

  constructor(file: string) {
    this.file = file;
    this.actors = new ActorTable(() => this.blocks.addActor());
    this.actors.add('cpu');
  }

  /** The columns are known. */
  begin(columns: { time: boolean; thread: boolean }): void {
    this.hasTime = columns.time;
    this.rows = new RowWriter(columns.thread);
  }

  fail(message: string, line: number | null = this.line): never {
    throw new TraceError(this.file, line, message);
  }

  /** Index of an actor by order of appearance. */
  actor(name: string): number {
    const index = this.actors.find(name);
    if (index >= 0) return index;
    const problem = this.actors.problem(name);
    if (problem !== null) this.fail(problem);
    if (/^cpu/i.test(name)) {
      this.warnings.push(`actor ${quoted(name)} is taken as a device: every CPU record has the actor "cpu"`);
    }
    return this.actors.add(name);
  }

  /** Begins a record: every record calls this once, first. */
  record(op: number, actor: number, timeNs: number): void {
    if (this.records === 0) this.startNs = timeNs;
    else if (timeNs < this.endNs) {
      const since = `line ${this.#lastTimeLine} has ${this.endNs}`;
      this.fail(`time_ns runs backwards: ${timeNs}, but ${since}; sort the records by time`);
    }
    this.endNs = timeNs;
    this.#lastTimeLine = this.line;
    this.records++;
    this.recordsByOp[op]++;
    this.actors.hasRecords[actor] = true;
    if (actor === 0) this.launches.closeAll();
  }

  access(op: number, actor: number, timeNs: number, thread: number, range: Range): void {
    const record = this.records;
    this.record(op, actor, timeNs);
    if (actor !== this.#lastAccessor) {
      if (this.#lastAccessor >= 0) this.handOvers++;
      this.#lastAccessor = actor;
    }
    const { firstPage, lastPage, offsetBytes, sizeBytes } = range;
    this.accesses[actor]++;
    this.touches[actor] += lastPage - firstPage + 1;
    this.bytes[actor] += sizeBytes;
    let block = blockOf(firstPage);
    const first = firstPage - block * BLOCK_PAGES;
    const last = lastPage - block * BLOCK_PAGES;
    if (last < BLOCK_PAGES) {
      const life = this.#touch(block, first, last, actor, range);
      this.rows.access(record, op, actor, timeNs, thread, life, first, last - first + 1, offsetBytes, sizeBytes);
      return;
    }
    if (last >= MOST_BLOCKS * BLOCK_PAGES) this.fail(`an access of ${sizeBytes} bytes is too large: at most 8 TiB`);
    const lastBlock = blockOf(lastPage);
    const tail = (offsetBytes + sizeBytes) % PAGE_BYTES || PAGE_BYTES;
    for (let page = firstPage, code = op, offset = offsetBytes; block <= lastBlock; block++) {
      const from = page - block * BLOCK_PAGES;
      const to = Math.min(lastPage - block * BLOCK_PAGES, BLOCK_PAGES - 1);
      const bytes = (to - from + 1) * PAGE_BYTES - offset - (block === lastBlock ? PAGE_BYTES - tail : 0);
      const life = this.#touch(block, from, to, actor, range);
      this.rows.access(record, code, actor, timeNs, thread, life, from, to - from + 1, offset, bytes);
      code = op | CONTINUES;
      offset = 0;
      page = (block + 1) * BLOCK_PAGES;
    }
  }

  /** Marks pages first..last of one block as touched; returns the block's life. */
  #touch(block: number, first: number, last: number, actor: number, range: Range): number {
    const entry = this.#cache.find(block, first, last);
    if (entry >= 0) {
      const life = this.#cache.life(entry);
      this.blocks.touch(life, first, last, actor);
      this.launches.touch(actor, this.#cache.allocation(entry));
      return life;
    }
    const life =
      this.allocations.length === 0 ? this.#findInferred(block, range) : this.#find(block, first, last, range);
    if (this.allocations.length > 0) {
      const from = this.#regions.seek(block * BLOCK_PAGES + first);
      const to = this.#regions.seek(block * BLOCK_PAGES + last);
      for (let r = from; r <= to; r++) this.launches.touch(actor, this.#regions.at(r).allocation);
    } else this.launches.touch(actor, life);
    this.blocks.touch(life, first, last, actor);
    return life;
  }

  #findInferred(block: number, range: Range): number {
    if (this.#firstAccess === null) this.#firstAccess = { line: this.line, what: range.toString() };
    const life = this.blocks.current.get(block) ?? this.blocks.begin(block, -1);
    this.#cache.put(block, life, 0, BLOCK_PAGES - 1, life);
    return life;
  }

  /** The pages must all be live. The part of the first region in this block goes to the cache. */
  #find(block: number, first: number, last: number, range: Range): number {
    const base = block * BLOCK_PAGES;
    const index = this.#regions.seek(base + first);
    for (let r = index, page = base + first; page <= base + last; r++) {
      const region = r < this.#regions.size ? this.#regions.at(r) : null;
      if (region === null || region.firstPage > page) this.#failOutside(range, page);
      page = region.lastPage + 1;
    }
    const region = this.#regions.at(index);
    const begin = this.#sharedBegin.get(block) ?? this.#allocEvent[region.allocation];
    const life = this.blocks.current.get(block) ?? this.blocks.begin(block, begin);
    const from = Math.max(region.firstPage - base, 0);
    const to = Math.min(region.lastPage - base, BLOCK_PAGES - 1);
    this.#cache.put(block, life, from, to, region.allocation);
    return life;
  }

  #failOutside(range: Range, page: number): never {
    const where = range.firstPage === range.lastPage ? '' : ` at ${hexAddress(page)}`;
    const freed = this.allocations.findLast((a) => a.firstPage <= page && page <= a.lastPage);
    const why =
      freed === undefined
        ? 'lies outside every allocation'
        : `touches memory that was freed (${quoted(freed.name)}, allocated in line ${this.#allocLine[freed.id]})`;
    this.fail(`the access ${range}${where} ${why}; a trace with \`alloc\` records must allocate all that it touches`);
  }

  alloc(actor: number, timeNs: number, thread: number, range: Range, arg: string): void {
    const parsed = parseAlloc(arg);
    if (typeof parsed === 'string') this.fail(parsed);
    if (this.#firstAccess !== null) {
      const { line, what } = this.#firstAccess;
      const first = `the first \`alloc\` comes in line ${this.line}`;
      this.fail(
        `the access ${what} lies outside every allocation (${first}); allocate before use, or not at all`,
        line,
      );
    }
    const { firstPage, lastPage } = range;
    const taken = this.#regions.meeting(firstPage, lastPage);
    if (taken >= 0) this.#failOverlap(range, taken);
    const id = this.allocations.length;
    const event = this.#event('alloc', actor, timeNs, thread, range, { allocation: id });
    for (const block of new Set([blockOf(firstPage), blockOf(lastPage)])) {
      const base = block * BLOCK_PAGES;
      const neighbour = this.#regions.meeting(base, base + BLOCK_PAGES - 1);
      if (neighbour < 0 || this.#sharedBegin.has(block)) continue;
      this.#sharedBegin.set(block, this.#allocEvent[this.#regions.at(neighbour).allocation]);
    }
    this.allocations.push({
      id,
      name: parsed.name ?? `alloc${id}`,
      kind: parsed.kind,
      vma: parsed.vma,
      actor,
      firstPage,
      lastPage,
      sizeBytes: range.sizeBytes,
      record: this.records - 1,
    });
    this.#allocEvent.push(event);
    this.#allocLine.push(this.line);
    this.#regions.insert(firstPage, lastPage, id);
    this.#cache.clear();
  }

  #failOverlap(range: Range, index: number): never {
    const other = this.allocations[this.#regions.at(index).allocation];
    const name = `${quoted(other.name)} of line ${this.#allocLine[other.id]}`;
    const live = `${hexAddress(other.firstPage)}..${hexAddress(other.lastPage, PAGE_BYTES - 1)}`;
    this.fail(`alloc ${range} overlaps ${name} (whole pages ${live}); free that first, or use other pages`);
  }

  /** Takes the pages that the range meets, wholly or in part. */
  free(actor: number, timeNs: number, thread: number, range: Range): void {
    if (this.#regions.meeting(range.firstPage, range.lastPage) < 0) {
      this.fail(`free ${range}: nothing is allocated there; free what an \`alloc\` before it has made, once`);
    }
    const event = this.#event('free', actor, timeNs, thread, range, {});
    const partial: { life: number; first: number; last: number }[] = [];
    for (const piece of this.#regions.remove(range.firstPage, range.lastPage)) {
      const firstBlock = blockOf(piece.firstPage);
      const lastBlock = blockOf(piece.lastPage);
      for (const block of this.#blocksIn(firstBlock, lastBlock)) {
        const base = block * BLOCK_PAGES;
        if (this.#regions.meeting(base, base + BLOCK_PAGES - 1) < 0) {
          this.blocks.end(block, event);
          this.#sharedBegin.delete(block);
          continue;
        }
        const life = this.blocks.current.get(block);
        if (life === undefined) continue;
        const first = Math.max(piece.firstPage - base, 0);
        const last = Math.min(piece.lastPage - base, BLOCK_PAGES - 1);
        this.blocks.freeAlive(life, first, last);
        partial.push({ life, first, last });
      }
    }
    if (partial.length > 0) this.partialFrees.set(event, partial);
    this.#cache.clear();
  }

  /** Blocks first..last of which something is noted, and the two at the ends. */
  #blocksIn(first: number, last: number): number[] {
    const { current } = this.blocks;
    if (last - first > current.size) {
      const noted = [...current.keys()].filter((block) => block > first && block < last);
      return [first, ...noted.sort((a, b) => a - b), last];
    }
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  }

  prefetch(actor: number, timeNs: number, thread: number, range: Range, target: string): void {
    if (target === '') this.fail('prefetch needs its target actor in arg, for example gpu0');
    this.#event('prefetch', actor, timeNs, thread, range, { target: this.actor(target) });
  }

  advise(actor: number, timeNs: number, thread: number, range: Range, arg: string): void {
    if (arg === '') this.fail('advise needs its hint in arg, for example read_mostly or preferred:gpu0');
    const hint = parseAdvise(arg);
    if (typeof hint === 'string') this.fail(hint);
    const { advice, unset, attribute, value } = hint;
    const target = hint.actor === null ? -1 : this.actor(hint.actor);
    this.#event('advise', actor, timeNs, thread, range, { advice, unset, target, attribute, value });
  }

  copy(actor: number, timeNs: number, thread: number, range: Range, source: Range): void {
    const event = this.#event('copy', actor, timeNs, thread, range, {
      sourceFirstPage: source.firstPage,
      sourceLastPage: source.lastPage,
      sourceOffsetBytes: source.offsetBytes,
    });
    const touched = [...this.#touchAll(actor, source), ...this.#touchAll(actor, range)];
    if (actor !== 0) this.copyTouches.set(event, touched);
  }

  #touchAll(actor: number, range: Range): CopyTouch[] {
    const touched: CopyTouch[] = [];
    const { firstPage, lastPage, offsetBytes, sizeBytes } = range;
    if (lastPage - firstPage >= MOST_BLOCKS * BLOCK_PAGES) this.fail(`a copy of ${sizeBytes} bytes is too large`);
    const lastBlock = blockOf(lastPage);
    let left = sizeBytes;
    for (let block = blockOf(firstPage), page = firstPage; block <= lastBlock; block++) {
      const from = page - block * BLOCK_PAGES;
      const to = Math.min(lastPage - block * BLOCK_PAGES, BLOCK_PAGES - 1);
      const offset = page === firstPage ? offsetBytes : 0;
      const bytes = Math.min(left, (to - from + 1) * PAGE_BYTES - offset);
      const life = this.#touch(block, from, to, actor, range);
      touched.push({ life, pageInBlock: from, offset, bytes });
      left -= bytes;
      page = (block + 1) * BLOCK_PAGES;
    }
    return touched;
  }

  invalidate(actor: number, timeNs: number, thread: number, range: Range, arg: string): void {
    const sort = INVALIDATE_SORTS.find((s: InvalidateSort) => s === arg);
    if (sort === undefined) {
      this.fail(`unknown sort of invalidate ${quoted(arg)} in arg: use ${INVALIDATE_SORTS.join(', ')}`);
    }
    this.#event('invalidate', actor, timeNs, thread, range, { sort });
  }

  launch(actor: number, timeNs: number, thread: number): void {
    if (actor === 0) this.fail('launch by "cpu": the actor of a launch is the device launched on, for example gpu0');
    const event = this.#event('launch', actor, timeNs, thread, null, { allocations: [] });
    this.launches.open(actor, event);
  }

  sync(actor: number, timeNs: number, thread: number): void {
    if (actor === 0) this.fail('sync by "cpu": the actor of a sync is the device waited for, for example gpu0');
    this.#event('sync', actor, timeNs, thread, null, {});
    this.launches.close(actor);
  }

  #event(
    op: OpName,
    actor: number,
    timeNs: number,
    thread: number,
    range: Range | null,
    more: Record<string, unknown>,
  ): number {
    const record = this.records;
    this.record(OP[op], actor, timeNs);
    const event = this.events.length;
    this.events.push({
      op,
      actor,
      record,
      firstPage: range === null ? 0 : range.firstPage,
      lastPage: range === null ? -1 : range.lastPage,
      offsetBytes: range === null ? 0 : range.offsetBytes,
      sizeBytes: range === null ? 0 : range.sizeBytes,
      ...more,
    });
    this.rows.event(record, OP[op], actor, timeNs, thread, event);
    return event;
  }

  /** Access records so far. */
  get accessRecords(): number {
    let n = 0;
    for (let op = 0; op <= LAST_ACCESS; op++) n += this.recordsByOp[op];
    return n;
  }
}
