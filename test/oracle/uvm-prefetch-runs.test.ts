/**
 * The recorded runs that one GPU makes alone, as traces through the whole model and engine: each batch is B accesses
 * and a `sync`. What migrates or is populated for a batch must be exactly the pages recorded for it.
 */
import { describe, expect, it } from 'vitest';
import uvm from '../../src/models/uvm/index.ts';
import { addRange, newMask } from '../../src/replay/mask.ts';
import { runModel } from '../helpers/run.ts';
import { readLines, toRuns } from './uvm-data.ts';

interface Trajectory {
  id: string;
  blk: [number, number];
  batch: number;
  p?: [number, number];
  pref?: number;
  thr?: number[];
  init?: Record<string, number[]>;
  acc: ['ev' | number, number[]][];
  steps: { m: number[] }[];
  sum: { batches: number; faults: number; migrated: number };
}

const BASE = 0x4000_0000;
const runs = readLines<Trajectory>('uvm-prefetch-trajectories.jsonl.gz').filter(
  (t) => t.thr === undefined && t.acc.every(([who]) => who === 1),
);

function replayRun(t: Trajectory) {
  const [a, n] = t.blk;
  const address = (page: number) => `0x${(BASE + (a + page) * 4096).toString(16)}`;
  const rows = [`0 cpu alloc ${address(0)} ${n * 4}K a`];
  // The rule looks only at whether the destination is the preferred location; the one run with another one names a
  // GPU that cannot be reached, as a reachable preference would attract the pages (placement rule 6).
  if (t.pref !== undefined) {
    rows.push(`0 cpu advise ${address(0)} ${n * 4}K preferred:${t.pref === 1 ? 'gpu0' : 'gpu1'}`);
  }
  for (const [processor, pages] of Object.entries(t.init ?? {})) {
    for (let i = 0; i < pages.length; i += 2) {
      rows.push(
        `0 cpu prefetch ${address(pages[i])} ${(pages[i + 1] - pages[i]) * 4}K ${processor === '1' ? 'gpu0' : 'cpu'}`,
      );
    }
  }
  const setUp = rows.length;
  for (const [, pages] of t.acc) {
    for (let i = 0; i < pages.length; i += t.batch) {
      for (const page of pages.slice(i, i + t.batch)) rows.push(`0 gpu0 read ${address(page)} 8`);
      rows.push('0 gpu0 sync');
    }
  }
  const [threshold, minFaults] = t.p ?? [51, 1];
  const result = runModel(uvm, rows, {
    engine: 'fast',
    inFlight: 512,
    set: { prefetchThreshold: threshold, prefetchMinFaults: minFaults, thrashing: false },
  });
  const moved = new Map<number, Int32Array>();
  for (const event of result.events) {
    if ((event.kind !== 'migrate' && event.kind !== 'populate') || event.record < setUp) continue;
    const mask = moved.get(event.batch!) ?? newMask();
    moved.set(event.batch!, mask);
    const first = (Number(event.addr) - BASE) / 4096;
    addRange(mask, first, first + event.size / 4096 - 1);
  }
  return { result, steps: [...moved.values()].map((mask) => toRuns(mask, a)) };
}

describe('uvm prefetch through the engine', () => {
  it('holds 265 runs of one GPU', () => {
    expect(runs.length).toBe(265);
  });

  it('moves the recorded pages, batch by batch', () => {
    for (const t of runs) {
      const { result, steps } = replayRun(t);
      // A batch whose faulted pages were all resident has no step; none occurs.
      expect(steps, t.id).toEqual(t.steps.map((step) => step.m));
      expect(result.metrics['faults.device'], t.id).toBe(t.sum.faults);
      expect(result.metrics.batches, t.id).toBe(t.sum.batches);
    }
  });
});
