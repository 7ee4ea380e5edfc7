/** Runs in which faults dominate, on one thread and on two: wall time of the command line. */

import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type Benchmark, type Context, cpuSeconds, interleaved, launch, launchCli, type Sample } from './harness.ts';
import { column, judged, type Limit, median, ratios, type Table } from './table.ts';
import { BASE_ADDRESS, PAGE_BYTES, random, writeTrace } from './traces.ts';

const MODELS = 'gmem,uvm,kfd,hmm';
const RATIOS = '1.25,1.5,2,3';

/** Random reads all over the memory after the CPU has written it. */
function* scattered(pages: number, touches: number): Generator<string> {
  const next = random();
  yield 'actor,op,addr,size,arg';
  yield `cpu,alloc,${BASE_ADDRESS},${pages * PAGE_BYTES},a`;
  yield `cpu,write,${BASE_ADDRESS},${pages * PAGE_BYTES},`;
  for (let i = 0; i < touches; i++) yield `gpu0,read,${BASE_ADDRESS + (next() % pages) * PAGE_BYTES},64,`;
}

const SPINS = 4000;
/** In a function that is called again and again: code that is compiled while its one loop runs is not the same each time. */
const SPIN = `
  const { workerData } = require('node:worker_threads');
  function spin() { let s = 0; for (let i = 0; i < 1e6; i++) s = (s + i) | 0; return s; }
  for (let n = 0; n < workerData; n++) spin();`;

export const tasks = {
  /** The same work without memory or waiting, shared by threads: what the machine itself gains from a second one. */
  async spin(threads: number): Promise<Sample> {
    const beginMs = performance.now();
    const done = Array.from({ length: threads }, () => {
      const worker = new Worker(SPIN, { eval: true, workerData: SPINS / threads });
      return new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
    });
    await Promise.all(done);
    return { wallSeconds: (performance.now() - beginMs) / 1000, cpuSeconds: cpuSeconds() };
  },
};

async function run(context: Context): Promise<{ tables: Table[] }> {
  const path = join(context.folder, 'scattered.csv');
  const pages = 1 << 16;
  const touches = context.quick ? 4_000 : 200_000;
  await writeTrace(path, scattered(pages, touches));
  const contestant = (jobs: number) => () =>
    launchCli(context, [
      'run',
      path,
      '-m',
      MODELS,
      '--oversub',
      RATIOS,
      '--jobs',
      String(jobs),
      '--quiet',
      '--no-cache',
    ]);
  const samples = await interleaved(context, {
    one: contestant(1),
    two: contestant(2),
    spinOne: () => launch(context, 'jobs', 'spin', 1),
    spinTwo: () => launch(context, 'jobs', 'spin', 2),
  });
  type Name = keyof typeof samples;
  const middle = (name: Name, field: string): string => median(column(samples[name], field)).toFixed(2);
  const row = (what: string, one: Name, two: Name, limit: Limit): string[] => [
    what,
    ...[one, two].flatMap((name) => [middle(name, 'wallSeconds'), middle(name, 'cpuSeconds')]),
    ...judged(ratios(samples[two], samples[one], 'wallSeconds'), limit),
  ];
  return {
    tables: [
      {
        title: 'Two threads against one',
        columns: ['runs', '1 job, wall s', 'CPU s', '2 jobs, wall s', 'CPU s', 'wall ratio, median', 'worst', 'limit'],
        rows: [
          row(`16 (${MODELS} at ${RATIOS})`, 'one', 'two', { atMost: 0.65 }),
          row('a bare loop, for comparison', 'spinOne', 'spinTwo', { better: 'lower' }),
        ],
        note: `${touches} random reads over ${pages} pages; the whole command, start and reading included; ${context.rounds} launches each. Where the bare loop gains nothing, the machine had one core to give.`,
      },
    ],
  };
}

export const benchmark: Benchmark = { title: 'two threads against one', run };
