import { expect, test } from 'vitest';
import { rehearsalsFor } from '../../src/cli/rehearsal.ts';
import { rehearse } from '../../src/cli/rehearse.ts';
import { openSharedTrace } from '../../src/cli/shared-trace.ts';
import { replay } from '../../src/replay/engine.ts';
import { planRuns } from '../../src/replay/plan.ts';
import { loadModel } from '../../src/replay/registry.ts';
import { TOY } from './harness.ts';

test('every model of ours has a rehearsal in which it faults, moves and evicts', async () => {
  const plan = await planRuns({ models: ['all'], oversub: ['none', 2] });
  const all = plan.choices.length * plan.sizes.length;
  const [first, second] = await rehearsalsFor(plan, [
    [0, 3],
    [3, all],
  ]);
  expect([first!.lanes.length, second!.lanes.length]).toEqual([3, all - 3]);
  const lanes = [...first!.lanes, ...second!.lanes];
  const specs = await Promise.all(lanes.map(async (lane) => ({ ...lane, model: await loadModel(lane.reference) })));
  for (const { metrics } of replay(openSharedTrace(first!.trace), specs, { check: true })) {
    expect(metrics['faults.device']).toBeGreaterThan(0);
  }
  const limited = replay(
    openSharedTrace(first!.trace),
    specs.filter((spec) => spec.capacityBytes !== null),
  );
  expect(limited.map(({ metrics }) => (metrics['evictions.pages'] ?? 0) > 0)).toEqual(limited.map(() => true));
});

test('sizes of named devices do not matter to it', async () => {
  const plan = await planRuns({ models: ['all'], deviceMemory: ['gpu0=4MiB/npu7=1GiB'] });
  expect(await rehearsalsFor(plan, [[0, 1]])).toMatchObject([{ lanes: [{ reference: plan.choices[0].reference }] }]);
});

test('models of the user are left alone', async () => {
  const plan = await planRuns({ models: [TOY] });
  expect(await rehearsalsFor(plan, [[0, 1]])).toEqual([null]);
});

test('it ends when the work is there, and whatever goes wrong is not told', async () => {
  const plan = await planRuns({ models: ['all'] });
  const [rehearsal] = await rehearsalsFor(plan, [[0, 1]]);
  let loads = 0;
  let asked = 0;
  const load = (reference: string) => {
    loads++;
    return loadModel(reference);
  };
  await rehearse(rehearsal!, load, () => ++asked > 1);
  expect([loads, asked]).toEqual([1, 2]);
  await rehearse(
    rehearsal!,
    () => Promise.reject(new Error('no')),
    () => false,
  );
});
