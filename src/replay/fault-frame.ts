/**
 * Where the loops over faults in WebAssembly find what they work on, for the faults of one device in one run: a frame of
 * numbers in the memory of the pass (`kernel/layout.ts`), brought up to date before each call.
 */
import type { TraceChunk } from '../trace/compiled.ts';
import type { FaultBuffer } from './faults.ts';
import * as frame from './kernel/layout.ts';
import type { Machine } from './machine.ts';
import { KINDS, type Mmu } from './mmu.ts';
import { HOST } from './model.ts';
import type { WaitingPages } from './waiting-pages.ts';
import type { WaitingTouches } from './waiting-touches.ts';

export class FaultFrame {
  /** Place of the frame, in words. */
  private readonly at: number;
  /** What the frame speaks of: arrays that grow are replaced. */
  private chunk: TraceChunk | null = null;
  private readable: Int32Array | null = null;
  private slotBlock: Float64Array | null = null;
  private faultPage: Float64Array | null = null;

  constructor(
    private readonly machine: Machine,
    private readonly mmu: Mmu,
    private readonly queue: WaitingTouches,
    private readonly waitingPages: WaitingPages,
    private readonly device: number,
    private readonly laneBit: number,
  ) {
    this.at = mmu.memory.take(frame.FRAME_WORDS);
  }

  /** Are there loops that can take this chunk, whose columns have to lie in the memory of the pass? */
  canRaise(chunk: TraceChunk): boolean {
    const { memory } = this.mmu;
    return memory.faults !== null && chunk.arena !== undefined && chunk.arena === memory.arena;
  }

  /** `raiseRows` until `most` faults are pending. */
  raise(chunk: TraceChunk, from: number, end: number, most: number, allLanes: number): number {
    const { mmu, machine, queue, device, at } = this;
    this.update();
    if (chunk !== this.chunk) this.describeRows(chunk);
    const { words, doubles, faults } = mmu.memory;
    doubles[at / 2 + frame.DUE / 2] = mmu.dueNs[device];
    doubles[at / 2 + frame.DELAY / 2] = machine.delayNs[device];
    words[at + frame.ALL_LANES] = allLanes;
    words[at + frame.COUNT] = queue.count;
    words[at + frame.MOST] = most;
    const row = faults!.raiseRows(4 * at, from, end);
    queue.count = words[at + frame.COUNT];
    return row;
  }

  get canComplete(): boolean {
    return this.mmu.memory.faults !== null;
  }

  /** `completeTouches`, but of pages that several touches may wait on. */
  complete(from: number, last: number): number {
    const { at } = this;
    this.update();
    const { words, faults } = this.mmu.memory;
    words[at + frame.SHARED_IDS] = this.waitingPages.mayBeShared;
    return faults!.completeTouches(4 * at, from, last);
  }

  /** Are there loops, and are these the faults that they see? */
  canMirror(faults: FaultBuffer): boolean {
    return faults === this.queue && this.mmu.memory.faults !== null;
  }

  /** `mirrorFaults`. */
  mirror(): number {
    const { queue, at } = this;
    this.update();
    const { words, faults } = this.mmu.memory;
    words[at + frame.COUNT] = queue.count;
    words[at + frame.SHARED_IDS] = this.waitingPages.mayBeShared;
    const served = faults!.mirrorFaults(4 * at);
    queue.firstMarked = Math.min(queue.firstMarked, words[at + frame.FIRST_MARKED]);
    queue.lastMarked = Math.max(queue.lastMarked, words[at + frame.LAST_MARKED]);
    return served;
  }

  /** Touches found remote by the last `complete`, less those that the running counts have. */
  get remoteTouches(): number {
    return this.mmu.memory.doubles[this.at / 2 + frame.REMOTE_TOUCHES / 2];
  }

  get remoteBytes(): number {
    return this.mmu.memory.doubles[this.at / 2 + frame.REMOTE_BYTES / 2];
  }

  private update(): void {
    const { mmu, machine, queue, device, at } = this;
    if (machine.pages.readable[device] !== this.readable || machine.space.slotBlock !== this.slotBlock) {
      this.describeState();
    }
    if (queue.page !== this.faultPage) this.describeFaults();
    const { words } = mmu.memory;
    words[at + frame.COUNT_LOW] = mmu.running.has(device) ? mmu.running.lowBaseOf(device) : -1;
    words[at + frame.COUNT_HIGH] = mmu.running.highBaseOf(device);
    words[at + frame.BYTES_LOW] = mmu.running.lowSumBaseOf(device);
    words[at + frame.BYTES_HIGH] = mmu.running.highSumBaseOf(device);
    words[at + frame.UNIT] = mmu.running.unitBytes;
  }

  private describeState(): void {
    const { mmu, machine, device, at } = this;
    const { pages, space, actors } = machine;
    const { words } = mmu.memory;
    this.readable = pages.readable[device];
    this.slotBlock = space.slotBlock;
    words[at + frame.LANE_BIT] = this.laneBit;
    words[at + frame.MMU_WORDS] = mmu.baseOf(HOST, 0);
    words[at + frame.MMU_ACTOR] = mmu.actorStride;
    words[at + frame.MMU_KIND] = mmu.kindStride;
    words[at + frame.MMU_KINDS] = mmu.own;
    for (let kind = 0; kind < KINDS; kind++) words[at + frame.KIND_WORDS + kind] = 4 * mmu.baseOf(device, kind);
    words[at + frame.OF_PAGE] = space.ofPage.byteOffset;
    words[at + frame.SLOT_BLOCK] = space.slotBlock.byteOffset;
    words[at + frame.ACTORS] = actors.length;
    words[at + frame.DEVICE] = device;
    words[at + frame.STATE_ACTOR] = pages.readable[device].byteLength;
    words[at + frame.READABLE] = pages.readable[HOST].byteOffset;
    words[at + frame.RESIDENT] = pages.resident[HOST].byteOffset;
    words[at + frame.WRITABLE] = pages.writable[device].byteOffset;
    words[at + frame.ATOMICS] = (pages.tellsAtomics ? pages.atomics : pages.writable)[device].byteOffset;
    words[at + frame.SPECULATED] = pages.speculated[device].byteOffset;
    words[at + frame.RELIANT] = pages.remote.reliant[device].byteOffset;
    words[at + frame.COUNTER_LEFT] = pages.remote.counterLeft[device].byteOffset;
  }

  private describeFaults(): void {
    const { queue, at } = this;
    const { words } = this.mmu.memory;
    this.faultPage = queue.page;
    words[at + frame.FAULT_ID] = queue.id.byteOffset;
    words[at + frame.FAULT_PAGE] = queue.page.byteOffset;
    words[at + frame.FAULT_ACCESS] = queue.access.byteOffset;
    words[at + frame.FAULT_BYTES] = queue.bytes.byteOffset;
    words[at + frame.FAULT_RECORD] = queue.record.byteOffset;
    words[at + frame.FAULT_FIRST] = queue.firstPage.byteOffset;
    words[at + frame.FAULT_LAST] = queue.lastPage.byteOffset;
    words[at + frame.FAULT_TIME] = queue.timeNs.byteOffset;
    words[at + frame.FAULT_THREAD] = queue.thread.byteOffset;
    words[at + frame.FAULT_MAPPED] = queue.hadMapping.byteOffset;
    words[at + frame.FAULT_OUTCOME] = queue.outcome.byteOffset;
  }

  private describeRows(chunk: TraceChunk): void {
    const { at } = this;
    const { words } = this.mmu.memory;
    this.chunk = chunk;
    words[at + frame.ROW_CODE] = chunk.code.byteOffset;
    words[at + frame.ROW_OP] = chunk.op.byteOffset;
    words[at + frame.ROW_PAGE] = chunk.page.byteOffset;
    words[at + frame.ROW_TIME] = chunk.timeNs.byteOffset;
    words[at + frame.ROW_RECORD] = chunk.record.byteOffset;
    words[at + frame.ROW_BYTES] = chunk.bytes.byteOffset;
  }
}
