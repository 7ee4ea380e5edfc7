/**
 * What the driver does on tiny traces, worked out by hand from kfd_svm.c and kfd_migrate.c. Nothing takes time here unless a
 * test says so; pages are 4 KiB, a block is 512 of them. "The CPU wrote it" stands for pages that are in RAM before.
 */

import { describe, expect, it } from 'vitest';
import { BASE, MIB, PAGE, row, run } from './kfd-run.ts';
import { fastPeers } from './platforms.ts';

const RANGE_32 = { maxRange: 32 * MIB };

/** 32 MiB of managed memory in one range, written by the CPU. */
const RANGE = [row(0, 'cpu alloc', 0, 32 * MIB, 'a'), row(0, 'cpu write', 0, 32 * MIB)];

/** `count` allocations of 32 MiB, each one range, written by the CPU. */
const ranges = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => i * 32 * MIB).flatMap((at, i) => [
    row(0, 'cpu alloc', at, 32 * MIB, `r${i}`),
    row(0, 'cpu write', at, 32 * MIB),
  ]);

/** One page of range i, three ms apart. */
const touchRanges = (order: readonly number[]): string[] =>
  order.map((i, n) => row(3 * (n + 1), 'gpu0 read', i * 32 * MIB, PAGE));

describe('ranges', () => {
  it('are cut at the largest size: 100 MiB at a boundary is 32 + 32 + 32 + 4', () => {
    const alloc = row(0, 'cpu alloc', 0, 100 * MIB, 'a');
    // VRAM is taken for the whole range at its first touch, so what is taken tells the size of the range.
    const taken = (at: number) =>
      run([alloc, row(1, 'gpu0 write', at * MIB, PAGE)], { set: RANGE_32 }).m('memory.device.peakAllocatedBytes');
    expect([0, 32, 64, 96].map(taken)).toEqual([32 * MIB, 32 * MIB, 32 * MIB, 4 * MIB]);
  });

  it('end at absolute multiples: 64 MiB from 16 MiB past one is 16 + 32 + 16', () => {
    const alloc = row(0, 'cpu alloc', 16 * MIB, 64 * MIB, 'a');
    const taken = (at: number) =>
      run([alloc, row(1, 'gpu0 write', at * MIB, PAGE)], { set: RANGE_32 }).m('memory.device.peakAllocatedBytes');
    expect([16, 32, 64].map(taken)).toEqual([16 * MIB, 32 * MIB, 16 * MIB]);
  });

  it('are VRAM / 32 of the smallest device, 2 MiB to 1 GiB', () => {
    const rows = [row(0, 'cpu alloc', 0, MIB, 'a'), row(1, 'gpu0 read', 0, PAGE), row(1, 'gpu1 read', 0, PAGE)];
    const GIB = 2 ** 30;
    const used = (gpu0: number, gpu1: number) => run(rows, { capacity: { gpu0, gpu1 } }).parameters.maxRange as number;
    expect(used(16 * GIB, 16 * GIB)).toBe(512 * MIB);
    expect(used(64 * GIB, 64 * GIB)).toBe(GIB);
    expect(used(32 * MIB, 32 * MIB)).toBe(2 * MIB);
    expect(used(16 * GIB, 64 * GIB)).toBe(512 * MIB);
    expect(run(rows).parameters.maxRange).toBe(GIB);
  });

  it('of plain memory are the VMA inside 2 MiB around the fault', () => {
    const rows = [
      row(0, 'cpu alloc', 0, 5 * MIB, 'a;kind=system'),
      row(0, 'cpu write', 0, 5 * MIB),
      ...[0, 2, 4].map((at) => row(1, 'gpu0 read', at * MIB, PAGE)),
    ];
    const { m } = run(rows);
    // 2 + 2 + 1 MiB = 512 + 512 + 256 pages.
    expect([m('faults.device'), m('migration.operations'), m('migration.h2d.pages')]).toEqual([3, 3, 1280]);
    expect(m('memory.device.peakAllocatedBytes')).toBe(5 * MIB);
  });

  it.each(['heap', 'stack'])('of the initial %s stay in RAM', (vma) => {
    const rows = [
      row(0, 'cpu alloc', 0, 5 * MIB, `a;kind=system;vma=${vma}`),
      row(0, 'cpu write', 0, 5 * MIB),
      ...[0, 2, 4].map((at) => row(1, 'gpu0 read', at * MIB, PAGE)),
    ];
    const { m } = run(rows);
    expect([m('faults.device'), m('migration.operations'), m('remote.device.accesses')]).toEqual([3, 0, 3]);
    expect(m('memory.device.peakAllocatedBytes')).toBe(0);
  });

  it('of a file are looked at, not moved, and used from RAM', () => {
    const rows = [
      row(0, 'cpu alloc', 0, 2 * MIB, 'f;kind=file'),
      row(0, 'cpu write', 0, PAGE),
      row(1, 'gpu0 read', 0, PAGE),
    ];
    const { m } = run(rows);
    // The mapping reads the other 511 pages in; that is no migration.
    expect([m('faults.device'), m('migration.operations'), m('remote.device.accesses')]).toEqual([1, 0, 1]);
    expect(m('populate.host.pages')).toBe(512);
  });
});

describe('a GPU fault', () => {
  it('moves one block and takes VRAM for the whole range', () => {
    const { m } = run([...RANGE, row(3, 'gpu0 read', 0, PAGE)], { set: RANGE_32 });
    expect([m('faults.device'), m('migration.operations'), m('migration.h2d.pages')]).toEqual([1, 1, 512]);
    expect(m('migration.by.deviceFault.bytes')).toBe(2 * MIB);
    expect(m('memory.device.peakAllocatedBytes')).toBe(32 * MIB);
    expect(m('memory.device.peakResidentBytes')).toBe(2 * MIB);
  });

  it('moves the whole range in older drivers', () => {
    const { m } = run([...RANGE, row(3, 'gpu0 read', 0, PAGE)], { set: RANGE_32, preset: 'legacy' });
    expect([m('faults.device'), m('migration.operations'), m('migration.h2d.pages')]).toEqual([1, 1, 8192]);
  });

  it('on each block of a range: 15 of 16 migrations take mappings away first', () => {
    const scan = Array.from({ length: 16 }, (_, i) => row(3 * (i + 1), 'gpu0 read', i * 2 * MIB, PAGE));
    const { m } = run([...RANGE, ...scan], { set: RANGE_32 });
    expect([m('faults.device'), m('services'), m('migration.operations')]).toEqual([16, 16, 16]);
    expect([m('migration.h2d.pages'), m('unmap.device.operations')]).toEqual([8192, 15]);
    // migrate_vma_setup calls the notifier each time; a flush at each unmap and each map.
    expect([m('notifier.invalidations'), m('tlb.invalidations')]).toEqual([16, 31]);
    // Waited for: each of these flushes, 16 copies, and the clearing of the buffer.
    expect(m('roundTrips')).toBe(31 + 16 + 1);
    // A whole block in a contiguous buffer is one 2 MiB entry.
    expect(m('map.operations')).toBe(16);
    expect(m('memory.device.peakResidentBytes')).toBe(32 * MIB);
  });

  it('of older drivers: the first of the scan brings all', () => {
    const scan = Array.from({ length: 16 }, (_, i) => row(3 * (i + 1), 'gpu0 read', i * 2 * MIB, PAGE));
    const { m } = run([...RANGE, ...scan], { set: RANGE_32, preset: 'legacy' });
    expect([m('faults.device'), m('migration.operations')]).toEqual([1, 1]);
    expect([m('migration.h2d.pages'), m('unmap.device.operations')]).toEqual([8192, 0]);
  });

  it('is clipped to the range', () => {
    const at = (size: number, offset: number) => {
      const rows = [row(0, 'cpu alloc', 0, size, 'a'), row(0, 'cpu write', 0, size), row(3, 'gpu0 read', offset, PAGE)];
      return run(rows, { set: RANGE_32 }).m('migration.h2d.pages');
    };
    // 3 MiB = one block and 256 pages; the last page lies in the second part.
    expect(at(3 * MIB, 3 * MIB - PAGE)).toBe(256);
    expect(at(MIB, 0)).toBe(256);
  });

  it('follows the granularity', () => {
    const { m } = run([...RANGE, row(3, 'gpu0 read', 0, PAGE)], { set: { ...RANGE_32, granularity: 4 } });
    // 2^4 pages.
    expect(m('migration.h2d.pages')).toBe(16);
    const one = [...RANGE, row(1, 'cpu advise', 0, 32 * MIB, 'attr:granularity=5'), row(3, 'gpu0 read', 0, PAGE)];
    expect(run(one, { set: RANGE_32 }).m('migration.h2d.pages')).toBe(32);
  });

  it('on untouched memory moves zeroed pages without a copy, which the CPU has to fetch', () => {
    const rows = [row(0, 'cpu alloc', 0, 2 * MIB, 'a'), row(3, 'gpu0 read', 0, PAGE), row(6, 'cpu read', 0, PAGE)];
    const { m } = run(rows);
    expect([m('populate.device.pages'), m('migration.h2d.bytes')]).toEqual([512, 0]);
    expect([m('migration.d2h.pages'), m('migration.d2h.bytes')]).toEqual([512, 2 * MIB]);
    expect([m('migration.operations'), m('faults.host'), m('faults.host.firstTouch')]).toEqual([2, 1, 0]);
  });
});

describe('the window of 2 ms', () => {
  const second = row(1, 'gpu0 read', 2 * MIB, PAGE);

  it('puts a fault on another block of the range off', () => {
    // Block 0 is done at 0 ms; block 1 arrives at 1 ms, is ignored, and is raised again at 2 ms, which is served.
    const { m } = run([...RANGE, row(0, 'gpu0 read', 0, PAGE), second], { set: RANGE_32 });
    expect([m('faults.device'), m('faults.deferred'), m('faults.deviceRaw')]).toEqual([2, 1, 3]);
    expect([m('time.stall.device.ns'), m('services')]).toEqual([1_000_000, 2]);
  });

  it('ends exactly 2 ms after the last mapping', () => {
    const at = (ns: number) =>
      run([...RANGE, row(0, 'gpu0 read', 0, PAGE), `${ns} gpu0 read 0x${(BASE + 2 * MIB).toString(16)} 4096`], {
        set: { ...RANGE_32, retryIntervalNs: 1 },
      }).m('faults.deferred');
    expect([at(1_999_999), at(2_000_000)]).toEqual([1, 0]);
  });

  it('has nothing to put off in older drivers', () => {
    const { m } = run([...RANGE, row(0, 'gpu0 read', 0, PAGE), second], { set: RANGE_32, preset: 'legacy' });
    expect([m('faults.device'), m('faults.deviceRaw')]).toEqual([1, 1]);
  });

  it('begins at a prefetch, too', () => {
    const rows = [
      ...RANGE,
      row(0, 'cpu prefetch', 0, 32 * MIB, 'gpu0'),
      row(0, 'cpu invalidate', 0, 2 * MIB, 'numa'),
      row(1, 'gpu0 read', 0, PAGE),
    ];
    expect(run(rows, { set: RANGE_32 }).m('faults.deferred')).toBe(1);
  });

  it('lets faults on pages that are mapped meanwhile through as repaired', () => {
    // 64 pages of one block wait together: the first is served, 63 are looked at and found mapped.
    const { m } = run([...RANGE, row(3, 'gpu0 read', 0, 64 * PAGE)], { set: RANGE_32 });
    expect([m('faults.device'), m('faults.stale'), m('batches'), m('services')]).toEqual([1, 63, 64, 1]);
  });
});

describe('further faults of a page', () => {
  const sixtyFour = Array.from({ length: 64 }, () => row(3, 'gpu0 read', 0, PAGE));
  const all = (pages: number) => [
    row(0, 'cpu alloc', 0, 4 * MIB, 'a'),
    row(0, 'cpu write', 0, 4 * MIB),
    row(3, 'gpu0 read', 0, pages * PAGE),
  ];

  it('are held back by the CAM and never fetched', () => {
    const { m } = run([...RANGE, ...sixtyFour], { set: RANGE_32 });
    expect([m('faults.deviceRaw'), m('faults.device'), m('touches.device')]).toEqual([1, 1, 64]);
  });

  it('are dropped by the filter without a CAM', () => {
    const { m } = run([...RANGE, ...sixtyFour], { set: { ...RANGE_32, cam: false } });
    expect([m('faults.device'), m('faults.duplicate'), m('batches')]).toEqual([1, 63, 64]);
  });

  it('the filter remembers 256: of 257 pages at once one is dropped', () => {
    const { m } = run(all(257), { set: { ...RANGE_32, cam: false }, inFlight: 512 });
    // One block: one served, 255 pass the filter and are found mapped, the last does not pass.
    expect([m('faults.device'), m('faults.stale'), m('faults.duplicate')]).toEqual([1, 255, 1]);
    expect(run(all(257), { set: RANGE_32, inFlight: 512 }).m('faults.stale')).toBe(256);
  });

  it('the filter forgets after 5000 ticks of 10 ns', () => {
    // The page faults again because its memory is new; so is the range, and ignores nothing.
    const again = (ns: number) => {
      const rows = [
        row(0, 'cpu alloc', 0, 2 * MIB, 'a;kind=system'),
        row(1, 'gpu0 write', 0, PAGE),
        row(1, 'cpu free', 0, 2 * MIB),
        row(1, 'cpu alloc', 0, 2 * MIB, 'b;kind=system'),
        `${1_000_000 + ns} gpu0 write 0x${BASE.toString(16)} 4096`,
      ];
      return run(rows, { set: { cam: false } });
    };
    expect(again(49_999).m('faults.deferred')).toBe(1);
    expect(again(50_010).m('faults.deferred')).toBe(0);
  });
});

describe('the CPU', () => {
  const inVram = [...RANGE, row(3, 'cpu prefetch', 0, 32 * MIB, 'gpu0')];
  const readBack = row(6, 'cpu read', 0, PAGE);
  const capacity = 32 * MIB;

  it('takes one block back; the rest stays mapped and the buffer stays whole', () => {
    const others = Array.from({ length: 15 }, (_, i) => row(9 + i, 'gpu0 read', (i + 1) * 2 * MIB, PAGE));
    const rows = [...inVram, readBack, ...others];
    const before = run(rows, { set: RANGE_32 });
    expect([before.m('migration.d2h.pages'), before.m('faults.device')]).toEqual([512, 0]);
    const after = run([...rows, row(30, 'gpu0 read', 0, PAGE)], { set: RANGE_32 });
    expect([after.m('faults.device'), after.m('migration.operations')]).toEqual([1, 3]);
    // The 32 MiB are still taken: a new range of 2 MiB has to evict.
    const more = [
      ...inVram,
      readBack,
      row(9, 'cpu alloc', 64 * MIB, 2 * MIB, 'b'),
      row(9, 'gpu0 write', 64 * MIB, PAGE),
    ];
    expect(run(more, { set: RANGE_32, capacity }).m('evictions.count')).toBe(1);
  });

  it('that reads all of it faults 16 times and leaves no buffer', () => {
    const rows = [
      ...inVram,
      row(6, 'cpu read', 0, 32 * MIB),
      row(9, 'cpu alloc', 64 * MIB, 32 * MIB, 'b'),
      row(9, 'gpu0 write', 64 * MIB, PAGE),
    ];
    const { m } = run(rows, { set: RANGE_32, capacity });
    // First touches, then one fault a block.
    expect([m('faults.host') - m('faults.host.firstTouch'), m('migration.d2h.pages')]).toEqual([16, 8192]);
    expect(m('migration.by.hostFault.bytes')).toBe(32 * MIB);
    expect(m('evictions.count')).toBe(0);
  });

  it('of older drivers cuts the range at the block', () => {
    const rows = [...inVram, readBack, row(9, 'gpu0 read', 0, PAGE), row(12, 'gpu0 read', 4 * MIB, PAGE)];
    const { m } = run(rows, { set: RANGE_32, preset: 'legacy' });
    // The piece is a range of its own now: the GPU fault moves 512 pages, and the tail is still mapped.
    expect([m('migration.d2h.pages'), m('faults.device')]).toEqual([512, 1]);
    expect(m('migration.h2d.pages')).toBe(8192 + 512);
  });

  it('serves faults one at a time: k blocks take k service times', () => {
    const platform = { ...fastPeers, timeless: false, host: { ...fastPeers.host, faultNs: 100 } };
    const costs = { migrateInPageNs: 0, migrateOutPageNs: 10, copyJobNs: 1_000, mapPageNs: 0, faultNs: 0 };
    const stall = (blocks: number) => {
      const reads = Array.from({ length: blocks }, (_, i) => row(6, 'cpu read', i * 2 * MIB, PAGE));
      return run([...inVram, ...reads], { set: { ...RANGE_32, ...costs }, platform }).m('time.stall.host.ns');
    };
    // Trap 100 + 512 pages x 10 + one copy job 1000.
    expect(stall(3) - stall(0)).toBe(3 * (100 + 5_120 + 1_000));
  });
});

describe('a prefetch', () => {
  const rows = [
    row(0, 'cpu alloc', 0, 100 * MIB, 'a'),
    row(0, 'cpu write', 0, 100 * MIB),
    row(3, 'cpu prefetch', 0, 100 * MIB, 'gpu0'),
  ];
  const touches = Array.from({ length: 50 }, (_, i) => row(6, 'gpu0 read', i * 2 * MIB, PAGE));

  it('moves whole ranges', () => {
    const { m } = run([...rows, ...touches], { set: RANGE_32 });
    expect([m('migration.operations'), m('migration.h2d.pages'), m('faults.device')]).toEqual([4, 25600, 0]);
    expect([m('hints.applied'), m('migration.by.hint.bytes')]).toEqual([1, 100 * MIB]);
  });

  it('done again moves nothing but maps again', () => {
    const { m } = run([...rows, row(6, 'cpu prefetch', 0, 100 * MIB, 'gpu0')], { set: RANGE_32 });
    expect([m('migration.h2d.pages'), m('unmap.device.operations')]).toEqual([25600, 4]);
    // 50 entries of 2 MiB, twice; flushes: 4 maps, 4 unmaps, 4 maps.
    expect([m('map.operations'), m('tlb.invalidations')]).toEqual([100, 12]);
    const legacy = run([...rows, row(6, 'cpu prefetch', 0, 100 * MIB, 'gpu0')], { set: RANGE_32, preset: 'legacy' });
    expect(legacy.m('unmap.device.operations')).toBe(0);
  });

  it('works downwards: over capacity the lowest ranges end in VRAM', () => {
    const { m } = run([...rows, ...touches.slice(0, 16)], { set: RANGE_32, capacity: 64 * MIB });
    // 4, 32 MiB fit; the third range pushes out the 4 MiB and the first 32, the fourth the next: see the order below.
    expect(m('faults.device')).toBe(0);
    // In: 4 at 96, 32 at 64 (36 taken), 32 at 32 (evicts the 4: 64 taken), 32 at 0 (evicts 64..96).
    expect([m('evictions.count'), m('evictions.pages')]).toEqual([2, 1024 + 8192]);
  });

  it('to the CPU brings everything home and leaves it unmapped', () => {
    const { m } = run([...rows, row(6, 'cpu prefetch', 0, 100 * MIB, 'cpu'), row(9, 'gpu0 read', 0, PAGE)], {
      set: RANGE_32,
    });
    expect([m('migration.d2h.pages'), m('faults.device')]).toEqual([25600, 1]);
  });

  it('is repeated by every later attribute call on the range', () => {
    // The CPU took a block back; changing the granularity carries out the old prefetch again.
    const again = [...rows, row(6, 'cpu read', 0, PAGE), row(9, 'cpu advise', 0, 32 * MIB, 'attr:granularity=8')];
    const { m } = run(again, { set: RANGE_32 });
    expect([m('migration.d2h.pages'), m('migration.h2d.pages')]).toEqual([512, 25600 + 512]);
  });

  it('that reaches outside is refused', () => {
    const { m } = run([...rows.slice(0, 2), row(3, 'cpu prefetch', 96 * MIB, 8 * MIB, 'gpu0')], { set: RANGE_32 });
    expect([m('hints.rejected'), m('migration.operations')]).toEqual([1, 0]);
  });
});

describe('eviction', () => {
  it('is first in, first out, whatever is used: A B A C A', () => {
    const rows = [...ranges(3), ...touchRanges([0, 1, 0, 2, 0])];
    const result = run(rows, { set: RANGE_32, preset: 'legacy', capacity: 64 * MIB });
    expect([result.m('faults.device'), result.m('migration.h2d.pages')]).toEqual([4, 4 * 8192]);
    expect(result.m('evictions.count')).toBe(2);
    const victims = result.events.filter((event) => event.kind === 'evict').map((event) => event.addr);
    expect(victims).toEqual([0, 32 * MIB].map((at) => `0x${(BASE + at).toString(16)}`));
  });

  it('writes back resident pages and frees the whole range', () => {
    const { m } = run([...ranges(2), ...touchRanges([0, 1])], { set: RANGE_32, capacity: 32 * MIB });
    expect([m('evictions.count'), m('evictions.pages'), m('migration.d2h.pages')]).toEqual([1, 512, 512]);
    expect(m('migration.by.eviction.bytes')).toBe(2 * MIB);
    expect(m('memory.device.peakAllocatedBytes')).toBe(32 * MIB);
  });

  it('of five ranges in the room of four, in turn: every touch after the fourth evicts', () => {
    const thrice = (n: number) => [0, 1, 2].flatMap(() => Array.from({ length: n }, (_, i) => i));
    const options = { set: RANGE_32, preset: 'legacy', capacity: 128 * MIB };
    const five = run([...ranges(5), ...touchRanges(thrice(5))], options);
    expect([five.m('migration.h2d.pages'), five.m('evictions.count')]).toEqual([15 * 8192, 11]);
    // Ten of the fifteen come back after an eviction: all but the first round.
    expect(five.m('thrash.pages')).toBe(10 * 8192);
    const four = run([...ranges(4), ...touchRanges(thrice(4))], options);
    expect([four.m('migration.h2d.pages'), four.m('evictions.count')]).toEqual([4 * 8192, 0]);
  });

  it('happens although at most 8 MiB are resident', () => {
    const thrice = [0, 1, 2].flatMap(() => [0, 1, 2, 3, 4]);
    const { m } = run([...ranges(5), ...touchRanges(thrice)], { set: RANGE_32, capacity: 128 * MIB });
    expect([m('faults.device'), m('migration.h2d.pages')]).toEqual([15, 15 * 512]);
    expect([m('evictions.count'), m('evictions.pages')]).toEqual([11, 11 * 512]);
    expect(m('memory.device.peakResidentBytes')).toBe(8 * MIB);
  });

  it('takes sixteen ranges of 2 MiB for one of 32', () => {
    const small = Array.from({ length: 16 }, (_, i) => 64 + 2 * i);
    const rows = [
      row(0, 'cpu alloc', 64 * MIB, 32 * MIB, 's;kind=system'),
      row(0, 'cpu write', 64 * MIB, 32 * MIB),
      ...small.map((at) => row(3, 'gpu0 read', at * MIB, PAGE)),
      ...ranges(1),
      row(6, 'gpu0 read', 0, PAGE),
    ].sort((a, b) => Number(a.split(' ')[0]) - Number(b.split(' ')[0]));
    const { m } = run(rows, { set: RANGE_32, capacity: 32 * MIB });
    expect([m('evictions.count'), m('evictions.pages')]).toEqual([16, 16 * 512]);
  });

  it('spares explicit memory: a range that cannot fit is used from RAM', () => {
    const rows = [
      row(0, 'gpu0 alloc', 64 * MIB, 16 * MIB, 'e;kind=device'),
      ...RANGE,
      ...Array.from({ length: 10 }, (_, i) => row(3 + i, 'gpu0 read', i * PAGE, PAGE)),
    ];
    const { m } = run(rows, { set: RANGE_32, capacity: 32 * MIB });
    expect([m('faults.device'), m('migration.h2d.pages'), m('evictions.count')]).toEqual([1, 0, 0]);
    expect(m('remote.device.accesses')).toBe(10);
  });

  it('is not even tried for a range that explicit memory leaves no room for', () => {
    const rows = [
      row(0, 'gpu0 alloc', 64 * MIB, 16 * MIB, 'e;kind=device'),
      ...RANGE,
      row(0, 'cpu alloc', 128 * MIB, 2 * MIB, 'small'),
      row(1, 'gpu0 write', 128 * MIB, PAGE),
      row(3, 'gpu0 read', 0, PAGE),
    ];
    // 16 + 2 of 32 MiB are taken; the range of 32 is refused before anything is evicted.
    expect(run(rows, { set: RANGE_32, capacity: 32 * MIB }).m('evictions.count')).toBe(0);
  });

  it('comes after the accesses that waited before', () => {
    const rows = [0, 2].map((at) => row(0, 'cpu alloc', at * MIB, 2 * MIB, `r${at}`));
    const waiting = [row(3, 'gpu0 read', 0, 2 * PAGE), row(3, 'gpu0 read', 2 * MIB, PAGE)];
    for (const cam of [true, false]) {
      const { m } = run([...rows, ...waiting], { set: { maxRange: 2 * MIB, cam }, capacity: 2 * MIB });
      // The second page is found mapped and read before the other range pushes it out.
      expect([m('faults.device'), m('faults.stale'), m('evictions.count')]).toEqual([2, 1, 1]);
    }
  });

  it('makes room for explicit memory', () => {
    const rows = [
      ...RANGE,
      row(3, 'gpu0 read', 0, PAGE),
      row(6, 'gpu0 alloc', 64 * MIB, 16 * MIB, 'e;kind=device'),
      row(9, 'gpu0 write', 64 * MIB, 16 * MIB),
    ];
    const { m } = run(rows, { set: RANGE_32, capacity: 32 * MIB });
    expect([m('evictions.count'), m('evictions.pages'), m('faults.device')]).toEqual([1, 512, 1]);
  });
});

describe('XNACK off', () => {
  const off = { ...RANGE_32, xnack: false };

  it('maps registered memory at once, where it is', () => {
    const { m } = run([...RANGE, row(3, 'gpu0 read', 0, 32 * MIB)], { set: off });
    expect([m('faults.device'), m('migration.operations'), m('remote.device.accesses')]).toEqual([0, 0, 8192]);
  });

  it('stops the queues once for two invalidations within 1 ms', () => {
    const rows = [
      ...RANGE,
      row(3, 'cpu invalidate', 0, PAGE, 'numa'),
      row(3, 'cpu invalidate', 2 * MIB, PAGE, 'numa'),
      row(3, 'gpu0 read', 0, PAGE),
    ];
    const { m } = run(rows, { set: off });
    expect([m('kfd.queueEvictions'), m('faults.device')]).toEqual([1, 0]);
    // From 3 ms to 4 ms.
    expect(m('time.stall.device.ns')).toBe(1_000_000);
    // Stop and resume; a flush for the mapping at registration, one for each of the restores (one range).
    expect(m('roundTrips')).toBe(2 + 1 + 1);
    const later = [...RANGE, row(3, 'cpu invalidate', 0, PAGE, 'numa'), row(5, 'cpu invalidate', 0, PAGE, 'numa')];
    expect(run([...later, row(9, 'gpu0 read', 0, PAGE)], { set: off }).m('kfd.queueEvictions')).toBe(2);
  });

  it('does not care about a range that no GPU has mapped', () => {
    const rows = [
      row(0, 'cpu alloc', 0, 2 * MIB, 'a;kind=system'),
      row(0, 'cpu write', 0, 2 * MIB),
      row(0, 'cpu advise', 0, 2 * MIB, 'attr:granularity=4'),
      row(3, 'cpu invalidate', 0, PAGE, 'numa'),
      row(9, 'gpu0 launch', 0, 1),
    ];
    expect(run(rows, { set: off }).m('kfd.queueEvictions')).toBe(0);
  });

  it('serves no fault: plain memory is out of reach', () => {
    const rows = [row(0, 'cpu alloc', 0, 2 * MIB, 'a;kind=system'), row(3, 'gpu0 read', 0, PAGE)];
    const { m } = run(rows, { set: off });
    expect([m('accesses.failed'), m('services')]).toEqual([1, 0]);
  });

  it('CPU read-back of prefetched data stops the queues; the data stays in RAM', () => {
    const rows = [
      ...RANGE,
      row(3, 'cpu prefetch', 0, 32 * MIB, 'gpu0'),
      row(6, 'cpu read', 0, PAGE),
      row(9, 'gpu0 read', 0, PAGE),
    ];
    const { m } = run(rows, { set: off });
    // The prefetch invalidates a mapped range, too.
    expect([m('kfd.queueEvictions'), m('migration.d2h.pages'), m('remote.device.accesses')]).toEqual([2, 512, 1]);
  });

  it('is what GPU_ALWAYS_MAPPED behaves like for invalidations', () => {
    const rows = [
      ...RANGE,
      row(3, 'cpu invalidate', 0, PAGE, 'numa'),
      row(3, 'cpu invalidate', 2 * MIB, PAGE, 'numa'),
      row(3, 'gpu0 read', 0, PAGE),
    ];
    const { m } = run(rows, { set: { ...RANGE_32, alwaysMapped: true } });
    expect([m('kfd.queueEvictions'), m('faults.device'), m('unmap.device.operations')]).toEqual([1, 0, 0]);
    const flag = [...RANGE, row(1, 'cpu advise', 0, 32 * MIB, 'attr:set=64'), ...rows.slice(2)];
    expect(run(flag, { set: RANGE_32 }).m('kfd.queueEvictions')).toBe(1);
  });
});

describe('an invalidation with XNACK on', () => {
  it('takes exactly its pages', () => {
    const rows = [
      ...RANGE,
      row(0, 'cpu advise', 0, 32 * MIB, 'preferred:cpu'),
      row(3, 'gpu0 read', 0, PAGE),
      row(6, 'cpu invalidate', 0, PAGE, 'mprotect'),
      row(9, 'gpu0 read', 0, PAGE),
      row(12, 'gpu0 read', PAGE, PAGE),
    ];
    const { m } = run(rows, { set: RANGE_32 });
    expect([m('unmap.device.operations'), m('kfd.queueEvictions')]).toEqual([1, 0]);
    // One fault for the block, one for the page; nothing ever moves.
    expect([m('faults.device'), m('migration.operations'), m('remote.device.accesses')]).toEqual([2, 0, 3]);
  });

  it('by a fork or by I/O brings device pages home, block by block', () => {
    const rows = (sort: string) => [
      ...RANGE,
      row(3, 'cpu prefetch', 0, 4 * MIB, 'gpu0'),
      row(6, 'cpu invalidate', 0, 32 * MIB, sort),
    ];
    for (const sort of ['fork', 'hostio']) {
      expect(run(rows(sort), { set: RANGE_32 }).m('migration.d2h.pages')).toBe(1024);
    }
  });
});

describe('two GPUs', () => {
  const onFirst = (advice: readonly string[]) => [
    ...RANGE,
    ...advice.map((arg) => row(0, 'cpu advise', 0, 32 * MIB, arg)),
    row(3, 'cpu prefetch', 0, 32 * MIB, 'gpu0'),
    row(6, 'gpu1 read', 0, PAGE),
  ];
  const options = { set: RANGE_32, actors: ['gpu0', 'gpu1'] };

  it('with access: through RAM, all of the range out, one block in', () => {
    const { m } = run(onFirst([]), options);
    expect([m('migration.d2h.pages'), m('migration.d2d.pages')]).toEqual([8192, 0]);
    expect(m('migration.h2d.pages')).toBe(8192 + 512);
    // The second record of GPU 1 is what hands its fault over before GPU 0 goes on.
    const rest = [row(7, 'gpu1 read', 0, PAGE), row(9, 'gpu0 read', 4 * MIB, PAGE)];
    const back = run([...onFirst([]), ...rest], options);
    expect(back.m('faults.device')).toBe(2);
  });

  it('with access in place in one hive: used where it is, and the mapping changes hands', () => {
    const inPlace = ['attr:aip@gpu0', 'attr:aip@gpu1'];
    const rows = [...RANGE, ...inPlace.map((arg) => row(0, 'cpu advise', 0, 32 * MIB, arg))];
    const shared = [
      ...rows,
      row(3, 'cpu prefetch', 0, 32 * MIB, 'gpu0'),
      row(6, 'cpu invalidate', 0, 32 * MIB, 'numa'),
      row(9, 'gpu1 read', 0, PAGE),
    ];
    const { m } = run(shared, { ...options, platform: fastPeers });
    expect([m('faults.device'), m('migration.h2d.pages'), m('migration.d2h.pages')]).toEqual([1, 8192, 0]);
    expect(m('remote.device.accesses')).toBe(1);
    const back = run([...shared, row(12, 'gpu0 read', 0, PAGE), row(15, 'gpu1 read', 0, PAGE)], {
      ...options,
      platform: fastPeers,
    });
    // Each takes the mapping from the other; no page moves.
    expect([back.m('faults.device'), back.m('migration.operations')]).toEqual([3, 1]);
  });

  it('with access in place in two hives: one block goes to RAM', () => {
    // GPU 0 keeps plain access, or the prefetch would go to RAM at once.
    const rows = [
      row(0, 'cpu alloc', 0, 2 * MIB, 'a'),
      row(0, 'cpu write', 0, 2 * MIB),
      row(3, 'gpu0 read', 0, PAGE),
      row(4, 'cpu advise', 0, 2 * MIB, 'attr:aip@gpu1'),
      row(9, 'gpu1 read', 0, PAGE),
    ];
    const { m } = run(rows, options);
    expect([m('migration.h2d.pages'), m('migration.d2h.pages'), m('remote.device.accesses')]).toEqual([512, 512, 1]);
  });

  it('with RAM preferred: nothing ever moves', () => {
    const rows = [
      ...RANGE,
      row(0, 'cpu advise', 0, 32 * MIB, 'preferred:cpu'),
      row(3, 'gpu0 read', 0, PAGE),
      row(6, 'gpu1 read', 0, PAGE),
    ];
    const { m } = run(rows, options);
    expect([m('migration.operations'), m('faults.device'), m('remote.device.accesses')]).toEqual([0, 2, 2]);
  });

  it('without access: a fatal fault', () => {
    const rows = [...RANGE, row(0, 'cpu advise', 0, 32 * MIB, 'attr:noaccess@gpu1'), row(3, 'gpu1 read', 0, PAGE)];
    expect(run(rows, options).m('accesses.failed')).toBe(1);
  });
});

describe('the rest', () => {
  it('munmap of the middle third leaves two ranges that share the buffer', () => {
    const third = 10 * MIB;
    const rows = [
      row(0, 'cpu alloc', 0, 30 * MIB, 'a'),
      row(0, 'cpu write', 0, 30 * MIB),
      row(3, 'cpu prefetch', 0, 30 * MIB, 'gpu0'),
      row(6, 'cpu free', third, third),
      row(9, 'gpu0 read', 0, PAGE),
      row(9, 'gpu0 read', 2 * third, PAGE),
      row(12, 'cpu alloc', 64 * MIB, 2 * MIB, 'b'),
      row(12, 'gpu0 write', 64 * MIB, PAGE),
    ];
    const { m } = run(rows, { set: RANGE_32, capacity: 32 * MIB });
    expect([m('unmap.device.operations'), m('faults.device')]).toEqual([1, 1]);
    // All 30 MiB are still taken: 2 MiB more just fit, nothing is evicted.
    expect([m('evictions.count'), m('memory.device.peakAllocatedBytes')]).toEqual([0, 32 * MIB]);
    const more = [...rows, row(15, 'cpu alloc', 80 * MIB, 2 * MIB, 'c'), row(15, 'gpu0 write', 80 * MIB, PAGE)];
    // The victim is the shared buffer: both pieces come home, 2 x 2560 pages.
    expect(run(more, { set: RANGE_32, capacity: 32 * MIB }).m('evictions.pages')).toBe(5120);
  });

  it('an APU faults and moves nothing', () => {
    const scan = Array.from({ length: 16 }, (_, i) => row(3 * (i + 1), 'gpu0 read', i * 2 * MIB, PAGE));
    const { m } = run([...RANGE, ...scan], { set: { ...RANGE_32, apu: true } });
    expect([m('faults.device'), m('migration.operations')]).toEqual([16, 0]);
  });

  it('memory with a coherent CPU is read by the CPU where it is', () => {
    const platform = { ...fastPeers, topology: { ...fastPeers.topology, coherent: true } };
    const rows = [...RANGE, row(3, 'gpu0 read', 0, PAGE), row(6, 'cpu read', 0, PAGE)];
    const { m } = run(rows, { set: RANGE_32, platform });
    expect([m('remote.host.accesses'), m('migration.d2h.pages')]).toEqual([1, 0]);
  });

  it('pinned host memory is mapped everywhere and never moves', () => {
    const rows = [
      row(0, 'cpu alloc', 0, 2 * MIB, 'p;kind=pinned'),
      row(1, 'gpu0 write', 0, 2 * MIB),
      row(2, 'cpu read', 0, 2 * MIB),
    ];
    const { m } = run(rows);
    expect([m('faults.device'), m('faults.host'), m('remote.device.accesses')]).toEqual([0, 0, 512]);
  });
});
