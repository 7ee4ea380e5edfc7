/**
 * Replays a compiled trace through many runs at once. The way of one access: the hit path passes it if its word of the
 * MMU says that no run cares (`hit-path.ts`); else each run whose bit is clear takes the touch (`LaneRun.touch`), which
 * completes, faults on the CPU, or waits until it is handed over to the model.
 */
import { CONTINUES, type CompiledTrace, LAST_ACCESS, type TraceChunk } from '../trace/compiled.ts';
import { AddressSpace } from './address-space.ts';
import type { Access } from './faults.ts';
import { HitPath } from './hit-path.ts';
import type { RecordFacts } from './in-flight.ts';
import { checkSlots } from './invariants.ts';
import { GROUP_SHIFT } from './kernel/layout.ts';
import type { EventLine, LaneResult, LaneSpec, ReplayOptions } from './lane.ts';
import { LaneRun, type PassState } from './lane-run.ts';
import { BLOCK_PAGES, newMask, PAGE_BYTES, setRange } from './mask.ts';
import { Mmu } from './mmu.ts';
import { HOST, type Vma } from './model.ts';
import { laneResult } from './result.ts';

/** Runs in one pass: the bits of a word. */
const LANES_PER_PASS = 32;

/** Replays `trace` through every run; results in the order of `specs`. Throws `InvariantError` when a check fails. */
export function replay(trace: CompiledTrace, specs: readonly LaneSpec[], options: ReplayOptions = {}): LaneResult[] {
  const results: LaneResult[] = [];
  for (let first = 0; first < specs.length; first += LANES_PER_PASS) {
    const pass = new Pass(trace, specs.slice(first, first + LANES_PER_PASS), first, options);
    results.push(...pass.run());
  }
  return results;
}

class Pass {
  private readonly space: AddressSpace;
  private readonly mmu: Mmu;
  private readonly hits: HitPath;
  private readonly state: PassState;
  private readonly lanes: LaneRun[];
  private readonly allLanes: number;
  private readonly lastTimeNs: Float64Array;
  /** By actor and run: from when on records of the actor need `beforeAccess` for that run's sake. */
  private readonly laneDueNs: Float64Array;
  /** Devices launched on and not synchronised with yet. */
  private readonly open: boolean[];
  private anyOpen = false;
  private readonly facts: RecordFacts = { record: 0, firstPage: 0, lastPage: 0, thread: -1, timeNs: 0 };
  /** Record whose extent `facts` holds. */
  private factsRecord = -1;
  /** First page of a record that goes on from the chunk before. */
  private carriedFirstPage = 0;
  /** Runs in which a touch of the present record was put off. */
  private heldBack = 0;
  private readonly hasThreads: boolean;

  constructor(
    private readonly trace: CompiledTrace,
    specs: readonly LaneSpec[],
    private readonly firstRun: number,
    private readonly options: ReplayOptions,
  ) {
    const actors = trace.actors.length;
    const asksAtomics = specs.some((spec) => spec.model.atomics === true);
    this.space = new AddressSpace(trace);
    this.mmu = new Mmu(actors, asksAtomics && trace.hasAtomics, trace.pageIds, this.space, options.memory);
    this.lastTimeNs = new Float64Array(actors).fill(Number.NEGATIVE_INFINITY);
    this.laneDueNs = new Float64Array(actors * LANES_PER_PASS).fill(Number.POSITIVE_INFINITY);
    this.state = {
      actors: trace.actors,
      startNs: trace.startNs,
      space: this.space,
      mmu: this.mmu,
      lastTimeNs: this.lastTimeNs,
      check: options.check === true,
    };
    this.open = new Array(actors).fill(false);
    this.hasThreads = trace.threads > 0;
    this.lanes = specs.map((spec, i) => this.makeLane(spec, i));
    this.allLanes = specs.length === LANES_PER_PASS ? -1 : (1 << specs.length) - 1;
    this.hits = new HitPath(this.mmu, this.allLanes, this.lastTimeNs);
  }

  private makeLane(spec: LaneSpec, i: number): LaneRun {
    const run = this.firstRun + i;
    const { onEvent, costsOf } = this.options;
    const listener = onEvent ? (event: EventLine) => onEvent(run, event) : null;
    return new LaneRun(run, spec, 1 << i, this.state, listener, costsOf?.(run) ?? null);
  }

  run(): LaneResult[] {
    this.begin();
    let chunk: TraceChunk | null = null;
    for (const next of this.trace.chunks()) {
      if (chunk !== null) this.walk(chunk, next);
      chunk = next;
    }
    if (chunk !== null) this.walk(chunk, null);
    for (const lane of this.lanes) lane.finish(this.trace.records - 1);
    if (this.options.check) {
      const slots = this.space.slotsIn(0, Number.MAX_SAFE_INTEGER);
      for (const lane of this.lanes) checkSlots(lane, slots, -1);
    }
    return this.lanes.map((lane) => laneResult(this.trace, lane));
  }

  private begin(): void {
    if (this.trace.inferredAllocations) {
      for (const vma of this.space.vmasIn(0, Number.MAX_SAFE_INTEGER)) {
        for (const lane of this.lanes) lane.allocAtStart(vma);
      }
    }
    this.updateLimits();
  }

  private walk(chunk: TraceChunk, next: TraceChunk | null): void {
    let row = 0;
    while (row < chunk.rows) {
      row = this.accessRows(chunk, row, next);
      if (row < chunk.rows) {
        this.eventRow(chunk.page[row], chunk.timeNs[row], chunk.thread?.[row] ?? -1);
        row++;
      }
    }
    if (next !== null && next.rows > 0 && (next.op[0] & CONTINUES) !== 0) {
      let start = chunk.rows - 1;
      while (start > 0 && (chunk.op[start] & CONTINUES) !== 0) start--;
      if ((chunk.op[start] & CONTINUES) === 0) this.carriedFirstPage = this.space.pageOf(chunk.page[start]);
    }
    this.options.onProgress?.(chunk.rows > 0 ? chunk.record[chunk.rows - 1] + 1 : 0);
  }

  /** Access rows from `from` up to the next row that is none; gives that row. */
  private accessRows(chunk: TraceChunk, from: number, next: TraceChunk | null): number {
    const { op, actor, timeNs, rows } = chunk;
    for (let row = from; row < rows; row++) {
      row = this.hits.pass(chunk, row);
      if (row === rows) break;
      const access = op[row];
      if (access <= LAST_ACCESS) {
        const a = actor[row];
        if (timeNs[row] >= this.mmu.dueNs[a]) this.beforeAccess(chunk, row);
        this.lastTimeNs[a] = timeNs[row];
        this.heldBack = 0;
      } else if ((access & ~CONTINUES) > LAST_ACCESS) return row;
      this.touchPages(chunk, row, next);
    }
    return rows;
  }

  private touchPages(chunk: TraceChunk, row: number, next: TraceChunk | null): void {
    const { mmu, allLanes } = this;
    const a = chunk.actor[row];
    const access = chunk.op[row] & ~CONTINUES;
    const first = chunk.page[row];
    const n = chunk.pages[row];
    for (let i = 0; i < n; i++) {
      if (this.heldBack === 0 && !mmu.counts(a)) {
        i += mmu.settledPages(a, access, first + i, n - i, allLanes);
        if (i === n) return;
      }
      if (this.heldBack !== 0) this.resume(a, chunk.record[row]);
      let missing = allLanes & ~mmu.settled(a, access, first + i);
      if (mmu.watchDue(a, first + i)) missing |= this.countersDue(a, first + i);
      if (missing !== 0) this.touch(chunk, row, next, first + i, missing, i);
      if (mmu.counts(a)) mmu.countTouch(a, first + i, touchBytes(chunk, row, i));
      if (mmu.watches(a)) mmu.passWatched(a, first + i);
    }
  }

  /** Runs whose access counter the next touch of this page makes due if it is settled there; and when to look again. */
  private countersDue(actor: number, id: number): number {
    const { space, mmu } = this;
    const slot = space.idSlot[id];
    mmu.unwatch(actor, id);
    const first = (id >> GROUP_SHIFT) << GROUP_SHIFT;
    const end = Math.min(first + (1 << GROUP_SHIFT), this.trace.pageIds);
    for (let other = first, last = -1; other < end; other++) {
      if (space.idSlot[other] === last) continue;
      last = space.idSlot[other];
      for (const { machine } of this.lanes) {
        const left = machine.pages.reckon(actor, last);
        if (left > 0) mmu.watch(actor, last, left);
      }
    }
    let due = 0;
    for (const { machine, laneBit } of this.lanes) {
      const { counterLeft } = machine.pages;
      if (counterLeft[actor][slot] === 1 && machine.pages.countsRemotely(actor, slot, space.idInBlock[id])) {
        due |= laneBit;
      }
    }
    return due;
  }

  /** A touch that is not settled in the runs of `missing`. `i` = its place in the row. */
  private touch(chunk: TraceChunk, row: number, next: TraceChunk | null, id: number, missing: number, i: number): void {
    if (chunk.record[row] !== this.factsRecord) this.readFacts(chunk, row, next);
    const a = chunk.actor[row];
    const access = (chunk.op[row] & ~CONTINUES) as Access;
    const bytes = touchBytes(chunk, row, i);
    for (let rest = missing; rest !== 0; rest &= rest - 1) {
      const i = 31 - Math.clz32(rest & -rest);
      const lane = this.lanes[i];
      lane.touch(a, id, access, bytes, this.facts, true);
      if (lane.machine.limitsChanged) this.updateLane(i);
      if (a !== HOST && lane.holdsBack(a)) this.heldBack |= lane.laneBit;
    }
  }

  /** Extent of the record that `row` belongs to; its rows may go on in the next chunk. */
  private readFacts(chunk: TraceChunk, row: number, next: TraceChunk | null): void {
    const { facts } = this;
    facts.record = this.factsRecord = chunk.record[row];
    facts.timeNs = chunk.timeNs[row];
    facts.thread = chunk.thread?.[row] ?? -1;
    const here = this.space.pageOf(chunk.page[row]);
    if ((chunk.op[row] & CONTINUES) === 0) facts.firstPage = here;
    else {
      // The rows before were all settled; walk back to the record's first row.
      let start = row;
      while (start > 0 && (chunk.op[start] & CONTINUES) !== 0) start--;
      facts.firstPage =
        (chunk.op[start] & CONTINUES) === 0 ? this.space.pageOf(chunk.page[start]) : this.carriedFirstPage;
    }
    let last = here + chunk.pages[row] - 1;
    for (let in_ = chunk, r = row + 1; ; r++) {
      if (r === in_.rows) {
        if (in_ !== chunk || next === null) break;
        in_ = next;
        r = 0;
        if (in_.rows === 0) break;
      }
      if ((in_.op[r] & CONTINUES) === 0 || in_.record[r] !== facts.record) break;
      last += in_.pages[r];
    }
    facts.lastPage = last;
  }

  private resume(actor: number, record: number): void {
    for (let rest = this.heldBack; rest !== 0; rest &= rest - 1) {
      this.lanes[31 - Math.clz32(rest & -rest)].resume(actor, record);
    }
    this.heldBack = 0;
    this.updateLimits();
  }

  private beforeAccess(chunk: TraceChunk, row: number): void {
    const actor = chunk.actor[row];
    const thread = chunk.thread?.[row] ?? -1;
    const open = actor === HOST && this.anyOpen ? this.open : null;
    for (const lane of this.lanes) lane.beforeAccess(actor, chunk.timeNs[row], thread, chunk.record[row], open);
    if (open !== null) this.closeAll();
    this.updateLimits();
  }

  private closeAll(): void {
    this.open.fill(false);
    this.anyOpen = false;
  }

  private eventRow(index: number, timeNs: number, thread: number): void {
    const event = this.trace.events[index];
    const { actor } = event;
    const open = actor === HOST && this.anyOpen ? this.open : null;
    for (const lane of this.lanes) lane.beforeEvent(event, timeNs, thread, open);
    if (open !== null) this.closeAll();
    this.lastTimeNs[actor] = timeNs;
    const vmas = this.vmasOf(index);
    for (const lane of this.lanes) lane.event(event, timeNs, vmas);
    if (event.op === 'free') this.removeFreed(index);
    if (event.op === 'launch') this.anyOpen = this.open[actor] = true;
    if (event.op === 'sync') {
      this.open[actor] = false;
      this.anyOpen = this.open.includes(true);
    }
    this.updateLimits();
  }

  private vmasOf(index: number): readonly Vma[] {
    const event = this.trace.events[index];
    if (event.op === 'free') return this.space.piecesIn(event.firstPage, event.lastPage);
    if (event.op !== 'alloc') return [];
    return [this.space.alloc(index, this.trace.allocations[event.allocation])];
  }

  /** Takes the range out of the address space; in blocks that die, and in dead pages that nobody shares, nothing stays. */
  private removeFreed(index: number): void {
    const event = this.trace.events[index];
    const mask = newMask();
    const slots = this.space.slotsIn(event.firstPage, event.lastPage);
    for (const slot of slots) {
      const start = this.space.slotBlock[slot] * BLOCK_PAGES;
      const first = Math.max(event.firstPage - start, 0);
      const last = Math.min(event.lastPage - start, BLOCK_PAGES - 1);
      for (const lane of this.lanes) lane.machine.pages.forgetMarks(slot, setRange(mask, first, last));
    }
    this.space.free(index, event.firstPage, event.lastPage, (slot) => {
      for (const lane of this.lanes) lane.machine.pages.clearSlot(slot);
    });
    if (this.options.check) {
      const live = this.space.slotsIn(0, Number.MAX_SAFE_INTEGER);
      for (const lane of this.lanes) checkSlots(lane, live, event.record);
    }
  }

  /** Works out from when on records of each actor need `beforeAccess`. */
  private updateLimits(): void {
    for (let i = 0; i < this.lanes.length; i++) this.updateLane(i);
    const { dueNs } = this.mmu;
    const hostDueNs = this.anyOpen ? Number.NEGATIVE_INFINITY : this.leastDueNs(HOST);
    if (dueNs[HOST] === hostDueNs) return;
    dueNs[HOST] = hostDueNs;
    this.mmu.stale = true;
  }

  /** The same after something happened in one run. */
  private updateLane(i: number): void {
    const lane = this.lanes[i];
    const { mmu, laneDueNs } = this;
    lane.machine.limitsChanged = false;
    for (let a = 0; a < mmu.dueNs.length; a++) {
      const at = a * LANES_PER_PASS + i;
      const before = laneDueNs[at];
      const now = lane.dueNs(a, this.hasThreads);
      if (now === before) continue;
      laneDueNs[at] = now;
      if (a === HOST && this.anyOpen) continue;
      const least = mmu.dueNs[a];
      if (now < least) mmu.dueNs[a] = now;
      else if (before === least) mmu.dueNs[a] = this.leastDueNs(a);
      if (mmu.dueNs[a] !== least) mmu.stale = true;
    }
  }

  private leastDueNs(actor: number): number {
    const { laneDueNs } = this;
    let due = Number.POSITIVE_INFINITY;
    for (let at = actor * LANES_PER_PASS; at < actor * LANES_PER_PASS + this.lanes.length; at++) {
      if (laneDueNs[at] < due) due = laneDueNs[at];
    }
    return due;
  }
}

/** Bytes of the i-th touch of a row. */
function touchBytes(chunk: TraceChunk, row: number, i: number): number {
  const offset = chunk.offset[row];
  const from = i === 0 ? offset : i * PAGE_BYTES;
  const to = Math.min(offset + chunk.bytes[row], (i + 1) * PAGE_BYTES);
  return to - from;
}
