import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { gmemEval, scratchFolder, TINY, TOY } from '../../cli/harness.ts';
import { resultOf, run } from '../fixture.ts';

const folder = scratchFolder();
const at = (name: string): string => join(folder, name);
const save = (name: string, value: unknown): string => {
  writeFileSync(at(name), typeof value === 'string' ? value : JSON.stringify(value));
  return at(name);
};
const plain = save('plain.json', resultOf([run('a')]));

test('a run, its events, its report', async () => {
  const files = ['--out', at('r.json'), '--events', at('e.jsonl')];
  const made = await gmemEval(['run', save('tiny.csv', TINY), '-m', TOY, '--format', 'json', ...files, '--quiet']);
  expect(made.status).toBe(0);
  const { status, stdout, stderr } = await gmemEval([
    'report',
    at('r.json'),
    '--events',
    at('e.jsonl'),
    '--out',
    at('rep/deep'),
  ]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toBe(`${at('rep/deep/report.html')}\n${at('rep/deep/report.md')}\n`);
  expect(readFileSync(at('rep/deep/report.html'), 'utf8')).toContain('Address by time');
  expect(readFileSync(at('rep/deep/report.md'), 'utf8')).toContain('## tiny.csv on pcie4');
});

test('`run` gives both forms too', async () => {
  const args = ['run', save('tiny.csv', TINY), '-m', TOY, '--quiet', '--format'];
  expect((await gmemEval([...args, 'md'])).stdout).toMatch(/^# Memory-management stacks/);
  expect((await gmemEval([...args, 'html'])).stdout).toMatch(/^<!doctype html>/);
});

test.each<[string, string[], RegExp]>([
  ['no such file', [at('none.json')], /none\.json: cannot read the result/],
  ['another schema', [save('v2.json', { schema: 'gmem-eval/result@2' })], /its schema is gmem-eval\/result@2/],
  [
    'cut off',
    [save('cut.json', JSON.stringify(resultOf([run('a')])).slice(0, 300))],
    /cut\.json: not JSON, or cut off/,
  ],
  ['no runs', [save('empty.json', resultOf([]))], /empty\.json: no runs in it/],
  ['not a result', [save('other.json', { a: 1 })], /other\.json: not a result of gmem-eval/],
  ['events of fewer results', [plain, plain, '--events', at('e.jsonl')], /1 event files for 2 results/],
])('bad input: %s', async (_, args, message) => {
  const { status, stdout, stderr } = await gmemEval(['report', ...args, '--out', at('bad')]);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(message);
  expect(existsSync(at('bad'))).toBe(false);
});

test('an unwritable folder is named', async () => {
  const { status, stderr } = await gmemEval(['report', plain, '--out', join(plain, 'sub')]);
  expect(status).toBe(2);
  expect(stderr).toContain('plain.json');
  expect(stderr).toContain('cannot write');
});
