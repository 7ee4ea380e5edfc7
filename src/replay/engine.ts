/**
 * Replays a compiled trace through many runs at once. The way of one access: the hit path passes it if its word of the
 * MMU says that no run cares (`hit-path.ts`); else each run whose bit is clear takes the touch (`LaneRun.touch`), which
 * completes, faults on the CPU, or waits until it is handed over to the model.
 */
import { CONTINUES, type CompiledTrace, LAST_ACCESS, NO_CODE, type TraceChunk } from '../trace/compiled.ts';
import { AddressSpace, wordOfPlace } from './address-space.ts';
import { AllocationEvents } from './allocation-events.ts';
import { DueTimes } from './due-times.ts';
import type { Access } from './faults.ts';
import { HitPath } from './hit-path.ts';
import { checkNobodyWaits, checkSlots } from './invariants.ts';
import { GROUP_SHIFT } from './kernel/layout.ts';
import { PassMemory } from './kernel/memory.ts';
import type { EventLine, LaneResult, LaneSpec, ReplayOptions } from './lane.ts';
import { LaneRun, type PassState } from './lane-run.ts';
import { PAGE_BYTES } from './mask.ts';
import { Mmu } from './mmu.ts';
import { HOST } from './model.ts';
import { RecordExtent } from './record-extent.ts';
import { laneResult } from './result.ts';

/** So many settled rows in a row are worth the way into the loop of the hit path. */
const LOOKED_AT = 8;

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
  private readonly due: DueTimes;
  private readonly extent: RecordExtent;
  private readonly allocations: AllocationEvents;
  /** Devices launched on and not synchronised with yet. */
  private readonly open: boolean[];
  /** Runs in which a touch of the present record was put off. */
  private heldBack = 0;

  constructor(
    private readonly trace: CompiledTrace,
    specs: readonly LaneSpec[],
    private readonly firstRun: number,
    private readonly options: ReplayOptions,
  ) {
    const actors = trace.actors.length;
    const asksAtomics = specs.some((spec) => spec.model.atomics === true);
    const memory = new PassMemory(options.memory);
    this.space = new AddressSpace(trace, memory);
    this.mmu = new Mmu(actors, asksAtomics && trace.hasAtomics, trace.pageIds, this.space, memory);
    this.lastTimeNs = new Float64Array(actors).fill(Number.NEGATIVE_INFINITY);
    this.state = {
      actors: trace.actors,
      startNs: trace.startNs,
      space: this.space,
      mmu: this.mmu,
      lastTimeNs: this.lastTimeNs,
      check: options.check === true,
    };
    this.open = new Array(actors).fill(false);
    this.lanes = specs.map((spec, i) => this.makeLane(spec, i));
    this.allLanes = specs.length === LANES_PER_PASS ? -1 : (1 << specs.length) - 1;
    this.hits = new HitPath(this.mmu, this.allLanes, this.lastTimeNs);
    this.due = new DueTimes(this.lanes, this.mmu, trace.threads > 0);
    this.extent = new RecordExtent(this.space);
    this.allocations = new AllocationEvents(trace, this.space, this.lanes, this.state.check);
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
    for (const next of this.trace.chunks(this.mmu.memory.arena ?? undefined)) {
      if (chunk !== null) this.walk(chunk, next);
      chunk = next;
    }
    if (chunk !== null) this.walk(chunk, null);
    for (const lane of this.lanes) lane.finish(this.trace.records - 1);
    if (this.options.check) {
      const slots = this.space.slotsIn(0, Number.MAX_SAFE_INTEGER);
      for (const lane of this.lanes) {
        checkSlots(lane, slots, -1);
        checkNobodyWaits(lane);
      }
    }
    return this.lanes.map((lane) => laneResult(this.trace, lane));
  }

  private begin(): void {
    if (this.trace.inferredAllocations) {
      for (const vma of this.space.vmasIn(0, Number.MAX_SAFE_INTEGER)) {
        for (const lane of this.lanes) lane.allocAtStart(vma);
      }
    }
    this.due.update();
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
    if (next !== null) this.extent.carry(chunk, next);
    this.options.onProgress?.(chunk.rows > 0 ? chunk.record[chunk.rows - 1] + 1 : 0);
  }

  /** Access rows from `from` up to the next row that is none; gives that row. */
  private accessRows(chunk: TraceChunk, from: number, next: TraceChunk | null): number {
    const { code, op, actor, timeNs, rows } = chunk;
    let hits = LOOKED_AT;
    for (let row = from; row < rows; row++) {
      if (hits >= LOOKED_AT) {
        row = this.hits.pass(chunk, row);
        if (row === rows) break;
        hits = 0;
      }
      const access = op[row];
      if (access <= LAST_ACCESS) {
        const a = actor[row];
        if (timeNs[row] >= this.mmu.dueNs[a]) this.beforeAccess(chunk, row);
        this.lastTimeNs[a] = timeNs[row];
        this.heldBack = 0;
      } else if ((access & ~CONTINUES) > LAST_ACCESS) return row;
      if (code[row] === NO_CODE) this.touchPages(chunk, row, next);
      else {
        const missed = this.touchPage(chunk, row, next);
        hits = missed === 0 ? hits + 1 : 0;
        // Misses come in crowds: more of this run's may follow.
        if (missed !== 0 && (missed & (missed - 1)) === 0) row = this.faultRun(chunk, row + 1, missed) - 1;
      }
    }
    return rows;
  }

  private faultRun(chunk: TraceChunk, from: number, missed: number): number {
    return this.lanes[31 - Math.clz32(missed)].faultRun.take(chunk, from, chunk.actor[from - 1], this.allLanes);
  }

  /** `touchPages` for a record that touches one page; gives the runs in which it was not settled. */
  private touchPage(chunk: TraceChunk, row: number, next: TraceChunk | null): number {
    const { mmu } = this;
    const a = chunk.actor[row];
    const access = chunk.op[row];
    const id = chunk.page[row];
    let missing = this.allLanes & ~mmu.settled(a, access, id);
    const counts = mmu.running.has(a);
    if (counts && mmu.watched.isDue(a, id)) missing |= this.countersDue(a, id);
    if (counts) {
      mmu.running.count(a, id, touchBytes(chunk, row, 0));
      if (mmu.watched.has(a)) mmu.watched.pass(a, id);
    }
    if (missing !== 0) this.touch(chunk, row, next, id, missing, 0);
    return missing;
  }

  private touchPages(chunk: TraceChunk, row: number, next: TraceChunk | null): void {
    const { mmu, allLanes } = this;
    const a = chunk.actor[row];
    const access = chunk.op[row] & ~CONTINUES;
    const first = chunk.page[row];
    const n = chunk.pages[row];
    for (let i = 0; i < n; i++) {
      if (this.heldBack === 0 && !mmu.running.has(a)) {
        i += mmu.settledPages(a, access, first + i, n - i, allLanes);
        if (i === n) return;
      }
      if (this.heldBack !== 0) this.resume(a, chunk.record[row]);
      let missing = allLanes & ~mmu.settled(a, access, first + i);
      if (mmu.watched.isDue(a, first + i)) missing |= this.countersDue(a, first + i);
      if (mmu.running.has(a)) mmu.running.count(a, first + i, touchBytes(chunk, row, i));
      if (mmu.watched.has(a)) mmu.watched.pass(a, first + i);
      if (missing !== 0) this.touch(chunk, row, next, first + i, missing, i);
    }
  }

  /** Runs whose access counter the next touch of this page makes due if it is settled there; and when to look again. */
  private countersDue(actor: number, id: number): number {
    const { space, mmu } = this;
    const slot = space.slotOfId(id);
    mmu.watched.unwatch(actor, id);
    const first = (id >> GROUP_SHIFT) << GROUP_SHIFT;
    const end = Math.min(first + (1 << GROUP_SHIFT), this.trace.pageIds);
    for (let other = first, last = -1; other < end; other++) {
      if (space.slotOfId(other) === last) continue;
      last = space.slotOfId(other);
      for (const { machine } of this.lanes) {
        const left = machine.pages.remote.reckon(actor, last);
        if (left > 0) mmu.watched.watch(actor, last, left);
      }
    }
    let due = 0;
    for (const { machine, laneBit } of this.lanes) {
      const { remote } = machine.pages;
      if (remote.counterLeft[actor][slot] === 1 && remote.relies(actor, slot, space.inBlockOfId(id))) {
        due |= laneBit;
      }
    }
    return due;
  }

  /** A touch that is not settled in the runs of `missing`. `i` = its place in the row. */
  private touch(chunk: TraceChunk, row: number, next: TraceChunk | null, id: number, missing: number, i: number): void {
    const a = chunk.actor[row];
    const access = (chunk.op[row] & ~CONTINUES) as Access;
    const place = this.space.ofPage[2 * id];
    const waiting = this.space.ofPage[2 * id + 1];
    const word = wordOfPlace(place);
    const bit = 1 << (place & 31);
    for (let rest = missing; rest !== 0; rest &= rest - 1) {
      const run = 31 - Math.clz32(rest & -rest);
      const lane = this.lanes[run];
      if ((waiting & lane.laneBit) === 0 && lane.completeLocal(a, id, access, word, bit)) continue;
      lane.touch(a, id, access, touchBytes(chunk, row, i), this.extent.of(chunk, row, next), true);
      if (lane.machine.limitsChanged) this.due.updateLane(run);
      if (a !== HOST && lane.holdsBack(a)) this.heldBack |= lane.laneBit;
    }
  }

  private resume(actor: number, record: number): void {
    for (let rest = this.heldBack; rest !== 0; rest &= rest - 1) {
      this.lanes[31 - Math.clz32(rest & -rest)].resume(actor, record);
    }
    this.heldBack = 0;
    this.due.update();
  }

  private beforeAccess(chunk: TraceChunk, row: number): void {
    const actor = chunk.actor[row];
    const thread = chunk.thread?.[row] ?? -1;
    const open = actor === HOST && this.due.anyOpen ? this.open : null;
    for (const lane of this.lanes) lane.beforeAccess(actor, chunk.timeNs[row], thread, chunk.record[row], open);
    if (open !== null) this.closeAll();
    this.due.update();
  }

  private closeAll(): void {
    this.open.fill(false);
    this.due.anyOpen = false;
  }

  private eventRow(index: number, timeNs: number, thread: number): void {
    const event = this.trace.events[index];
    const { actor } = event;
    const open = actor === HOST && this.due.anyOpen ? this.open : null;
    for (const lane of this.lanes) lane.beforeEvent(event, timeNs, thread, open);
    if (open !== null) this.closeAll();
    this.lastTimeNs[actor] = timeNs;
    const vmas = this.allocations.vmasOf(index);
    for (const lane of this.lanes) lane.event(event, timeNs, vmas);
    if (event.op === 'free') this.allocations.removeFreed(index);
    if (event.op === 'launch') this.due.anyOpen = this.open[actor] = true;
    if (event.op === 'sync') {
      this.open[actor] = false;
      this.due.anyOpen = this.open.includes(true);
    }
    this.due.update();
  }
}

/** Bytes of the i-th touch of a row. */
function touchBytes(chunk: TraceChunk, row: number, i: number): number {
  const offset = chunk.offset[row];
  const from = i === 0 ? offset : i * PAGE_BYTES;
  const to = Math.min(offset + chunk.bytes[row], (i + 1) * PAGE_BYTES);
  return to - from;
}
