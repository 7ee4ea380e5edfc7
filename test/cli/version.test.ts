/** The version is told without loading any command. */
import { expect, test, vi } from 'vitest';
import { toolVersion } from '../../src/report/version.ts';
import { gmemEval } from './harness.ts';

vi.mock('../../src/cli/commands/run.ts', () => {
  throw new Error('loaded');
});

test.each(['-V', '--version'])('%s', async (flag) => {
  expect(await gmemEval([flag])).toEqual({ status: 0, stdout: `${toolVersion()}\n`, stderr: '' });
});

test('others are loaded: what cannot be is an error', async () => {
  const { status, stderr } = await gmemEval(['--help']);
  expect(status).toBe(3);
  expect(stderr).toContain('error: ');
});
