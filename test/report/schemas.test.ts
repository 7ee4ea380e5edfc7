import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import json from '../../src/report/formats/json.ts';
import { resultSchema } from '../../src/report/result-schema.ts';
import { schemas } from '../../src/report/schemas.ts';
import { limited, resultOf } from './fixture.ts';

test.each(Object.entries(schemas()))('schema/%s is what `npx tsx scripts/schemas.ts` writes', (name, text) => {
  expect(readFileSync(new URL(`../../schema/${name}`, import.meta.url), 'utf8')).toBe(text);
});

test('the JSON report is the result', () => {
  const result = resultOf([limited('a', 2, 4)]);
  expect(JSON.parse(json.render(result))).toEqual(result);
  expect(resultSchema.parse(result)).toEqual(result);
});

test('the schema wants every metric and knows its own fields only', () => {
  const result = resultOf([limited('a', 2, 4)]);
  const { 'faults.host': _gone, ...metrics } = result.runs[0].metrics;
  expect(resultSchema.safeParse({ ...result, runs: [{ ...result.runs[0], metrics }] }).success).toBe(false);
  expect(resultSchema.safeParse({ ...result, extra: 1 }).success).toBe(false);
});
