import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { gmemEval, ROOT, scratchFolder, TINY, TOY } from './harness.ts';

const folder = scratchFolder();
const file = (name: string, text = ''): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const tiny = file('tiny.csv', TINY);
const explain = (...args: string[]): string[] => ['explain', tiny, '-m', TOY, ...args];
const PAGE = ['--page', '0x200000'];

const bad: [string, string[], RegExp][] = [
  ['neither', explain(), /neither --page nor --top\n.*give one of the two/],
  ['both', explain(...PAGE, '--top', '1'), /--page and --top together\n.*give one of the two/],
  ['a bad address', explain('--page', '0xzz'), /--page 0xzz: not an address/],
  ['an empty address', explain('--page', ''), /--page : not an address/],
  ['an address beyond 2^57', explain('--page', '0x200000000000000'), /not an address\n.*below 2\^57/],
  [
    'an address that nothing touches',
    explain('--page', '0x300000'),
    /--page 0x300000: nothing in the trace touches this page\n.*nearest page touched is 0x201000/,
  ],
  ['a trace without rows', ['explain', file('none.csv', 'actor,op,addr,size\n'), '-m', TOY, ...PAGE], /no page at all/],
  ['top 0', explain('--top', '0'), /--top 0: not a whole number of at least 1/],
  ['top of words', explain('--top', 'ten'), /--top ten: not a whole number/],
  ['several sizes', explain(...PAGE, '--oversub', '1,2'), /several memory sizes/],
  ['a bad format', explain(...PAGE, '--format', 'csv'), /--format csv: no such format here\n.*table, json, md/],
  ['no trace', ['explain', ...PAGE], /missing required argument 'trace'/],
  ['a trace that is not there', ['explain', join(folder, 'no.csv'), ...PAGE], /no\.csv: /],
  ['an empty out', explain(...PAGE, '--out', ''), /--out: empty/],
  ['out in no folder', explain(...PAGE, '--out', join(folder, 'no', 'x')), /cannot write: ENOENT/],
];

test.each(bad)('%s', async (_, args, message) => {
  const before = readdirSync(folder);
  const { status, stdout, stderr } = await gmemEval(args);
  expect(stderr).toMatch(message);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(readdirSync(folder)).toEqual(before);
});

interface PageJson {
  page: string;
  allocations: string[];
  parting: string;
  runs: { stack: string; events: Record<string, unknown>[] }[];
}

test('the life of a page is what --events says of it', async () => {
  const trace = join(ROOT, 'traces/ping-pong.csv');
  const options = [trace, '-m', 'uvm,kfd', '--quiet'];
  // Any byte of the page names it.
  const { status, stdout } = await gmemEval(['explain', ...options, '--page', '0x20000abc', '--format', 'json']);
  expect(status).toBe(0);
  const found = JSON.parse(stdout) as PageJson;
  expect([found.page, found.allocations]).toEqual(['0x20000000', ['flag']]);

  const path = join(folder, 'events.jsonl');
  await gmemEval(['run', ...options, '--events', path]);
  const all = readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text) as { run: number; addr: string; size: number; timeNs: number });
  const page = 0x20000000;
  for (const run of [0, 1]) {
    const expected = all
      .filter((e) => e.run === run && Number(e.addr) <= page && page < Number(e.addr) + e.size)
      .sort((a, b) => a.timeNs - b.timeNs)
      .map(({ run: _run, ...event }) => event);
    expect(expected.length).toBeGreaterThan(10);
    expect(found.runs[run].events).toEqual(expected);
  }
  expect(found.parting).toMatch(/^The stacks part at line \d+ /);
});

test('each format answers both questions', async () => {
  for (const question of [PAGE, ['--top', '2']]) {
    for (const format of ['table', 'json', 'md']) {
      const { status, stdout, stderr } = await gmemEval(explain(...question, '--format', format));
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout).toContain('tiny.csv');
      expect(stdout).toContain('toy');
    }
  }
});

test('the top of a streaming trace: every block pays, time is within that of the run', async () => {
  const args = [join(ROOT, 'traces/cyclic.csv'), '-m', 'uvm', '--oversub', '1.25', '--quiet', '--format', 'json'];
  const top = JSON.parse((await gmemEval(['explain', ...args, '--top', '100'])).stdout);
  const result = JSON.parse((await gmemEval(['run', ...args])).stdout);
  const { metrics } = result.runs[0];
  const [run] = top.runs;
  // 16 MiB: 8 blocks, one allocation.
  expect([run.blocks.length, run.allocations.length]).toEqual([8, 1]);
  const [stream] = run.allocations;
  expect(stream.name).toBe('stream');
  const moved = ['h2d', 'd2h', 'd2d'].reduce((sum, way) => sum + metrics[`migration.${way}.bytes`], 0);
  expect(stream.bytes).toBe(moved);
  expect(stream.evictions).toBe(metrics['evictions.count']);
  expect(stream.faults).toBe(metrics['faults.device'] + metrics['faults.host']);
  expect(stream.ns).toBeLessThanOrEqual(metrics['time.stall.device.ns'] + metrics['time.stall.host.ns']);
  expect(run.blocks.reduce((sum: number, b: { bytes: number }) => sum + b.bytes, 0)).toBe(moved);
  expect(run.advice).toContain('more memory would help (gpu0 touches 16 MiB at once and has 12 MiB)');
});

test('a device that waits idle for its hand-over costs nothing', async () => {
  // One touch a turn, 1 ms apart: from raised to served is a turn, but the device was stopped for the serving alone.
  const args = [join(ROOT, 'traces/ping-pong.csv'), '-m', 'gmem,uvm,kfd,hmm', '--quiet', '--format', 'json'];
  const top = JSON.parse((await gmemEval(['explain', ...args, '--top', '9'])).stdout);
  const result = JSON.parse((await gmemEval(['run', ...args])).stdout);
  for (const [i, { metrics }] of result.runs.entries()) {
    const ns = top.runs[i].blocks.reduce((sum: number, block: { ns: number }) => sum + block.ns, 0);
    expect(ns).toBeGreaterThan(0);
    // Rounded once a block.
    expect(ns).toBeLessThanOrEqual(metrics['time.stall.device.ns'] + metrics['time.stall.host.ns'] + 9);
    expect(top.runs[i].allocations.map((a: { ns: number }) => a.ns)).toEqual([ns]);
  }
});

test('--out writes the same', async () => {
  const path = join(folder, 'why.md');
  const args = explain('--top', '1', '--format', 'md');
  expect(await gmemEval([...args, '--out', path])).toEqual({ status: 0, stdout: '', stderr: '' });
  expect(readFileSync(path, 'utf8')).toBe((await gmemEval(args)).stdout);
});

test('names of allocations steer neither a terminal nor Markdown', async () => {
  const evil = file('evil.csv', TINY.replace(',a\n', ',x\u001b[31m|<b>\n'));
  for (const question of [PAGE, ['--top', '1']]) {
    for (const format of ['table', 'md']) {
      const { status, stdout } = await gmemEval(['explain', evil, '-m', TOY, ...question, '--format', format]);
      expect(status).toBe(0);
      expect(stdout).not.toContain('\u001b');
      expect(stdout).toContain(format === 'md' ? '\\<b\\>' : 'x\\u001b[31m|<b>');
    }
  }
});
