/** Random traces through both engines: they agree, no invariant breaks, nothing is left behind. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MIB, PAGE, row, run } from './kfd-run.ts';
import { fastPeers } from './platforms.ts';

const HINTS = [
  'preferred:cpu',
  'preferred:gpu1',
  'unset:preferred:cpu',
  'accessed_by:gpu0',
  'unset:accessed_by:gpu0',
  'read_mostly',
  'dontneed',
  'attr:granularity=4',
  'attr:noaccess@gpu1',
  'attr:access@gpu1',
  'attr:set=64',
  'attr:clr=64',
  'attr:set=8',
];
const SORTS = ['numa', 'compaction', 'mprotect', 'fork', 'hostio'];

/** Three allocations of 1.5 MiB, 2 MiB apart, of any kind; pages of the steps count from the first. */
const step = fc.record({
  what: fc.constantFrom('read', 'write', 'cpuRead', 'cpuWrite', 'prefetch', 'advise', 'invalidate', 'free'),
  slot: fc.nat(2),
  page: fc.nat(383),
  pages: fc.integer({ min: 1, max: 40 }),
  gpu: fc.nat(1),
  pick: fc.nat(100),
  waitNs: fc.constantFrom(0, 1_000, 900_000, 3_000_000),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function rowsOf(kinds: readonly string[], steps: readonly Step[]): string[] {
  const rows = kinds.map((kind, slot) => {
    const actor = kind === 'device' ? 'gpu0' : 'cpu';
    return row(0, `${actor} alloc`, slot * 2 * MIB, 384 * PAGE, `a${slot};kind=${kind}`);
  });
  const live = kinds.map(() => true);
  let ns = 0;
  for (const { what, slot, page, pages, gpu, pick, waitNs } of steps) {
    if (!live[slot]) continue;
    ns += waitNs;
    const at = slot * 2 * MIB + page * PAGE;
    const size = Math.min(pages, 384 - page) * PAGE;
    const line = (op: string, arg = '') => row(0, op, at, size, arg).replace(/^0/, String(ns));
    if (what === 'free') {
      live[slot] = false;
      rows.push(row(0, 'cpu free', slot * 2 * MIB, 384 * PAGE).replace(/^0/, String(ns)));
    } else if (what === 'prefetch') rows.push(line('cpu prefetch', ['cpu', 'gpu0', 'gpu1'][pick % 3]));
    else if (what === 'advise') rows.push(line('cpu advise', HINTS[pick % HINTS.length]));
    else if (what === 'invalidate') rows.push(line('cpu invalidate', SORTS[pick % SORTS.length]));
    else if (what.startsWith('cpu')) rows.push(line(`cpu ${what.slice(3).toLowerCase()}`));
    else rows.push(line(`gpu${gpu} ${what}`));
  }
  return rows;
}

describe('random traces', () => {
  const kind = fc.constantFrom('managed', 'managed', 'system', 'file', 'device', 'pinned');
  const settings = fc.record({
    preset: fc.constantFrom('partial', 'partial', 'legacy'),
    xnack: fc.constantFrom(true, true, false),
    cam: fc.boolean(),
    alwaysMapped: fc.constantFrom(false, false, true),
    capacity: fc.constantFrom(null, 2 * MIB, 4 * MIB),
    maxRange: fc.constantFrom(MIB, 2 * MIB),
    hive: fc.boolean(),
    inFlight: fc.constantFrom(1, 7, 256),
  });

  it('agree in both engines and keep every invariant', () => {
    fc.assert(
      fc.property(
        fc.array(kind, { minLength: 3, maxLength: 3 }),
        fc.array(step, { minLength: 1, maxLength: 25 }),
        settings,
        (kinds, steps, { preset, capacity, hive, inFlight, ...set }) => {
          const topology = { ...fastPeers.topology, peer: hive ? ('fast' as const) : ('none' as const) };
          const { m } = run(rowsOf(kinds, steps), {
            engine: 'both',
            preset,
            capacity,
            inFlight,
            set,
            actors: ['gpu0', 'gpu1'],
            platform: { ...fastPeers, topology },
          });
          expect(m('faults.device')).toBeLessThanOrEqual(m('faults.deviceRaw'));
        },
      ),
      { numRuns: 60, seed: 1 },
    );
  });
});
