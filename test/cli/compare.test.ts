import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { comparisonSchema } from '../../src/report/compare/comparison.ts';
import type { Result } from '../../src/report/result.ts';
import { resultSchema } from '../../src/report/result-schema.ts';
import { finished, gmemEval, type Outcome, ROOT, scratchFolder, start, TINY, TOY } from './harness.ts';

const folder = scratchFolder();
const at = (name: string): string => join(folder, name);
const write = (name: string, value: unknown): string => {
  writeFileSync(at(name), typeof value === 'string' ? value : JSON.stringify(value));
  return at(name);
};

const tiny = write('tiny.csv', TINY);
const base = at('base.json');
let result: Result;

const RUN = ['run', tiny, '-m', TOY];
beforeAll(async () => {
  await gmemEval([...RUN, '--format', 'json', '--out', base]);
  result = JSON.parse(readFileSync(base, 'utf8')) as Result;
});

/** The base result with other metrics in its one run. */
const changed = (metrics: Record<string, number>): Result => {
  const copy = structuredClone(result);
  Object.assign(copy.runs[0].metrics, metrics);
  return copy;
};
const compare = (now: Result, ...args: string[]): Promise<Outcome> =>
  gmemEval(['compare', base, write('now.json', now), ...args]);

test('equal results: status 0, one line', async () => {
  const { status, stdout, stderr } = await compare(result);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toContain(
    `no regression: 0 worse, ${Object.keys(result.runs[0].metrics).length} unchanged in 1 run\n`,
  );
});

// The toy has 2 device faults (see run.test.ts), moves nothing by speculation, populates 2 host pages.
test.each([
  ['a metric up, of which less is better', { 'faults.device': 3 }, 1],
  ['the same down', { 'faults.device': 1 }, 0],
  ['a metric down, of which more is better', { 'speculation.used': -1 }, 1],
  ['the same up', { 'speculation.used': 1 }, 0],
  ['a neutral metric up', { 'populate.host.pages': 3 }, 0],
  ["a neutral metric of the model's own", { 'toy.served': 3 }, 0],
  ['one worse among many better', { 'faults.device': 1, 'faults.host': 1, batches: 0, services: 3 }, 1],
  ['modelled time by one nanosecond', { 'time.total.ns': Number.NaN }, 1],
])('%s: %j gives status %i', async (_, metrics: Record<string, number>, wanted) => {
  const named = Number.isNaN(Object.values(metrics)[0])
    ? { 'time.total.ns': result.runs[0].metrics['time.total.ns']! + 1 }
    : metrics;
  const { status, stdout, stderr } = await compare(changed(named));
  expect(status).toBe(wanted);
  expect(stdout).toContain(wanted === 1 ? '\nregression: 1 worse' : '\nno regression: 0 worse');
  expect(stderr).toBe(wanted === 1 ? stderr.match(/^regression: 1 metric got worse: .*\n$/)?.[0] : '');
});

test('every format says the same, and a regression is status 1 in each', async () => {
  const now = changed({ 'faults.device': 3 });
  const texts: Record<string, string> = {};
  for (const format of ['table', 'md', 'junit', 'github', 'benchmark', 'json']) {
    const { status, stdout } = await compare(now, '--format', format);
    expect(status, format).toBe(1);
    texts[format] = stdout;
  }
  expect(comparisonSchema.parse(JSON.parse(texts['json'])).verdict).toBe('regression');
  expect(texts['md']).toContain('### gmem-eval: regression\n');
  expect(texts['github']).toContain('::error ');
  expect(texts['junit']).toContain('failures="1"');
});

test('reports beside the answer, from one comparison, also when it fails', async () => {
  const now = changed({ 'faults.device': 3 });
  const junit = at('r.xml');
  const { status, stdout } = await compare(
    now,
    ...['--out', at('r.txt'), '--report', `junit=${junit}`, '--report', `md=${at('r.md')}`],
  );
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(readFileSync(at('r.txt'), 'utf8')).toBe((await compare(now)).stdout);
  expect(readFileSync(junit, 'utf8')).toBe((await compare(now, '--format', 'junit')).stdout);
  expect(readFileSync(at('r.md'), 'utf8')).toContain('### gmem-eval: regression');
});

test('a result through standard input', async () => {
  const child = start(['compare', base, '-'], ['pipe', 'pipe', 'pipe']);
  child.stdin!.end(JSON.stringify(changed({ 'faults.device': 3 })));
  const { status, stdout } = await finished(child);
  expect(status).toBe(1);
  expect(stdout).toContain('regression: 1 worse');
});

test('rules: --config, by model and preset and trace', async () => {
  const now = changed({ 'faults.device': 3 });
  const config = write(
    'rules.yaml',
    'compare:\n  rules:\n    - { metric: faults.*, model: "toy:plain", tolerance: 50% }\n',
  );
  const { status, stdout } = await compare(now, '--config', config);
  // 3 - 2 = 1, 50 % of 2 = 1
  expect(status).toBe(0);
  expect(stdout).toContain('worse within tolerance (1)');
  expect(stdout).toContain(`tolerance 50%, ${config}:3`);
  const elsewhere = write(
    'other.yaml',
    'compare:\n  rules:\n    - { metric: faults.*, trace: b.csv, tolerance: 50% }\n',
  );
  expect((await compare(now, '--config', elsewhere)).status).toBe(1);
});

test('rules: gmem-eval.yaml of a folder above, in every report', () => {
  mkdirSync(at('deep/er'), { recursive: true });
  write('deep/gmem-eval.yaml', 'compare:\n  rules:\n    - { metric: faults.*, tolerance: 1 }\n');
  const now = write('now.json', changed({ 'faults.device': 3 }));
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  const entry = join(ROOT, 'test', 'cli', 'fixtures', 'entry.mts');
  const { status, stdout } = spawnSync(process.execPath, ['--import', tsx, entry, 'compare', base, now], {
    cwd: at('deep/er'),
    encoding: 'utf8',
  });
  expect(stdout).toContain('tolerance 1, ../gmem-eval.yaml:3');
  expect(status).toBe(0);
});

test('--allow-missing judges what both have', async () => {
  const { 'faults.host': _gone, ...metrics } = result.runs[0].metrics;
  const less = { ...result, runs: [{ ...result.runs[0], metrics }] } as Result;
  const { status, stdout } = await compare(less, '--allow-missing');
  expect(status).toBe(0);
  expect(stdout).toContain(`not compared: faults.host of "toy:plain, unlimited" is only in ${base}`);
  const worse = { ...less, runs: [{ ...less.runs[0], metrics: { ...metrics, 'faults.device': 3 } }] } as Result;
  expect((await compare(worse, '--allow-missing')).status).toBe(1);
  const more = { ...result, runs: [...result.runs, { ...result.runs[0], oversubscription: 2 }] };
  expect((await compare(more, '--allow-missing')).status).toBe(0);
  const other = structuredClone(result);
  other.manifest.trace.sha256 = 'f'.repeat(64);
  expect((await compare(other, '--allow-missing')).stdout).toContain('not compared: the traces differ');
  const { status: none, stdout: text } = await gmemEval(['compare', at('no-base.json'), base, '--allow-missing']);
  expect(none).toBe(0);
  expect(text).toContain('0 unchanged in 0 runs');
});

test('results of an older or newer version with the same schema: what it does not know is no obstacle', async () => {
  const other = structuredClone(result);
  Object.assign(other.manifest.platform, { linkCount: 2, inFlight: undefined });
  Object.assign(other.manifest, { host: 'somewhere', seed: undefined });
  Object.assign(other.runs[0], { note: 'new' });
  const { status, stdout } = await compare(other);
  expect(status).toBe(0);
  expect(stdout).toContain('differs, not judged: platform.linkCount null -> 2\n');
  expect(stdout).toContain('differs, not judged: platform.inFlight 256 -> null\n');
});

test('run --baseline judges the new result at once', async () => {
  expect(await gmemEval([...RUN, '--baseline', base])).toMatchObject({ status: 0, stderr: '' });
  // The faults of 200 ns and 300 ns wait together for the latency of 10 us: one batch. One at a time: two.
  const single = await gmemEval([...RUN, '--in-flight', '1', '--baseline', base]);
  expect(single.status).toBe(1);
  expect(single.stdout).toContain('differs, not judged: inFlight 256 -> 1');
  expect(single.stdout).toMatch(/\n {2}toy:plain, unlimited +batches +1 +2 +\+1 +\+100 %\n/);
  const slow = await gmemEval([
    'run',
    tiny,
    '-m',
    TOY,
    '--set',
    'toy.serviceNs=5',
    '--baseline',
    base,
    '--format',
    'github',
  ]);
  expect(slow.status).toBe(1);
  expect(slow.stdout).toContain('toy:plain, unlimited: parameters.serviceNs 0 -> 5');
  expect(slow.stdout).toMatch(/^::error title=tiny\.csv%3A toy%3Aplain%2C unlimited::time\.stall\.device\.ns /);
  expect(slow.stderr).toMatch(/^regression: \d metrics got worse/);
});

test('run --baseline writes events and reports even when it fails', async () => {
  mkdirSync(at('out'));
  const args = [...RUN, '--set', 'toy.serviceNs=5', '--baseline', base, '--format', 'md', '--out', at('out')];
  const { status, stdout } = await gmemEval([...args, '--events', at('e.jsonl'), '--report', `json=${at('c.json')}`]);
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(readdirSync(at('out'))).toEqual(['tiny.md']);
  expect(readFileSync(at('e.jsonl'), 'utf8')).toContain('"kind":"fault"');
  expect(JSON.parse(readFileSync(at('c.json'), 'utf8')).verdict).toBe('regression');
});

test('--update-baseline makes the file, then accepts what changed and shows it', async () => {
  const mine = at('mine.json');
  const first = await gmemEval([...RUN, '--baseline', mine, '--update-baseline']);
  expect(first).toMatchObject({ status: 0, stderr: '' });
  expect(readFileSync(mine, 'utf8')).toBe(readFileSync(base, 'utf8'));
  const slow = [...RUN, '--set', 'toy.serviceNs=5', '--baseline', mine];
  expect((await gmemEval(slow)).status).toBe(1);
  expect(readFileSync(mine, 'utf8')).toBe(readFileSync(base, 'utf8'));
  const accepted = await gmemEval([...slow, '--update-baseline']);
  expect(accepted).toMatchObject({ status: 0, stderr: '' });
  expect(accepted.stdout).toMatch(/\nworse \(\d\)\n/);
  expect(accepted.stdout).toContain('regression, accepted as the new baseline: ');
  expect(resultSchema.parse(JSON.parse(readFileSync(mine, 'utf8'))).runs[0].parameters['serviceNs']).toBe(5);
  expect((await gmemEval(slow)).status).toBe(0);
  expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});

test('--update-baseline replaces a result of another version, a smaller one, and one of another trace', async () => {
  for (const [name, old] of [
    ['v0.json', { ...result, schema: 'gmem-eval/result@0' }],
    ['less.json', { ...result, runs: [{ ...result.runs[0], preset: 'slow' }] }],
    ['trace.json', { ...result, manifest: { ...result.manifest, trace: { ...result.manifest.trace, sha256: 'a' } } }],
  ] as const) {
    expect((await gmemEval([...RUN, '--baseline', write(name, old), '--update-baseline'])).status, name).toBe(0);
    expect(readFileSync(at(name), 'utf8'), name).toBe(readFileSync(base, 'utf8'));
  }
});

test('help of compare, with examples', async () => {
  const { status, stdout } = await gmemEval(['compare', '--help']);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^Usage: gmem-eval compare \[options\] <base> <new>/);
  expect(stdout).toContain('Examples:\n  gmem-eval compare base.json new.json\n');
  expect((await gmemEval(['--help'])).stdout).toContain('1 regression');
});

test('a closed pipe does not hide the verdict', async () => {
  const child = start(
    ['compare', base, write('worse.json', changed({ 'faults.device': 3 }))],
    ['ignore', 'pipe', 'pipe'],
  );
  child.stdout!.destroy();
  expect((await finished(child)).status).toBe(1);
});

test('the answer goes where a terminal shows colours, only there', async () => {
  const args = ['compare', base, write('worse.json', changed({ 'faults.device': 3 }))];
  expect((await gmemEval(args, {}, true)).stdout).toContain('\u001b[31m');
  expect((await gmemEval(args, { NO_COLOR: '1' }, true)).stdout).not.toContain('\u001b');
  expect(existsSync(at('.worse.json'))).toBe(false);
});
