import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { replaceSection } from '../../bench/document.ts';
import { type Benchmark, benchmarkNames, type Task } from '../../bench/harness.ts';

test('every file of the folder that is no helper is a benchmark', async () => {
  const names = benchmarkNames();
  expect(names).toContain('hit-path');
  for (const helper of ['bench', 'harness', 'table', 'tsconfig']) expect(names).not.toContain(helper);
  for (const name of names) {
    const loaded = (await import(`../../bench/${name}.ts`)) as {
      benchmark?: Benchmark;
      tasks?: Record<string, Task>;
    };
    expect(loaded.benchmark?.title, name).toBeTruthy();
    expect(loaded.benchmark?.run, name).toBeTypeOf('function');
    for (const task of Object.values(loaded.tasks ?? {})) expect(task, name).toBeTypeOf('function');
  }
});

test('a generated section is replaced between its markers, and nothing else', () => {
  const page = 'a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n';
  expect(replaceSection(page, 'x', '\nnew\n')).toBe('a\n<!-- begin x -->\nnew\n<!-- end x -->\nb\n');
  expect(() => replaceSection(page, 'y', '')).toThrow('no section "y"');
});

test('the page has a section for every benchmark', async () => {
  const page = await readFile(new URL('../../docs/performance.md', import.meta.url), 'utf8');
  for (const name of benchmarkNames()) expect(() => replaceSection(page, name, ''), name).not.toThrow();
});
