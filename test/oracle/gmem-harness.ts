/**
 * Drives the model's own decision code through the sequences that were recorded from the kernel code (OLK-6.6 run
 * outside the kernel with a mock driver). The model's driver calls are wrapped: each is written down in the record's
 * notation and may be made to fail; unless it fails it is done, through the same core as in any replay.
 */

import { GENERATIONS, type GmConfig, HIGH_WATERMARK_BYTES, LOW_WATERMARK_BYTES } from '../../src/models/gmem/config.ts';
import type { Place } from '../../src/models/gmem/driver.ts';
import { devFault, hostFaultLocked } from '../../src/models/gmem/fault.ts';
import { type Hint, hmadvise } from '../../src/models/gmem/hints.ts';
import { hmemcpy } from '../../src/models/gmem/hmemcpy.ts';
import gmem from '../../src/models/gmem/index.ts';
import { STATE } from '../../src/models/gmem/mapping.ts';
import { createStack, type Gm, type PeerSpace } from '../../src/models/gmem/stack.ts';
import { dropTable, negotiateVa, unmapPiece } from '../../src/models/gmem/vma.ts';
import { BLOCK_BYTES, BLOCK_PAGES, newMask, setRange } from '../../src/replay/mask.ts';
import { type Core, defineModel, RIGHTS } from '../../src/replay/model.ts';
import type { Sequence, Step } from './gmem-record.ts';
import { CallRecorder } from './gmem-recorder.ts';

export interface Mode {
  readonly literal: boolean;
  readonly everyDevice: boolean;
}

interface VmaRange {
  readonly first: number;
  readonly last: number;
  readonly peer: boolean;
}

/** 2^40: what the recorded addresses are relative to. */
const BASE_BLOCK = 2 ** 19;
const WHOLE = setRange(newMask(), 0, BLOCK_PAGES - 1);

export interface Outcome {
  /** First step that differs and how; the sequence ends there. Empty = it agrees. */
  readonly differences: string[];
  /** Driver calls compared, steps played to their end, CPU faults (without those inside `hmemcpy`). */
  calls: number;
  steps: number;
  hostFaults: number;
}

export function oracleModel(sequence: Sequence, mode: Mode, outcome: Outcome) {
  return defineModel({
    name: 'oracle',
    title: 'Plays a recorded sequence',
    summary: [],
    sources: [],
    presets: { only: { title: 'only' } },
    parameters: {},
    metrics: gmem.metrics,
    create: (core) => ({ launch: () => new Player(core, sequence, mode, outcome).play() }),
  });
}

class Player {
  private readonly gm: Gm;
  private vmas: VmaRange[] = [];
  private nextFree = BASE_BLOCK;
  private readonly recorder: CallRecorder;
  private states = new Map<number, string>();
  private lists: number[][];

  constructor(
    private readonly core: Core,
    private readonly sequence: Sequence,
    private readonly mode: Mode,
    private readonly outcome: Outcome,
  ) {
    const config: GmConfig = {
      generation: GENERATIONS.olk66,
      coupled: true,
      coalesce: false,
      postedEntries: false,
      everyDevice: mode.everyDevice,
      literal: mode.literal,
      importPages: 16,
      importMessage: false,
      replicate: false,
      roundTripNs: 0,
      workOrder: sequence.cfg.wq,
      lowWatermarkBytes: LOW_WATERMARK_BYTES,
      highWatermarkBytes: HIGH_WATERMARK_BYTES,
    };
    this.recorder = new CallRecorder(BASE_BLOCK, sequence.cfg.phys ?? []);
    this.gm = createStack(core, config, this.space(), (driver) => this.recorder.wrap(driver));
    if (sequence.cfg.attach === 0) (this.gm.attached as number[]).length = 0;
    this.lists = core.actors.map(() => []);
  }

  private space(): PeerSpace {
    const inOneVma = (first: number, last: number) =>
      this.vmas.some((v) => v.peer && v.first <= first && last <= v.last);
    return { isPeerShared: (block) => inOneVma(block, block), inOneVma, maskOf: () => WHOLE };
  }

  play(): void {
    for (const [i, step] of this.sequence.steps.entries()) {
      this.recorder.calls = [];
      const got = this.step(step);
      if (got.crash) {
        if (step.crash === undefined) this.differs(i, step, 'crash', true, false);
        break;
      }
      this.compare(i, step, got);
      if (this.outcome.differences.length > 0) return;
      this.outcome.steps++;
    }
    this.compareTotals();
  }

  private differs(i: number, step: Step, what: string, got: unknown, want: unknown): void {
    this.outcome.differences.push(
      `${this.sequence.id} ${this.sequence.cat} step ${i} ${JSON.stringify(step.op)} ${what}: ${JSON.stringify(got)} != ${JSON.stringify(want)}`,
    );
  }

  private compare(i: number, step: Step, got: Result): void {
    const check = (what: string, have: unknown, want: unknown) => {
      if (JSON.stringify(have) !== JSON.stringify(want)) this.differs(i, step, what, have, want);
    };
    check('r', got.r ?? 0, step.r ?? 0);
    check('hit', got.hit ?? 0, step.hit ?? 0);
    check('stuck', got.stuck ?? 0, step.stuck ?? 0);
    check('nvma', step.nvma === undefined ? undefined : this.vmas.length, step.nvma);
    check('calls', this.recorder.calls, step.c ?? []);
    if (this.mode.literal) check('relru', got.relru ?? 0, step.relru ?? 0);
    this.outcome.calls += this.recorder.calls.length;
    const now = this.pageStates();
    const changed: Record<string, string> = {};
    for (const page of new Set([...this.states.keys(), ...now.keys()])) {
      const to = now.get(page) ?? '-';
      if (to !== (this.states.get(page) ?? '-')) changed[page] = to;
    }
    this.states = now;
    check('states', sorted(changed), sorted(step.s ?? {}));
    this.gm.host!.nodes.forEach((node, device) => {
      if (device === 0) return;
      const want = step[`L${device - 1}` as 'L0' | 'L1'];
      const list = [...node.active].map((m) => m.block - BASE_BLOCK);
      if (want) {
        const [free, removed, appended, nrFree = free, nrActive] = want;
        const gone = new Set(removed);
        this.lists[device] = [...this.lists[device].filter((p) => !gone.has(p)), ...appended];
        check(`free pages of ${device - 1}`, node.free.length, free);
        check(`free counter of ${device - 1}`, node.nrFree, nrFree);
        check(`active counter of ${device - 1}`, node.nrActive, nrActive ?? this.lists[device].length);
      }
      check(`list of ${device - 1}`, list, this.lists[device]);
    });
  }

  private compareTotals(): void {
    const { sum, end } = this.sequence;
    this.outcome.hostFaults = this.recorder.totals.hF ?? 0;
    if (!sum || !end) return;
    const last = this.sequence.steps.length - 1;
    const op = this.sequence.steps[last];
    const names = ['map0', 'map1', 'unmap0', 'unmap1', 'evict', 'rounds', 'imports', 'zap', 'halloc', 'zero', 'dF'];
    for (const name of [...names, 'hit', 'vaAlloc', 'vaFree', ...(this.mode.literal ? ['dmaMaps', 'dmaLive'] : [])]) {
      const got = this.recorder.totals[name] ?? 0;
      if (got !== sum[name]) this.differs(last, op, `sum.${name}`, got, sum[name]);
    }
    if (this.gm.table.size !== sum.entries) this.differs(last, op, 'entries', this.gm.table.size, sum.entries);
    this.gm.host!.nodes.forEach((node, device) => {
      if (device === 0) return;
      const want = end[`L${device - 1}` as 'L0' | 'L1'];
      const got = [node.free.length, [...node.active].map((m) => m.block - BASE_BLOCK)];
      if (JSON.stringify(got) !== JSON.stringify(want)) this.differs(last, op, 'end', got, want);
    });
  }

  private pageStates(): Map<number, string> {
    const states = new Map<number, string>();
    for (const m of this.gm.table.inRange(0, Number.MAX_SAFE_INTEGER)) {
      let state = 'N';
      if (m.state === STATE.cpu) state = m.hostPageLost ? 'Z' : m.cpuEntry ? 'C' : 'E';
      if (m.state === STATE.device) state = `${m.device - 1}${m.pinned ? 'p' : ''}`;
      states.set(m.block - BASE_BLOCK, state);
    }
    for (const key of this.gm.stale) {
      const [device, block] = key.split(':').map(Number);
      const page = block - BASE_BLOCK;
      states.set(page, `${states.get(page) ?? '-'}!d${device - 1}`);
    }
    return states;
  }

  private step(step: Step): Result {
    const [op, ...args] = step.op;
    const n = args as number[];
    switch (op) {
      case 'mmap':
        return this.mmap(n[0], n[1]);
      case 'ommap':
        return { r: this.addVma(n[0], false) };
      case 'd':
        return this.deviceAccess(n[0] + 1, BASE_BLOCK + n[1]);
      case 'h':
        return this.hostAccess(BASE_BLOCK + n[0]);
      case 'adv': {
        const [hint, device, addr, size] = args as [string, number, number, number];
        if (!['prefetch', 'pin', 'unpin', 'free'].includes(hint)) return { r: -22 };
        return { r: hmadvise(this.gm, device === -2 ? -1 : device + 1, place(addr), size, hint as Hint) };
      }
      case 'cpy':
        return { r: hmemcpy(this.gm, n[0] === -2 ? -1 : n[0] + 1, place(n[1]), place(n[2]), n[3]) };
      case 'unmap':
        return this.munmap(n[0], n[1], true);
      case 'fixed':
        return this.munmap(n[0], n[1], !this.mode.literal);
      case 'lim':
        return { r: this.gm.host!.setLimit(n[0] + 1, n[1]) };
      case 'fail': {
        const [what, skip, times, code] = args as [string, number, number, number];
        this.recorder.failing.set(what, { skip, n: times, code });
        return {};
      }
      default:
        throw new Error(`operation ${op} is not played`);
    }
  }

  private addVma(sizeBytes: number, peer: boolean, at?: number): number {
    const pages = Math.ceil(sizeBytes / BLOCK_BYTES);
    const first = at ?? this.nextFree;
    this.vmas.push({ first, last: first + pages - 1, peer });
    if (at === undefined) this.nextFree = first + pages + 1;
    return first - BASE_BLOCK;
  }

  private mmap(sizeBytes: number, atPlusOne?: number): Result {
    const pages = Math.ceil(sizeBytes / BLOCK_BYTES);
    const wanted = atPlusOne === undefined ? -1 : BASE_BLOCK + (atPlusOne - 1) / BLOCK_BYTES;
    const taken = this.vmas.some((v) => v.first <= wanted + pages - 1 && v.last >= wanted);
    const at = wanted < 0 || taken ? undefined : wanted;
    const pick = () => {
      const first = at ?? this.nextFree;
      if (at === undefined) this.nextFree = first + pages + 1;
      return first;
    };
    const block = negotiateVa(this.gm, pick, sizeBytes);
    if (block === null) return { r: -12 };
    this.vmas.push({ first: block, last: block + pages - 1, peer: true });
    return { r: block - BASE_BLOCK };
  }

  private deviceAccess(device: number, block: number): Result {
    const mapped = () =>
      this.core.mapping(device, block * BLOCK_PAGES) !== RIGHTS.none || this.gm.stale.has(`${device}:${block}`);
    if (mapped()) {
      this.recorder.count('hit');
      return { hit: 1 };
    }
    this.recorder.count('dF');
    const r = devFault(this.gm, device, block, 'none', 'deviceFault');
    return r === 0 && !mapped() ? { r, stuck: 1 } : { r };
  }

  private hostAccess(block: number): Result {
    if (!this.vmas.some((v) => v.first <= block && block <= v.last)) return { r: 64 };
    const m = this.gm.table.get(block);
    if (m?.cpuEntry) {
      this.recorder.count('hit');
      return { hit: 1 };
    }
    this.recorder.count('hF');
    const relru = m?.state === STATE.cpu && m.onLru && !m.hostPageLost ? 1 : 0;
    const r = hostFaultLocked(this.gm, block, 'hostFault');
    return r === -1 ? { crash: true } : { r, relru };
  }

  private munmap(addr: number, sizeBytes: number, viaHook: boolean): Result {
    const start = place(addr);
    const last = start.block + Math.ceil((start.offsetBytes + sizeBytes) / BLOCK_BYTES) - 1;
    const hit = this.vmas.filter((v) => v.first <= last && v.last >= start.block).sort((a, b) => a.first - b.first);
    if (hit.length === 0) return {};
    if (start.offsetBytes !== 0) return { r: -22 };
    const pieces = hit
      .filter((v) => v.peer)
      .map((v) => [Math.max(v.first, start.block), Math.min(v.last, last)] as const);
    const through = viaHook && (hit[0].peer || !this.mode.literal);
    this.core.count('notifier.invalidations');
    for (const [from, to] of pieces) unmapPiece(this.gm, from, to, through);
    for (const [from, to] of pieces) dropTable(this.gm, from, to);
    this.vmas = this.vmas.flatMap((v) =>
      [
        { ...v, last: Math.min(v.last, start.block - 1) },
        { ...v, first: Math.max(v.first, last + 1) },
      ].filter((part) => part.first <= part.last),
    );
    return {};
  }
}

interface Result {
  readonly r?: number;
  readonly hit?: number;
  readonly stuck?: number;
  readonly relru?: number;
  readonly crash?: boolean;
}

function place(addr: number): Place {
  const block = Math.floor(addr / BLOCK_BYTES);
  return { block: block + BASE_BLOCK, offsetBytes: addr - block * BLOCK_BYTES };
}

function sorted(states: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(states).sort(([a], [b]) => Number(a) - Number(b));
}
