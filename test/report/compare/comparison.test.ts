import { expect, test } from 'vitest';
import { type Comparison, compareResults, comparisonSchema } from '../../../src/report/compare/comparison.ts';
import { parseRules } from '../../../src/report/compare/read-rules.ts';
import type { Result, RunResult } from '../../../src/report/result.ts';
import { limited, resultOf, run } from '../fixture.ts';

const strict = { allowMissing: false, accept: false };

function compare(base: Result, now: Result, how: Partial<typeof strict> = {}): Comparison {
  const comparison = compareResults({ file: 'b.json', result: base }, { file: 'n.json', result: now }, [], {
    ...strict,
    ...how,
  });
  // What the schema says holds for every one.
  return comparisonSchema.parse(JSON.parse(JSON.stringify(comparison)));
}

const changed = (base: RunResult[], now: RunResult[]): string[] =>
  compare(resultOf(base), resultOf(now)).runs.flatMap((r) =>
    r.metrics.filter((m) => m.verdict !== 'same').map((m) => `${r.run}: ${m.metric} ${m.base} ${m.new} ${m.verdict}`),
  );

test('equal results pass, all metrics unchanged', () => {
  const comparison = compare(resultOf([limited('a', 2, 4)]), resultOf([limited('a', 2, 4)]));
  expect(comparison).toMatchObject({ verdict: 'pass', missing: [], setup: [] });
  expect(new Set(comparison.runs[0].metrics.map((m) => m.verdict))).toEqual(new Set(['same']));
});

test('each metric is judged by its direction, with delta and share of the base', () => {
  const comparison = compare(
    resultOf([run('a', { 'faults.device': 6, 'speculation.used': 8, 'populate.host.pages': 1, batches: 0 })]),
    resultOf([run('a', { 'faults.device': 9, 'speculation.used': 6, 'populate.host.pages': 2, batches: 2 })]),
  );
  const of = (metric: string) => comparison.runs[0].metrics.find((m) => m.metric === metric);
  // 9 - 6 = 3, 3 / 6 = 0.5
  expect(of('faults.device')).toMatchObject({ delta: 3, relative: 0.5, verdict: 'worse', direction: 'lower' });
  // 6 - 8 = -2, -2 / 8 = -0.25, and more is better
  expect(of('speculation.used')).toMatchObject({ delta: -2, relative: -0.25, verdict: 'worse', direction: 'higher' });
  expect(of('populate.host.pages')).toMatchObject({ delta: 1, relative: 1, verdict: 'neutral' });
  expect(of('batches')).toMatchObject({ delta: 2, relative: null, verdict: 'worse' });
  expect(comparison.verdict).toBe('regression');
});

test("a model's own metrics take their direction from the result", () => {
  const withOwn = (value: number, direction: string): Result => {
    const result = resultOf([run('a', { 'a.kept': value })]);
    const own = { 'a.kept': { unit: 'count', direction, definition: '' } };
    result.manifest.models.push({ model: 'a', preset: null, title: '', sources: [], parameters: {}, metrics: own });
    return result;
  };
  expect(compare(withOwn(5, 'higher'), withOwn(4, 'higher')).verdict).toBe('regression');
  expect(compare(withOwn(5, 'higher'), withOwn(6, 'higher')).verdict).toBe('pass');
  expect(compare(withOwn(5, 'neutral'), withOwn(4, 'neutral')).verdict).toBe('pass');
  const odd = compare(withOwn(5, 'sideways'), withOwn(4, 'sideways'));
  expect(odd.verdict).toBe('incomparable');
  expect(odd.missing).toEqual(['a.kept of "a, unlimited" is in no dictionary: which way is better is unknown']);
});

test('runs are paired by model, preset and size, in any order', () => {
  const base = [run('a'), limited('a', 2, 4), limited('a', null, 8), run('a', {}, { preset: 'p' }), run('b')];
  const now = [...base].reverse().map((r) => ({ ...r, metrics: { ...r.metrics, batches: r.capacityBytes ? 1 : 0 } }));
  expect(changed(base, now)).toEqual(['a, gpu0 8 MiB: batches 0 1 worse', 'a, oversub 2: batches 0 1 worse']);
});

test('a size that is no round number is told in bytes, so that no two look alike', () => {
  const sized = (bytes: number): RunResult => run('a', {}, { capacityBytes: { gpu1: 4096, gpu0: bytes } });
  const { runs } = compare(
    resultOf([sized(2 ** 30), sized(2 ** 30 + 4096)]),
    resultOf([sized(2 ** 30), sized(2 ** 30 + 4096)]),
  );
  expect(runs.map((r) => r.run)).toEqual(['a, gpu0 1 GiB gpu1 4 KiB', 'a, gpu0 1073745920 B gpu1 4 KiB']);
});

test('other parameters are reported and still compared', () => {
  const comparison = compare(
    resultOf([run('a', { batches: 1 }, { parameters: { wish: true, depth: 3 } })]),
    resultOf([run('a', { batches: 2 }, { parameters: { wish: false, depth: 3, more: 'x' } })]),
  );
  expect(comparison.verdict).toBe('regression');
  expect(comparison.runs[0].setup).toEqual([
    { name: 'parameters.wish', base: true, new: false },
    { name: 'parameters.more', base: null, new: 'x' },
  ]);
});

test('several runs of one name are told apart by their parameters', () => {
  const depth = (n: number, batches: number): RunResult => run('a', { batches }, { parameters: { depth: n, same: 1 } });
  expect(changed([depth(1, 10), depth(2, 20)], [depth(2, 21), depth(1, 10)])).toEqual([
    'a, unlimited (depth=2): batches 20 21 worse',
  ]);
  // One of each is left over: those are one run whose parameter changed.
  expect(changed([depth(1, 10), depth(2, 20)], [depth(1, 10), depth(3, 22)])).toEqual([
    'a, unlimited (depth=3): batches 20 22 worse',
  ]);
  // Two are left over on one side: nobody can tell which is which.
  expect(compare(resultOf([depth(1, 1), depth(2, 2)]), resultOf([depth(3, 1)])).missing).toEqual([
    'run "a, unlimited (depth=1)" is only in b.json',
    'run "a, unlimited (depth=2)" is only in b.json',
    'run "a, unlimited (depth=3)" is only in n.json',
  ]);
});

test('a run twice is an error', () => {
  const twice = resultOf([run('a'), run('a')]);
  expect(() => compare(twice, resultOf([run('a')]))).toThrow(/^b\.json: the run "a, unlimited" stands twice/);
  expect(() => compare(resultOf([run('a')]), twice)).toThrow(/^n\.json: the run "a, unlimited" stands twice/);
});

test('runs, metrics and traces that only one side has cannot be judged', () => {
  const lacking = resultOf([run('a')]);
  const { batches: _batches, ...metrics } = lacking.runs[0].metrics;
  lacking.runs[0].metrics = metrics as RunResult['metrics'];
  lacking.manifest.trace.sha256 = `1${'0'.repeat(63)}`;
  const comparison = compare(resultOf([run('a'), run('b')]), lacking);
  expect(comparison.verdict).toBe('incomparable');
  expect(comparison.missing).toEqual([
    'the traces differ: hand.csv has SHA-256 000000000000..., hand.csv 100000000000...',
    'run "b, unlimited" is only in b.json',
    'batches of "a, unlimited" is only in b.json',
  ]);
  expect(compare(lacking, resultOf([run('a')])).missing[1]).toBe('batches of "a, unlimited" is only in n.json');
  const allowed = compare(resultOf([run('a'), run('b')]), lacking, { allowMissing: true });
  expect(allowed.verdict).toBe('pass');
  expect(allowed.runs[0].metrics.find((m) => m.metric === 'batches')?.verdict).toBe('missing');
});

test('null against a number cannot be judged', () => {
  const some = resultOf([run('a', { batches: 3 })]);
  const none = resultOf([run('a', { batches: null })]);
  expect(compare(some, none).missing).toEqual(['batches of "a, unlimited" is a number in b.json and null in n.json']);
  expect(compare(none, some).missing).toEqual(['batches of "a, unlimited" is null in b.json and a number in n.json']);
  expect(compare(none, none).verdict).toBe('pass');
});

test('bytes moved for bytes used: null is nothing moved, so to move is worse and to stop is better', () => {
  const moved = (value: number | null): Result => resultOf([run('a', { 'efficiency.movedPerUsed': value })]);
  expect(compare(moved(null), moved(1)).verdict).toBe('regression');
  expect(compare(moved(1), moved(null)).verdict).toBe('pass');
  expect(compare(moved(null), moved(null)).verdict).toBe('pass');
});

test('another machine, option or version is reported and not judged', () => {
  const now = resultOf([run('a')]);
  now.manifest.tool.version = '9.0.0';
  now.manifest.platform = { ...now.manifest.platform, title: 'renamed', faultLatencyNs: 7, sources: { '*': 'here' } };
  now.manifest.options.inFlight = 1;
  now.runs[0].warnings.push('memory is full');
  const comparison = compare(resultOf([run('a')]), now);
  expect(comparison.verdict).toBe('pass');
  expect(comparison.new.version).toBe('9.0.0');
  expect(comparison.setup).toEqual([
    { name: 'platform.faultLatencyNs', base: 0, new: 7 },
    { name: 'inFlight', base: 256, new: 1 },
  ]);
  expect(comparison.runs[0].setup).toEqual([{ name: 'warning.memory is full', base: null, new: true }]);
});

test('a rule tolerates, and its line is told', () => {
  const rules = parseRules('g.yaml', 'compare:\n  rules:\n    - { metric: batches, trace: hand.csv, tolerance: 1 }\n', {
    metrics: ['batches'],
    models: [],
  });
  const judge = (batches: number): Comparison =>
    compareResults(
      { file: 'b', result: resultOf([run('a', { batches: 5 })]) },
      { file: 'n', result: resultOf([run('a', { batches })]) },
      rules,
      strict,
    );
  expect(judge(6).verdict).toBe('pass');
  expect(judge(7).verdict).toBe('regression');
  expect(judge(6).runs[0].metrics.find((m) => m.metric === 'batches')).toMatchObject({
    verdict: 'tolerated',
    tolerance: '1',
    rule: 'g.yaml:3',
  });
});
