import { expect, test } from 'vitest';
import { Dearest, WholeNs } from '../../../src/report/explain/ranking.ts';

test('whole shares add up to the whole', () => {
  // Thirds of 10: 3.33 -> 3, 6.67 -> 7 - 3 = 4, 10 -> 10 - 7 = 3.
  const whole = new WholeNs();
  expect([whole.next(10 / 3), whole.next(10 / 3), whole.next(10 / 3)]).toEqual([3, 4, 3]);
  expect(whole.total).toBe(10);
});

test('the first n of any number, and what the others come to', () => {
  const dearest = new Dearest<{ ns: number }>(2, (a, b) => b.ns - a.ns);
  // 0..4999 in an order that is not sorted: 7 and 5000 have no common factor.
  for (let i = 0; i < 5000; i++) dearest.offer({ ns: (i * 7) % 5000 }, 3);
  expect(dearest.found().map(({ ns }) => ns)).toEqual([4999, 4998]);
  // 0 + 1 + ... + 4999 = 4999 x 5000 / 2; 4998 others of three pages each.
  expect(dearest.others()).toEqual({ others: 14_994, othersNs: (4999 * 5000) / 2 - 4999 - 4998 });
});
