/** The command line from a packed text trace to the report, beside `gunzip` and reading the same file: wall time. */

import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { compileLater } from '../src/cli/compile-later.ts';
import { compileTraceFile } from '../src/trace/index.ts';
import {
  type Benchmark,
  type Context,
  cpuSeconds,
  interleaved,
  launch,
  launchCli,
  output,
  type Sample,
} from './harness.ts';
import { column, judged, median, ratios, type Table } from './table.ts';
import { layers, writeTrace } from './traces.ts';

const FOOTPRINT_BYTES = 2 ** 29;
const MODELS = 'gmem,uvm,kfd,hmm';
const RATIOS = 'none,1.25,1.5,2';

export const tasks = {
  async unpack(path: string): Promise<Sample> {
    let bytes = 0;
    await pipeline(createReadStream(path), createGunzip({ chunkSize: 1 << 18 }), async (unpacked) => {
      for await (const piece of unpacked as AsyncIterable<Buffer>) bytes += piece.length;
    });
    return { ...spent(), bytes };
  },

  async read(path: string): Promise<Sample> {
    compileLater('reading');
    const { records } = await compileTraceFile(path);
    return { ...spent(), records };
  },

  /** The program of that name. */
  async gunzip(path: string): Promise<Sample> {
    const begin = performance.now();
    await output('sh', ['-c', 'gunzip -c "$0" > /dev/null', path]);
    return { wallSeconds: (performance.now() - begin) / 1000 };
  },

  /** `gunzip` and the reader as two programs, one for each core; until both have ended. */
  async piped(path: string): Promise<Sample> {
    const child = new URL('./child.js', import.meta.url).pathname;
    const command = 'gunzip -c "$1" | "$0" "$2" whole-job read \'"-"\'';
    const begin = performance.now();
    const { records } = JSON.parse(
      (await output('sh', ['-c', command, process.execPath, path, child])).trim(),
    ) as Sample;
    return { wallSeconds: (performance.now() - begin) / 1000, records };
  },
};

/** From the start of the process. */
const spent = () => ({ wallSeconds: performance.now() / 1000, cpuSeconds: cpuSeconds() });

async function run(context: Context): Promise<{ tables: Table[] }> {
  const rows = context.quick ? 500_000 : 10_000_000;
  const path = join(context.folder, 'layers.csv.gz');
  await writeTrace(path, layers(rows, FOOTPRINT_BYTES));
  const job = ['run', path, '-m', MODELS, '--oversub', RATIOS, '--quiet', '--no-cache'];
  const samples = await interleaved(context, {
    unpack: () => launch(context, 'whole-job', 'unpack', path),
    gunzip: () => launch(context, 'whole-job', 'gunzip', path),
    read: () => launch(context, 'whole-job', 'read', path),
    piped: () => launch(context, 'whole-job', 'piped', path),
    run: () => launchCli(context, job),
    spread: () => launchCli(context, [...job, '--jobs', '2']),
  });
  type Name = keyof typeof samples;
  const row = (what: string, name: Name, base: Name, limit: { atMost: number } | { better: 'lower' }): string[] => [
    what,
    median(column(samples[name], 'wallSeconds')).toFixed(2),
    // Of other programs nobody has added it up.
    name === 'gunzip' || name === 'piped' ? '' : median(column(samples[name], 'cpuSeconds')).toFixed(2),
    ...judged(ratios(samples[name], samples[base], 'wallSeconds'), limit),
  ];
  return {
    tables: [
      {
        title: 'A whole job: four stacks at four sizes',
        columns: ['what', 'wall s', 'CPU s', 'ratio of wall, median', 'worst', 'limit'],
        rows: [
          row('`gunzip -c` / read', 'gunzip', 'read', { better: 'lower' }),
          row('unpack / read', 'unpack', 'read', { better: 'lower' }),
          row('read: unpack, decode, compile', 'read', 'read', { better: 'lower' }),
          row('`gunzip -c`, piped into the reader / read', 'piped', 'read', { better: 'lower' }),
          row('`run` / `gunzip -c`, piped into the reader', 'run', 'piped', { atMost: 1.5 }),
          row('`run` / `gunzip -c`', 'run', 'gunzip', { better: 'lower' }),
          row('`run` / read', 'run', 'read', { better: 'lower' }),
          row('`run --jobs 2` / read', 'spread', 'read', { better: 'lower' }),
        ],
        note: `${rows} rows, ${FOOTPRINT_BYTES / 2 ** 20} MiB: 32 layers visited in turn, random touches within one. ${context.rounds} launches each, from start to end of the process.`,
      },
    ],
  };
}

export const benchmark: Benchmark = { title: 'from a packed text trace to the report', run };
