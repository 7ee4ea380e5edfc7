/**
 * The prefetch rule against decisions of NVIDIA's own uvm_perf_prefetch.c (595.45.04), run outside the kernel: 6,200
 * single cases and 325 runs over one block. Case by case, the model's rule must give the recorded hint and counter.
 */
import { describe, expect, it } from 'vitest';
import { type PrefetchHistory, prefetchAts, prefetchHint } from '../../src/models/uvm/prefetch.ts';
import {
  andMask,
  andNotMask,
  countPages,
  hasPage,
  isEmptyMask,
  newMask,
  orMask,
  type PageMask,
  rangeMask,
} from '../../src/replay/mask.ts';
import { readLines, toMask, toRuns } from './uvm-data.ts';

interface Single {
  id: string;
  cat: string;
  k?: 'ats';
  p?: [number, number];
  blk: [number, number];
  dst: number;
  f: number[];
  res?: Record<string, number[]> | number[];
  pref?: number;
  thr?: number[];
  map?: number[];
  hmm?: [number, number];
  cc?: 1;
  lp?: number;
  c0?: number;
  rg?: number[];
  max: [number, number];
  ok: 0 | 1;
  h: number[];
  c1: number;
  m: number[];
  o: number[];
}

const settingsOf = (p: readonly [number, number] = [51, 1]) => ({ enabled: true, threshold: p[0], minFaults: p[1] });

function runSingle(c: Single) {
  const [a, n] = c.blk;
  const residences = (c.res ?? {}) as Record<string, number[]>;
  const resident = toMask(residences[c.dst] ?? [], a);
  const faulted = toMask(c.f, a);
  const history: PrefetchHistory = { lastProcessor: c.lp ?? -1, faults: c.c0 ?? 0 };
  const [maxFirst, maxOuter] = c.hmm ?? [0, n];
  const hint = newMask();
  const ok = prefetchHint(
    {
      history,
      first: a,
      outer: a + n,
      maxFirst: a + maxFirst,
      maxOuter: a + maxOuter,
      system: c.hmm !== undefined,
      destination: c.dst,
      preferred: c.pref ?? -1,
      faulted,
      residentAtDestination: resident,
      residentNowhere: Object.values(residences).every((runs) => runs.length === 0),
      thrashing: c.thr === undefined ? null : toMask(c.thr, a),
      hostMapped: toMask(c.map ?? [], a),
      groups: c.rg?.map((page) => page + a),
      residentOnHostConfidential: c.cc ? toMask(residences['0'] ?? [], a) : undefined,
    },
    settingsOf(c.p),
    hint,
  );
  const moved = ok ? orMask(faulted, hint) : faulted;
  andNotMask(moved, resident);
  return { ok: ok ? 1 : 0, h: ok ? toRuns(hint, a) : [], c1: history.faults, m: toRuns(moved, a) };
}

describe('uvm prefetch, single decisions', () => {
  const cases = readLines<Single>('uvm-prefetch-single.jsonl.gz');
  const categories = [...new Set(cases.map((c) => c.cat))];

  it('holds 6,200 cases', () => {
    expect(cases.length).toBe(6200);
  });

  it.each(categories)('%s', (category) => {
    for (const c of cases.filter((each) => each.cat === category)) {
      if (c.k === 'ats') {
        const out = newMask();
        const resident = c.res === undefined ? null : toMask(c.res as number[], 0);
        prefetchAts(toMask(c.f, 0), c.max[0], c.max[1], resident, settingsOf(c.p), out);
        expect(toRuns(out, 0), c.id).toEqual(c.o);
      } else {
        expect(runSingle(c), c.id).toEqual({ ok: c.ok, h: c.h, c1: c.c1, m: c.m });
      }
    }
  });
});

interface Step {
  f: number[];
  h: number[];
  m: number[];
  d?: number;
  ev?: number;
  n?: number;
}
interface Trajectory {
  id: string;
  pat: string;
  blk: [number, number];
  batch: number;
  p?: [number, number];
  pref?: number;
  thr?: number[];
  init?: Record<string, number[]>;
  acc: ['ev' | number, number | number[]][];
  steps: Step[];
  sum: { accesses: number; batches: number; faults: number; migrated: number; prefetched: number };
  end: Record<string, number[]>;
}

/** Drives the rule over the access stream as the recording did: exclusive residency, CPU-resident pages CPU-mapped. */
function runTrajectory(t: Trajectory) {
  const [a, n] = t.blk;
  const residence: PageMask[] = [0, 1, 2, 3].map((p) => toMask(t.init?.[p] ?? [], a));
  const history: PrefetchHistory = { lastProcessor: -1, faults: 0 };
  const steps: Step[] = [];
  const sum = { accesses: 0, batches: 0, faults: 0, migrated: 0, prefetched: 0 };
  for (const [who, what] of t.acc) {
    if (who === 'ev') {
      const processor = what as number;
      steps.push({ ev: processor, n: countPages(residence[processor]) } as Step);
      orMask(residence[0], residence[processor]);
      residence[processor].fill(0);
      continue;
    }
    const pages = what as number[];
    sum.accesses += pages.length;
    for (let i = 0; i < pages.length; i += t.batch) {
      const faulted = newMask();
      for (const page of pages.slice(i, i + t.batch)) {
        if (!hasPage(residence[who], page + a)) orMask(faulted, rangeMask(page + a, page + a));
      }
      if (isEmptyMask(faulted)) continue;
      const hint = newMask();
      const ok = prefetchHint(
        {
          history,
          first: a,
          outer: a + n,
          maxFirst: a,
          maxOuter: a + n,
          system: false,
          destination: who,
          preferred: t.pref ?? -1,
          faulted,
          residentAtDestination: residence[who],
          residentNowhere: residence.every(isEmptyMask),
          thrashing: t.thr === undefined ? null : toMask(t.thr, a),
          hostMapped: residence[0],
        },
        settingsOf(t.p),
        hint,
      );
      if (!ok) hint.fill(0);
      const moved = andNotMask(orMask(newMask(), faulted), residence[who]);
      orMask(moved, andNotMask(orMask(newMask(), hint), residence[who]));
      steps.push({
        f: toRuns(faulted, a),
        h: toRuns(hint, a),
        m: toRuns(moved, a),
        ...(who === 1 ? {} : { d: who }),
      });
      sum.batches++;
      sum.faults += countPages(faulted);
      sum.migrated += countPages(moved);
      sum.prefetched += countPages(andNotMask(andMask(newMask().fill(-1), moved), faulted));
      for (const mask of residence) andNotMask(mask, moved);
      orMask(residence[who], moved);
    }
  }
  const end: Record<string, number[]> = {};
  for (const [p, mask] of residence.entries()) if (!isEmptyMask(mask)) end[p] = toRuns(mask, a);
  return { steps, sum, end };
}

describe('uvm prefetch, runs over one block', () => {
  const runs = readLines<Trajectory>('uvm-prefetch-trajectories.jsonl.gz');

  it('holds 325 runs', () => {
    expect(runs.length).toBe(325);
  });

  it('agrees in every step, sum and end state', () => {
    for (const t of runs) {
      expect(runTrajectory(t), t.id).toEqual({ steps: t.steps, sum: t.sum, end: t.end });
    }
  });
});
