/** Touches that fault: faults and moved pages a second of CPU time in one run, and what the heap does meanwhile. */

import { PerformanceObserver } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { replay } from '../src/replay/engine.ts';
import { planRuns, runsOf } from '../src/replay/plan.ts';
import type { CompiledTrace, TraceChunk } from '../src/trace/compiled.ts';
import { type Benchmark, type Context, cpuSeconds, interleaved, launch, type Sample } from './harness.ts';
import { column, judged, median, type Table } from './table.ts';
import { BASE_ADDRESS, inArena, PAGE_BYTES, pagesOf, startTrace, touchChunks } from './traces.ts';

export interface FaultingReplay {
  readonly model: string;
  readonly set?: readonly string[];
  /** Footprint, written by the CPU at first. */
  readonly pages: number;
  /** Reads of one page each by devices in turn, uniformly random. */
  readonly touches: number;
  /** These touches come so often, so that many of them need little memory here. */
  readonly repeats?: number;
  readonly oversub: number | 'none';
  readonly runs?: number;
  readonly devices?: number;
  /** After each walk over the touches devices lose every mapping, as by NUMA balancing: all pages fault again. */
  readonly drops?: boolean;
  /** Look at the heap in the middle and at the end, after a forced collection: needs --expose-gc. */
  readonly collect?: boolean;
}

const MINOR = 1;
/** As many as a fraction of the shortest trace: the heap is looked at between chunks. */
const CHUNK_ROWS = 1 << 13;

export const tasks = {
  async replay(asked: FaultingReplay): Promise<Sample> {
    const { model, set = [], pages, touches, repeats = 1, oversub, runs = 1, devices = 1, drops, collect } = asked;
    const after = drops ? [`cpu,invalidate,${BASE_ADDRESS},${pages * PAGE_BYTES},numa`] : [];
    const start = await startTrace({ pages, first: 'cpu,write', devices, after });
    const made = touchChunks(pagesOf('random', pages, touches), start.records, devices, CHUNK_ROWS);
    if (drops) made.push(lastRow(start));
    const plan = await planRuns({ models: [model], set, platform: 'zero', oversub: [oversub] });
    let begin = process.cpuUsage();
    let beginMs = 0;
    let halfway = { heapBytes: 0, columnBytes: 0 };
    const trace: CompiledTrace = {
      ...start,
      records: start.records + touches * repeats,
      livePeakBytes: start.livePeakBytes.map((_, actor) => (actor === 0 ? 0 : pages * PAGE_BYTES)),
      *chunks(arena) {
        const chunks = inArena(made, arena);
        yield* start.chunks(arena);
        // The engine is one chunk behind what it asks for.
        yield chunks[0];
        begin = process.cpuUsage();
        beginMs = performance.now();
        const walks = chunks.length * repeats;
        for (let i = 1; i < walks; i++) {
          if (collect === true && i === walks >> 1) halfway = memory();
          yield chunks[i % chunks.length];
        }
        if (collect === true) end = memory();
      },
    };
    let end = halfway;
    const [{ spec }] = runsOf(plan, trace);
    const scavengesMs: number[] = [];
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        if ((entry as unknown as { detail: { kind: number } }).detail.kind === MINOR) scavengesMs.push(entry.startTime);
      }
    });
    observer.observe({ entryTypes: ['gc'] });
    const specs = Array.from({ length: runs }, () => spec);
    const [{ metrics }] = replay(trace, specs);
    const seconds = cpuSeconds(begin);
    const endMs = performance.now();
    // Entries arrive between tasks of the event loop.
    await setImmediate();
    await setImmediate();
    observer.disconnect();
    const faults = metrics['faults.device'] ?? 0;
    const moved = ['h2d', 'd2h', 'd2d'].reduce((sum, way) => sum + (metrics[`migration.${way}.pages`] ?? 0), 0);
    return {
      cpuSeconds: seconds,
      faults,
      moved,
      millionFaultsPerSecond: faults / seconds / 1e6,
      millionPagesPerSecond: moved / seconds / 1e6,
      scavenges: scavengesMs.filter((at) => at >= beginMs && at <= endMs).length,
      heapHalfwayBytes: halfway.heapBytes,
      heapEndBytes: end.heapBytes,
      columnsHalfwayBytes: halfway.columnBytes,
      columnsEndBytes: end.columnBytes,
    };
  },
};

/** The last row of a trace as a chunk. */
function lastRow(trace: CompiledTrace): TraceChunk {
  let last: TraceChunk | null = null;
  for (const chunk of trace.chunks()) last = chunk;
  if (last === null) throw new Error('no rows');
  const { rows, thread, arena: _, ...columns } = last;
  const cut = Object.entries(columns).map(([name, column]) => [name, column.slice(rows - 1, rows)]);
  return { rows: 1, thread: thread?.slice(rows - 1, rows) ?? null, ...Object.fromEntries(cut) };
}

function memory(): { heapBytes: number; columnBytes: number } {
  if (globalThis.gc === undefined) throw new Error('start node with --expose-gc');
  globalThis.gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return { heapBytes: heapUsed, columnBytes: arrayBuffers };
}

interface Stack {
  readonly model: string;
  readonly set?: readonly string[];
  /** What the target of the stack counts. */
  readonly unit: 'millionFaultsPerSecond' | 'millionPagesPerSecond';
  readonly pages: number;
  readonly touches: number;
  readonly repeats?: number;
  readonly drops?: boolean;
  readonly atLeast?: number;
}

/**
 * A stack that faults but once a page loses its mappings again and again: with few pages, whose state fits into caches, and
 * with many. A threshold of 1 per cent lets one fault bring its whole 2 MiB.
 */
const STACKS: readonly Stack[] = [
  {
    model: 'hmm:nouveau',
    unit: 'millionFaultsPerSecond',
    pages: 1 << 16,
    touches: 1 << 16,
    // 100 M touches, as many as where they hit.
    repeats: 1536,
    drops: true,
    atLeast: 5,
  },
  {
    model: 'hmm:nouveau',
    unit: 'millionFaultsPerSecond',
    pages: 1 << 20,
    touches: 1 << 20,
    repeats: 32,
    drops: true,
    atLeast: 5,
  },
  { model: 'hmm:dmirror', unit: 'millionFaultsPerSecond', pages: 1 << 19, touches: 1 << 19 },
  { model: 'uvm', unit: 'millionFaultsPerSecond', pages: 1 << 18, touches: 1 << 17 },
  {
    model: 'uvm',
    set: ['uvm.prefetchThreshold=1'],
    unit: 'millionPagesPerSecond',
    pages: 1 << 18,
    touches: 1 << 17,
    atLeast: 20,
  },
  { model: 'gmem', unit: 'millionPagesPerSecond', pages: 1 << 18, touches: 1 << 17, atLeast: 20 },
  { model: 'kfd', unit: 'millionPagesPerSecond', pages: 1 << 18, touches: 1 << 17, atLeast: 20 },
];

const nameOf = ({ model, set = [], pages, drops }: Stack): string =>
  [model, ...set, ...(model === 'hmm:nouveau' ? [sizeOf(pages)] : []), ...(drops ? ['mappings dropped'] : [])].join(
    ', ',
  );

function sizeOf(pages: number): string {
  const mib = (pages * PAGE_BYTES) / 2 ** 20;
  return mib < 1024 ? `${mib} MiB` : `${mib / 1024} GiB`;
}

async function run(context: Context): Promise<{ tables: Table[] }> {
  const shrink = context.quick ? 8 : 1;
  const replayOf = ({ unit: _unit, atLeast: _limit, ...stack }: Stack, collect: boolean) => {
    const { pages, touches } = stack;
    const size: FaultingReplay = { ...stack, pages: pages / shrink, touches: touches / shrink, oversub: 2 };
    return () =>
      collect
        ? launch(context, 'fault-path', 'replay', { ...size, touches: size.touches * 2, collect }, ['--expose-gc'])
        : launch(context, 'fault-path', 'replay', size);
  };
  const timed = Object.fromEntries(STACKS.map((stack) => [nameOf(stack), replayOf(stack, false)]));
  const collected = Object.fromEntries(STACKS.map((stack) => [nameOf(stack), replayOf(stack, true)]));
  const times = await interleaved(context, timed);
  const heaps = await interleaved(context, collected);
  const rates = STACKS.map((stack) => {
    const { unit, atLeast } = stack;
    const samples = times[nameOf(stack)];
    const middle = (field: string, digits: number): string => median(column(samples, field)).toFixed(digits);
    return [
      nameOf(stack),
      middle('faults', 0),
      middle('moved', 0),
      middle('cpuSeconds', 2),
      unit === 'millionFaultsPerSecond' ? 'M faults/s' : 'M pages/s',
      ...judged(column(samples, unit), atLeast === undefined ? { better: 'higher' } : { atLeast }, 2),
    ];
  });
  const heap = STACKS.map((stack) => {
    const name = nameOf(stack);
    const middle = (field: string): number => median(column(heaps[name], field));
    const mib = (field: string): string => (middle(field) / 2 ** 20).toFixed(2);
    const perMillion = column(times[name], 'scavenges').map((n, i) => (n / times[name][i].faults) * 1e6);
    return [
      name,
      mib('heapHalfwayBytes'),
      mib('heapEndBytes'),
      (middle('heapEndBytes') / middle('heapHalfwayBytes')).toFixed(3),
      (middle('columnsEndBytes') / middle('columnsHalfwayBytes')).toFixed(3),
      median(perMillion).toFixed(1),
    ];
  });
  return {
    tables: [
      {
        title: 'Faults, random reads at oversubscription 2, one run',
        columns: ['stack', 'faults', 'pages moved', 'CPU s', 'unit', 'median', 'worst', 'limit'],
        rows: rates,
        note: `Medians of ${context.rounds} launches; the platform is \`zero\`. CPU time of everything after the CPU has written the memory, hits included.`,
      },
      {
        title: 'Heap in the middle and at the end of a replay of twice the touches',
        columns: ['stack', 'MiB halfway', 'MiB at the end', 'ratio', 'ratio of typed arrays', 'scavenges a M faults'],
        rows: heap,
        note: 'After a forced collection; scavenges as counted in the launches of the table above.',
      },
    ],
  };
}

export const benchmark: Benchmark = { title: 'touches that fault', run };
