import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Sample } from '../../src/report/interval.ts';
import type { Result } from '../../src/report/result.ts';
import { gmemEval, ROOT, scratchFolder } from './harness.ts';

const TRACE = join(ROOT, 'traces', 'cyclic.csv');

test('samples of an interval add up to the metrics, and draw a heatmap', async () => {
  const folder = scratchFolder();
  const events = join(folder, 'samples.jsonl');
  const result = join(folder, 'result.json');
  const options = ['--oversub', 'none,2', '-m', 'uvm,kfd', '--format', 'json', '--out', result];
  expect((await gmemEval(['run', TRACE, ...options, '--events', events, '--interval', '10', '--quiet'])).status).toBe(
    0,
  );
  const samples = readFileSync(events, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Sample & { run: number });
  const { runs } = JSON.parse(readFileSync(result, 'utf8')) as Result;
  runs.forEach(({ metrics }, run) => {
    const own = samples.filter((sample) => sample.run === run);
    expect(own.map((sample) => sample.seq)).toEqual(own.map((_, i) => i));
    const sum = (kind: string, value: (sample: Sample) => number) =>
      own.filter((sample) => sample.kind === kind).reduce((total, sample) => total + value(sample), 0);
    const moved = metrics['migration.h2d.bytes']! + metrics['migration.d2h.bytes']! + metrics['migration.d2d.bytes']!;
    expect(sum('migrate', (sample) => sample.size)).toBe(moved);
    expect(sum('fault', (sample) => sample.count)).toBe(metrics['faults.device']! + metrics['faults.host']!);
    // 37 records: intervals begin at 0, 10, 20, 30.
    expect([...new Set(own.map((sample) => sample.record))].every((record) => [0, 10, 20, 30].includes(record))).toBe(
      true,
    );
  });
  const drawn = await gmemEval([
    'figure',
    result,
    '--kind',
    'heatmap',
    '--events',
    events,
    '--out',
    join(folder, 'h.svg'),
  ]);
  expect(drawn).toMatchObject({ status: 0, stderr: '' });
});

test.each([
  [['--interval', '5'], /--interval without --events/],
  [['--interval', '0', '--events', 'x'], /--interval 0/],
  [['--interval', 'x', '--events', 'x'], /--interval x/],
])('%j is refused', async (options, message) => {
  const outcome = await gmemEval(['run', TRACE, ...options]);
  expect(outcome).toMatchObject({ status: 2, stdout: '', stderr: expect.stringMatching(message) });
});
