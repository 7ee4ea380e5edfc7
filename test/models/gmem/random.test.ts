/** Random traces of everything a record can say: invariants hold in every mode, and coupling changes only messages. */
import { expect, test } from 'vitest';
import { timedPlatform, unitPlatform } from '../../helpers/platforms.ts';
import { GENERATIONS, P, run } from './rows.ts';

type Pick = (below: number) => number;

function generator(seed: number): Pick {
  let state = Math.imul(seed, 7919) >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const KINDS = ['managed', 'managed', 'managed', 'system', 'file', 'pinned', 'device'];
const HINTS = ['dontneed', 'pin:gpu0', 'unpin', 'read_mostly'];
const SORTS = ['numa', 'fork', 'hostio', 'mprotect'];

/** Rows over 80 MiB; `live` holds 4 KiB pages counted from P(0). */
function randomRows(pick: Pick): string[] {
  const rows: string[] = [];
  const live: { first: number; last: number }[] = [];
  const one = <T>(of: readonly T[]): T => of[pick(of.length)];
  const span = (first: number, last: number): string => `${P(0, first * 4096)} ${(last - first + 1) * 4096}`;
  let time = 0;
  for (let i = 0; i < 100; i++) {
    time += pick(3) === 0 ? pick(200_000) : 0;
    const actor = one(['cpu', 'gpu0', 'gpu1']);
    const what = pick(20);
    if (what < 3 || live.length === 0) {
      const first = pick(4) === 0 ? pick(40 * 512) : pick(40) * 512;
      const last = first + (pick(3) === 0 ? pick(600) : (1 + pick(8)) * 512 - 1);
      if (live.some((v) => v.first <= last && v.last >= first)) continue;
      const kind = one(KINDS);
      rows.push(`${time} ${kind === 'device' ? actor : 'cpu'} alloc ${span(first, last)} a${i};kind=${kind}`);
      live.push({ first, last });
      continue;
    }
    const vma = one(live);
    const first = vma.first + pick(vma.last - vma.first + 1);
    const last = first + pick(Math.min(600, vma.last - first + 1));
    if (what < 12) {
      const size = pick(3) === 0 ? (last - first + 1) * 4096 : 64;
      rows.push(`${time} ${actor} ${one(['r', 'w', 'a'])} ${P(0, first * 4096)} ${size}`);
    } else if (what === 12) {
      const [from, to] = pick(2) === 0 ? [first, last] : [vma.first, vma.last];
      rows.push(`${time} cpu free ${span(from, to)}`);
      live.splice(live.indexOf(vma), 1);
      if (from > vma.first) live.push({ first: vma.first, last: from - 1 });
      if (to < vma.last) live.push({ first: to + 1, last: vma.last });
    } else if (what === 13) rows.push(`${time} ${actor} prefetch ${span(first, last)} ${one(['gpu0', 'gpu1', 'cpu'])}`);
    else if (what === 14) rows.push(`${time} cpu advise ${span(first, last)} ${one(HINTS)}`);
    else if (what === 15) rows.push(`${time} cpu invalidate ${span(first, last)} ${one(SORTS)}`);
    else if (what === 16) {
      const source = one(live);
      const pages = Math.min(vma.last - vma.first, source.last - source.first);
      rows.push(`${time} ${actor} copy ${span(vma.first, vma.first + pages)} ${P(0, source.first * 4096)}`);
    } else if (what < 19) rows.push(`${time} ${one(['gpu0', 'gpu1'])} ${what === 17 ? 'launch' : 'sync'}`);
  }
  return rows;
}

test('both engines agree and invariants hold under any setting', () => {
  for (let seed = 1; seed <= 12; seed++) {
    const pick = generator(seed);
    const rows = randomRows(pick);
    const base = pick(2) === 0 ? timedPlatform : unitPlatform;
    run(rows, {
      preset: GENERATIONS[seed % 3],
      platform: { ...base, topology: { ...base.topology, coherent: pick(2) === 0 } },
      capacity: [null, '8M', '16M', '40M'][pick(4)],
      actors: ['gpu0', 'gpu1'],
      inFlight: [1, 4, 64][pick(3)],
      set: {
        mmuOps: pick(2) === 0 ? 'coupled' : 'decoupled',
        coalesce: pick(2) === 0,
        multiDevice: pick(3) === 0 ? 'literal' : 'intent',
        literal: pick(3) === 0,
        importPages: [16, 3, 1][pick(3)],
        replicate: pick(3) === 0,
        workOrder: pick(2) === 0 ? 'rr' : 'fifo',
        lowWatermarkBytes: pick(3) * 2 ** 21,
        highWatermarkBytes: pick(5) * 2 ** 21,
      },
    });
  }
});

test('coupled or decoupled: the same faults, bytes and places', () => {
  for (let seed = 100; seed < 112; seed++) {
    const rows = randomRows(generator(seed));
    const metrics = (mmuOps: string) => {
      const of = run(rows, {
        preset: GENERATIONS[seed % 3],
        capacity: '16M',
        actors: ['gpu0', 'gpu1'],
        engine: 'fast',
        set: { mmuOps, lowWatermarkBytes: 0, highWatermarkBytes: 0 },
      });
      const { roundTrips, ...rest } = of.metrics;
      return { roundTrips: Number(roundTrips), rest };
    };
    const coupled = metrics('coupled');
    const decoupled = metrics('decoupled');
    expect(decoupled.rest).toEqual(coupled.rest);
    expect(decoupled.roundTrips).toBeGreaterThanOrEqual(coupled.roundTrips);
  }
});
