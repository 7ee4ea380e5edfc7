/** Runs in which faults dominate, on one thread and on two: wall time of the command line. */

import { join } from 'node:path';
import { type Benchmark, type Context, interleaved, launchCli } from './harness.ts';
import { column, judged, median, ratios, type Table } from './table.ts';
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

async function run(context: Context): Promise<{ tables: Table[] }> {
  const path = join(context.folder, 'scattered.csv');
  const pages = 1 << 16;
  const touches = context.quick ? 4_000 : 20_000;
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
  const samples = await interleaved(context, { one: contestant(1), two: contestant(2) });
  const middle = (name: 'one' | 'two', field: string): string => median(column(samples[name], field)).toFixed(2);
  const ratio = judged(ratios(samples.two, samples.one, 'wallSeconds'), { atMost: 0.65 });
  return {
    tables: [
      {
        title: 'Two threads against one',
        columns: ['runs', '1 job, wall s', 'CPU s', '2 jobs, wall s', 'CPU s', 'wall ratio, median', 'worst', 'limit'],
        rows: [
          [
            `16 (${MODELS} at ${RATIOS})`,
            ...(['one', 'two'] as const).flatMap((name) => [middle(name, 'wallSeconds'), middle(name, 'cpuSeconds')]),
            ...ratio,
          ],
        ],
        note: `${touches} random reads over ${pages} pages; the whole command, start and reading included; ${context.rounds} launches each.`,
      },
    ],
  };
}

export const benchmark: Benchmark = { title: 'two threads against one', run };
