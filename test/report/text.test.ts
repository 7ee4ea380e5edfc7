import { expect, test } from 'vitest';
import { formatSize, parseSize } from '../../src/replay/sizes.ts';
import { formatCount, formatDuration, formatRatio, visible, wrap } from '../../src/report/text.ts';

test.each([
  ['0', 0],
  ['4096', 4096],
  ['4K', 4096],
  ['4KiB', 4096],
  ['1.5MiB', 1572864],
  ['16G', 17179869184],
  ['1T', 1099511627776],
  ['512B', 512],
  ['4KB', null],
  ['4k', null],
  ['-1', null],
  ['1e3', null],
  ['', null],
  ['0.3', null],
])('size %s', (given, bytes) => {
  expect(parseSize(given)).toBe(bytes);
});

test('sizes, counts, durations and ratios for people', () => {
  expect([0, 1023, 1024, 1536, 123 * 2 ** 20, 1.25 * 2 ** 30].map(formatSize)).toEqual([
    '0 B',
    '1023 B',
    '1 KiB',
    '1.50 KiB',
    '123 MiB',
    '1.25 GiB',
  ]);
  expect([0, 999, 1000, 1234567].map(formatCount)).toEqual(['0', '999', '1,000', '1,234,567']);
  expect([0, 999, 1500, 12_345_678, 2e9, 1e13].map(formatDuration)).toEqual([
    '0 ns',
    '999 ns',
    '1.50 us',
    '12.3 ms',
    '2 s',
    '10000 s',
  ]);
  expect([1, 1.234, 12.34, 123.4, 12345.6].map(formatRatio)).toEqual(['1', '1.23', '12.3', '123', '12,346']);
});

test('unsafe characters are spelled out, letters of any script are not', () => {
  expect(visible('a\u001b[0m\u009b\u202e\u2066\u200b\n')).toBe('a\\u001b[0m\\u009b\\u202e\\u2066\\u200b\\u000a');
  expect(visible('Größe 内存')).toBe('Größe 内存');
});

test('wraps at spaces', () => {
  expect(wrap('aa bb cc', 5, ' ')).toEqual(['aa bb', ' cc']);
  expect(wrap('  a b', 3, '    ')).toEqual(['  a', '    b']);
  expect(wrap('a-long-word b', 4)).toEqual(['a-long-word', 'b']);
});
