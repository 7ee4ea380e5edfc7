/** Peak memory: of a streamed trace by its length, of a page by stack, of a wide address range that is hardly touched. */

import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { replay } from '../src/replay/engine.ts';
import { planRuns, runsOf } from '../src/replay/plan.ts';
import type { CompiledTrace } from '../src/trace/compiled.ts';
import { type Benchmark, type Context, interleaved, launch, launchCli, type Sample } from './harness.ts';
import { column, judged, median, ratios, type Table } from './table.ts';
import { BASE_ADDRESS, BLOCK_BYTES, layers, startTrace, writeTrace } from './traces.ts';

const MODELS = ['gmem', 'uvm', 'kfd', 'hmm'];
const MIB = 2 ** 20;

interface Footprint {
  readonly model: string;
  readonly pages: number;
  readonly runs: number;
}

export const tasks = {
  /** Memory while everything is resident on a device, after a forced collection. */
  async footprint({ model, pages, runs }: Footprint): Promise<Sample> {
    const start = await startTrace({ pages, first: 'gpu0,write' });
    const plan = await planRuns({ models: [model], platform: 'zero' });
    const [{ spec }] = runsOf(plan, start);
    // The memory that the loops of reading worked on goes, in a task of its own.
    globalThis.gc!();
    await setImmediate();
    globalThis.gc!();
    let residentBytes = 0;
    const trace: CompiledTrace = {
      ...start,
      *chunks(arena) {
        yield* start.chunks(arena);
        // No rows: the engine asks for this chunk after it has walked the one before, and for the next after this one.
        const [first] = start.chunks();
        yield { ...first, rows: 0 };
        globalThis.gc!();
        residentBytes = statusBytes('VmRSS');
      },
    };
    replay(
      trace,
      Array.from({ length: runs }, () => spec),
    );
    return { residentBytes };
  },
};

function statusBytes(key: string): number {
  const found = new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(found?.[1]) * 1024;
}

async function run(context: Context): Promise<{ tables: Table[] }> {
  return { tables: [await streamed(context), await perPage(context), await wideRange(context)] };
}

/** Two lengths of one footprint, from the compiled form. */
async function streamed(context: Context): Promise<Table> {
  const footprintBytes = 2 ** 28;
  const [short, long] = context.quick ? [200_000, 2_000_000] : [10_000_000, 100_000_000];
  const compile = async (rows: number): Promise<string> => {
    const text = join(context.folder, `${rows}.csv`);
    const compiled = join(context.folder, `${rows}.arrow`);
    await writeTrace(text, layers(rows, footprintBytes));
    await launchCli(context, ['trace', 'compile', text, '-o', compiled, '--quiet']);
    rmSync(text);
    return compiled;
  };
  const paths = { short: await compile(short), long: await compile(long) };
  const contestant = (path: string) => () =>
    launchCli(context, ['run', path, '-m', MODELS.join(','), '--quiet', '--no-cache']);
  const samples = await interleaved(context, { short: contestant(paths.short), long: contestant(paths.long) });
  for (const path of Object.values(paths)) rmSync(path);
  const mib = (name: 'short' | 'long'): string => (median(column(samples[name], 'peakRssBytes')) / MIB).toFixed(0);
  return {
    title: 'Peak memory of `run` on a compiled trace, by its length',
    columns: ['touches', 'MiB', 'touches', 'MiB', 'ratio, median', 'worst', 'limit'],
    rows: [
      [
        String(short),
        mib('short'),
        String(long),
        mib('long'),
        ...judged(ratios(samples.long, samples.short, 'peakRssBytes'), { atMost: 1.1 }),
      ],
    ],
    note: `The same ${footprintBytes / MIB} MiB of memory in both, ${MODELS.join(', ')} in one pass; ${context.rounds} launches each.`,
  };
}

/** By differences: what a page costs once, and what it costs in each run. */
async function perPage(context: Context): Promise<Table> {
  const [few, many] = context.quick ? [1 << 14, 1 << 16] : [1 << 18, 1 << 20];
  const runs = 9;
  const rows: string[][] = [];
  for (const model of MODELS) {
    const contestant = (pages: number, lanes: number) => () =>
      launch(context, 'memory', 'footprint', { model, pages, runs: lanes }, ['--expose-gc']);
    const samples = await interleaved(context, {
      few: contestant(few, 1),
      many: contestant(many, 1),
      fewInRuns: contestant(few, runs),
      manyInRuns: contestant(many, runs),
    });
    const bytes = (name: keyof typeof samples): number => median(column(samples[name], 'residentBytes'));
    const one = (bytes('many') - bytes('few')) / (many - few);
    const all = (bytes('manyInRuns') - bytes('fewInRuns')) / (many - few);
    const perRun = (all - one) / (runs - 1);
    rows.push([model, (one - perRun).toFixed(1), perRun.toFixed(1)]);
  }
  return {
    title: 'Memory of a touched page',
    columns: ['stack', 'bytes shared by all runs', 'bytes in each run'],
    rows,
    note: `Differences of resident memory between ${few} and ${many} pages, and between 1 run and ${runs}; medians of ${context.rounds} launches.`,
  };
}

/** One page in each block of 64 GiB. */
async function wideRange(context: Context): Promise<Table> {
  const path = join(context.folder, 'wide.csv');
  const blocks = 2 ** 36 / BLOCK_BYTES;
  await writeTrace(path, sparse(blocks));
  const samples = await interleaved(context, {
    wide: () => launchCli(context, ['run', path, '-m', MODELS.join(','), '--quiet', '--no-cache']),
  });
  const peaks = column(samples.wide, 'peakRssBytes').map((bytes) => bytes / MIB);
  return {
    title: 'Peak memory of `run` over 64 GiB with one page touched in each 2 MiB',
    columns: ['stacks', 'MiB, median', 'worst', 'limit'],
    rows: [[MODELS.join(', '), ...judged(peaks, { atMost: 400 }, 0)]],
    note: `${blocks} reads; ${context.rounds} launches.`,
  };
}

function* sparse(blocks: number): Generator<string> {
  yield 'actor,op,addr,size,arg';
  yield `cpu,alloc,${BASE_ADDRESS},${blocks * BLOCK_BYTES},a`;
  for (let block = 0; block < blocks; block++) yield `gpu0,read,${BASE_ADDRESS + block * BLOCK_BYTES},64,`;
}

export const benchmark: Benchmark = { title: 'peak memory', run };
