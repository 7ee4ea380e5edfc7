import { expect, test } from 'vitest';
import { escapeMarkdown } from '../../../src/report/markdown/escape.ts';
import { markdownReport } from '../../../src/report/markdown/report.ts';
import { limited, resultOf, run } from '../fixture.ts';

test('text becomes no markup, no link, no mention, no cell', () => {
  expect(escapeMarkdown('a|b *c* _d_ `e` [f](g) <h> #1 ~i~ !j &k; \\')).toBe(
    'a\\|b \\*c\\* \\_d\\_ \\`e\\` \\[f\\](g) \\<h\\> \\#1 \\~i\\~ \\!j \\&k; \\\\',
  );
  expect(escapeMarkdown('@me https://x www.y')).toBe('&#64;me https:&#47;&#47;x www&#46;y');
  expect(escapeMarkdown('- a')).toBe('\\- a');
  expect(escapeMarkdown('12. a')).toBe('12\\. a');
  expect(escapeMarkdown('1.25')).toBe('1.25');
  expect(escapeMarkdown('a\nb')).toBe('a\\\\u000ab');
});

test('stacks beside each other, the best in bold, one table a size', () => {
  const text = markdownReport([
    resultOf([limited('a', 1, 10), limited('b', 1, 10), limited('a', 2, 5), limited('b', 2, 5)]),
  ]);
  expect(text).toContain('### Device memory: oversubscription 1x\n\n| metric | a | b |\n| :-- | --: | --: |\n');
  expect(text).toContain('| footprint / memory | 2.00 | 2.00 |\n');
  expect(text).toContain('### Slowdown by memory size\n\n| memory | a | b |\n| :-- | --: | --: |\n| 1x | – | – |\n');
  const better = markdownReport([resultOf([run('a', { 'faults.device': 1 }), run('b', { 'faults.device': 2 })])]);
  expect(better).toContain('| faults.device | **1** | 2 |\n');
});

test('bytes by trigger add up; times as they are', () => {
  const text = markdownReport([
    resultOf([
      run('a', {
        'migration.by.hint.bytes': 1024,
        'migration.by.copy.bytes': 2048,
        'time.total.ns': 1500,
        'time.by.eviction.ns': 700,
        'time.by.wait.ns': 800,
      }),
    ]),
  ]);
  expect(text).toContain('| hint | 1 KiB |\n| copy | 2 KiB |\n| all | 3 KiB |\n');
  expect(text).toContain('| eviction | 700 ns |\n| waiting | 800 ns |\n| total | 1.50 us |\n');
});

test('every table keeps its columns, whatever the names hold', () => {
  const name = 'x|y\n| z';
  const text = markdownReport([
    resultOf([run(name, {}, { parameters: { [name]: name } }), run('b')], { [name]: name }),
  ]);
  const cells = (line: string): number => line.replace(/\\./g, '').split('|').length;
  const tables = text.split('\n\n').filter((part) => part.startsWith('| '));
  expect(tables.length).toBeGreaterThan(4);
  for (const table of tables) expect(new Set(table.trimEnd().split('\n').map(cells)).size, table).toBe(1);
});
