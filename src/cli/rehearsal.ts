/**
 * Code that has not run yet runs slowly: most of a short replay goes into learning what its functions do and compiling them.
 * A thread that waits for its trace learns that meanwhile, from a small trace of the same shape as most: memory that
 * the host writes and a device uses part by part.
 */

import type { LaneSpec } from '../replay/lane.ts';
import { type Plan, type PlannedRun, runsOf } from '../replay/plan.ts';
import { isModulePath } from '../replay/registry.ts';
import { compileTraceText } from '../trace/index.ts';
import { type SharedTrace, shareTrace } from './shared-trace.ts';

export type PlainLane = Omit<LaneSpec, 'model'> & { readonly reference: string };

/** What a thread may replay to no end. */
export interface Rehearsal {
  readonly trace: SharedTrace;
  readonly lanes: readonly PlainLane[];
}

/** A run in a form that crosses threads. */
export function plainLane({ choice, spec }: PlannedRun): PlainLane {
  const { model: _model, ...plain } = spec;
  return { ...plain, reference: choice.reference };
}

/** For runs first..end of the plan. Null where all models are the user's: what those do in passing is not ours to repeat. */
export async function rehearsalsFor(plan: Plan, shares: readonly [number, number][]): Promise<(Rehearsal | null)[]> {
  const trace = await compileTraceText(text());
  // Sizes are of the real trace; devices may have other names here.
  const sizes = plan.sizes.map((size) =>
    size.kind === 'bytes' ? ({ kind: 'oversubscribed', ratio: 2 } as const) : size,
  );
  const runs = runsOf({ ...plan, sizes }, trace);
  const shared = shareTrace(trace);
  return shares.map(([first, end]) => {
    const lanes = runs.slice(first, end).map(plainLane);
    const ours = lanes.filter(({ reference }) => !isModulePath(reference));
    return ours.length === 0 ? null : { trace: shared, lanes: ours };
  });
}

const BASE = 0x40000000;
const PAGE_BYTES = 4096;
const BLOCK_BYTES = 2 ** 21;
const BLOCKS = 24;
const BLOCKS_A_PART = 4;
const TOUCHES_A_PART = 256;

function text(): string {
  const lines = ['time_ns,actor,op,addr,size,thread,arg', `0,cpu,alloc,${BASE},${BLOCKS * BLOCK_BYTES},,a`];
  for (let block = 0; block < BLOCKS; block++) lines.push(`0,cpu,write,${BASE + block * BLOCK_BYTES},${BLOCK_BYTES},,`);
  let time = 1000;
  let seed = 1;
  for (let round = 0; round < 2; round++) {
    for (let part = 0; part < BLOCKS; part += BLOCKS_A_PART) {
      lines.push(`${time},gpu0,launch,,,,`);
      for (let i = 0; i < TOUCHES_A_PART; i++) {
        seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
        const page = part * (BLOCK_BYTES / PAGE_BYTES) + ((seed >>> 8) % (BLOCKS_A_PART * (BLOCK_BYTES / PAGE_BYTES)));
        lines.push(`${(time += 10)},gpu0,${i % 4 === 3 ? 'write' : 'read'},${BASE + page * PAGE_BYTES},64,,`);
      }
      lines.push(`${time},gpu0,sync,,,,`, `${time},cpu,read,${BASE + part * BLOCK_BYTES},${PAGE_BYTES},,`);
    }
  }
  return `${lines.join('\n')}\n`;
}
