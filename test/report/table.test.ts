import { expect, test } from 'vitest';
import table from '../../src/report/formats/table.ts';
import { limited, resultOf, run } from './fixture.ts';

const text = (...args: Parameters<typeof resultOf>): string => table.render(resultOf(...args), { color: false });
/** Labels take 20 columns, values end every 14: a gap of 2, then at least 12. */
const line = (label: string, ...cells: string[]): string =>
  label.padEnd(20) + cells.map((cell) => cell.padStart(14)).join('');
const rowOf = (report: string, label: string): string | undefined =>
  report.split('\n').find((line) => line.startsWith(label));

test('stacks stand side by side, in human units', () => {
  const report = text([
    run('one', {
      'faults.device': 1234567,
      'migration.h2d.bytes': 3 * 2 ** 20,
      'time.total.ns': 12_345_678,
      slowdown: 2.5,
    }),
    run('two', { 'faults.device': 1, 'migration.h2d.bytes': 1536, 'time.total.ns': 999 }, { preset: 'fast' }),
  ]);
  expect(report).toContain(
    'hand.csv\nrecords 1,234, accesses 1,200, duration 5 us, actors cpu gpu0\nfootprint 10 MiB, allocations 2',
  );
  expect(report).toContain('device memory: unlimited\n');
  expect(rowOf(report, ' ')).toBe(line('', 'one', 'two:fast'));
  expect(rowOf(report, 'device faults')).toBe(line('device faults', '1,234,567', '1'));
  expect(rowOf(report, 'host to device')).toBe(line('host to device', '3 MiB', '1.50 KiB'));
  expect(rowOf(report, 'modelled time')).toBe(line('modelled time', '12.3 ms', '999 ns'));
  expect(rowOf(report, 'slowdown')).toBe(line('slowdown', '2.50 x', '-'));
  expect(rowOf(report, 'footprint / memory')).toBeUndefined();
});

test('one section a memory size, with the footprint over what the stack really uses', () => {
  // The device touches 10 MiB. `b` rounds 8 MiB up to 32 MiB: 10 / 32 = 0.3125.
  const report = text([limited('a', 1.25, 8), limited('a', 2, 4), limited('b', 1.25, 8, 32), limited('b', 2, 4)]);
  const [, first, second] = report.split('device memory: ');
  expect(first).toContain('gpu0 8 MiB (oversubscription 1.25)\n');
  expect(rowOf(first, 'footprint / memory')).toBe(line('footprint / memory', '1.25', '0.31 (fits)'));
  expect(second).toContain('gpu0 4 MiB (oversubscription 2)\n');
  expect(rowOf(second, 'footprint / memory')).toBe(line('footprint / memory', '2.50', '2.50'));
  expect(report).toContain('Runs marked "fits" are not oversubscribed');
});

test('says when nothing is oversubscribed at all', () => {
  expect(text([limited('a', 1, 10)])).toContain('nothing is oversubscribed');
  expect(text([limited('a', 2, 5)])).not.toContain('oversubscribed.');
});

test('says that times in instructions compare stacks only', () => {
  const note = 'compares stacks with each other';
  expect(text([run('a')], { time: 'instructions retired, 1 instruction = 1 ns' })).toContain(note);
  expect(text([run('a')], { time: 'modelled kernel durations' })).not.toContain(note);
});

test('never wider than 100 columns: more runs than fit go below each other', () => {
  const runs = Array.from({ length: 9 }, (_, i) =>
    run(`model-with-a-name-${i}`, { 'faults.device': i }, { preset: 'preset' }),
  );
  const report = text(runs, { time: 'instructions '.repeat(30) });
  for (const line of report.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  for (let i = 0; i < 9; i++) expect(report).toContain(`model-with-a-name-${i}:preset`);
});

test('rows that are zero everywhere are left out where they say nothing', () => {
  expect(rowOf(text([run('a')]), 'failed accesses')).toBeUndefined();
  expect(rowOf(text([run('a', { 'accesses.failed': 3 }), run('b')]), 'failed accesses')).toBe(
    line('failed accesses', '3', '0'),
  );
});

test('warnings are listed once, with the stacks that gave them', () => {
  const report = text([run('a', {}, { warnings: ['x', 'all'] }), run('b', {}, { warnings: ['all'] })]);
  expect(report).toContain('\nwarning: a: x\nwarning: all\n');
});

test('text of the trace cannot steer the terminal', () => {
  const result = resultOf([run('a', {}, { warnings: ['\u001b]0;title\u0007'] })], { time: 'instruction\u001b[2J' });
  const hostile = {
    ...result,
    manifest: { ...result.manifest, trace: { ...result.manifest.trace, name: 'x\u001b[31m\r\n' } },
  };
  const report = table.render(hostile, { color: false });
  for (const c of ['\u001b', '\u0007', '\r']) expect(report).not.toContain(c);
  expect(report.split('\n')[0]).toBe('x\\u001b[31m\\u000d\\u000a');
});
