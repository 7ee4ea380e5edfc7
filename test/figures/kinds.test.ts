import { expect, test } from 'vitest';
import type { BarChart, LineChart } from '../../src/figures/figure.ts';
import { scaleFor, wantsLog } from '../../src/figures/figure.ts';
import { kindNames, loadKind } from '../../src/figures/kind.ts';
import faults from '../../src/figures/kinds/faults.ts';
import migration from '../../src/figures/kinds/migration.ts';
import slowdown from '../../src/figures/kinds/slowdown-vs-oversubscription.ts';
import time from '../../src/figures/kinds/time-breakdown.ts';
import { ConfigurationError } from '../../src/replay/configuration-error.ts';
import { casesOf, labelsOf } from '../../src/report/cases.ts';
import { limited, resultOf, run } from '../report/fixture.ts';

const AUTO = { scale: 'auto', layer: 'faults', heats: [] } as const;

test('the folder is the list of kinds', async () => {
  expect(kindNames()).toEqual(['faults', 'heatmap', 'migration', 'slowdown-vs-oversubscription', 'time-breakdown']);
  for (const name of kindNames()) expect((await loadKind(name)).name).toBe(name);
  await expect(loadKind('fault')).rejects.toThrow(ConfigurationError);
});

test('labels say only what differs', () => {
  expect(labelsOf(casesOf([resultOf([run('a'), run('b', {}, { preset: 'x' })])]))).toEqual(['a', 'b:x']);
  expect(labelsOf(casesOf([resultOf([limited('a', 1, 8), limited('a', 2, 4)])]))).toEqual(['a 1x', 'a 2x']);
  const other = resultOf([run('a')]);
  const renamed = {
    ...other,
    manifest: { ...other.manifest, trace: { ...other.manifest.trace, name: 'two.csv.gz', sha256: '1'.repeat(64) } },
  };
  expect(labelsOf(casesOf([resultOf([run('a')]), renamed]))).toEqual(['hand a', 'two a']);
});

test('namesakes are told apart by the parameters in which they differ, else by number', () => {
  const [on, off] = [true, false].map((prefetch) => run('a', {}, { parameters: { prefetch, batch: 1 } }));
  expect(casesOf([resultOf([on]), resultOf([off])]).map((c) => c.stack)).toEqual([
    'a (prefetch=true)',
    'a (prefetch=false)',
  ]);
  // A parameter that follows the size is no difference, and a stack has one name at all sizes.
  const at = (ratio: number, prefetch: boolean) => ({
    ...limited('a', ratio, 8),
    parameters: { prefetch, range: ratio },
  });
  expect(casesOf([resultOf([at(1, true), at(2, true)]), resultOf([at(1, false)])]).map((c) => c.stack)).toEqual([
    'a (prefetch=true)',
    'a (prefetch=true)',
    'a (prefetch=false)',
  ]);
  expect(casesOf([resultOf([on]), resultOf([on])]).map((c) => c.stack)).toEqual(['a #1', 'a #2']);
});

test('faults: an axis of powers of ten where values differ more than fifty times, and as asked for', () => {
  const build = (most: number, scale: 'auto' | 'linear' | 'log' = 'auto') =>
    (
      faults.build(casesOf([resultOf([run('a', { 'faults.device': 1, 'faults.deviceRaw': most })])]), {
        ...AUTO,
        scale,
      }).chart as BarChart
    ).axis.log;
  expect([build(50), build(51), build(51, 'linear'), build(50, 'log')]).toEqual([false, true, false, true]);
  expect(wantsLog([null, 0, 5])).toBe(false);
});

test('migration: parts in one unit, a trigger keeps its colour, triggers that nobody used are left out', () => {
  const MIB = 2 ** 20;
  const { chart, table } = migration.build(
    casesOf([resultOf([run('a', { 'migration.by.speculation.bytes': 3 * MIB, 'migration.by.eviction.bytes': MIB })])]),
    AUTO,
  );
  expect(chart).toMatchObject({ stacked: true, axis: { title: 'bytes moved (MiB)' } });
  // Third and fifth of the triggers.
  expect((chart as BarChart).series).toEqual([
    { name: 'speculation', style: 2, values: [3] },
    { name: 'eviction', style: 4, values: [1] },
  ]);
  expect(table.rows[0]).toContain(3 * MIB);
});

test('units: the largest in which the largest value is two or more', () => {
  expect(scaleFor('bytes', [2 ** 21 - 1, null])).toEqual({ unit: 'KiB', divisor: 1024 });
  expect(scaleFor('bytes', [2 ** 21])).toEqual({ unit: 'MiB', divisor: 2 ** 20 });
  expect(scaleFor('ns', [1999])).toEqual({ unit: 'ns', divisor: 1 });
  expect(scaleFor('ns', [5e9])).toEqual({ unit: 's', divisor: 1e9 });
  expect(scaleFor('ns', [])).toEqual({ unit: 'ns', divisor: 1 });
});

test('time: ideal and the six causes on one bar, each with a look of its own, and the total', () => {
  const result = resultOf([
    run('a', {
      'time.ideal.ns': 400,
      'time.by.faultService.ns': 300,
      'time.by.transfer.ns': 500,
      'time.by.mapping.ns': 200,
      'time.by.remote.ns': 50,
      'time.by.eviction.ns': 600,
      'time.by.wait.ns': 100,
      'time.total.ns': 2100,
    }),
  ]);
  const { chart, table } = time.build(casesOf([result]), AUTO);
  const { series, axis } = chart as BarChart;
  // 400 + 300 + 500 + 200 + 50 + 600 + 100 = 2,150 ns, beyond 2 us: in us.
  expect(axis.title).toBe('time (us)');
  expect(series.map((s) => [s.name, s.values[0], s.marker ?? false])).toEqual([
    ['ideal', 0.4, false],
    ['fault service', 0.3, false],
    ['transfer', 0.5, false],
    ['mapping', 0.2, false],
    ['remote', 0.05, false],
    ['eviction', 0.6, false],
    ['waiting', 0.1, false],
    ['total', 2.1, true],
  ]);
  expect(new Set(series.map((s) => s.style)).size).toBe(8);
  expect(table.columns.slice(4)).toContain('time.stall.host.ns');
});

test('slowdown: one line a stack, points by oversubscription; runs without either are left out', () => {
  const at = (model: string, ratio: number | null, mib: number, value: number | null) => {
    const base = limited(model, ratio, mib);
    return { ...base, metrics: { ...base.metrics, slowdown: value } };
  };
  const build = (...runs: Parameters<typeof resultOf>[0]) => slowdown.build(casesOf([resultOf(runs)]), AUTO);
  const { chart } = build(at('a', 2, 5, 3), at('a', 1, 10, 1.5), at('b', 1, 10, null), run('c', { slowdown: 2 }));
  expect((chart as LineChart).series).toEqual([
    {
      name: 'a',
      points: [
        { x: 1, y: 1.5 },
        { x: 2, y: 3 },
      ],
    },
  ]);
  // Given in bytes: the device touches 10 MiB; 10 / 4 = 2.5.
  expect((build(at('a', null, 4, 3)).chart as LineChart).series[0].points).toEqual([{ x: 2.5, y: 3 }]);
  expect(() => build(run('c', { slowdown: 2 }), at('b', 1, 10, null))).toThrow(/no run has both/);
});

test('stacked bars on a logarithmic axis are refused', () => {
  const cases = casesOf([resultOf([run('a')])]);
  for (const kind of [migration, time]) {
    expect(() => kind.build(cases, { ...AUTO, scale: 'log' })).toThrow(/logarithmic/);
  }
});
