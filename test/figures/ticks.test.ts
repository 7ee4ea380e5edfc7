import { expect, test } from 'vitest';
import { stepOf } from '../../src/figures/config.ts';

test('ticks stand where the points are', () => {
  // 1.25, 1.5, 2: gaps 0.25 and 0.5 = two steps of 0.25.
  expect(stepOf([2, 1.25, 1.5, 1.5])).toEqual({ stepSize: 0.25 });
  expect(stepOf([1, 2, 4])).toEqual({ stepSize: 1 });
});

test('a step that fits no point, or that would crowd the axis, is left to the chart', () => {
  // Gaps 0.1 and 0.25: 2.5 steps.
  expect(stepOf([1, 1.1, 1.35])).toEqual({});
  // 13 / 1 = 13 steps, one more than there is room for.
  expect(stepOf([1, 2, 14])).toEqual({});
  expect(stepOf([1.5])).toEqual({});
});
