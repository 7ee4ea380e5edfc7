/** Reading a trace that was read before: from the cache, and from a file of `trace compile`, against reading its text. */

import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { cacheSettings, withTraceFile } from '../src/trace/cache/index.ts';
import type { CompiledTrace } from '../src/trace/compiled.ts';
import { compileTraceFile } from '../src/trace/index.ts';
import { type Benchmark, type Context, cpuSeconds, interleaved, launch, launchCli, type Sample } from './harness.ts';
import { column, judged, median, ratios, type Table } from './table.ts';
import { layers, writeTrace } from './traces.ts';

const MIB = 2 ** 20;

export const tasks = {
  /** As `run` reads it, up to its last row. */
  async cached(path: string): Promise<Sample> {
    const options = { cache: cacheSettings(process.env), onWarning: (text: string) => console.error(text) };
    return timed(() => withTraceFile(path, options, async (trace) => walk(trace)));
  },

  /** The text, or a compiled file, and no cache. */
  async plain(path: string): Promise<Sample> {
    return timed(async () => walk(await compileTraceFile(path)));
  },
};

async function timed(read: () => Promise<number>): Promise<Sample> {
  const cpu = process.cpuUsage();
  const begin = performance.now();
  const rows = await read();
  return { rows, cpuSeconds: cpuSeconds(cpu), wallSeconds: (performance.now() - begin) / 1000 };
}

function walk(trace: CompiledTrace): number {
  let rows = 0;
  for (const chunk of trace.chunks()) rows += chunk.rows;
  return rows;
}

async function run(context: Context): Promise<{ tables: Table[] }> {
  const rows = context.quick ? 300_000 : 10_000_000;
  const lines = (): Iterable<string> => layers(rows, 2 ** 28);
  const tables: Table[] = [];
  for (const name of ['trace.csv', 'trace.csv.gz']) {
    const path = join(context.folder, name);
    await writeTrace(path, lines());
    tables.push(await against(context, path, name));
    rmSync(path);
  }
  return { tables };
}

async function against(context: Context, path: string, name: string): Promise<Table> {
  const compiled = `${path}.arrow`;
  await launchCli(context, ['trace', 'compile', path, '-o', compiled]);
  const cache = join(context.folder, 'cache');
  const samples = await interleaved(context, {
    text: () => launch(context, 'compiled', 'plain', path),
    first: () => {
      rmSync(cache, { recursive: true, force: true });
      return launch(context, 'compiled', 'cached', path);
    },
    // Filled anew when `first` was not the one before.
    second: async () => {
      await launch(context, 'compiled', 'cached', path);
      return launch(context, 'compiled', 'cached', path);
    },
    compiled: () => launch(context, 'compiled', 'plain', compiled),
  });
  const seconds = (which: keyof typeof samples, field: string): string =>
    median(column(samples[which], field)).toFixed(3);
  const row = (what: string, base: keyof typeof samples, over: keyof typeof samples, limit: number | null) =>
    (['cpuSeconds', 'wallSeconds'] as const).map((field) => [
      `${what}, ${field === 'cpuSeconds' ? 'CPU' : 'wall'}`,
      seconds(base, field),
      seconds(over, field),
      ...judged(
        ratios(samples[base], samples[over], field),
        limit === null ? { better: 'higher' } : { atLeast: limit },
        1,
      ),
    ]);
  const table: Table = {
    title: `Reading ${name} again`,
    columns: ['', 'before, s', 'after, s', 'times faster, median', 'worst', 'limit'],
    rows: [
      ...row('first run, second run from the cache', 'first', 'second', 15),
      ...row('text without a cache, from the cache', 'text', 'second', null),
      ...row('text without a cache, compiled file', 'text', 'compiled', null),
    ],
    note:
      `${samples.text[0].rows} rows, ${(statSync(path).size / MIB).toFixed(0)} MiB, ` +
      `${(statSync(compiled).size / MIB).toFixed(0)} MiB compiled; ${context.rounds} launches each, from the opening ` +
      'of the file to the last row, with all files in the page cache. The first run also hashes the file and writes the entry.',
  };
  rmSync(compiled);
  return table;
}

export const benchmark: Benchmark = { title: 'reading a trace again', run };
