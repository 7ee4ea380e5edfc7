import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { compileTraceFile, traceInfo } from '../../src/trace/index.ts';
import { transformerTrace } from '../../traces/generate.ts';

const folder = new URL('../../traces/', import.meta.url);
const traces = readdirSync(folder).filter((name) => /\.csv(\.gz)?$/.test(name));
const readme = readFileSync(new URL('README.md', folder), 'utf8');

/** Rows of the first table of the README. */
const table = new Map(
  [...readme.matchAll(/^\| (\S+\.csv(?:\.gz)?) \| (.+?) \|$/gm)].map(([, name, cells]) => [name, cells.split(' | ')]),
);

const CAPTURED = ['attention.csv.gz', 'jacobi_2gpu.csv.gz', 'spmv_cg.csv.gz', 'stream_triad.csv.gz'];

describe('traces/', () => {
  it('lists every trace in its README, and nothing else', () => {
    expect([...table.keys()].sort()).toEqual([...traces].sort());
  });

  it.each(traces)('%s is as the README says', async (name) => {
    const info = traceInfo(await compileTraceFile(new URL(name, folder).pathname));
    const number = (n: number) => n.toLocaleString('en-US');
    expect([
      number(info.records),
      info.actors.map((actor) => actor.name).join(' '),
      number(info.footprintBytes / 4096),
      number(Math.max(...info.actors.map((actor) => actor.livePeakBytes)) / 2 ** 20),
      number(info.handOvers),
    ]).toEqual(table.get(name));
    expect(info.metadata.title).toBeTruthy();
    expect(info.metadata.shows).toBeTruthy();
    if (CAPTURED.includes(name)) {
      expect(info.metadata.time).toBe('instructions retired by the traced process, 1 instruction = 1 ns');
    }
    expect(info.warnings).toEqual([]);
  });

  it('holds what the generator writes', () => {
    const committed = gunzipSync(readFileSync(new URL('transformer.csv.gz', folder))).toString();
    expect(committed).toBe(transformerTrace());
  });

  it('has a generated trace of at least 2 GiB live', async () => {
    const info = traceInfo(await compileTraceFile(new URL('transformer.csv.gz', folder).pathname));
    expect(info.liveBlockBytes).toBeGreaterThan(2 * 2 ** 30);
  });
});
