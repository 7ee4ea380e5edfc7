import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compileTrace, compileTraceText, defineModel, type EventLine, replay, resultSchema } from '../src/index.ts';
import { finished, gmemEval, ROOT, scratchFolder, start, TINY, TOY } from './cli/harness.ts';

const folder = scratchFolder();
const tiny = join(folder, 'tiny.csv');
writeFileSync(tiny, TINY);

test('gives what the command line prints', async () => {
  const options = { models: [TOY, `${TOY}:slow`], oversub: [1, 1.25], set: ['toy.share=1'], inFlight: 8 };
  const result = await replay(await compileTrace(tiny), options);
  const { stdout } = await gmemEval([
    ...['run', tiny, '--format', 'json', '-m', options.models.join(','), '--oversub', '1,1.25'],
    ...['--set', 'toy.share=1', '--in-flight', '8'],
  ]);
  expect(`${JSON.stringify(result, null, 2)}\n`).toBe(stdout);
});

test('takes a model as an object, and text as a trace', async () => {
  const { default: toy } = await import(TOY);
  const mine = defineModel({
    ...toy,
    name: 'mine',
    metrics: {},
    presets: { only: { title: '' } },
  });
  const quiet = { ...mine, create: () => ({}) };
  const events: EventLine[] = [];
  const result = await replay(await compileTraceText(TINY), {
    models: [quiet],
    platform: 'zero',
    check: true,
    onEvent: (_, event) => events.push(event),
  });
  expect(resultSchema.safeParse(result).success).toBe(true);
  expect(result.runs[0]).toMatchObject({ model: 'mine', preset: null });
  // A model without hooks serves nothing: all three accesses fail.
  expect(result.runs[0].metrics['accesses.failed']).toBe(3);
  expect(events.length).toBeGreaterThan(0);
});

test('the model of CONTRIBUTING.md runs', async () => {
  const text = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8');
  const source = /```js\n([\s\S]*?)```/.exec(text)![1];
  const module = join(folder, 'maia.mjs');
  writeFileSync(module, source);
  const child = start(
    ['run', tiny, '-m', module, '--platform', 'zero', '--format', 'json'],
    ['ignore', 'pipe', 'pipe'],
  );
  const { status, stdout, stderr } = await finished(child);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  // One block: the CPU populates it whole, the first device fault brings all 512 pages, the rest hits.
  expect(JSON.parse(stdout).runs[0].metrics).toMatchObject({
    'faults.host': 1,
    'faults.device': 1,
    'migration.h2d.bytes': 2 ** 21,
    'accesses.failed': 0,
  });
});
