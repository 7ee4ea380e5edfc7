/** Device memory: imports, eviction in batches, watermarks, what stays after an eviction. */
import { describe, expect, test } from 'vitest';
import type { GmClock } from '../../../src/models/gmem/clock.ts';
import type { GmConfig } from '../../../src/models/gmem/config.ts';
import { createDeviceOs } from '../../../src/models/gmem/device-os.ts';
import type { GmMapping } from '../../../src/models/gmem/mapping.ts';
import type { Core } from '../../../src/replay/model.ts';
import { alloc, books, MIB, P, PAGE2M, range, roundTrips, run, touch, victims } from './rows.ts';

describe('host allocator (olk66)', () => {
  test('item 16: batches of sixteen, last taken first', () => {
    const upTo = (page: number) => run([alloc(33), ...touch('gpu0', 'w', 0, page)], { capacity: '32M', inFlight: 1 });
    expect(books(upTo(15), 'gmem.imports', 'evictions.count')).toEqual({ 'gmem.imports': 1, 'evictions.count': 0 });
    const full = upTo(16);
    expect(victims(full)).toEqual(range(0, 15).reverse());
    expect(books(full, 'evictions.count', 'evictions.pages', 'evictions.bytes', 'migration.by.eviction.bytes')).toEqual(
      {
        'evictions.count': 16,
        'evictions.pages': 16 * 512,
        'evictions.bytes': 32 * MIB,
        'migration.by.eviction.bytes': 32 * MIB,
      },
    );
    // 17 faults of two exchanges, one a victim.
    expect(roundTrips(full)).toBe(17 * 2 + 16);
    expect(upTo(31).metrics['evictions.count']).toBe(16);
    expect(upTo(32).metrics['evictions.count']).toBe(32);
    expect(upTo(32).metrics['gmem.evictionRounds']).toBe(2);
  });

  test('item 17: an import rounds capacity up', () => {
    const at = (page: number) => run([alloc(17), ...touch('gpu0', 'w', 0, page)], { capacity: '4M', inFlight: 1 });
    expect(books(at(15), 'gmem.imports', 'evictions.count')).toEqual({ 'gmem.imports': 1, 'evictions.count': 0 });
    expect(at(16).metrics['evictions.count']).toBe(16);
    // ceil(4 MiB / 32 MiB) imports of 32 MiB.
    expect(at(15).effectiveCapacityBytes?.[1]).toBe(32 * MIB);
    expect(at(15).metrics['memory.device.peakAllocatedBytes']).toBe(32 * MIB);
    const smaller = run([alloc(17), ...touch('gpu0', 'w', 0, 3)], { capacity: '4M', set: { importPages: 3 } });
    expect(smaller.effectiveCapacityBytes?.[1]).toBe(6 * MIB);
  });

  test('item 18: fault order, not use', () => {
    const rows = [alloc(33), ...touch('gpu0', 'w', 0, 31)];
    const again = Array.from({ length: 100 }, () => `0 gpu0 r ${P(0)} 64`);
    const used = run([...rows, ...again, ...touch('gpu0', 'w', 32)], { capacity: '64M', inFlight: 1 });
    expect(used.metrics['faults.device']).toBe(33);
    expect(victims(used)).toEqual(range(0, 15).reverse());
    const hinted = run([...rows, `0 cpu prefetch ${P(0)} 2M gpu0`, ...touch('gpu0', 'w', 32)], {
      capacity: '64M',
      inFlight: 1,
    });
    expect(victims(hinted)).toEqual(range(1, 16).reverse());
  });

  test('item 19: a cyclic sweep one page too large faults every time', () => {
    const sweeps = (last: number) => [1, 2, 3].flatMap(() => touch('gpu0', 'w', 0, last));
    const over = run([alloc(17), ...sweeps(16)], { capacity: '32M', inFlight: 1 });
    // A round empties all 16 places, so every 16 faults ask for one: at fault 17, 33 and 49 of 51. No page is there when
    // its turn comes again, 17 faults later.
    expect(books(over, 'faults.device', 'evictions.count')).toEqual({ 'faults.device': 51, 'evictions.count': 48 });
    // Everything that returns had been evicted: 34 pages.
    expect(over.metrics['thrash.pages']).toBe(34 * 512);
    const fits = run([alloc(17), ...sweeps(15)], { capacity: '32M', inFlight: 1 });
    expect(books(fits, 'faults.device', 'evictions.count')).toEqual({ 'faults.device': 16, 'evictions.count': 0 });
  });

  test('item 21: an evicted page waits on the host without a CPU entry', () => {
    const rows = [alloc(17), ...touch('gpu0', 'w', 0, 16)];
    const options = { capacity: '32M', inFlight: 1 };
    const before = run(rows, options);
    const cpu = run([...rows, ...touch('cpu', 'r', 0)], options);
    expect(books(cpu, 'faults.host', 'faults.host.firstTouch', 'populate.host.pages')).toEqual({
      'faults.host': 1,
      'faults.host.firstTouch': 0,
      'populate.host.pages': 0,
    });
    expect(books(cpu, 'gmem.peerUnmap', 'migration.d2h.bytes')).toEqual(
      books(before, 'gmem.peerUnmap', 'migration.d2h.bytes'),
    );
    const device = run([...rows, ...touch('gpu0', 'r', 0)], options);
    expect(
      books(device, 'faults.device', 'migration.h2d.bytes', 'notifier.invalidations', 'unmap.host.operations'),
    ).toEqual({
      'faults.device': 18,
      'migration.h2d.bytes': PAGE2M,
      // The zap is called and finds no entry.
      'notifier.invalidations': 1,
      'unmap.host.operations': 0,
    });
  });

  test('an import refused once is never asked for again', () => {
    // 40 of 64 MiB are taken: 32 more do not fit. Then they are given back, but the host does not ask again.
    const rows = [
      alloc(4),
      '0 gpu0 alloc 0x80000000 40M d;kind=device',
      ...touch('gpu0', 'w', 0),
      '0 gpu0 free 0x80000000 40M',
      ...touch('gpu0', 'w', 1),
    ];
    const r = run(rows, { capacity: '64M', inFlight: 1 });
    // Eleven empty rounds each.
    expect(books(r, 'gmem.imports', 'accesses.failed', 'gmem.evictionRounds')).toEqual({
      'gmem.imports': 0,
      'accesses.failed': 2,
      'gmem.evictionRounds': 22,
    });
    const never = run([alloc(4), ...touch('gpu0', 'w', 0)], { capacity: '64M', inFlight: 1 });
    expect(never.metrics['gmem.imports']).toBe(1);
  });

  test('an import as a message costs one exchange', () => {
    const rows = [alloc(17), ...touch('gpu0', 'w', 0, 16)];
    expect(roundTrips(run(rows, { set: { importMessage: true } }))).toBe(17 * 2 + 2);
  });
});

describe('memory of the device OS (olk510, rfc)', () => {
  test.each(['olk510', 'rfc'])('item 22: watermarks in %s', (preset) => {
    const touches = range(0, 960).map((i) => `${i * 1000} gpu0 w ${P(i)} 64`);
    const rows = [alloc(1024), ...touches, `2000000 gpu0 r ${P(960)} 64`];
    const r = run(rows, { preset, capacity: '2G', inFlight: 1, engine: 'fast' });
    // 1,024 pages. 960 taken: 64 free = 128 MiB, not below. 961: 63 free = 126 MiB, swapd wakes; it stops above 256 MiB, with
    // 129 pages free: 129 - 63 = 66 evictions, 895 resident.
    expect(victims(r)).toEqual(range(0, 65));
    expect(books(r, 'evictions.count', 'gmem.swapdWakes', 'gmem.driverEvictions', 'migration.d2h.bytes')).toEqual({
      'evictions.count': 66,
      'gmem.swapdWakes': 1,
      'gmem.driverEvictions': 66,
      'migration.d2h.bytes': 66 * PAGE2M,
    });
    // EVICT_PAGE to the host with FREE_PAGE back in it: two a victim.
    expect(roundTrips(r)).toBe(961 * 2 + 66 * 2);
    const early = run([alloc(1024), ...touches.slice(0, 960), `2000000 gpu0 r ${P(959)} 64`], {
      preset,
      capacity: '2G',
      inFlight: 1,
      engine: 'fast',
    });
    expect(early.metrics['evictions.count']).toBe(0);
  });

  test('full, with the background evictor off: one victim a fault, head first', () => {
    const set = { lowWatermarkBytes: 0, highWatermarkBytes: 0 };
    const r = run([alloc(20), ...touch('gpu0', 'w', 0, 18)], { preset: 'olk510', capacity: '32M', inFlight: 1, set });
    expect(victims(r)).toEqual([0, 1, 2]);
    expect(r.effectiveCapacityBytes?.[1]).toBe(32 * MIB);
    expect(roundTrips(r)).toBe(19 * 2 + 3 * 2);
    // A cyclic sweep of 17 over 16 evicts one by one: 51 - 16.
    const sweeps = [1, 2, 3].flatMap(() => touch('gpu0', 'w', 0, 16));
    const cyclic = run([alloc(17), ...sweeps], { preset: 'rfc', capacity: '32M', inFlight: 1, set });
    expect(books(cyclic, 'faults.device', 'evictions.count')).toEqual({ 'faults.device': 51, 'evictions.count': 35 });
  });

  test('capacity is rounded down to whole pages', () => {
    const r = run([alloc(1), ...touch('gpu0', 'w', 0)], { preset: 'olk510', capacity: '5M' });
    expect(r.effectiveCapacityBytes?.[1]).toBe(4 * MIB);
  });

  test('a prefetch of a resident page makes it the last victim', () => {
    const set = { lowWatermarkBytes: 0, highWatermarkBytes: 0 };
    const rows = [alloc(3), ...touch('gpu0', 'w', 0, 1), `0 cpu prefetch ${P(0)} 2M gpu0`, ...touch('gpu0', 'w', 2)];
    expect(victims(run(rows, { preset: 'rfc', capacity: '4M', inFlight: 1, set }))).toEqual([1]);
  });

  test('nothing to evict: out of memory', () => {
    const set = { lowWatermarkBytes: 0, highWatermarkBytes: 0 };
    const rows = ['0 gpu0 alloc 0x80000000 4M d;kind=device', alloc(1), ...touch('gpu0', 'w', 0)];
    const r = run(rows, { preset: 'olk510', capacity: '4M', set });
    expect(books(r, 'accesses.failed', 'evictions.count')).toEqual({ 'accesses.failed': 1, 'evictions.count': 0 });
  });
});

test('the device OS tries ten times, one victim each, when its host takes none', () => {
  let asked = 0;
  const core = { actors: ['cpu', 'gpu0'], reserve: () => false, effectiveCapacity: () => 0, allocatedBytes: () => 0 };
  const config = { lowWatermarkBytes: 0 } as GmConfig;
  const os = createDeviceOs(core as unknown as Core, config, { ns: 0 } as GmClock, () => {
    asked++;
    return 'refused';
  });
  os.appended(1, {} as GmMapping);
  expect(os.take(1)).toBeNull();
  expect(asked).toBe(10);
});
