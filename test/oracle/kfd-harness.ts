/**
 * Drives the decision code of the KFD model through the real core, one driver operation at a time, and renders its state
 * in the words of the oracle (`data/kfd-sequences.jsonl.gz`): what AMD's own driver code did on the same operations.
 */

import { type Attribute, setAttributes } from '../../src/models/kfd/attributes.ts';
import { evictOldest, takeVram } from '../../src/models/kfd/buffers.ts';
import { FAULT_ERROR, restorePages } from '../../src/models/kfd/faults.ts';
import { dropDead, restoreWork } from '../../src/models/kfd/mapping.ts';
import { countVramPages, forEachBlock } from '../../src/models/kfd/residency.ts';
import { createSvms } from '../../src/models/kfd/svms.ts';
import type { SvmRange, Svms, SvmVma } from '../../src/models/kfd/types.ts';
import type { Platform } from '../../src/platforms/platform.ts';
import { replay } from '../../src/replay/engine.ts';
import type { LaneSpec } from '../../src/replay/lane.ts';
import {
  andNotMask,
  BLOCK_PAGES,
  copyMask,
  forEachRun,
  hasPage,
  newMask,
  nextPage,
  type PageMask,
} from '../../src/replay/mask.ts';
import { type Core, defineModel, HOST, type ModelDefinition, RIGHTS, type Vma } from '../../src/replay/model.ts';
import { compileRecords } from '../helpers/mini-trace.ts';

/** Page numbers of the sequences count from here (aligned to 1 GiB). */
const BASE = 2 ** 20;
const PAGE = 4096;

type Json = number | string | null | Json[] | { [key: string]: Json };
export interface Step {
  readonly op: [string, ...(number | string | [string, number])[]];
  readonly t: number;
  readonly ret?: number;
  readonly ev?: (string | number)[][];
  readonly [state: string]: Json | undefined | unknown;
}
export interface Sequence {
  readonly id: string;
  readonly cat: string;
  readonly note: string;
  readonly cfg: {
    readonly vram: number[];
    readonly xnack: number;
    readonly gran: number;
    readonly max: number;
    readonly hive?: number[];
    readonly apu?: number[];
    readonly coherent?: number[];
    readonly cost?: [number, number, number];
    readonly [key: string]: unknown;
  };
  readonly vma: [number, number, string][];
  readonly steps: Step[];
  readonly acct?: number;
  readonly cut?: string;
}

interface TestVma extends SvmVma {
  readonly flags: string;
}

/** What a GPU's page-table entry points to, which hardware knows and the core does not: 0 = none, else 1 + 2 x place + writable. */
class Entries {
  readonly byGpu: Int8Array[];

  constructor(actors: number) {
    this.byGpu = Array.from({ length: actors }, () => new Int8Array(2 ** 18));
  }

  set(gpu: number, block: number, mask: PageMask, value: (page: number) => number): void {
    for (let p = nextPage(mask, 0); p >= 0; p = nextPage(mask, p + 1)) {
      const page = block * BLOCK_PAGES + p;
      this.byGpu[gpu][page - BASE] = value(page);
    }
  }
}

export class KfdHarness {
  readonly core: Core;
  readonly svms: Svms;
  events: (string | number)[][] = [];
  private vmas: TestVma[] = [];
  private readonly entries: Entries;
  private readonly counts: [number, number, number][];
  private tlbFlushes = 0;
  private readonly wakeUps: number[] = [];
  private highestPage = 0;

  constructor(core: Core, sequence: Sequence) {
    const { cfg } = sequence;
    const gpus = cfg.vram.length;
    this.core = this.watch(core);
    this.entries = new Entries(core.actors.length);
    this.counts = core.actors.map(() => [0, 0, 0]);
    this.svms = createSvms(
      this.core,
      {
        legacy: false,
        xnack: cfg.xnack === 1,
        apu: (cfg.apu ?? []).some((on) => on === 1),
        granularity: cfg.gran,
        maxRangePages: cfg.max,
        hives: [0, ...Array.from({ length: gpus }, (_, i) => cfg.hive?.[i] ?? 0)],
        cpuCoherent: [false, ...Array.from({ length: gpus }, (_, i) => cfg.coherent?.[i] === 1)],
        costs: {
          faultNs: 0,
          repairedFaultNs: 0,
          migrateInPageNs: 0,
          migrateOutPageNs: 0,
          copyJobNs: cfg.cost?.[2] ?? 0,
          mapPageNs: cfg.cost?.[1] ?? 0,
        },
      },
      (page) => this.vmaAt(page),
      (kind, ...fields) => this.log(kind, fields),
    );
    for (const [first, pages, flags] of sequence.vma) this.addVma(first, pages, flags);
  }

  /** The core as it is, but for VMAs with permissions, wake-ups, and a look at what passes. */
  private watch(core: Core): Core {
    const own: Partial<Core> = {
      vmaAt: (page) => {
        const vma = this.vmas.find((v) => v.first <= page && page <= v.last);
        return vma === undefined ? null : asVma(vma);
      },
      vmasIn: (first, last) => this.vmas.filter((v) => v.first <= last && first <= v.last).map(asVma),
      wakeAt: (timeNs) => {
        this.wakeUps.push(timeNs);
      },
      tlbInvalidate: () => {
        this.tlbFlushes++;
      },
      map: (actor, block, mask, rights, entries) => {
        core.map(actor, block, mask, rights, entries);
        if (actor === HOST) return;
        const where = core.actors.map((_, place) => core.residentMask(place, block, newMask()));
        this.entries.set(actor, block, mask, (page) => {
          const place = Math.max(
            HOST,
            where.findIndex((resident) => hasPage(resident, page % BLOCK_PAGES)),
          );
          return 1 + place * 2 + (rights >= RIGHTS.write ? 1 : 0);
        });
      },
      unmap: (actor, block, mask, calls) => {
        core.unmap(actor, block, mask, calls);
        if (actor !== HOST) this.entries.set(actor, block, mask, () => 0);
      },
    };
    const bound = new Map<PropertyKey, unknown>();
    return new Proxy(core, {
      get(target, key) {
        const known = bound.get(key);
        if (known !== undefined) return known;
        const value = own[key as keyof Core] ?? target[key as keyof Core];
        if (typeof value !== 'function') return value;
        const method = value.bind(target);
        bound.set(key, method);
        return method;
      },
    });
  }

  private vmaAt(page: number): SvmVma | null {
    return this.vmas.find((vma) => vma.first <= page && page <= vma.last) ?? null;
  }

  private addVma(first: number, pages: number, flags: string): void {
    this.putVma(BASE + first, BASE + first + pages - 1, flags);
    if (!flags.includes('w')) this.svms.mm.mprotect(BASE + first, BASE + first + pages - 1, 'read');
  }

  private putVma(first: number, last: number, flags: string): void {
    this.highestPage = Math.max(this.highestPage, last + 1 - BASE);
    this.vmas.push({
      first,
      last,
      flags,
      readable: flags.includes('r'),
      writable: flags.includes('w'),
      heapOrStack: /[hs]/.test(flags),
      deviceMemory: flags.includes('i'),
    });
    this.vmas.sort((a, b) => a.first - b.first);
  }

  /** Cuts VMAs so that first..last is whole ones, and takes these out. */
  private takeVmas(first: number, last: number): TestVma[] {
    const taken: TestVma[] = [];
    for (const vma of this.vmas.splice(0)) {
      if (vma.last < first || vma.first > last) {
        this.vmas.push(vma);
        continue;
      }
      if (vma.first < first) this.vmas.push({ ...vma, last: first - 1 });
      if (vma.last > last) this.vmas.push({ ...vma, first: last + 1 });
      taken.push({ ...vma, first: Math.max(first, vma.first), last: Math.min(last, vma.last) });
    }
    this.vmas.sort((a, b) => a.first - b.first);
    return taken;
  }

  // --- operations ------------------------------------------------------------------------------------------------
  /** Carries out one operation and gives what the driver returned. */
  run(op: Step['op']): number {
    this.events = [];
    this.tlbFlushes = 0;
    const result = this.operate(op);
    this.runTimers(this.core.now());
    return result;
  }

  private operate(op: Step['op']): number {
    const [kind, ...rest] = op;
    const n = rest as number[];
    const { svms } = this;
    switch (kind) {
      case 'attr':
        return setAttributes(svms, BASE + n[0], BASE + n[0] + n[1] - 1, rest.slice(2) as unknown as Attribute[]);
      case 'gf':
        return this.fault(n[0], BASE + n[1], n[2] === 1);
      case 'ga':
        return this.accesses(n[0], BASE + n[1], n[2], n[3], n[4] === 1, n[5], n[6]);
      case 'ca':
        this.cpuTouches(BASE + n[0], n[1], n[2] ?? 1);
        return 0;
      case 't':
        this.passTime(n[0]);
        return 0;
      case 'munmap': {
        const [first, last] = [BASE + n[0], BASE + n[0] + n[1] - 1];
        svms.mm.munmap(first, last);
        this.takeVmas(first, last);
        dropDead(svms);
        return 0;
      }
      case 'vma':
        this.addVma(n[0], n[1], rest[2] as string);
        return 0;
      case 'inval':
        this.invalidate(BASE + n[0], BASE + n[0] + n[1] - 1, rest[2] as string, rest[3] as string | undefined);
        return 0;
      case 'ttmevict':
        for (let i = 0; i < n[1]; i++) evictOldest(svms, n[0]);
        return 0;
      case 'alloc':
        if (takeVram(svms, n[0], n[1])) svms.explicitPages[n[0]] += n[1];
        return 0;
      case 'free':
        svms.explicitPages[n[0]] -= n[1];
        this.core.release(n[0], n[1] * PAGE);
        return 0;
      case 'foreign':
        takeVram(svms, n[0], n[1]);
        return 0;
      case 'gpuva':
        svms.gpuMappings.add({ first: BASE + n[1], last: BASE + n[1] + n[2] - 1, backed: true });
        if (n[3] !== undefined)
          svms.gpuMappings.add({ first: BASE + n[3], last: BASE + n[3] + n[2] - 1, backed: true });
        return 0;
      case 'pin':
        if (n[2] === 1) svms.mm.pin(BASE + n[0], BASE + n[0] + n[1] - 1);
        else svms.mm.unpin(BASE + n[0], BASE + n[0] + n[1] - 1);
        return 0;
      default:
        throw new Error(`operation ${kind} is not driven`);
    }
  }

  private fault(gpu: number, page: number, write: boolean): number {
    const arrived = this.core.now();
    const end = restorePages(this.svms, gpu, page, write);
    const result = FAULT_ERROR[end] ?? 0;
    if (end !== 'xnack_off') this.counts[gpu][0]++;
    if (end !== 'served') {
      this.events.push(['drop', gpu, page - BASE, write ? 1 : 0, arrived, end, result, end === 'xnack_off' ? 0 : 1]);
    }
    return result;
  }

  private accesses(
    gpu: number,
    first: number,
    count: number,
    stride: number,
    write: boolean,
    dt: number,
    tries: number,
  ) {
    let hits = 0;
    let faults = 0;
    let unmapped = 0;
    let result = 0;
    const mapped = (page: number) => {
      const entry = this.entries.byGpu[gpu][page - BASE];
      return entry !== 0 && (!write || (entry - 1) % 2 === 1);
    };
    for (let i = 0; i < count; i++) {
      if (i > 0 && dt > 0) this.passTime(dt);
      const page = first + i * stride;
      if (mapped(page)) {
        hits++;
        continue;
      }
      for (let attempt = 0; ; attempt++) {
        result = this.fault(gpu, page, write) || result;
        faults++;
        if (mapped(page) || attempt === tries || result !== 0) break;
        this.passTime(dt > 0 ? dt : 1_000_000);
      }
      if (!mapped(page)) unmapped++;
    }
    this.events.push(['acc', hits, faults, unmapped]);
    return result;
  }

  private cpuTouches(first: number, count: number, stride: number): void {
    const { core, svms } = this;
    let fresh = 0;
    let faults = 0;
    let unresolved = 0;
    if (stride === 1) fresh += this.fillHoles(first, first + count - 1);
    for (let i = 0; i < count; i++) {
      const page = first + i * stride;
      const vma = this.vmaAt(page);
      if (vma === null || vma.deviceMemory) {
        unresolved++;
        continue;
      }
      const where = core.residence(page);
      if (core.mapping(HOST, page) !== RIGHTS.none) continue;
      if (where === 0) fresh++;
      else if ((where & 1) === 0) faults++;
      svms.mm.fault(page, false, 'cpu');
      if (core.mapping(HOST, page) === RIGHTS.none) unresolved++;
    }
    this.events.push(['cpu', fresh, faults, unresolved]);
  }

  /** First touches of many pages at once; what is left is done page by page. */
  private fillHoles(first: number, last: number): number {
    const { core } = this;
    let filled = 0;
    const held = newMask();
    for (const vma of this.vmas) {
      if (!vma.readable || !vma.writable || vma.deviceMemory || vma.flags.includes('f')) continue;
      const [from, to] = [Math.max(first, vma.first), Math.min(last, vma.last)];
      if (from > to) continue;
      forEachBlock(from, to, (block, pages) => {
        const holes = copyMask(newMask(), pages);
        for (const place of core.actors.keys()) andNotMask(holes, core.residentMask(place, block, held));
        filled += core.populate(block, holes, HOST);
        core.map(HOST, block, holes, RIGHTS.atomic, 0);
      });
    }
    return filled;
  }

  private invalidate(first: number, last: number, how: string, flags: string | undefined): void {
    const { mm } = this.svms;
    if (how === 'dontneed') mm.dontNeed(first, last);
    else if (how === 'clear') mm.invalidate('clear', first, last);
    else {
      if (flags !== undefined) {
        for (const vma of this.takeVmas(first, last)) {
          this.putVma(vma.first, vma.last, flags + vma.flags.replace(/[rw-]/g, ''));
        }
        mm.mprotect(first, last, flags.includes('w') ? 'write' : flags.includes('r') ? 'read' : 'none');
      } else mm.invalidate('protectionVma', first, last);
    }
  }

  private passTime(ns: number): void {
    const until = this.core.now() + ns;
    this.runTimers(until);
    this.reach(until);
  }

  private reach(timeNs: number): void {
    this.core.spend(Math.max(0, timeNs - this.core.now()), 'wait');
  }

  private runTimers(until: number): void {
    while (this.wakeUps.length > 0 && this.wakeUps[0] <= until) {
      this.reach(this.wakeUps.shift()!);
      restoreWork(this.svms);
    }
  }

  // --- what happened ---------------------------------------------------------------------------------------------
  private log(kind: string, fields: (number | boolean | string)[]): void {
    const f = fields.map((field) => (typeof field === 'boolean' ? Number(field) : field)) as number[];
    const rel = (page: number) => page - BASE;
    switch (kind) {
      case 'pf':
        this.events.push([kind, f[0], rel(f[1]), f[2], f[3]]);
        break;
      case 'pfe':
        this.events.push([kind, f[0], rel(f[1]), f[2]]);
        break;
      case 'mig': {
        const [trigger, from, to, first, last, going, moved, copied, jobs] = f;
        // On the way to RAM the kernel also collects holes of anonymous memory, and moves none.
        const collected = to === HOST ? going + this.holes(first, last) : going;
        this.events.push([
          kind,
          trigger,
          from,
          to,
          rel(first),
          rel(last),
          collected,
          moved,
          copied,
          jobs,
          collected > 0 ? 1 : 0,
        ]);
        if (to === HOST) this.counts[from][2] += moved;
        else this.counts[to][1] += moved;
        break;
      }
      case 'map':
      case 'unmap':
        this.events.push([kind, f[0], rel(f[1]), rel(f[2]), ...f.slice(3)]);
        break;
      case 'note':
        this.events.push(fields[0] === 'nop2p' ? ['note', 'nop2p'] : ['note', fields[0] as string]);
        break;
      case 'hmm_livelock':
        this.events.push([kind, rel(f[0]), f[1]]);
        break;
      default:
        this.events.push([kind, ...(fields as (number | string)[])]);
    }
  }

  private holes(first: number, last: number): number {
    let holes = 0;
    for (let page = first; page <= last; page++) {
      if (this.core.residence(page) === 0 && !(this.vmaAt(page) as TestVma).flags.includes('f')) holes++;
    }
    return holes;
  }

  /** State in the oracle's form. */
  state(): Record<string, Json> {
    const { svms, core } = this;
    const ranges = [...svms.objects].map((range) => this.row(range));
    const gpus = svms.gpus;
    return {
      r: ranges,
      p: this.populated(),
      g: Object.fromEntries(
        gpus.map((gpu) => [String(gpu), this.entriesOf(gpu)]).filter(([, runs]) => runs.length > 0),
      ),
      v: gpus.map((gpu) => core.allocatedBytes(gpu) / PAGE),
      lru: gpus.map((gpu) => [...svms.buffers[gpu]].map((bo) => bo.id)),
      c: gpus.map((gpu) => this.counts[gpu]),
      evr: svms.evictedRanges,
      tlb: this.tlbFlushes,
    };
  }

  private row(range: SvmRange): Json[] {
    const resident =
      range.actualLoc === 0
        ? this.svms.gpus.reduce((n, gpu) => n + countVramPages(this.svms, gpu, range.first, range.last), 0)
        : countVramPages(this.svms, range.actualLoc, range.first, range.last);
    const bo = range.bo === null ? 0 : range.holdsBo ? range.bo.id : -range.bo.id;
    return [
      range.first - BASE,
      range.last - BASE,
      range.granularity,
      range.actualLoc,
      range.preferredLoc,
      range.prefetchLoc,
      range.flags,
      range.access >> 1,
      range.accessInPlace >> 1,
      Number(range.mappedToGpu),
      range.vramPages,
      resident,
      bo,
      range.offset,
      range.invalid,
    ];
  }

  private populated(): Json[] {
    const runs: [number, number, number][] = [];
    const mask = newMask();
    const add = (first: number, last: number, place: number): void => {
      const before = runs[runs.length - 1];
      if (before !== undefined && before[1] === first - 1 && before[2] === place) before[1] = last;
      else runs.push([first, last, place]);
    };
    for (const vma of this.vmas) {
      for (let block = Math.floor(vma.first / 512); block <= Math.floor(vma.last / 512); block++) {
        const found: [number, number, number][] = [];
        for (const place of this.core.actors.keys()) {
          forEachRun(this.core.residentMask(place, block, mask), (from, to) => {
            const first = Math.max(vma.first, block * 512 + from);
            const last = Math.min(vma.last, block * 512 + to);
            if (first <= last) found.push([first - BASE, last - BASE, place]);
          });
        }
        found.sort((one, other) => one[0] - other[0]);
        for (const [first, last, place] of found) add(first, last, place);
      }
    }
    return runs;
  }

  private entriesOf(gpu: number): Json[] {
    const runs: [number, number, number, number][] = [];
    const entries = this.entries.byGpu[gpu];
    for (let page = 0; page < this.highestPage; page++) {
      const entry = entries[page];
      if (entry === 0) continue;
      const last = runs[runs.length - 1];
      const [location, writable] = [(entry - 1) >> 1, (entry - 1) & 1];
      if (last !== undefined && last[1] === page - 1 && last[2] === location && last[3] === writable) last[1]++;
      else runs.push([page, page, location, writable]);
    }
    return runs;
  }
}

function asVma(vma: TestVma): Vma {
  const { first, last, flags } = vma;
  return {
    firstPage: first,
    lastPage: last,
    allocation: {
      id: 0,
      name: '',
      kind: flags.includes('f') ? 'file' : 'system',
      vma: 'map',
      actor: HOST,
      firstPage: first,
      lastPage: last,
      sizeBytes: (last - first + 1) * PAGE,
      record: 0,
    },
  };
}

/** Replays one sequence inside the engine: the core is the engine's own. */
export function drive(sequence: Sequence, body: (harness: KfdHarness) => void): void {
  const actors = sequence.cfg.vram.map((_, i) => `gpu${i + 1}`);
  const trace = compileRecords(['0 gpu1 launch'], { actors });
  const model = defineModel({
    name: 'harness',
    title: '',
    summary: [],
    sources: [],
    presets: { only: { title: '' } },
    parameters: {},
    metrics: { queueEvictions: { unit: 'count', direction: 'lower', definition: '' } },
    create: (core) => ({ launch: () => body(new KfdHarness(core, sequence)) }),
  });
  replay(trace, [laneSpec(model, sequence.cfg)]);
}

/** Nothing takes time but what the sequence's `cost` says: ns per copied page, per mapped page, per copy job. */
function platform(cost: [number, number, number] | undefined): Platform {
  const bytesPerNs = cost === undefined || cost[0] === 0 ? Number.POSITIVE_INFINITY : PAGE / cost[0];
  const link = { copyOverheadNs: 0, bytesPerNs };
  const never = Number.POSITIVE_INFINITY;
  return {
    name: 'oracle',
    title: 'oracle',
    inFlight: 256,
    faultLatencyNs: 0,
    link: { h2d: link, d2h: link, d2d: link },
    host: { bytesPerNs: never, zeroBytesPerNs: never, faultNs: 0, tlbShootdownNs: 0 },
    device: { memoryBytes: 0, bytesPerNs: never, zeroBytesPerNs: never, tlbInvalidateNs: 0 },
    remoteBytesPerNs: never,
    topology: { coherent: false, ats: false, peer: 'none' },
    sources: {},
  };
}

function laneSpec(model: ModelDefinition, cfg: Sequence['cfg']): LaneSpec {
  return {
    model,
    preset: 'only',
    parameters: {},
    platform: platform(cfg.cost),
    capacityBytes: [Number.POSITIVE_INFINITY, ...cfg.vram.map((pages) => pages * PAGE)],
    inFlight: 256,
    host: { pageBytes: 4096, zeroPage: false },
  };
}
