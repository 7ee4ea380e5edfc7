import { expect, test } from 'vitest';
import { planRuns, type RunOptions, runsOf } from '../../src/replay/plan.ts';
import { compileTraceText } from '../../src/trace/index.ts';
import { TOY } from '../cli/harness.ts';

const MIB = 2 ** 20;

/** `gpu0` touches 3 live blocks at most at once (a, then b after a is gone), `gpu1` 33 of them, `npu0` is only named. */
const trace = await compileTraceText(`actor,op,addr,size,arg
cpu,alloc,0x40000000,6291456,a
gpu0,write,0x40000000,6291456,
cpu,free,0x40000000,6291456,
cpu,alloc,0x80000000,69206016,b
gpu0,write,0x80000000,4194304,
gpu1,write,0x80000000,69206016,
cpu,prefetch,0x80000000,4096,npu0
`);

async function capacities(options: RunOptions): Promise<(readonly number[] | null)[]> {
  return runsOf(await planRuns({ models: [TOY], ...options }), trace).map((run) => run.spec.capacityBytes);
}

const inMib = (sizes: (readonly number[] | null)[]) => sizes.map((s) => s?.slice(1).map((bytes) => bytes / MIB));

test('without either option memory is unlimited', async () => {
  expect(await capacities({})).toEqual([null]);
});

test('a ratio divides the live peak of each device, rounds down to 2 MiB, and leaves at least 2 MiB', async () => {
  // gpu0 6 MiB, gpu1 66 MiB, npu0 touches nothing.
  expect(inMib(await capacities({ oversub: [1, 1.25, 2, 100] }))).toEqual([
    [6, 66, 2],
    [4, 52, 2], // 4.8 -> 4; 52.8 -> 52
    [2, 32, 2], // 3 -> 2; 33 -> 32
    [2, 2, 2],
  ]);
  expect(inMib(await capacities({ oversub: ['0.5'] }))).toEqual([[12, 132, 2]]);
});

test('a ratio that divides exactly loses no block to floating point', async () => {
  // 66 MiB / 1.1 = 60 MiB, though 33 / 1.1 is 29.999999999999996 in binary.
  expect(inMib(await capacities({ oversub: [1.1] }))[0]![1]).toBe(60);
});

test('sizes: one for all devices, or one each', async () => {
  expect(inMib(await capacities({ deviceMemory: ['3M', 4 * MIB] }))).toEqual([
    [3, 3, 3],
    [4, 4, 4],
  ]);
  expect(inMib(await capacities({ deviceMemory: ['gpu1=5MiB/npu0=1GiB/gpu0=1.5MiB'] }))).toEqual([[1.5, 5, 1024]]);
  await expect(capacities({ deviceMemory: ['gpu0=1M/gpu1=1M'] })).rejects.toThrow('no size for npu0');
});

test('parameters: defaults, then the preset, then settings', async () => {
  const plan = await planRuns({ models: [TOY, `${TOY}:slow`], set: ['toy.share=0.125', 'toy.span=unset'] });
  const values = { share: 0.125, wish: true, mode: 'auto', span: null };
  expect(plan.choices.map((c) => c.parameters)).toEqual([
    { serviceNs: 0, ...values },
    { serviceNs: 1000, ...values },
  ]);
});
