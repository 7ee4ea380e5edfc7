import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import type { Result } from '../../src/report/result.ts';
import { resultSchema } from '../../src/report/result-schema.ts';
import { gmemEval, scratchFolder, TINY, TOY } from './harness.ts';

const folder = scratchFolder();
const tiny = join(folder, 'tiny.csv');
writeFileSync(tiny, TINY);

async function result(...args: string[]): Promise<Result> {
  const { status, stdout, stderr } = await gmemEval(['run', tiny, '--format', 'json', ...args]);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return resultSchema.parse(JSON.parse(stdout));
}

test('a run of a toy model gives the numbers worked out by hand', async () => {
  const { runs, trace, manifest } = await result('-m', TOY, '--platform', 'zero');
  expect(trace).toEqual({
    records: 4,
    accesses: 3,
    touches: 5, // 2 pages written by the CPU, 1 read and 2 written by the device
    footprintBytes: 8192,
    actors: ['cpu', 'gpu0'],
    allocations: 1,
    durationNs: 300,
    inferredAllocations: false,
  });
  expect(manifest.trace.metadata).toEqual({ title: 'tiny' });
  expect(manifest.trace.name).toBe('tiny.csv');
  expect(runs).toHaveLength(1);
  const [{ metrics: m, ...run }] = runs;
  expect(run.model).toBe('toy');
  expect(run.preset).toBe('plain');
  expect(run.capacityBytes).toBeNull();
  // CPU: both pages at first touch. Device: page 0 at the read; it is mapped for writing, so only page 1 at the write.
  expect(m['faults.host']).toBe(2);
  expect(m['faults.device']).toBe(2);
  expect(m['migration.h2d.bytes']).toBe(8192);
  expect(m['toy.served']).toBe(2);
});

test('runs come in the order of models, then of sizes', async () => {
  const { runs } = await result('-m', `${TOY}:slow,${TOY}`, '--oversub', '1,2,0.5');
  expect(runs.map((r) => [r.preset, r.oversubscription])).toEqual([
    ['slow', 1],
    ['slow', 2],
    ['slow', 0.5],
    ['plain', 1],
    ['plain', 2],
    ['plain', 0.5],
  ]);
  // One live block of 2 MiB: /1 = 2 MiB, /2 rounds to 0 and becomes the least of 2 MiB, /0.5 = 4 MiB.
  expect(runs.slice(0, 3).map((r) => r.capacityBytes)).toEqual([
    { gpu0: 2097152 },
    { gpu0: 2097152 },
    { gpu0: 4194304 },
  ]);
});

test('device memory is taken literally, per device too, and a full device fails accesses with a warning', async () => {
  const { runs } = await result('-m', TOY, '--device-memory', '4096,gpu0=8K', '--quiet');
  expect(runs.map((r) => r.capacityBytes)).toEqual([{ gpu0: 4096 }, { gpu0: 8192 }]);
  // Room for one page: page 1 of the last record fails.
  expect(runs.map((r) => r.metrics['accesses.failed'])).toEqual([1, 0]);
  expect(runs.map((r) => r.warnings)).toEqual([['device memory is full'], []]);
});

test('warnings go to standard error, and --quiet silences them', async () => {
  const args = ['run', tiny, '-m', TOY, '--device-memory', '4096'];
  expect((await gmemEval(args)).stderr).toBe('warning: toy: device memory is full\n');
  expect((await gmemEval([...args, '--quiet'])).stderr).toBe('');
});

test('parameters are typed and end up in the result', async () => {
  const { runs } = await result(
    ...['-m', TOY, '--set', 'toy.serviceNs=250', '--set', 'toy.share=.25', '--set', 'toy.wish=false'],
    ...['--set', 'toy.mode=off', '--set', 'toy.span=64KiB'],
  );
  expect(runs[0].parameters).toEqual({ serviceNs: 250, share: 0.25, wish: false, mode: 'off', span: 65536 });
});

test('a preset changes defaults, a setting changes the preset', async () => {
  expect((await result('-m', `${TOY}:slow`)).runs[0].parameters.serviceNs).toBe(1000);
  expect((await result('-m', `${TOY}:slow`, '--set', 'toy.serviceNs=7')).runs[0].parameters.serviceNs).toBe(7);
});

test('settings of the host and the number in flight stand in the manifest', async () => {
  const { manifest } = await result(
    '-m',
    TOY,
    '--set',
    'host.page=64KiB',
    '--set',
    'host.zeroPage=true',
    '--in-flight',
    '3',
  );
  expect(manifest.options.host).toEqual({ page: 65536, zeroPage: true });
  expect(manifest.options.inFlight).toBe(3);
});

test('the same bytes whatever the number of jobs, also beyond 32 runs', async () => {
  const sizes = Array.from({ length: 20 }, (_, i) => `${4 + 4 * (i % 3)}K`).join(',');
  const args = ['-m', `${TOY},${TOY}:slow`, '--device-memory', sizes, '--quiet'];
  const one = await result(...args);
  expect(one.runs).toHaveLength(40);
  expect(JSON.stringify(await result(...args, '--jobs', '3'))).toBe(JSON.stringify(one));
});

test('events are grouped by run in result order, numbered from 0 in each, whatever the number of jobs', async () => {
  const args = ['-m', `${TOY},${TOY}:slow`, '--oversub', '1,2'];
  const file = join(folder, 'events.jsonl');
  await result(...args, '--events', file);
  const text = readFileSync(file, 'utf8');
  const events = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { run: number; seq: number; kind: string; size: number });
  const runs = events.map((e) => e.run);
  expect([...new Set(runs)]).toEqual([0, 1, 2, 3]);
  expect(runs).toEqual([...runs].sort());
  for (const run of [0, 1, 2, 3]) {
    const own = events.filter((e) => e.run === run);
    expect(own.map((e) => e.seq)).toEqual(own.map((_, i) => i));
    // 8 KiB go to the device in every run: sizes of `migrate` add up to the metric.
    expect(own.filter((e) => e.kind === 'migrate').reduce((sum, e) => sum + e.size, 0)).toBe(8192);
  }
  await result(...args, '--events', file, '--jobs', '4');
  expect(readFileSync(file, 'utf8')).toBe(text);
});

test('--out names a file, an existing folder, or a folder to be made', async () => {
  const file = join(folder, 'report.json');
  const written = await gmemEval(['run', tiny, '-m', TOY, '--format', 'json', '--out', file]);
  expect(written).toEqual({ status: 0, stdout: '', stderr: '' });
  expect(resultSchema.safeParse(JSON.parse(readFileSync(file, 'utf8'))).success).toBe(true);

  const there = join(folder, 'there');
  mkdirSync(there);
  await gmemEval(['run', tiny, '-m', TOY, '--format', 'csv', '--out', there]);
  await gmemEval(['run', tiny, '-m', TOY, '--out', join(folder, 'new', 'deep/')]);
  expect(readdirSync(there)).toEqual(['tiny.csv']);
  expect(readdirSync(join(folder, 'new', 'deep'))).toEqual(['tiny.txt']);
});

test('--out - is standard output, and an old report is replaced whole', async () => {
  const file = join(folder, 'old.txt');
  writeFileSync(file, 'x'.repeat(1 << 20));
  const { stdout } = await gmemEval(['run', tiny, '-m', TOY, '--out', '-']);
  await gmemEval(['run', tiny, '-m', TOY, '--out', file]);
  expect(readFileSync(file, 'utf8')).toBe(stdout);
  expect(existsSync(join(folder, 'old.txt.tmp'))).toBe(false);
  expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});

test('a header without rows is a valid trace: all counts 0, and a warning', async () => {
  const empty = join(folder, 'empty.csv');
  writeFileSync(empty, 'actor,op,addr,size\n');
  const { status, stdout, stderr } = await gmemEval(['run', empty, '-m', TOY, '--format', 'json']);
  expect(status).toBe(0);
  expect(stderr).toMatch(/^warning: /);
  const { runs, trace } = JSON.parse(stdout) as Result;
  expect(trace.records).toBe(0);
  expect(runs[0].warnings).toHaveLength(1);
  expect(Object.values(runs[0].metrics).filter((value) => value !== 0 && value !== null)).toEqual([]);
});

test('a broken invariant is status 3 and names run, record and invariant', async () => {
  // A toy whose memory is never taken. Both pages come in one hand-over, whose first fault is that of record 2.
  const file = join(folder, 'thief.mjs');
  const toy = JSON.stringify(pathToFileURL(TOY).href);
  writeFileSync(
    file,
    `import toy from ${toy};
     export default { ...toy, name: 'thief', create(core, p) {
       return toy.create(Object.assign(Object.create(core), { reserve: () => true, release() {} }), p);
     } };`,
  );
  const args = ['run', tiny, '-m', `${TOY},${file}`, '--check', '--out', join(folder, 'never.json')];
  for (const jobs of ['1', '2']) {
    const { status, stdout, stderr } = await gmemEval([...args, '--jobs', jobs]);
    expect(stderr).toMatch(/^error: invariant broken in run 1 at record 2: resident <= allocated: .*8192 > 0\n.*bug/);
    expect({ status, stdout }).toEqual({ status: 3, stdout: '' });
  }
  expect(existsSync(join(folder, 'never.json'))).toBe(false);
});

test('--check changes nothing in the runs', async () => {
  const plain = await result('-m', TOY);
  expect((await result('-m', TOY, '--check')).runs).toEqual(plain.runs);
});

test('a terminal gets colours and progress, unless told otherwise', async () => {
  const args = ['run', tiny, '-m', TOY];
  const plain = await gmemEval(args);
  expect(plain.stdout).not.toContain('\u001b');
  expect(plain.stderr).toBe('');
  const watched = await gmemEval(args, {}, true);
  expect(watched.stdout).toContain('\u001b[1mtiny.csv');
  expect(watched.stderr).toContain('replaying 1 runs');
  expect((await gmemEval(args, { NO_COLOR: '1' }, true)).stdout).toBe(plain.stdout);
  expect((await gmemEval([...args, '--quiet'], {}, true)).stderr).toBe('');
});
