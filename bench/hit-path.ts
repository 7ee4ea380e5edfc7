/** Touches that hit: one run beside a C loop, 32 runs beside one, remote mappings and access counters beside local memory. */

import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { replay } from '../src/replay/engine.ts';
import { planRuns, runsOf } from '../src/replay/plan.ts';
import type { CompiledTrace, TraceChunk } from '../src/trace/compiled.ts';
import {
  type Benchmark,
  type Context,
  compiler,
  cpuSeconds,
  interleaved,
  launch,
  output,
  type Sample,
} from './harness.ts';
import { column, judged, type Limit, median, ratios, type Table } from './table.ts';
import {
  BASE_ADDRESS,
  inArena,
  PAGE_BYTES,
  type Pattern,
  pagesOf,
  type Start,
  startTrace,
  touchAll,
  touchChunks,
} from './traces.ts';

/** 4 GiB: the words of the pages do not fit into a core's cache. */
const PAGES = 1 << 20;
const PATTERNS: readonly Pattern[] = ['random', 'zipf', 'sequential'];

type Placement = 'local' | 'remote' | 'armed' | 'firing';

interface Size {
  /** In the file. */
  readonly touches: number;
  /** The file is walked so often. */
  readonly repeats: number;
}

interface Replay extends Size {
  readonly path: string;
  readonly runs: number;
  readonly placement: Placement;
}

export const tasks = {
  generate({ path, pattern, touches }: { path: string; pattern: Pattern; touches: number }): Sample {
    const order = pagesOf(pattern, PAGES, touches);
    const file = openSync(path, 'w');
    writeSync(file, order);
    for (const chunk of touchChunks(order, 0)) writeSync(file, chunk.code);
    closeSync(file);
    return {};
  },

  async replay({ path, touches, repeats, runs, placement }: Replay): Promise<Sample> {
    const start = await startTrace(START[placement]);
    const bytes = readFileSync(path);
    const chunks = touchChunks(new Int32Array(bytes.buffer, bytes.byteOffset, touches), start.records);
    // The hit path knows no model: local memory takes the one that gets there soonest.
    const models = [placement === 'local' ? 'gmem' : 'uvm'];
    const plan = await planRuns({ models, platform: 'zero', set: SETTINGS[placement] });
    const [{ spec }] = runsOf(plan, start);
    let begin = process.cpuUsage();
    let seconds = 0;
    const trace: CompiledTrace = {
      ...start,
      *chunks(arena) {
        const columns = inArena(chunks, arena);
        for (const chunk of columns) look(chunk);
        yield* start.chunks(arena);
        // The engine is one chunk behind what it asks for.
        yield columns[0];
        begin = process.cpuUsage();
        for (let i = 0; i < repeats; i++) yield* columns;
        seconds = cpuSeconds(begin);
      },
    };
    const specs = Array.from({ length: runs }, () => spec);
    const [{ metrics }] = replay(trace, specs);
    const remote = metrics['remote.device.accesses'] ?? 0;
    if ((placement === 'local') !== (remote === 0)) throw new Error(`${placement}: ${remote} remote touches`);
    if (placement !== 'local' && remote < touches * repeats) throw new Error(`only ${remote} touches were remote`);
    return { cpuSeconds: seconds, nsPerTouch: (seconds / (touches * repeats)) * 1e9 };
  },
};

/** Reads every page of memory of the columns: a virtual machine may take long over the first look at one. */
function look({ code, page, timeNs, bytes }: TraceChunk): number {
  let sum = 0;
  for (const column of [code, page, timeNs, bytes]) for (let i = 0; i < column.length; i += 512) sum += column[i];
  return sum;
}

const HINTS = ['preferred:cpu', 'accessed_by:gpu0'].map(
  (hint) => `cpu,advise,${BASE_ADDRESS},${PAGES * PAGE_BYTES},${hint}`,
);
const READS = touchAll('gpu0,read', PAGES);
const REMOTE: Start = { pages: PAGES, first: 'cpu,write', after: [...HINTS, ...READS] };
const START: Readonly<Record<Placement, Start>> = {
  local: { pages: PAGES, first: 'gpu0,read', after: READS },
  remote: REMOTE,
  armed: REMOTE,
  firing: REMOTE,
};
/** Where a notification is due so often, a touch costs more, so there are fewer. */
const SHORTER: Readonly<Record<Placement, number>> = { local: 1, remote: 1, armed: 1, firing: 12 };
const SETTINGS: Readonly<Record<Placement, string[]>> = {
  local: [],
  remote: [],
  // So many touches that no block of 2 MiB gets there within what is measured.
  armed: ['uvm.accessCounters=on', 'uvm.counterThreshold=65535'],
  firing: ['uvm.accessCounters=on'],
};

async function run(context: Context): Promise<{ tables: Table[] }> {
  const size: Size = context.quick ? { touches: 1 << 20, repeats: 4 } : { touches: 1 << 23, repeats: 12 };
  const floor = compileFloor(context);
  const rows: string[][] = [];
  const more: string[][] = [];
  for (const pattern of PATTERNS) {
    const path = join(context.folder, `${pattern}.columns`);
    await launch(context, 'hit-path', 'generate', { path, pattern, touches: size.touches });
    const contestant = (runs: number, placement: Placement) => () =>
      launch(context, 'hit-path', 'replay', {
        path,
        ...size,
        repeats: size.repeats / SHORTER[placement],
        runs,
        placement,
      });
    const c = async (): Promise<Sample> => {
      const { touches, repeats } = size;
      const text = await output(floor!, [path, touches, PAGES, repeats].map(String));
      const { cpuSeconds, misses } = JSON.parse(text) as { cpuSeconds: number; misses: number };
      if (misses !== 0) throw new Error(`the C loop found ${misses} misses`);
      return { cpuSeconds, nsPerTouch: (cpuSeconds / (touches * repeats)) * 1e9 };
    };
    const samples = await interleaved<string>(context, {
      ...(floor === null ? {} : { c }),
      one: contestant(1, 'local'),
      thirtyTwo: contestant(32, 'local'),
      ...(pattern === 'random'
        ? { remote: contestant(1, 'remote'), armed: contestant(1, 'armed'), firing: contestant(1, 'firing') }
        : {}),
    });
    const row = (what: string, of: string, base: string, limit: Limit): string[] => {
      const ns = (name: string): string => median(column(samples[name], 'nsPerTouch')).toFixed(2);
      const cells = judged(ratios(samples[of], samples[base], 'nsPerTouch'), limit);
      return [`${pattern}: ${what}`, ns(of), ns(base), ...cells];
    };
    if (floor !== null) rows.push(row('1 run / C loop', 'one', 'c', { atMost: 2 }));
    rows.push(row('32 runs / 1 run', 'thirtyTwo', 'one', { atMost: 1.5 }));
    if (pattern !== 'random') continue;
    more.push(row('mapped remotely / local', 'remote', 'one', { atMost: 2.5 }));
    more.push(row('counters armed / local', 'armed', 'one', { atMost: 2.5 }));
    more.push(row('counters firing / local', 'firing', 'one', { better: 'lower' }));
  }
  const millions = ((size.touches * size.repeats) / 1e6).toFixed(0);
  const columns = ['touches', 'ns', 'ns of the base', 'ratio, median', 'worst', 'limit'];
  const note = `${millions} M touches of 64 bytes over ${PAGES} resident pages (4 GiB), ${context.rounds} launches each; ns are CPU time of a touch, medians.`;
  return {
    tables: [
      { title: 'Touches that hit, in local memory', columns, rows, note },
      {
        title: 'Touches that hit, in host memory',
        columns,
        rows: more,
        note: 'Armed: 65,535 touches to a notification, more than come. Firing: one each 256 touches of a block, a twelfth of the touches.',
      },
    ],
  };
}

/** The C loop, or null where there is no compiler. */
function compileFloor(context: Context): string | null {
  const cc = compiler();
  if (cc === null) {
    console.log('no C compiler: the ratio to the C loop is left out\n');
    return null;
  }
  const program = join(context.folder, 'hit-path');
  execFileSync(cc, ['-O2', '-o', program, fileURLToPath(new URL('./hit-path.c', import.meta.url))]);
  return program;
}

export const benchmark: Benchmark = { title: 'touches that hit', run };
