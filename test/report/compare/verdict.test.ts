import { expect, test } from 'vitest';
import { fails, judgeAll, judgeMetric, NO_TOLERANCE, type Tolerance } from '../../../src/report/compare/verdict.ts';

const amount = (n: number): Tolerance => ({ kind: 'absolute', amount: n });
const percent = (n: number): Tolerance => ({ kind: 'percent', percent: n });

test.each([
  // direction, base, new, tolerance, verdict
  ['lower', 6, 6, NO_TOLERANCE, 'same'],
  ['lower', 6, 7, NO_TOLERANCE, 'worse'],
  ['lower', 1_000_000_000, 1_000_000_001, NO_TOLERANCE, 'worse'], // whatever little
  ['lower', 1.25, 1.2500000000000002, NO_TOLERANCE, 'worse'], // the next number
  ['lower', 7, 6, NO_TOLERANCE, 'better'],
  ['higher', 6, 7, NO_TOLERANCE, 'better'],
  ['higher', 7, 6, NO_TOLERANCE, 'worse'],
  ['neutral', 6, 7, NO_TOLERANCE, 'neutral'],
  ['neutral', 7, 6, NO_TOLERANCE, 'neutral'],
  ['lower', null, null, NO_TOLERANCE, 'same'],
  ['lower', null, 0, NO_TOLERANCE, 'missing'],
  ['lower', 0, null, NO_TOLERANCE, 'missing'],
  ['lower', 100, 103, amount(3), 'tolerated'],
  ['lower', 100, 104, amount(3), 'worse'],
  ['higher', 100, 97, amount(3), 'tolerated'],
  ['higher', 100, 96, amount(3), 'worse'],
  ['lower', 1000, 1005, percent(0.5), 'tolerated'], // 0.5 % of 1000 = 5
  ['lower', 1000, 1006, percent(0.5), 'worse'],
  ['lower', 0, 1, percent(50), 'worse'], // any percent of 0 = 0
  ['lower', 0, 1e12, { kind: 'any' }, 'tolerated'],
  ['lower', 100, 50, amount(3), 'better'], // a tolerance hides no improvement
] as const)('%s is better: %s -> %s, %o: %s', (direction, base, now, tolerance, verdict) => {
  expect(judgeMetric(direction, base, now, tolerance)).toBe(verdict);
});

const strict = { allowMissing: false, accept: false };

test('one metric that is worse fails the whole, nothing else does', () => {
  expect(judgeAll(['same', 'better', 'neutral', 'tolerated', 'missing'], 0, strict)).toBe('pass');
  expect(judgeAll(['same', 'worse', 'better'], 0, strict)).toBe('regression');
  expect(judgeAll([], 0, strict)).toBe('pass');
});

test('what is missing comes before what is worse, unless it is allowed', () => {
  expect(judgeAll(['worse'], 1, strict)).toBe('incomparable');
  expect(judgeAll(['worse'], 1, { ...strict, allowMissing: true })).toBe('regression');
  expect(judgeAll(['same'], 1, { ...strict, allowMissing: true })).toBe('pass');
});

test('a new baseline accepts everything', () => {
  expect(judgeAll(['worse'], 1, { ...strict, accept: true })).toBe('accepted');
  expect(judgeAll(['better'], 1, { ...strict, accept: true })).toBe('pass');
});

test('a metric fails only where the whole does', () => {
  expect(fails('regression', 'worse')).toBe(true);
  expect(fails('accepted', 'worse')).toBe(false);
  expect(fails('regression', 'tolerated')).toBe(false);
});
