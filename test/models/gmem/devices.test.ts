/** Several devices as meant and as written; defects that a trace can reach; REPLICATE mode. */
import { describe, expect, test } from 'vitest';
import { unitPlatform } from '../../helpers/platforms.ts';
import { alloc, books, GENERATIONS, MIB, P, PAGE2M, roundTrips, run, touch } from './rows.ts';

const MOVED = ['migration.h2d.bytes', 'migration.d2h.bytes', 'migration.d2d.bytes'];
const nothing = { 'migration.h2d.bytes': 0, 'migration.d2h.bytes': 0, 'migration.d2d.bytes': 0 };

describe.each(GENERATIONS)('item 23: a second device in %s', (preset) => {
  const rows = [alloc(1), ...touch('gpu0', 'w', 0), ...touch('gpu1', 'r', 0)];

  test('as meant: through a host page, one more exchange', () => {
    const r = run(rows, { preset });
    expect(books(r, 'gmem.peerUnmap', 'gmem.peerMap', 'faults.host', ...MOVED)).toEqual({
      'gmem.peerUnmap': 1,
      'gmem.peerMap': 2,
      'faults.host': 0,
      'migration.h2d.bytes': PAGE2M,
      'migration.d2h.bytes': PAGE2M,
      'migration.d2d.bytes': 0,
    });
    expect(roundTrips(r)).toBe(2 + 3);
    // The first device lost it: its next touch is a fault.
    expect(run([...rows, ...touch('gpu0', 'r', 0)], { preset }).metrics['faults.device']).toBe(3);
  });

  test('as written: success, nothing mapped, stuck', () => {
    const r = run(rows, { preset, set: { multiDevice: 'literal' } });
    expect(books(r, 'gmem.stuck', 'accesses.failed', 'gmem.peerMap', ...MOVED)).toEqual({
      'gmem.stuck': 1,
      'accesses.failed': 1,
      'gmem.peerMap': 1,
      ...nothing,
    });
    expect(r.warnings.join()).toContain('stuck');
    // Pages of nobody or of the CPU can be taken by any device.
    const free = run([alloc(2), ...touch('cpu', 'w', 0), ...touch('gpu0', 'r', 0), ...touch('gpu1', 'w', 1)], {
      preset,
      set: { multiDevice: 'literal' },
    });
    expect(free.metrics['accesses.failed']).toBe(0);
  });

  test('a prefetch to the second device', () => {
    const hint = [alloc(1), ...touch('gpu0', 'w', 0), `0 cpu prefetch ${P(0)} 2M gpu1`, ...touch('gpu1', 'r', 0)];
    const meant = run(hint, { preset });
    expect(books(meant, 'migration.by.hint.bytes', 'faults.device')).toEqual({
      'migration.by.hint.bytes': 2 * PAGE2M,
      'faults.device': 1,
    });
    const written = run(hint, { preset, set: { multiDevice: 'literal' } });
    // olk66 refreshes the page on the first device's list; the others map a fresh page on the second, without the data.
    expect(books(written, 'accesses.failed', 'gmem.peerMap', 'gmem.defects', ...MOVED)).toEqual({
      'accesses.failed': preset === 'olk66' ? 1 : 0,
      'gmem.peerMap': preset === 'olk66' ? 1 : 2,
      'gmem.defects': preset === 'olk66' ? 0 : 1,
      ...nothing,
    });
  });
});

test('a pinned page is not pulled by another device', () => {
  const r = run([alloc(1), `0 cpu advise ${P(0)} 2M pin:gpu0`, ...touch('gpu1', 'r', 0), ...touch('gpu0', 'r', 0)]);
  expect(books(r, 'accesses.failed', 'faults.device', ...MOVED)).toEqual({
    'accesses.failed': 1,
    'faults.device': 1,
    ...nothing,
  });
});

describe('defects that a trace reaches (literal)', () => {
  const options = { capacity: '32M', inFlight: 1, set: { literal: true } };
  // P0..P16 in turn evict P0..P15; then sixteen pages are pinned: the device is full for good.
  const full = [alloc(40), ...touch('gpu0', 'w', 0, 16), `0 cpu advise ${P(16)} 32M pin:gpu0`];

  test('an evicted page loses its host pointer when the device has no room', () => {
    // First fault: out of memory, pointer lost. Second: "success", page dropped, stuck.
    const lost = run([...full, ...touch('gpu0', 'r', 3), ...touch('gpu0', 'r', 3)], options);
    expect(books(lost, 'accesses.failed', 'gmem.stuck', 'gmem.defects')).toEqual({
      'accesses.failed': 2,
      'gmem.stuck': 1,
      'gmem.defects': 2,
    });
    const crash = run([...full, ...touch('gpu0', 'r', 3), ...touch('cpu', 'r', 3)], options);
    expect(books(crash, 'accesses.failed', 'gmem.defects')).toEqual({ 'accesses.failed': 2, 'gmem.defects': 2 });
    expect(crash.warnings.join()).toContain('crash');
  });

  test('as meant the page stays with the CPU', () => {
    const r = run([...full, ...touch('gpu0', 'r', 3), ...touch('cpu', 'r', 3)], { ...options, set: {} });
    expect(books(r, 'accesses.failed', 'gmem.defects', 'faults.host.firstTouch')).toEqual({
      'accesses.failed': 1,
      'gmem.defects': 0,
      'faults.host.firstTouch': 0,
    });
  });

  test('an out-of-memory fault loses the data of any CPU page in the older generations', () => {
    const rows = [
      '0 gpu0 alloc 0x80000000 4M d;kind=device',
      alloc(1),
      ...touch('cpu', 'w', 0),
      ...touch('gpu0', 'r', 0),
      ...touch('cpu', 'r', 0),
    ];
    const firstTouches = (literal: boolean) =>
      run(rows, { preset: 'rfc', capacity: '4M', set: { literal } }).metrics['faults.host.firstTouch'];
    expect([firstTouches(false), firstTouches(true)]).toEqual([1, 2]);
  });

  test('munmap over an ordinary mapping first skips the device part', () => {
    const rows = [alloc(1, 0, 'o;kind=system'), alloc(2, 1, 'm'), ...touch('gpu0', 'w', 1, 2), `0 cpu free ${P(0)} 6M`];
    const unmaps = (literal: boolean) => books(run(rows, { set: { literal } }), 'gmem.peerUnmap', 'gmem.defects');
    expect(unmaps(false)).toEqual({ 'gmem.peerUnmap': 2, 'gmem.defects': 0 });
    expect(unmaps(true)).toEqual({ 'gmem.peerUnmap': 0, 'gmem.defects': 2 });
  });
});

describe('REPLICATE mode', () => {
  const coherent = { ...unitPlatform, topology: { coherent: true, ats: true, peer: 'none' as const } };
  const on = { platform: coherent, set: { replicate: true }, actors: ['gpu0'] };

  test('data of the CPU costs the device no fault', () => {
    const rows = [alloc(4), ...touch('cpu', 'w', 0, 3), ...touch('gpu0', 'r', 0, 3), ...touch('gpu0', 'w', 0, 3)];
    const r = run(rows, on);
    expect(books(r, 'faults.device', 'remote.device.accesses', 'gmem.replicas', ...MOVED)).toEqual({
      'faults.device': 0,
      'remote.device.accesses': 8,
      'gmem.replicas': 4,
      ...nothing,
    });
    // One exchange an entry.
    expect(roundTrips(r)).toBe(4);
    expect(r.warnings.join()).toContain('implemented by no generation');
    expect(run(rows, { platform: coherent }).metrics['faults.device']).toBe(4);
  });

  test('a migration takes the copies away first', () => {
    const rows = [alloc(1), ...touch('cpu', 'w', 0), `0 cpu prefetch ${P(0)} 2M gpu0`, ...touch('gpu0', 'r', 0)];
    const r = run(rows, on);
    expect(
      books(r, 'faults.device', 'remote.device.accesses', 'unmap.device.operations', 'migration.h2d.bytes'),
    ).toEqual({
      'faults.device': 0,
      'remote.device.accesses': 0,
      'unmap.device.operations': 1,
      'migration.h2d.bytes': PAGE2M,
    });
    // Copy, invalidate, peer_map.
    expect(roundTrips(r)).toBe(3);
  });

  test('a page of the device still migrates to the CPU, and is copied then', () => {
    const r = run([alloc(1), ...touch('gpu0', 'w', 0), ...touch('cpu', 'r', 0), ...touch('gpu0', 'r', 0)], on);
    expect(books(r, 'faults.device', 'remote.device.accesses', 'migration.d2h.bytes', 'migration.h2d.bytes')).toEqual({
      'faults.device': 1,
      'remote.device.accesses': 1,
      'migration.d2h.bytes': PAGE2M,
      'migration.h2d.bytes': 0,
    });
  });

  test('a copy lost to an invalidation is made again by a fault', () => {
    const rows = [alloc(1), ...touch('cpu', 'w', 0), `0 cpu invalidate ${P(0)} 2M numa`, ...touch('gpu0', 'r', 0)];
    expect(books(run(rows, on), 'faults.device', 'gmem.replicas', ...MOVED)).toEqual({
      'faults.device': 1,
      'gmem.replicas': 2,
      ...nothing,
    });
  });

  test('not without a coherent bus', () => {
    const r = run([alloc(1), ...touch('cpu', 'w', 0), ...touch('gpu0', 'r', 0)], { set: { replicate: true } });
    expect(books(r, 'faults.device', 'gmem.replicas')).toEqual({ 'faults.device': 1, 'gmem.replicas': 0 });
    expect(r.warnings.join()).toContain('needs a coherent platform');
  });
});

test('memory of other kinds', () => {
  const rows = [
    alloc(1, 0, 's;kind=system'),
    alloc(1, 1, 'f;kind=file'),
    alloc(1, 2, 'p;kind=pinned'),
    `0 gpu0 alloc ${P(3)} 2M d;kind=device`,
  ];
  const device = run([...rows, ...touch('gpu0', 'w', 0, 3)]);
  // Ordinary memory is not for the device; pinned host memory is remote; its own memory is local and costs no fault.
  expect(books(device, 'accesses.failed', 'remote.device.accesses', 'populate.device.pages', ...MOVED)).toEqual({
    'accesses.failed': 2,
    'remote.device.accesses': 1,
    'populate.device.pages': 512,
    ...nothing,
  });
  expect(roundTrips(device)).toBe(0);
  const cpu = run([...rows, ...touch('cpu', 'w', 0, 3)]);
  // Plain first touch of 4 KiB for the ordinary ones, no fault for pinned memory (512 pages there), failure on the device's.
  expect(books(cpu, 'faults.host', 'faults.host.firstTouch', 'accesses.failed', 'populate.host.pages')).toEqual({
    'faults.host': 3,
    'faults.host.firstTouch': 2,
    'accesses.failed': 1,
    'populate.host.pages': 512 + 2,
  });
  const freed = run([...rows, ...[0, 1, 2, 3].map((p) => `0 cpu free ${P(p)} 2M`)], { capacity: '32M' });
  expect(freed.metrics['memory.device.peakAllocatedBytes']).toBe(2 * MIB);
});

describe.each(GENERATIONS)('host events in %s', (preset) => {
  const rows = [alloc(2), ...touch('gpu0', 'w', 0), ...touch('cpu', 'w', 1)];

  test.each(['numa', 'compaction', 'mprotect'])('%s drops the device entry, data stays', (sort) => {
    const r = run([...rows, `0 cpu invalidate ${P(0)} 4M ${sort}`, ...touch('gpu0', 'r', 0)], { preset });
    expect(books(r, 'faults.device', 'notifier.invalidations', 'faults.host', ...MOVED)).toEqual({
      'faults.device': 2,
      'notifier.invalidations': 1,
      'faults.host': 1,
      ...nothing,
    });
    // 2; invalidate 1; fault and peer_map again 2.
    expect(roundTrips(r)).toBe(5);
  });

  test.each(['fork', 'hostio'])('%s brings pages home whole', (sort) => {
    const r = run([...rows, `0 cpu invalidate ${P(0)} 4K ${sort}`, ...touch('cpu', 'r', 0)], { preset });
    expect(books(r, 'migration.d2h.bytes', 'migration.by.hostFault.bytes', 'faults.host')).toEqual({
      'migration.d2h.bytes': PAGE2M,
      'migration.by.hostFault.bytes': PAGE2M,
      'faults.host': 1,
    });
  });
});

describe('allocations that share 2 MiB', () => {
  test('two mappings in one page move together and it goes with the last', () => {
    const rows = [
      `0 cpu alloc ${P(0)} 64K a`,
      `0 cpu alloc ${P(0, MIB)} 64K b`,
      `0 gpu0 w ${P(0)} 64`,
      `0 gpu0 w ${P(0, MIB)} 64`,
      `0 cpu free ${P(0)} 64K`,
      `0 gpu0 r ${P(0, MIB)} 64`,
    ];
    const r = run(rows);
    expect(books(r, 'faults.device', 'gmem.peerUnmap', 'populate.device.pages')).toEqual({
      'faults.device': 1,
      'gmem.peerUnmap': 0,
      'populate.device.pages': 512,
    });
    const last = run([...rows, `0 cpu free ${P(0, MIB)} 64K`]);
    expect(books(last, 'gmem.peerUnmap', 'migration.d2h.bytes')).toEqual({
      'gmem.peerUnmap': 1,
      'migration.d2h.bytes': 0,
    });
  });

  test('ordinary memory in the same 2 MiB stays where it is', () => {
    const rows = [
      `0 cpu alloc ${P(0)} 1M m`,
      `0 cpu alloc ${P(0, MIB)} 1M s;kind=system`,
      `0 cpu w ${P(0)} 64`,
      `0 cpu w ${P(0, MIB)} 64`,
      `0 gpu0 r ${P(0)} 64`,
      `0 cpu w ${P(0, MIB)} 64`,
    ];
    const r = run(rows);
    // The page of GMEM is the first MiB only; the CPU's second touch of ordinary memory is a hit.
    expect(books(r, 'migration.h2d.bytes', 'faults.host')).toEqual({ 'migration.h2d.bytes': MIB, 'faults.host': 2 });
    // Ordinary memory that comes later leaves the moved page again.
    const late = run([rows[0], `0 gpu0 w ${P(0)} 64`, rows[1], `0 cpu w ${P(0, MIB)} 64`, `0 cpu r ${P(0)} 64`]);
    expect(books(late, 'migration.d2h.bytes', 'populate.device.pages')).toEqual({
      'migration.d2h.bytes': MIB,
      'populate.device.pages': 512,
    });
  });

  test('munmap of a part', () => {
    const rows = [alloc(4), ...touch('gpu0', 'w', 0, 3), `0 cpu free ${P(1)} 4M`];
    expect(run(rows).metrics['gmem.peerUnmap']).toBe(2);
    // Half a page: the page stays.
    expect(run([alloc(2), ...touch('gpu0', 'w', 0, 1), `0 cpu free ${P(1, MIB)} 1M`]).metrics['gmem.peerUnmap']).toBe(
      0,
    );
  });
});

test('a device memory below the watermarks is warned about', () => {
  const r = run([alloc(2), ...touch('gpu0', 'w', 0, 1)], { preset: 'olk510', capacity: '32M' });
  expect(r.warnings.join()).toContain('high watermark');
});

test('a trace without any device needs no negotiation', () => {
  const r = run([alloc(1), ...touch('cpu', 'w', 0)]);
  expect(books(r, 'roundTrips', 'faults.host')).toEqual({ roundTrips: 0, 'faults.host': 1 });
});
