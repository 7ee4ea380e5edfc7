/** Hints: prefetch, eager free, pin, hmemcpy. */
import { describe, expect, test } from 'vitest';
import { splitWork } from '../../../src/models/gmem/hints.ts';
import { pieces } from '../../../src/models/gmem/hmemcpy.ts';
import { timedPlatform } from '../../helpers/platforms.ts';
import { alloc, books, GENERATIONS, MIB, P, PAGE2M, range, roundTrips, run, touch, victims } from './rows.ts';

describe.each(GENERATIONS)('hints in %s', (preset) => {
  const remaps = preset !== 'olk66';

  test('item 8: prefetch takes the faults away, one exchange a page, four items of two', () => {
    const r = run(
      [alloc(8), ...touch('cpu', 'w', 0, 7), `0 cpu prefetch ${P(0)} 16M gpu0`, ...touch('gpu0', 'r', 0, 7)],
      { preset },
    );
    expect(
      books(r, 'faults.device', 'gmem.peerMap', 'migration.h2d.bytes', 'migration.by.hint.bytes', 'gmem.workItems'),
    ).toEqual({
      'faults.device': 0,
      'gmem.peerMap': 8,
      'migration.h2d.bytes': 16 * MIB,
      'migration.by.hint.bytes': 16 * MIB,
      'gmem.workItems': 4,
    });
    expect(roundTrips(r)).toBe(8);
    expect(r.metrics['hints.applied']).toBe(1);
  });

  test('item 9: outward to 2 MiB, inside one mapping', () => {
    const inside = run([alloc(2), `0 cpu prefetch ${P(1, -4096)} 8K gpu0`, ...touch('gpu0', 'r', 0)], { preset });
    expect(books(inside, 'gmem.peerMap', 'faults.device', 'hints.applied')).toEqual({
      'gmem.peerMap': 2,
      'faults.device': 0,
      'hints.applied': 1,
    });
    const past = run([alloc(2), alloc(2, 2, 'b'), `0 cpu prefetch ${P(2, -4096)} 8K gpu0`], { preset });
    expect(books(past, 'gmem.peerMap', 'hints.applied', 'hints.rejected')).toEqual({
      'gmem.peerMap': 0,
      'hints.applied': 0,
      'hints.rejected': 1,
    });
  });

  test('item 10: prefetch of a resident page', () => {
    const r = run([alloc(1), ...touch('gpu0', 'w', 0), `0 cpu prefetch ${P(0)} 2M gpu0`], { preset });
    // Fault 2 exchanges. Then RFC and OLK-5.10 call peer_map once more; OLK-6.6 moves the page on the host's own list.
    expect(r.metrics['gmem.peerMap']).toBe(remaps ? 2 : 1);
    expect(roundTrips(r)).toBe(remaps ? 3 : 2);
    expect(books(r, 'migration.h2d.bytes', 'migration.d2h.bytes', 'map.operations')).toEqual({
      'migration.h2d.bytes': 0,
      'migration.d2h.bytes': 0,
      'map.operations': 1,
    });
  });

  test('item 11: hints are not sticky', () => {
    const r = run([alloc(1), `0 cpu prefetch ${P(0)} 2M gpu0`, ...touch('cpu', 'r', 0), ...touch('gpu0', 'r', 0)], {
      preset,
    });
    expect(books(r, 'faults.device', 'faults.host', 'migration.d2h.bytes', 'migration.h2d.bytes')).toEqual({
      'faults.device': 1,
      'faults.host': 1,
      'migration.d2h.bytes': PAGE2M,
      'migration.h2d.bytes': PAGE2M,
    });
  });

  test('item 12: eager free inward; data is dropped', () => {
    const rows = [alloc(3), ...touch('gpu0', 'w', 0, 2), `0 cpu advise ${P(0, 4096)} 4M dontneed`];
    const r = run([...rows, ...touch('gpu0', 'r', 1)], { preset });
    // 4 KiB .. 4 MiB + 4 KiB holds page 1 whole, no other.
    expect(books(r, 'gmem.peerUnmap', 'faults.device', 'migration.h2d.bytes', 'migration.d2h.bytes')).toEqual({
      'gmem.peerUnmap': 1,
      'faults.device': 4,
      'migration.h2d.bytes': 0,
      'migration.d2h.bytes': 0,
    });
    // 3 faults and the one after: 8; the free: 1.
    expect(roundTrips(r)).toBe(9);
    const empty = run([alloc(3), ...touch('gpu0', 'w', 0, 2), `0 cpu advise ${P(0, 4096)} 2M dontneed`], { preset });
    expect(books(empty, 'gmem.peerUnmap', 'hints.applied')).toEqual({ 'gmem.peerUnmap': 0, 'hints.applied': 1 });
    const cpu = run([alloc(1), ...touch('cpu', 'w', 0), `0 cpu advise ${P(0)} 2M dontneed`, ...touch('cpu', 'r', 0)], {
      preset,
    });
    expect(books(cpu, 'unmap.host.operations', 'faults.host.firstTouch')).toEqual({
      'unmap.host.operations': 1,
      'faults.host.firstTouch': 2,
    });
    expect(roundTrips(cpu)).toBe(0);
  });

  test('a prefetch to the CPU names no node of a device and is refused', () => {
    const r = run([alloc(1), ...touch('gpu0', 'w', 0), `0 cpu prefetch ${P(0)} 2M cpu`], { preset });
    expect(books(r, 'hints.rejected', 'migration.d2h.bytes')).toEqual({
      'hints.rejected': 1,
      'migration.d2h.bytes': 0,
    });
  });

  test('hints of other stacks are ignored', () => {
    const words = ['preferred:gpu0', 'accessed_by:gpu0', 'read_mostly', 'attr:granularity=9'];
    const r = run([alloc(1), ...words.map((w) => `0 cpu advise ${P(0)} 2M ${w}`), ...touch('gpu0', 'r', 0)], {
      preset,
    });
    expect(books(r, 'hints.ignored', 'hints.rejected')).toEqual({ 'hints.ignored': 4, 'hints.rejected': 0 });
  });
});

describe('work items', () => {
  // floor(N / 4) pages each, the rest with the last; below four pages one item.
  test.each([
    [1, [1]],
    [3, [3]],
    [4, [1, 1, 1, 1]],
    [5, [1, 1, 1, 1, 1]],
    [7, [1, 1, 1, 1, 1, 1, 1]],
    [8, [2, 2, 2, 2]],
    [9, [2, 2, 2, 3]],
    [11, [2, 2, 2, 2, 3]],
    [16, [4, 4, 4, 4]],
  ])('%i pages', (pages, lengths) => {
    expect(splitWork(0, pages).map((item) => item.end - item.next)).toEqual(lengths);
  });

  test('at most four run at once: five items of one page take two turns', () => {
    const platform = timedPlatform;
    const ns = (pages: number): number =>
      Number(run([alloc(5), `0 cpu prefetch ${P(0)} ${pages * PAGE2M} gpu0`], { platform }).metrics['time.total.ns']);
    // Negotiation 10,000; each page peer_map 10,000 + zeroing 262,144; no link is used.
    expect(ns(4)).toBe(10_000 + 272_144);
    expect(ns(5)).toBe(10_000 + 2 * 272_144);
  });
});

describe('pin', () => {
  const fill = [alloc(33), `0 cpu advise ${P(0)} 8M pin:gpu0`, ...touch('gpu0', 'w', 4, 31)];

  test('item 20: pinned pages are passed over', () => {
    // 32 pages: P0..P3 pinned (which also brings them), P4..P31 by fault, then one more.
    const r = run([...fill, ...touch('gpu0', 'w', 32)], { capacity: '64M', inFlight: 1 });
    expect(victims(r)).toEqual(range(4, 19).reverse());
    const cpu = run([...fill, ...touch('cpu', 'r', 0)], { capacity: '64M', inFlight: 1 });
    expect(books(cpu, 'accesses.failed', 'migration.d2h.bytes')).toEqual({
      'accesses.failed': 1,
      'migration.d2h.bytes': 0,
    });
    expect(cpu.warnings.join()).toContain('SIGBUS');
  });

  test('item 20: a device full of pinned pages runs eleven empty rounds and fails', () => {
    const r = run([alloc(17), `0 cpu advise ${P(0)} 32M pin:gpu0`, ...touch('gpu0', 'w', 16)], { capacity: '32M' });
    expect(books(r, 'gmem.evictionRounds', 'evictions.count', 'accesses.failed', 'faults.device')).toEqual({
      'gmem.evictionRounds': 11,
      'evictions.count': 0,
      'accesses.failed': 1,
      'faults.device': 1,
    });
  });

  test('unpin makes a page a victim again and does not move it on the list', () => {
    const rows = [...fill, `0 cpu advise ${P(0)} 4M unpin`, ...touch('gpu0', 'w', 32)];
    const r = run(rows, { capacity: '64M', inFlight: 1 });
    expect(victims(r)).toEqual([...range(4, 17).reverse(), 1, 0]);
    expect(r.events.filter((e) => e.kind === 'pin')).toHaveLength(4);
    expect(r.events.filter((e) => e.kind === 'unpin')).toHaveLength(2);
  });

  test('pin and unpin migrate', () => {
    const r = run(
      [alloc(2), ...touch('cpu', 'w', 0, 1), `0 cpu advise ${P(0)} 2M pin:gpu0`, `0 cpu advise ${P(1)} 2M unpin`],
      { actors: ['gpu0'] },
    );
    expect(r.metrics['migration.by.hint.bytes']).toBe(2 * PAGE2M);
  });

  test('a pin is lost with an eager free', () => {
    const rows = [alloc(1), `0 cpu advise ${P(0)} 2M pin:gpu0`, `0 cpu advise ${P(0)} 2M dontneed`];
    const r = run([...rows, ...touch('gpu0', 'w', 0), ...touch('cpu', 'r', 0)]);
    expect(books(r, 'accesses.failed', 'migration.d2h.bytes')).toEqual({
      'accesses.failed': 0,
      'migration.d2h.bytes': PAGE2M,
    });
  });

  test('the RFC knows no pin; OLK-5.10 passes it on as a prefetch', () => {
    const rows = [alloc(1), `0 cpu advise ${P(0)} 2M pin:gpu0`, ...touch('cpu', 'r', 0)];
    const rfc = run(rows, { preset: 'rfc' });
    expect(books(rfc, 'hints.ignored', 'gmem.peerMap')).toEqual({ 'hints.ignored': 1, 'gmem.peerMap': 0 });
    const olk510 = run(rows, { preset: 'olk510' });
    expect(books(olk510, 'hints.applied', 'gmem.peerMap', 'migration.d2h.bytes', 'accesses.failed')).toEqual({
      'hints.applied': 1,
      'gmem.peerMap': 1,
      'migration.d2h.bytes': PAGE2M,
      'accesses.failed': 0,
    });
  });
});

describe('hmemcpy (olk66)', () => {
  const source = [alloc(2), alloc(4, 8, 'dst'), ...touch('cpu', 'w', 0, 1)];
  const copy = (dst: string, src: string): string => `0 gpu0 copy ${dst} 4M ${src}`;

  test('item 26: aligned, fresh destination: two pieces of 2 MiB', () => {
    const r = run([...source, copy(P(8), P(0)), ...touch('cpu', 'r', 0)]);
    expect(
      books(r, 'gmem.peerMap', 'gmem.hmemcpyPieces', 'migration.by.copy.bytes', 'populate.device.pages', 'faults.host'),
    ).toEqual({
      'gmem.peerMap': 2,
      'gmem.hmemcpyPieces': 2,
      'migration.by.copy.bytes': 4 * MIB,
      'populate.device.pages': 2 * 512,
      // The source stays with the CPU: reading it again is no fault.
      'faults.host': 2,
    });
  });

  test.each([
    ['destination 1 MiB off', MIB, 0],
    ['both 1 MiB off', MIB, MIB],
  ])('item 26: %s: four pieces of 1 MiB, three pages', (_name, dst, src) => {
    const rows = [alloc(3), alloc(4, 8, 'dst'), ...touch('cpu', 'w', 0, 2), copy(P(8, dst), P(0, src))];
    const r = run(rows);
    expect(books(r, 'gmem.peerMap', 'gmem.hmemcpyPieces', 'migration.by.copy.bytes')).toEqual({
      'gmem.peerMap': 3,
      'gmem.hmemcpyPieces': 4,
      'migration.by.copy.bytes': 4 * MIB,
    });
  });

  test('item 26: old content of the destination migrates first', () => {
    const r = run([...source, ...touch('cpu', 'w', 8, 9), copy(P(8), P(0))]);
    expect(books(r, 'migration.h2d.bytes', 'migration.by.copy.bytes')).toEqual({
      'migration.h2d.bytes': 8 * MIB,
      'migration.by.copy.bytes': 8 * MIB,
    });
  });

  test('pieces repeat as 2 MiB - max, difference, min of the two offsets', () => {
    expect(pieces(0, 0, 5 * MIB)).toEqual([2 * MIB, 2 * MIB, MIB]);
    // so = 0.5 MiB, do = 1.5 MiB: 0.5, 1, 0.5 and again.
    expect(pieces(MIB / 2, (3 * MIB) / 2, 3 * MIB)).toEqual([0.5, 1, 0.5, 0.5, 0.5].map((n) => n * MIB));
    expect(pieces(MIB, MIB, 3 * MIB)).toEqual([MIB, MIB, MIB]);
  });

  test('success is reported although pieces are skipped', () => {
    // Page 1 of the source was never touched; page 0 and its destination are both on the CPU.
    const r = run([alloc(2), alloc(2, 8, 'dst'), ...touch('cpu', 'w', 0), `0 cpu copy ${P(8)} 4M ${P(0)}`], {
      actors: ['gpu0'],
    });
    expect(books(r, 'gmem.hmemcpyPieces', 'gmem.hmemcpySkipped', 'migration.by.copy.bytes')).toEqual({
      'gmem.hmemcpyPieces': 0,
      'gmem.hmemcpySkipped': 2,
      'migration.by.copy.bytes': 0,
    });
    // The first piece's destination was faulted in all the same.
    expect(books(r, 'gmem.copyHostFaults', 'populate.host.pages')).toEqual({
      'gmem.copyHostFaults': 1,
      'populate.host.pages': 2 * 512,
    });
  });

  test('a source that was freed is skipped before the destination is touched', () => {
    const r = run([
      alloc(1),
      alloc(1, 8, 'dst'),
      ...touch('cpu', 'w', 0),
      `0 cpu advise ${P(0)} 2M dontneed`,
      `0 gpu0 copy ${P(8)} 2M ${P(0)}`,
    ]);
    expect(books(r, 'gmem.hmemcpySkipped', 'gmem.peerMap')).toEqual({ 'gmem.hmemcpySkipped': 1, 'gmem.peerMap': 0 });
  });

  test('the older generations copy by ordinary touches', () => {
    const r = run([...source, copy(P(8), P(0))], { preset: 'rfc' });
    expect(books(r, 'faults.device', 'migration.by.copy.bytes')).toEqual({
      'faults.device': 4,
      'migration.by.copy.bytes': 0,
    });
  });
});
