import { parse } from 'csv-parse/sync';
import { expect, test } from 'vitest';
import { METRIC_NAMES } from '../../src/replay/metrics.ts';
import csv from '../../src/report/formats/csv.ts';
import { limited, resultOf, run } from './fixture.ts';

const rows = (result: ReturnType<typeof resultOf>): Record<string, string>[] =>
  parse(csv.render(result), { columns: true }) as Record<string, string>[];

test('one row a run and metric, empty for null', () => {
  const all = rows(resultOf([run('a', { 'faults.device': 7 }), limited('b', 1.25, 8)]));
  expect(all).toHaveLength(2 * METRIC_NAMES.length);
  expect(all.find((r) => r.model === 'a' && r.metric === 'faults.device')).toEqual({
    trace: 'hand.csv',
    model: 'a',
    preset: '',
    platform: 'unit',
    oversubscription: '',
    capacity: '',
    metric: 'faults.device',
    unit: 'count',
    value: '7',
  });
  expect(all.find((r) => r.model === 'b' && r.metric === 'slowdown')).toMatchObject({
    oversubscription: '1.25',
    capacity: 'gpu0=8388608',
    value: '',
  });
});

test.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1'])('%j is not left as a formula', (name) => {
  const result = resultOf([run('a')]);
  const hostile = { ...result, manifest: { ...result.manifest, trace: { ...result.manifest.trace, name } } };
  expect(rows(hostile)[0].trace[0]).toBe("'");
});

test('commas, quotes and line breaks stay in their cell', () => {
  const result = resultOf([run('a')]);
  const name = 'a,"b"\nc';
  const hostile = { ...result, manifest: { ...result.manifest, trace: { ...result.manifest.trace, name } } };
  expect(rows(hostile)[0].trace).toBe('a,"b"\\u000ac');
});

test("a model's own metrics carry their unit", () => {
  const result = resultOf([run('a', { 'a.locks': 3 })]);
  result.manifest.models.push({
    model: 'a',
    preset: null,
    title: '',
    sources: [],
    parameters: {},
    metrics: { 'a.locks': { unit: 'ns', direction: 'lower', definition: '' } },
  });
  expect(rows(result).find((r) => r.metric === 'a.locks')).toMatchObject({ unit: 'ns', value: '3' });
});
