import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { explainPageSchema, explainTopSchema } from '../../src/report/explain/schema.ts';
import type { Result } from '../../src/report/result.ts';
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
    'an address outside of every allocation',
    explain('--page', '0x400000'),
    /--page 0x400000: outside of every allocation of the trace\n.*nearest is a, 0x200000 to 0x201fff; the nearest page touched is 0x201000/,
  ],
  [
    'an address in the block of an allocation, outside of it',
    explain('--page', '0x202000'),
    /--page 0x202000: outside of every allocation of the trace\n.*nearest is a, 0x200000 to 0x201fff; the nearest page touched is 0x201000/,
  ],
  [
    'a page that is allocated and never touched',
    [
      'explain',
      file('idle.csv', TINY.replace('alloc,0x200000,8192', 'alloc,0x200000,16384')),
      '-m',
      TOY,
      '--page',
      '0x203000',
    ],
    /--page 0x203000: nothing touches this page, and no stack did anything with it\n.*nearest page touched is 0x201000/,
  ],
  [
    'a trace without rows',
    ['explain', file('none.csv', 'actor,op,addr,size\n'), '-m', TOY, ...PAGE],
    /touches no page at all/,
  ],
  ['top 0', explain('--top', '0'), /--top 0: not a whole number of at least 1/],
  ['top -1', explain('--top', '-1'), /--top -1: not a whole number of at least 1/],
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

test('the life of a page is what --events says of it', async () => {
  const trace = join(ROOT, 'traces/ping-pong.csv');
  const options = [trace, '-m', 'uvm,kfd', '--quiet'];
  // Any byte of the page names it.
  const { status, stdout } = await gmemEval(['explain', ...options, '--page', '0x20000abc', '--format', 'json']);
  expect(status).toBe(0);
  const found = explainPageSchema.parse(JSON.parse(stdout));
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
    expect(found.runs[run].events.map(({ costNs: _cost, ...event }) => event)).toEqual(expected);
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

async function topAndResult(...args: string[]) {
  const options = [...args, '--quiet', '--format', 'json'];
  const top = explainTopSchema.parse(JSON.parse((await gmemEval(['explain', ...options, '--top', '999999'])).stdout));
  const result = JSON.parse((await gmemEval(['run', ...options])).stdout) as Result;
  return { top, result };
}

const sumOf = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((sum, each) => sum + of(each), 0);

test('a page that a stack moves beside an allocation has a life', async () => {
  // 8 KiB of a 2 MiB block are allocated; gmem moves the block.
  const args = ['explain', tiny, '-m', 'gmem', '--page', '0x202000', '--format', 'json'];
  const { status, stdout } = await gmemEval(args);
  expect(status).toBe(0);
  const { allocations, runs } = explainPageSchema.parse(JSON.parse(stdout));
  expect(allocations).toEqual([]);
  expect(runs[0].events.length).toBeGreaterThan(0);
});

test.each([
  ['a stream through too little memory', ['traces/cyclic.csv', '--oversub', '1.25']],
  ['one page fought over', ['traces/ping-pong.csv']],
  ['two devices and threads', ['traces/two-devices.csv', '--device-memory', 'gpu0=4MiB/gpu1=1GiB']],
  ['faults put off, explicit copies', ['traces/copy.csv']],
  ['hints, remote accesses', ['traces/hints.csv', '--platform', 'gh200']],
  ['memory freed and used again', ['traces/partial-free.csv']],
  ['inferred allocations', ['traces/no-alloc.csv']],
  ['nothing takes time', ['traces/thrash.csv', '--platform', 'zero']],
])('costs add up to the stalls and remote accesses of the run: %s', async (_, [trace, ...options]) => {
  const { top, result } = await topAndResult(join(ROOT, trace), '-m', 'all', ...options);
  expect(top.runs.length).toBe(result.runs.length);
  for (const [i, { metrics }] of result.runs.entries()) {
    const { time, pages, allocations } = top.runs[i];
    const m = (name: string): number => metrics[name] ?? 0;
    const lostNs = m('time.stall.device.ns') + m('time.stall.host.ns') + m('time.by.remote.ns');
    expect(time.lostNs).toBe(lostNs);
    expect(sumOf(Object.values(time.by), (ns) => ns)).toBe(lostNs);
    for (const { ranked, others, othersNs, elsewhereNs } of [pages, allocations]) {
      expect([others, othersNs]).toEqual([0, 0]);
      expect(sumOf<{ ns: number }>(ranked, ({ ns }) => ns) + elsewhereNs).toBe(lostNs);
    }
    const faults = m('faults.device') + m('faults.host');
    expect(sumOf(pages.ranked, (range) => range.pages * range.each.faults)).toBe(faults);
    expect(sumOf(pages.ranked, (range) => range.pages * range.each.remoteBytes)).toBe(
      m('remote.device.bytes') + m('remote.host.bytes'),
    );
    // Ranked by what a page cost, and no range could be longer.
    for (const [a, b] of pages.ranked.slice(1).map((range, n) => [pages.ranked[n], range])) {
      expect(a.each.ns).toBeGreaterThanOrEqual(b.each.ns);
      const end = `0x${(Number(a.addr) + a.pages * 4096).toString(16)}`;
      if (a.each.ns === b.each.ns && b.addr === end) expect(a.each).not.toEqual(b.each);
    }
  }
});

test('the top of a streaming trace: bytes are those of the run, what memory would help is tried', async () => {
  const args = [join(ROOT, 'traces/cyclic.csv'), '-m', 'uvm'];
  const { top, result } = await topAndResult(...args, '--oversub', '1.25');
  const { metrics } = result.runs[0];
  const [run] = top.runs;
  const [stream] = run.allocations.ranked;
  expect(run.allocations.ranked.length).toBe(1);
  expect(stream).toMatchObject({ name: 'stream', evictions: metrics['evictions.count'] });
  const moved = sumOf(['h2d', 'd2h', 'd2d'], (way) => metrics[`migration.${way}.bytes`] ?? 0);
  expect(stream.copiedBytes).toBe(moved);
  expect(sumOf(run.pages.ranked, (range) => range.pages * range.each.copies * 4096)).toBe(moved);
  // 16 MiB of 4 KiB pages, each of which costs something.
  expect(sumOf(run.pages.ranked, (range) => range.pages)).toBe(4096);

  const unlimited = await topAndResult(...args);
  expect(run.time.unlimitedNs).toBe(unlimited.result.runs[0].metrics['time.total.ns']);
  expect(unlimited.top.runs[0].time.unlimitedNs).toBe(null);
  expect(run.advice).toMatch(
    /more memory would help \(gpu0 touches 16 MiB at once and has 12 MiB; without a limit the run takes /,
  );
});

test('--page and --top tell the same cost of a page', async () => {
  const args = [join(ROOT, 'traces/ping-pong.csv'), '-m', 'gmem,uvm,kfd,hmm'];
  const { top } = await topAndResult(...args);
  const { stdout } = await gmemEval(['explain', ...args, '--quiet', '--page', '0x20000000', '--format', 'json']);
  const { runs } = explainPageSchema.parse(JSON.parse(stdout));
  for (const [i, { costNs, events }] of runs.entries()) {
    const range = top.runs[i].pages.ranked.find(({ addr }) => addr === '0x20000000')!;
    expect(range.pages).toBe(1);
    // Rounded once there, and by the sum of all pages here.
    expect(Math.abs(costNs - range.each.ns)).toBeLessThanOrEqual(0.5);
    expect(sumOf(events, (event) => event.costNs)).toBe(costNs);
  }
});

test('a page that only a larger granule moved has a life', async () => {
  // The trace touches the first page of each block only; the stacks of 2 MiB move the second with it.
  const args = [
    'explain',
    join(ROOT, 'traces/ping-pong.csv'),
    '-m',
    'gmem',
    '--page',
    '0x20001000',
    '--format',
    'json',
  ];
  const { status, stdout } = await gmemEval(args);
  expect(status).toBe(0);
  const [run] = explainPageSchema.parse(JSON.parse(stdout)).runs;
  expect(run.events.map(({ kind }) => kind)).toContain('migrate');
  expect(run.events.map(({ kind }) => kind)).not.toContain('fault');
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
