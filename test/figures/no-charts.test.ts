import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { gmemEval, scratchFolder } from '../cli/harness.ts';
import { resultOf, run } from '../report/fixture.ts';

vi.mock('chartjs-node-canvas', () => {
  throw new Error('no canvas on this machine');
});

const folder = scratchFolder();
const result = join(folder, 'r.json');
writeFileSync(result, JSON.stringify(resultOf([run('a')])));

test('where charts cannot load, `figure` says so and all else works', async () => {
  const { status, stderr } = await gmemEval(['figure', result, '--kind', 'faults', '--out', join(folder, 'x.png')]);
  expect(status).toBe(2);
  expect(stderr).toMatch(/^error: charts cannot be drawn here: .*\n {2}run `npm ci` again/);
  expect((await gmemEval(['report', result, '--out', join(folder, 'r')])).status).toBe(0);
  expect((await gmemEval(['models'])).status).toBe(0);
});
