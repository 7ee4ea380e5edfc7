/**
 * Reading and compiling a trace against what csv-parse alone needs to stream the same file: CPU time, interleaved
 * rounds, median ratio. `npx tsx bench/read.ts [TRACE] [ROUNDS]`
 */

import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { parse } from 'csv-parse';
import { compileTraceFile } from '../src/trace/index.ts';

async function parseOnly(path: string): Promise<number> {
  const parser = parse({ comment: '#', relax_column_count: true });
  const file = createReadStream(path);
  (path.endsWith('.gz') ? file.pipe(createGunzip()) : file).pipe(parser);
  let rows = 0;
  parser.on('readable', () => {
    while (parser.read() !== null) rows++;
  });
  await new Promise((resolve, reject) => parser.once('end', resolve).once('error', reject));
  return rows;
}

async function cpuMs(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

async function main(): Promise<void> {
  const path = process.argv[2] ?? new URL('../traces/attention.csv.gz', import.meta.url).pathname;
  const rounds = Number(process.argv[3] ?? 5);
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const parseMs = await cpuMs(() => parseOnly(path));
    const compileMs = await cpuMs(() => compileTraceFile(path));
    ratios.push(compileMs / parseMs);
    console.log(
      `csv-parse ${parseMs.toFixed(0)} ms, compile ${compileMs.toFixed(0)} ms, ratio ${ratios[round].toFixed(2)}`,
    );
  }
  console.log(
    `median ratio ${median(ratios).toFixed(2)} (limit 1.5), peak RSS ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB`,
  );
}

await main();
