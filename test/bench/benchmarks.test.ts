import { expect, test } from 'vitest';
import { replaceSection } from '../../bench/document.ts';
import { benchmarkNames } from '../../bench/harness.ts';

test('every file of the folder that is no helper is a benchmark', () => {
  const names = benchmarkNames();
  expect(names).toContain('read');
  expect(names).toContain('hit-path');
  for (const helper of ['bench', 'harness', 'table', 'tsconfig']) expect(names).not.toContain(helper);
});

test('a generated section is replaced between its markers, and nothing else', () => {
  const page = 'a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n';
  expect(replaceSection(page, 'x', '\nnew\n')).toBe('a\n<!-- begin x -->\nnew\n<!-- end x -->\nb\n');
  expect(() => replaceSection(page, 'y', '')).toThrow('no section "y"');
});
