/** Hints and raw attributes, and faults that cannot be served. Hand-worked as the checklist. */

import { describe, expect, it } from 'vitest';
import { MIB, PAGE, row, run } from './kfd-run.ts';
import { fastPeers } from './platforms.ts';

const SMALL = [row(0, 'cpu alloc', 0, 4 * MIB, 'a'), row(0, 'cpu write', 0, 4 * MIB)];
const advise = (arg: string, ms = 1) => row(ms, 'cpu advise', 0, 4 * MIB, arg);
const touch = row(6, 'gpu0 read', 0, PAGE);
const two = { actors: ['gpu0', 'gpu1'] };

describe('advice', () => {
  it('preferred:cpu keeps data in RAM, unset gives it back to the faulting GPU', () => {
    expect(run([...SMALL, advise('preferred:cpu'), touch]).m('migration.h2d.pages')).toBe(0);
    const unset = [...SMALL, advise('preferred:cpu'), advise('unset:preferred:cpu', 2), touch];
    expect(run(unset).m('migration.h2d.pages')).toBe(512);
  });

  it('preferred:gpu1 brings data to GPU 1 for GPU 0 in one hive, to GPU 0 itself otherwise', () => {
    const rows = [...SMALL, advise('preferred:gpu1'), touch];
    const hive = run(rows, { ...two, platform: fastPeers });
    expect([hive.m('migration.h2d.pages'), hive.m('remote.device.accesses')]).toEqual([512, 1]);
    const apart = run(rows, two);
    expect([apart.m('migration.h2d.pages'), apart.m('remote.device.accesses')]).toEqual([512, 0]);
  });

  it('accessed_by leaves data where it is, unset makes it follow again', () => {
    const inPlace = run([...SMALL, advise('accessed_by:gpu0'), touch]);
    expect([inPlace.m('migration.h2d.pages'), inPlace.m('remote.device.accesses')]).toEqual([0, 1]);
    const rows = [...SMALL, advise('accessed_by:gpu0'), advise('unset:accessed_by:gpu0', 2), touch];
    expect(run(rows).m('migration.h2d.pages')).toBe(512);
    expect(run([...SMALL, advise('accessed_by:cpu'), touch]).m('hints.applied')).toBe(1);
  });

  it('read_mostly is kept as a flag and duplicates nothing', () => {
    const rows = [...SMALL, advise('read_mostly'), touch, row(9, 'gpu0 write', 0, PAGE), row(12, 'cpu read', 0, PAGE)];
    const { m } = run(rows);
    expect([m('hints.applied'), m('migration.h2d.pages'), m('migration.d2h.pages')]).toEqual([1, 512, 512]);
    expect(m('accesses.failed')).toBe(0);
  });

  it('dontneed forgets the data: the next GPU fault finds nothing to copy', () => {
    const { m } = run([...SMALL, touch, advise('dontneed', 9), row(12, 'gpu0 read', 0, PAGE)]);
    expect([m('migration.h2d.pages'), m('populate.device.pages'), m('faults.device')]).toEqual([512, 512, 2]);
    expect(m('migration.d2h.pages')).toBe(0);
  });

  it('splits a range: what lies outside is not touched', () => {
    const rows = [...SMALL, row(1, 'cpu advise', 2 * MIB, 2 * MIB, 'preferred:cpu'), touch];
    const { m } = run([...rows, row(9, 'gpu0 read', 2 * MIB, PAGE)]);
    expect([m('migration.h2d.pages'), m('faults.device'), m('remote.device.accesses')]).toEqual([512, 2, 1]);
    // Each part is a range and takes VRAM of its own.
    expect(m('memory.device.peakAllocatedBytes')).toBe(2 * MIB);
  });

  it('that cuts a mapped range inside a 2 MiB entry has the rest mapped again, but not in older drivers', () => {
    const rows = [
      row(0, 'cpu alloc', 0, 8 * MIB, 'a'),
      row(0, 'cpu write', 0, 8 * MIB),
      row(3, 'cpu prefetch', 0, 8 * MIB, 'gpu0'),
      row(6, 'cpu advise', 0, 3 * MIB, 'preferred:cpu'),
    ];
    // The prefetch flushes once. The cut at 3 MiB lies between the first and the last boundary inside the range (2 and 6):
    // the first 3 MiB are prefetched again (unmap, map), the rest is mapped again.
    expect(run(rows).m('tlb.invalidations')).toBe(1 + 2 + 1);
    // Prefetched already: nothing but the attribute changes.
    expect(run(rows, { preset: 'legacy' }).m('tlb.invalidations')).toBe(1);
  });

  it('that the driver does not have is ignored', () => {
    const { m } = run([...SMALL, advise('pin:gpu0'), advise('attr:colour=1'), touch]);
    expect([m('hints.ignored'), m('hints.applied')]).toEqual([2, 0]);
  });
});

describe('raw attributes', () => {
  it('take locations by number, by name and by actor', () => {
    for (const arg of [
      'attr:pref=0',
      'attr:pref=cpu',
      'attr:pref=sysmem',
      'attr:pref@cpu',
      'attr:PREFERRED_LOC=0@gpu0',
    ]) {
      expect(run([...SMALL, advise(arg), touch]).m('migration.h2d.pages'), arg).toBe(0);
    }
    for (const arg of [
      'attr:pref=1',
      'attr:pref@gpu0',
      'attr:pref=-1',
      'attr:pref=undefined',
      'attr:pref=0xffffffff',
    ]) {
      expect(run([...SMALL, advise(arg), touch]).m('migration.h2d.pages'), arg).toBe(512);
    }
  });

  it('prefetch, access, aip, noaccess', () => {
    expect(run([...SMALL, advise('attr:prefetch=1'), touch]).m('migration.by.hint.bytes')).toBe(4 * MIB);
    expect(run([...SMALL, advise('attr:aip=1'), touch]).m('migration.h2d.pages')).toBe(0);
    expect(run([...SMALL, advise('attr:aip=1'), advise('attr:access=1', 2), touch]).m('migration.h2d.pages')).toBe(512);
    expect(run([...SMALL, advise('attr:noaccess=1'), touch]).m('accesses.failed')).toBe(1);
  });

  it('have the names of the ioctl, too', () => {
    const after = (...hints: string[]) => {
      const rows = [...SMALL, ...hints.map((hint, i) => advise(hint, 1 + i)), row(6, 'gpu0 write', 0, PAGE)];
      const { m } = run(rows);
      return [m('migration.h2d.pages'), m('accesses.failed')];
    };
    expect(after('attr:PREFETCH_LOC=1')).toEqual([1024, 0]);
    expect(after('attr:ACCESS_IN_PLACE=1')).toEqual([0, 0]);
    expect(after('attr:ACCESS_IN_PLACE=1', 'attr:ACCESS=1')).toEqual([512, 0]);
    expect(after('attr:NO_ACCESS=1')).toEqual([0, 1]);
    expect(after('attr:SET_FLAGS=8')).toEqual([512, 1]);
    expect(after('attr:SET_FLAGS=8', 'attr:CLR_FLAGS=8')).toEqual([512, 0]);
    expect(after('attr:GRANULARITY=0')).toEqual([1, 0]);
  });

  it('flags: GPU_RO (8) makes writes impossible and leaves reads', () => {
    const rows = [...SMALL, advise('attr:set=8'), touch];
    expect(run(rows).m('accesses.failed')).toBe(0);
    expect(run([...rows, row(9, 'gpu0 write', 0, PAGE)]).m('accesses.failed')).toBe(1);
    const cleared = [...rows, advise('attr:clr=8', 9), row(12, 'gpu0 write', 0, PAGE)];
    expect(run(cleared).m('accesses.failed')).toBe(0);
  });

  it('granularity stays with the range it was set on', () => {
    const rows = [...SMALL, row(1, 'cpu advise', 0, 2 * MIB, 'attr:granularity=0'), touch];
    const { m } = run([...rows, row(9, 'gpu0 read', 2 * MIB, PAGE)]);
    expect(m('migration.h2d.pages')).toBe(1 + 512);
  });

  it('granularity of 64 and more is stored as 63 and so never counts as equal', () => {
    // A call that changes something carries out the old prefetch again: one unmap, though no page moves.
    const twice = (value: number) => {
      const set = [6, 9].map((ms) => advise(`attr:granularity=${value}`, ms));
      const rows = [...SMALL, row(3, 'cpu prefetch', 0, 4 * MIB, 'gpu0'), advise('attr:granularity=9', 4), ...set];
      return run(rows).m('unmap.device.operations');
    };
    expect([twice(9), twice(63), twice(64)]).toEqual([0, 1, 2]);
  });

  it.each(['attr:pref=7', 'attr:access=0', 'attr:access=x', 'attr:prefetch=-1', 'attr:access'])(
    '%s is refused',
    (arg) => {
      const { m } = run([...SMALL, advise(arg), touch]);
      expect([m('hints.rejected'), m('hints.applied')]).toEqual([1, 0]);
    },
  );

  it('on explicit memory are refused', () => {
    const rows = [row(0, 'gpu0 alloc', 0, 4 * MIB, 'e;kind=device'), advise('attr:gran=4'), touch];
    expect(run(rows).m('hints.rejected')).toBe(1);
  });
});

describe('memory', () => {
  it('of one GPU is reached by its peers where the platform lets them', () => {
    const rows = [row(0, 'gpu0 alloc', 0, 2 * MIB, 'e;kind=device'), row(1, 'gpu1 read', 0, PAGE)];
    expect(run(rows, two).m('accesses.failed')).toBe(1);
    const peers = run(rows, { ...two, platform: fastPeers });
    expect([peers.m('accesses.failed'), peers.m('remote.device.accesses')]).toEqual([0, 1]);
  });

  it('of a GPU is out of reach for the CPU', () => {
    const rows = [row(0, 'gpu0 alloc', 0, 2 * MIB, 'e;kind=device'), row(1, 'cpu read', 0, PAGE)];
    expect(run(rows).m('accesses.failed')).toBe(1);
  });

  it('that was freed has no history: range, window and attributes are gone', () => {
    const rows = [
      ...SMALL,
      advise('preferred:cpu'),
      touch,
      row(6, 'cpu free', 0, 4 * MIB),
      row(6, 'cpu alloc', 0, 4 * MIB, 'b'),
      row(6, 'gpu0 write', 0, PAGE),
    ];
    const { m } = run(rows);
    expect([m('faults.device'), m('faults.deferred'), m('populate.device.pages')]).toEqual([2, 0, 512]);
  });

  it('explicit and too large fails its accesses', () => {
    const rows = [row(0, 'gpu0 alloc', 0, 4 * MIB, 'e;kind=device'), touch];
    const { m, warnings } = run(rows, { capacity: 2 * MIB });
    expect([m('accesses.failed'), warnings.length]).toEqual([1, 1]);
    const freed = [...rows, row(9, 'cpu free', 0, 4 * MIB)];
    expect(run(freed, { capacity: 2 * MIB }).m('memory.device.peakAllocatedBytes')).toBe(0);
  });
});

describe('bookkeeping', () => {
  it('counts 448 bytes a range', () => {
    expect(run(SMALL, { set: { maxRange: MIB } }).m('memory.metadata.peakBytes')).toBe(4 * 448);
  });
});

describe('a GPU that can never map its block', () => {
  it('fails instead of faulting for ever', () => {
    // Block 1 stays in the VRAM of GPU 0: a range with a buffer there is mapped on no GPU of another hive, not even what is
    // in RAM by then.
    const rows = [
      ...SMALL,
      row(3, 'cpu prefetch', 0, 4 * MIB, 'gpu0'),
      row(4, 'cpu advise', 0, 4 * MIB, 'attr:pref=0'),
      row(9, 'gpu1 read', 0, PAGE),
    ];
    const { m, warnings } = run(rows, two);
    expect([m('accesses.failed'), m('migration.d2h.pages')]).toEqual([1, 512]);
    expect(warnings.some((text) => text.includes('faults on a page for ever'))).toBe(true);
  });
});
