import { expect, test } from 'vitest';
import { exponent, judged, markdownTable, median, plainTable, ratios } from '../../bench/table.ts';

test('median: the middle value, or the mean of the middle two', () => {
  expect(median([5, 1, 3])).toBe(3);
  // (2 + 10) / 2
  expect(median([10, 1, 100, 2])).toBe(6);
  expect(() => median([])).toThrow('median of nothing');
});

test('ratios pair the launches of a round', () => {
  // 6 / 2 and 5 / 10
  expect(ratios([{ s: 6 }, { s: 5 }], [{ s: 2 }, { s: 10 }], 's')).toEqual([3, 0.5]);
  expect(() => ratios([{ s: 6 }], [{ s: 2 }], 'other')).toThrow('nothing measured as other');
});

test('the worst is the largest under a ceiling and the smallest over a floor', () => {
  expect(judged([1, 3, 2], { atMost: 2 })).toEqual(['2.00', '3.00', '<= 2']);
  expect(judged([1, 3, 2], { atLeast: 5 }, 1)).toEqual(['2.0', '1.0', '>= 5']);
  expect(judged([1, 3, 2], { better: 'lower' }, 0)).toEqual(['2', '3', '']);
  expect(judged([1, 3, 2], { better: 'higher' }, 0)).toEqual(['2', '1', '']);
});

test('exponent of a power law', () => {
  // y = 3 x^2
  const square = [1, 2, 4, 8].map((x) => ({ x, y: 3 * x * x }));
  expect(exponent(square)).toBeCloseTo(2, 10);
  expect(exponent(square.map(({ x }) => ({ x, y: 7 })))).toBeCloseTo(0, 10);
  expect(exponent(square.map(({ y }) => ({ x: 5, y })))).toBe(0);
});

const TABLE = {
  title: 'T',
  columns: ['what', 'median'],
  rows: [
    ['a', '1.00'],
    ['long name', '12.50'],
  ],
  note: 'N',
};

test('a table for terminals has its numbers to the right', () => {
  expect(plainTable(TABLE)).toBe(
    ['T', 'what       median', 'a            1.00', 'long name   12.50', 'N', ''].join('\n'),
  );
});

test('a table for Markdown', () => {
  expect(markdownTable(TABLE)).toBe(
    ['**T**', '', '| what | median |', '| --- | ---: |', '| a | 1.00 |', '| long name | 12.50 |', '', 'N', ''].join(
      '\n',
    ),
  );
});
