/**
 * Turns records, one by one, into a compiled trace. Whatever the text format, a reader sets `line`, then calls
 * `access` or one of the record functions; every rule of the trace that does not depend on the format is checked here.
 */

import { BLOCK_PAGES, blockOf, MASK_WORDS, PAGE_BYTES } from '../replay/mask.ts';
import { ActorTable } from './actors.ts';
import { INVALIDATE_SORTS, parseAdvise, parseAlloc } from './arguments.ts';
import { CONTINUES, OP, type OpName } from './compiled.ts';
import { quoted, TraceError } from './errors.ts';
import { ReadMemory } from './kernel/memory.ts';
import { LaunchTracker } from './launches.ts';
import { TracedMemory } from './memory.ts';
import type { Range } from './range.ts';
import { RowKinds } from './row-kinds.ts';
import { RowWriter } from './rows.ts';

/** Largest access in blocks: page ids are 31-bit. */
const MOST_BLOCKS = 2 ** 22;

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
  /** What the loops of reading work on. */
  readonly loops: ReadMemory;
  readonly actors: ActorTable;
  readonly launches: LaunchTracker;
  readonly memory: TracedMemory;
  readonly events: DraftEvent[] = [];
  /** By event: what a device's `copy` touches. */
  readonly copyTouches = new Map<number, CopyTouch[]>();
  startNs = 0;
  endNs = 0;
  /** Line of the last record. */
  lastLine = 0;
  hasTime = false;
  readonly kinds = new RowKinds();
  rows: RowWriter;

  constructor(file: string, loops = new ReadMemory()) {
    this.file = file;
    this.loops = loops;
    this.actors = new ActorTable(loops.knownThreads);
    this.launches = new LaunchTracker(loops.openEvent);
    this.memory = new TracedMemory(loops, this.launches, (message, line) => this.fail(message, line));
    this.rows = new RowWriter(loops, this.kinds, false);
    this.actors.add('cpu');
  }

  /** The columns are known. */
  begin(columns: { time: boolean; thread: boolean }): void {
    this.hasTime = columns.time;
    this.rows = new RowWriter(this.loops, this.kinds, columns.thread);
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
  record(actor: number, timeNs: number): void {
    if (this.records === 0) this.startNs = timeNs;
    else if (timeNs < this.endNs) {
      const since = `line ${this.lastLine} has ${this.endNs}`;
      this.fail(`time_ns runs backwards: ${timeNs}, but ${since}; sort the records by time`);
    }
    this.endNs = timeNs;
    this.lastLine = this.line;
    this.records++;
    if (actor === 0) this.launches.closeAll();
  }

  access(op: number, actor: number, timeNs: number, thread: number, range: Range): void {
    const record = this.records;
    this.record(actor, timeNs);
    const { firstPage, lastPage, offsetBytes, sizeBytes } = range;
    let block = blockOf(firstPage);
    const first = firstPage - block * BLOCK_PAGES;
    const last = lastPage - block * BLOCK_PAGES;
    if (last < BLOCK_PAGES) {
      const word = this.memory.touch(block, first, last, actor, range, this.line) * MASK_WORDS + (first >> 5);
      this.rows.access(record, op, actor, timeNs, thread, word, first & 31, offsetBytes, sizeBytes);
      return;
    }
    if (last >= MOST_BLOCKS * BLOCK_PAGES) this.fail(`an access of ${sizeBytes} bytes is too large: at most 8 TiB`);
    const lastBlock = blockOf(lastPage);
    const tail = (offsetBytes + sizeBytes) % PAGE_BYTES || PAGE_BYTES;
    for (let page = firstPage, code = op, offset = offsetBytes; block <= lastBlock; block++) {
      const from = page - block * BLOCK_PAGES;
      const to = Math.min(lastPage - block * BLOCK_PAGES, BLOCK_PAGES - 1);
      const bytes = (to - from + 1) * PAGE_BYTES - offset - (block === lastBlock ? PAGE_BYTES - tail : 0);
      const word = this.memory.touch(block, from, to, actor, range, this.line) * MASK_WORDS + (from >> 5);
      this.rows.access(record, code, actor, timeNs, thread, word, from & 31, offset, bytes);
      code = op | CONTINUES;
      offset = 0;
      page = (block + 1) * BLOCK_PAGES;
    }
  }

  alloc(actor: number, timeNs: number, thread: number, range: Range, arg: string): void {
    const argument = parseAlloc(arg);
    if (typeof argument === 'string') this.fail(argument);
    this.memory.checkAlloc(range, this.line);
    const record = this.records;
    const event = this.#event('alloc', actor, timeNs, thread, range, { allocation: this.memory.allocations.length });
    this.memory.alloc(range, argument, actor, record, event, this.line);
  }

  free(actor: number, timeNs: number, thread: number, range: Range): void {
    this.memory.checkFree(range, this.line);
    this.memory.free(range, this.#event('free', actor, timeNs, thread, range, {}));
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
      const life = this.memory.touch(block, from, to, actor, range, this.line);
      touched.push({ life, pageInBlock: from, offset, bytes });
      left -= bytes;
      page = (block + 1) * BLOCK_PAGES;
    }
    return touched;
  }

  invalidate(actor: number, timeNs: number, thread: number, range: Range, arg: string): void {
    const sort = INVALIDATE_SORTS.find((s) => s === arg);
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
    this.record(actor, timeNs);
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
}
