/** Threads that are started before the trace is there: what goes wrong meanwhile is told as ever, and nothing hangs. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { beforeEach, expect, test } from 'vitest';
import { replayRuns } from '../../src/cli/replay-runs.ts';
import { planRuns, runsOf } from '../../src/replay/plan.ts';
import { compileTraceText } from '../../src/trace/index.ts';
import { finished, gmemEval, scratchFolder, start, TINY, TOY } from './harness.ts';

const folder = scratchFolder();
const tiny = join(folder, 'tiny.csv');
const out = join(folder, 'r.json');
const PIPES: ['pipe', 'pipe', 'pipe'] = ['pipe', 'pipe', 'pipe'];

/** In a process of its own, whose main thread is one. */
const run = (args: string[]) => finished(start(args, ['ignore', 'pipe', 'pipe']));

/** A model that does `inThread` where a replay thread loads it. */
function modelFile(inThread: string): string {
  const file = join(folder, `model-${serial++}.mjs`);
  writeFileSync(
    file,
    `import { writeFileSync } from 'node:fs';
     import { isMainThread } from 'node:worker_threads';
     if (!isMainThread) { ${inThread} }
     export default { name: 'mine', title: '', summary: [], sources: [], presets: { p: { title: '' } }, parameters: {},
       create: () => ({}) };`,
  );
  return file;
}
let serial = 0;

beforeEach(() => writeFileSync(tiny, TINY));

const leftovers = (): string[] => readdirSync(folder).filter((name) => /\.tmp$|^[re]\.json/.test(name));

test('a thread loads its model while the trace is read', async () => {
  const loaded = join(folder, 'loaded');
  const model = modelFile(`writeFileSync(${JSON.stringify(loaded)}, '');`);
  const child = start(['run', '-', '-m', `${TOY},${model}`, '--jobs', '2', '--format', 'json'], PIPES);
  const end = finished(child);
  while (!existsSync(loaded)) await pause(20);
  child.stdin!.end(TINY);
  const { status, stdout } = await end;
  expect(status).toBe(0);
  expect(JSON.parse(stdout).runs).toHaveLength(2);
});

test('a trace that cannot be read ends the waiting threads: status 2, its own message, no file', async () => {
  const child = start(['run', '-', '-m', TOY, '--oversub', '1,2', '--jobs', '2', '--out', out], PIPES);
  child.stdin!.end('actor,op,addr,size\ngpu0,read,here,64\n');
  const { status, signal, stdout, stderr } = await finished(child);
  expect({ status, signal, stdout }).toEqual({ status: 2, signal: null, stdout: '' });
  expect(stderr).toMatch(/^<stdin>:2: .*here/);
  expect(leftovers()).toEqual([]);
});

test('a thread that is gone before its work comes is a bug of ours, and says how it ended', async () => {
  const model = modelFile('process.exit(7);');
  const events = join(folder, 'e.jsonl');
  const { status, stdout, stderr } = await run(['run', tiny, '-m', model, '--out', out, '--events', events]);
  expect({ status, stdout }).toEqual({ status: 3, stdout: '' });
  expect(stderr).toMatch(/^error: a replay thread ended early \(status 7\)\n/);
  expect(leftovers()).toEqual([]);
});

test('an error that nobody catches in a waiting thread comes out when its work is due', async () => {
  const gone = join(folder, 'gone');
  const leave = `process.on('exit', () => writeFileSync(${JSON.stringify(gone)}, ''));`;
  const model = modelFile(`${leave} setTimeout(() => { throw new Error('stumbled'); });`);
  const child = start(['run', '-', '-m', model, '--out', out], PIPES);
  const end = finished(child);
  while (!existsSync(gone)) await pause(20);
  await pause(500);
  child.stdin!.end(TINY);
  const { status, stderr } = await end;
  expect(status).toBe(3);
  expect(stderr).toMatch(/^error: stumbled\n/);
  expect(leftovers()).toEqual([]);
});

test('a model that loads here and not in a thread is named', async () => {
  const model = modelFile(`throw new Error('not here');`);
  const { status, stderr } = await run(['run', tiny, '-m', `${TOY},${model}`, '--jobs', '2', '--out', out]);
  expect(status).toBe(2);
  expect(stderr).toBe(
    `error: ${model}: the module does not load: not here\n  mend the module, or set DEBUG=1 to see where it fails\n`,
  );
  expect(leftovers()).toEqual([]);
});

test('more jobs than runs, and fewer, give the same result', async () => {
  const results: string[] = [];
  for (const jobs of ['1', '2', '9']) {
    const args = ['run', tiny, '-m', TOY, '--oversub', '1,2,4', '--jobs', jobs, '--format', 'json', '--out', out];
    expect(await gmemEval(args)).toEqual({ status: 0, stdout: '', stderr: '' });
    results.push(readFileSync(out, 'utf8'));
  }
  expect(new Set(results).size).toBe(1);
});

test('as many threads as jobs: who is done with a share of the runs takes another', async () => {
  const log = join(folder, 'threads.log');
  const model = join(folder, 'telling.mjs');
  writeFileSync(
    model,
    `import { appendFileSync } from 'node:fs';
     import { isMainThread, threadId } from 'node:worker_threads';
     if (!isMainThread) appendFileSync(${JSON.stringify(log)}, threadId + ' loads\\n');
     export default { name: 'mine', title: '', summary: [], sources: [], presets: { p: { title: '' } }, parameters: {},
       create: (core) => {
         appendFileSync(${JSON.stringify(log)}, threadId + ' ' + core.capacityBytes[1] + '\\n');
         return { deviceFaults: (device, faults) => { for (let i = 0; i < faults.count; i++) faults.fail(i); } };
       } };`,
  );
  const sizes = [1, 2, 3, 4, 5, 6].map((n) => `${2 * n}MiB`);
  const { status, stderr } = await run(['run', tiny, '-m', model, '--device-memory', sizes.join(','), '--jobs', '2']);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const lines = readFileSync(log, 'utf8').trim().split('\n');
  const made = lines.filter((line) => !line.endsWith('loads'));
  const capacities = made.map((line) => Number(line.split(' ')[1]) / 2 ** 21);
  expect(capacities.sort()).toEqual([1, 2, 3, 4, 5, 6]);
  expect(new Set(made.map((line) => line.split(' ')[0])).size).toBe(2);
  expect(lines.length - made.length).toBe(2);
});

test('progress is that of all shares together', async () => {
  const trace = await compileTraceText(`actor,op,addr,size\n${'gpu0,read,0x1000,64\n'.repeat(1500)}`);
  const runs = runsOf(await planRuns({ models: [TOY], oversub: [1, 2, 4, 8] }), trace);
  const told: number[] = [];
  const onProgress = (records: number): void => void told.push(records);
  await replayRuns(trace, runs, { check: false, jobs: 2, events: null, onProgress });
  // A share tells of the 1024 rows of its first chunk, and soon after of its end: a fourth of either counts.
  expect(told).toEqual(told.toSorted((a, b) => a - b));
  expect([told[0], told.at(-1)]).toEqual([256, 1500]);
});

test('threads that wait long for their trace do the same work', async () => {
  const args = (trace: string): string[] => {
    const list = ['run', trace, '-m', 'all', '--oversub', 'none,2', '--jobs', '2', '--format', 'json'];
    return [...list, '--events', join(folder, 'e.jsonl')];
  };
  const child = start(args('-'), PIPES);
  const end = finished(child);
  child.stdin!.write(TINY);
  // Long enough for them to have loaded their code.
  await pause(2000);
  child.stdin!.end();
  const slow = await end;
  const slowEvents = readFileSync(join(folder, 'e.jsonl'), 'utf8');
  const { status, stdout } = await run(args(tiny));
  expect([slow.status, status]).toEqual([0, 0]);
  expect(JSON.parse(slow.stdout).runs).toEqual(JSON.parse(stdout).runs);
  expect(slowEvents).toBe(readFileSync(join(folder, 'e.jsonl'), 'utf8'));
});
