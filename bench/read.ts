/**
 * Reading and compiling a text trace: against what csv-parse alone needs to stream the same file, and, packed, against
 * what unpacking alone takes.
 */

import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { createGunzip } from 'node:zlib';
import { parse } from 'csv-parse';
import { compileLater } from '../src/cli/compile-later.ts';
import { compileTraceFile } from '../src/trace/index.ts';
import { type Benchmark, type Context, cpuSeconds, interleaved, launch, output, type Sample } from './harness.ts';
import { column, judged, median, ratios, type Table } from './table.ts';
import { BASE_ADDRESS, layers, PAGE_BYTES, random, writeTrace } from './traces.ts';

const MIB = 2 ** 20;

async function timed(work: () => Promise<number>): Promise<Sample> {
  const cpu = process.cpuUsage();
  const begin = performance.now();
  const units = await work();
  return { units, cpuSeconds: cpuSeconds(cpu), wallSeconds: (performance.now() - begin) / 1000 };
}

export const tasks = {
  /** Rows through csv-parse and nothing else. */
  parse: (path: string): Promise<Sample> =>
    timed(async () => {
      const parser = parse({ comment: '#' });
      createReadStream(path).pipe(parser);
      let rows = 0;
      parser.on('readable', () => {
        while (parser.read() !== null) rows++;
      });
      await new Promise((resolve, reject) => parser.once('end', resolve).once('error', reject));
      return rows;
    }),

  /** As the command line does. */
  compile: (path: string): Promise<Sample> =>
    timed(async () => {
      compileLater('reading');
      return (await compileTraceFile(path)).records;
    }),

  /** SHA-256 of the bytes alone: no reading. */
  hash: (path: string): Sample => {
    const hash = createHash('sha256');
    const buffer = Buffer.alloc(512 * 1024);
    const file = openSync(path, 'r');
    let seconds = 0;
    let bytes = 0;
    for (let length = readSync(file, buffer); length > 0; length = readSync(file, buffer)) {
      const begin = process.cpuUsage();
      hash.update(buffer.subarray(0, length));
      seconds += cpuSeconds(begin);
      bytes += length;
    }
    closeSync(file);
    return { units: bytes, cpuSeconds: seconds };
  },

  /** Unpacks as a stream, with pieces as large as given; null = those of Node. */
  unpack: ([path, chunkSize]: [string, number | null]): Promise<Sample> =>
    timed(async () => {
      const stream = createReadStream(path).pipe(createGunzip(chunkSize === null ? {} : { chunkSize }));
      let bytes = 0;
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      await new Promise((resolve, reject) => stream.once('end', resolve).once('error', reject));
      return bytes;
    }),

  /** The same from standard input: `cat` writes it. */
  piped: async (path: string): Promise<Sample> => {
    const child = new URL('./child.js', import.meta.url).pathname;
    const command = 'cat "$1" | "$0" "$2" read compile \'"-"\'';
    return JSON.parse((await output('sh', ['-c', command, process.execPath, path, child])).trim()) as Sample;
  },
};

/** Uniformly random reads and writes of a host and two devices in 4 GiB. */
function* scattered(rows: number): Generator<string> {
  const pages = 2 ** 20;
  const next = random();
  yield 'time_ns,actor,op,addr,size';
  yield `0,cpu,alloc,0x${BASE_ADDRESS.toString(16)},${pages * PAGE_BYTES}`;
  for (let row = 0; row < rows; row++) {
    const address = BASE_ADDRESS + (next() % pages) * PAGE_BYTES + (next() % 64) * 64;
    const actor = next() % 10 === 0 ? 'cpu' : `gpu${next() % 2}`;
    yield `${row * 3},${actor},${next() % 3 === 0 ? 'write' : 'read'},0x${address.toString(16)},64`;
  }
}

async function run(context: Context): Promise<{ tables: Table[] }> {
  const rows = context.quick ? 200_000 : 5_000_000;
  const tables: Table[] = [];
  for (const [name, lines] of [
    ['layers', (): Iterable<string> => layers(rows, 2 ** 28)],
    ['scattered', (): Iterable<string> => scattered(rows)],
  ] as const) {
    const plain = `${context.folder}/${name}.csv`;
    await writeTrace(plain, lines());
    await writeTrace(`${plain}.gz`, lines());
    tables.push(await measure(context, plain, `${plain}.gz`));
  }
  return { tables };
}

async function measure(context: Context, plain: string, packed: string): Promise<Table> {
  const task = (name: keyof typeof tasks, argument: unknown) => () => launch(context, 'read', name, argument);
  const measured = await interleaved(context, {
    hash: task('hash', plain),
    parse: task('parse', plain),
    compile: task('compile', plain),
    piped: task('piped', plain),
    unpack: task('unpack', [packed, null]),
    unpackLarge: task('unpack', [packed, 512 * 1024]),
    compilePacked: task('compile', packed),
  });
  const compileUnhashed = measured.compile.map((sample, i) => ({
    ...sample,
    cpuSeconds: sample.cpuSeconds - measured.hash[i].cpuSeconds,
  }));
  const samples = { ...measured, compileUnhashed };
  type Name = keyof typeof samples;
  const row = (what: string, base: Name, over: Name, field: 'cpuSeconds' | 'wallSeconds', limit: number | null) => {
    const faster = field === 'cpuSeconds';
    const pairs = faster ? ratios(samples[base], samples[over], field) : ratios(samples[over], samples[base], field);
    const bound = faster
      ? limit === null
        ? { better: 'higher' as const }
        : { atLeast: limit }
      : limit === null
        ? { better: 'lower' as const }
        : { atMost: limit };
    const seconds = (name: Name) => median(column(samples[name], field)).toFixed(2);
    return [what, seconds(base), seconds(over), ...judged(pairs, bound)];
  };
  const peak = Math.max(...column(samples.compilePacked, 'peakRssBytes'), ...column(samples.compile, 'peakRssBytes'));
  return {
    title: `Reading ${basename(plain)}`,
    columns: ['', 'base, s', 'compile, s', 'ratio, median', 'worst', 'limit'],
    rows: [
      row('csv-parse / compile, CPU', 'parse', 'compile', 'cpuSeconds', 10),
      row('csv-parse / compile less SHA-256, CPU', 'parse', 'compileUnhashed', 'cpuSeconds', null),
      row('csv-parse / compile from standard input, CPU', 'parse', 'piped', 'cpuSeconds', null),
      row('compile .gz / unpack, wall', 'unpack', 'compilePacked', 'wallSeconds', 1.3),
      row('compile .gz / unpack in pieces of 512 KiB, wall', 'unpackLarge', 'compilePacked', 'wallSeconds', null),
    ],
    note:
      `${samples.compile[0].units} records, ${(statSync(plain).size / MIB).toFixed(0)} MiB, ` +
      `${(statSync(packed).size / MIB).toFixed(0)} MiB packed; ${context.rounds} launches each, files in the page cache; ` +
      `peak resident ${(peak / MIB).toFixed(0)} MiB with all columns.`,
  };
}

export const benchmark: Benchmark = { title: 'reading and compiling text', run };
