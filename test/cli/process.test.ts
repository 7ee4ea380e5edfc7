/** What only a process of its own can show: pipes, signals, the disk. */
import { openSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { finished, scratchFolder, start, TINY, TOY } from './harness.ts';

const folder = scratchFolder();
const tiny = join(folder, 'tiny.csv');
writeFileSync(tiny, TINY);

test('a closed pipe on standard output is a normal end', async () => {
  const child = start(['run', tiny, '-m', TOY, '--format', 'json'], ['ignore', 'pipe', 'pipe']);
  child.stdout!.destroy();
  expect(await finished(child)).toMatchObject({ status: 0, stderr: '' });
});

test('a full disk behind standard output is status 2', async () => {
  const full = openSync('/dev/full', 'w');
  const child = start(['run', tiny, '-m', TOY], ['ignore', full, 'pipe']);
  const { status, stderr } = await finished(child);
  expect(stderr).toMatch(/standard output: cannot write: ENOSPC/);
  expect(status).toBe(2);
});

test('a trace comes through standard input', async () => {
  const child = start(['run', '-', '-m', TOY, '--format', 'json'], ['pipe', 'pipe', 'pipe']);
  child.stdin!.end(TINY);
  const { status, stdout } = await finished(child);
  expect(status).toBe(0);
  expect(JSON.parse(stdout).manifest.trace.name).toBe('-');
});

test('Ctrl-C while reading: 130, no stack trace, no file', async () => {
  const out = join(folder, 'interrupted');
  const child = start(
    ['run', '-', '-m', TOY, '--out', `${out}.json`, '--events', `${out}.jsonl`],
    ['pipe', 'pipe', 'pipe'],
  );
  const end = finished(child);
  child.stdin!.write(TINY);
  while (!readdirSync(folder).some((name) => name.endsWith('.tmp'))) await pause(20);
  child.kill('SIGINT');
  expect(await end).toEqual({ status: 130, signal: null, stdout: '', stderr: '' });
  expect(readdirSync(folder)).toEqual(['tiny.csv']);
});

test('Ctrl-C while replaying: 130, no file', async () => {
  const sleeper = join(folder, 'sleeper.mjs');
  const started = join(folder, 'started');
  // A model that never comes back from its first fault.
  writeFileSync(
    sleeper,
    `import { writeFileSync } from 'node:fs';
     export default { name: 'sleeper', title: '', summary: [], sources: [], presets: { p: { title: '' } }, parameters: {},
       create: () => ({ hostFault() { writeFileSync(${JSON.stringify(started)}, ''); for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); } }) };`,
  );
  const child = start(
    ['run', tiny, '-m', sleeper, '--out', join(folder, 'r.json'), '--events', join(folder, 'e.jsonl')],
    ['ignore', 'pipe', 'pipe'],
  );
  const end = finished(child);
  while (!readdirSync(folder).includes('started')) await pause(20);
  child.kill('SIGINT');
  expect(await end).toEqual({ status: 130, signal: null, stdout: '', stderr: '' });
  expect(readdirSync(folder).sort()).toEqual(['sleeper.mjs', 'started', 'tiny.csv']);
});

test('nothing but the answer on standard output, no progress where nobody watches', async () => {
  const { status, stdout, stderr } = await finished(start(['trace', 'check', tiny], ['ignore', 'pipe', 'pipe']));
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: `${tiny}: valid, 4 records\n`, stderr: '' });
});
