/** Every command line that help or README shows runs, from the root of the repository. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { EXAMPLES } from '../../src/cli/examples.ts';
import { gmemEval, ROOT, scratchFolder } from './harness.ts';

const folder = scratchFolder();

function readmeExamples(): string[] {
  const text = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const blocks = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, body]) => body.split('\n'));
  return blocks.flatMap((line) => {
    const command = /(?:^|&& )npx (gmem-eval .*)$/.exec(line.trim());
    return command === null ? [] : [command[1]];
  });
}

const all = [...new Set([...Object.values(EXAMPLES).flat(), ...readmeExamples()])];

test('there are examples in help and README', () => {
  expect(readmeExamples().length).toBeGreaterThan(2);
  expect(Object.keys(EXAMPLES)).toContain('gmem-eval run');
});

beforeAll(async () => {
  for (const name of ['base.json', 'new.json']) {
    await gmemEval(['run', join(ROOT, 'traces/cyclic.csv'), '--format', 'json', '--out', join(folder, name)]);
  }
});

test.each(all)('%s', async (line) => {
  const [program, ...words] = line.split(' ');
  expect(program).toBe('gmem-eval');
  const args = words.map((word, i) => {
    if (word.startsWith('traces/')) return join(ROOT, word);
    // What is written, and results that were, are in the test's own folder.
    if (['--out', '--events'].includes(words[i - 1])) return join(folder, word);
    return word.replace(/^(\w+=)?([\w-]+\.(?:json|xml))$/, (_, format = '', name) => format + join(folder, name));
  });
  const { status, stdout, stderr } = await gmemEval([...args, ...(args[0] === 'run' ? ['--quiet'] : [])]);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  if (!args.includes('--out')) expect(stdout).not.toBe('');
});
