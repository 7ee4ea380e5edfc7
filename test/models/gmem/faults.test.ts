/** Faults of device and CPU on one page and several. Item numbers are those of the checklist in docs/models/gmem.md. */
import { describe, expect, test } from 'vitest';
import { timedPlatform } from '../../helpers/platforms.ts';
import { alloc, books, GENERATIONS, MIB, P, PAGE2M, roundTrips, run, touch } from './rows.ts';

describe.each(GENERATIONS)('faults in %s', (preset) => {
  test('item 1: device first touch maps a zeroed page with two exchanges', () => {
    const r = run([alloc(1), ...touch('gpu0', 'w', 0)], { preset });
    // PAGE_FAULT and peer_map; nothing on the host to zap or copy.
    expect(roundTrips(r)).toBe(2);
    expect(
      books(r, 'faults.device', 'faults.host', 'gmem.peerMap', 'gmem.peerUnmap', 'populate.device.pages', 'services'),
    ).toEqual({
      'faults.device': 1,
      'faults.host': 0,
      'gmem.peerMap': 1,
      'gmem.peerUnmap': 0,
      'populate.device.pages': 512,
      services: 1,
    });
    expect(
      books(r, 'migration.h2d.bytes', 'migration.d2h.bytes', 'unmap.host.operations', 'notifier.invalidations'),
    ).toEqual({
      'migration.h2d.bytes': 0,
      'migration.d2h.bytes': 0,
      'unmap.host.operations': 0,
      'notifier.invalidations': 0,
    });
    expect(books(r, 'map.operations', 'migration.operations', 'batches')).toEqual({
      'map.operations': 1,
      'migration.operations': 1,
      batches: 1,
    });
  });

  test('item 2: 512 touches inside one page are one fault', () => {
    const r = run([alloc(1), `0 gpu0 r ${P(0)} 2M`], { preset });
    // 256 touches may wait: one is served, the 255 others are held back by the device's per-page lock; the next 256 hit.
    expect(
      books(r, 'touches.device', 'faults.device', 'faults.duplicate', 'faults.deviceRaw', 'migration.h2d.bytes'),
    ).toEqual({
      'touches.device': 512,
      'faults.device': 1,
      'faults.duplicate': 255,
      'faults.deviceRaw': 256,
      'migration.h2d.bytes': 0,
    });
    expect(roundTrips(r)).toBe(2);
  });

  test('item 3: CPU read then write is one fault, no zero page, no exchange', () => {
    const r = run([alloc(1), ...touch('cpu', 'r', 0), ...touch('cpu', 'w', 0)], { preset, host: { zeroPage: true } });
    expect(books(r, 'faults.host', 'faults.host.firstTouch', 'populate.host.pages')).toEqual({
      'faults.host': 1,
      'faults.host.firstTouch': 1,
      'populate.host.pages': 512,
    });
    expect(roundTrips(r)).toBe(0);
  });

  test('item 4: a CPU page moves to the device whole', () => {
    const r = run([alloc(1), ...touch('cpu', 'w', 0), ...touch('gpu0', 'r', 0)], { preset });
    expect(
      books(r, 'faults.host', 'faults.device', 'unmap.host.operations', 'notifier.invalidations', 'gmem.peerMap'),
    ).toEqual({
      'faults.host': 1,
      'faults.device': 1,
      'unmap.host.operations': 1,
      'notifier.invalidations': 1,
      'gmem.peerMap': 1,
    });
    expect(books(r, 'migration.h2d.bytes', 'migration.by.deviceFault.bytes', 'migration.d2h.bytes')).toEqual({
      'migration.h2d.bytes': PAGE2M,
      'migration.by.deviceFault.bytes': PAGE2M,
      'migration.d2h.bytes': 0,
    });
    expect(roundTrips(r)).toBe(2);
  });

  test('item 5: a device page comes home whole, once', () => {
    const r = run([alloc(1), ...touch('gpu0', 'w', 0), `0 cpu r ${P(0)} 64`, `0 cpu r ${P(0, MIB)} 64`], { preset });
    expect(
      books(
        r,
        'faults.host',
        'gmem.peerUnmap',
        'migration.d2h.bytes',
        'migration.by.hostFault.bytes',
        'tlb.invalidations',
      ),
    ).toEqual({
      'faults.host': 1,
      'gmem.peerUnmap': 1,
      'migration.d2h.bytes': PAGE2M,
      'migration.by.hostFault.bytes': PAGE2M,
      'tlb.invalidations': 1,
    });
    // It exists on the device already: not a first touch, and the host page that is zeroed for the DMA is no zero-fill.
    expect(books(r, 'faults.host.firstTouch', 'populate.host.pages')).toEqual({
      'faults.host.firstTouch': 0,
      'populate.host.pages': 0,
    });
    expect(roundTrips(r)).toBe(3);
  });

  test('item 6: reads move a page like writes', () => {
    const turn = [...touch('gpu0', 'r', 0), ...touch('cpu', 'r', 0)];
    const r = run([alloc(1), ...touch('cpu', 'w', 0), ...turn, ...turn, ...turn], { preset });
    // hF: first touch + 3; each turn is fault + peer_map + peer_unmap = 3 exchanges.
    expect(
      books(
        r,
        'faults.host',
        'faults.device',
        'gmem.peerMap',
        'gmem.peerUnmap',
        'migration.h2d.bytes',
        'migration.d2h.bytes',
      ),
    ).toEqual({
      'faults.host': 4,
      'faults.device': 3,
      'gmem.peerMap': 3,
      'gmem.peerUnmap': 3,
      'migration.h2d.bytes': 6 * MIB,
      'migration.d2h.bytes': 6 * MIB,
    });
    expect(roundTrips(r)).toBe(9);
  });

  test('item 7: 64 bytes used cost 2 MiB moved', () => {
    const r = run([alloc(1), ...touch('cpu', 'w', 0), ...touch('gpu0', 'r', 0)], { preset });
    // 2,097,152 / 64
    expect(r.metrics['efficiency.movedPerUsed']).toBe(32_768);
  });

  test('item 13: munmap drops device pages one by one, without copying', () => {
    const rows = [
      alloc(8),
      ...touch('gpu0', 'w', 0, 2),
      ...touch('cpu', 'w', 3, 4),
      `0 cpu free ${P(0)} 16M`,
      alloc(8),
      ...touch('gpu0', 'r', 0),
      ...touch('cpu', 'r', 3),
    ];
    const r = run(rows, { preset });
    const before = run(rows.slice(0, -4), { preset });
    // 3 peer_unmap; olk66 also gives the addresses back to the device: one more exchange.
    expect(roundTrips(run(rows.slice(0, -3), { preset })) - roundTrips(before)).toBe(preset === 'olk66' ? 4 : 3);
    expect(books(r, 'gmem.peerUnmap', 'migration.d2h.bytes', 'migration.h2d.bytes')).toEqual({
      'gmem.peerUnmap': 3,
      'migration.d2h.bytes': 0,
      'migration.h2d.bytes': 0,
    });
    // The same addresses again: both are first touches. 2 CPU pages before, 1 after; 3 device pages before, 1 after.
    expect(books(r, 'faults.host.firstTouch', 'populate.device.pages', 'notifier.invalidations')).toEqual({
      'faults.host.firstTouch': 3,
      'populate.device.pages': 4 * 512,
      'notifier.invalidations': 1,
    });
  });

  test('item 14: four threads on one page send one fault', () => {
    const rows = [1, 2, 3, 4].map((t) => `0 gpu0 w ${P(0, t * 4096)} 64 t=${t}`);
    const r = run([alloc(1), ...rows], { preset });
    expect(books(r, 'faults.device', 'faults.duplicate', 'gmem.peerMap', 'batches')).toEqual({
      'faults.device': 1,
      'faults.duplicate': 3,
      'gmem.peerMap': 1,
      batches: 1,
    });
    expect(roundTrips(r)).toBe(2);
  });
});

describe('item 15: only the page is serialised', () => {
  const platform = timedPlatform;
  // One device first touch: fault latency 10,000 + peer_map 10,000 + zeroing 2,097,152 / 8 = 262,144 ns.
  const firstTouchNs = 10_000 + 10_000 + 262_144;

  test('two pages: both faults end together', () => {
    const one = run(['0 gpu0 w 0x40000000 64'], { platform });
    const two = run(['0 gpu0 w 0x40000000 64', '0 gpu0 w 0x40200000 64'], { platform });
    // Ideal: 64 or 128 bytes at 16 bytes/ns.
    expect(one.metrics['time.total.ns']).toBe(4 + firstTouchNs);
    expect(two.metrics['time.total.ns']).toBe(8 + firstTouchNs);
    expect(two.metrics['gmem.lockWait.ns']).toBe(0);
    // One by one although they overlap in time.
    expect(books(two, 'batches', 'services')).toEqual({ batches: 2, services: 2 });
  });

  test('one page: the CPU starts when the device ends', () => {
    const r = run(['0 gpu0 w 0x40000000 64', '0 cpu r 0x40000000 64'], { platform });
    // Trap 300, host page zeroed 2,097,152 / 4 = 524,288, peer_unmap 10,000, device TLB 500, copy 1,000 + 2,097,152.
    const homeNs = 300 + 524_288 + 10_000 + 500 + 2_098_152;
    // Ideal: 64 / 8 = 8 ns.
    expect(r.metrics['time.total.ns']).toBe(8 + firstTouchNs + homeNs);
    // The mutex was held from the driver's start on (fault latency is not in it): 10,000 + 262,144.
    expect(r.metrics['gmem.lockWait.ns']).toBe(272_144);
  });

  test('a CPU that waited for the device anyway did not wait for the mutex', () => {
    const synced = [...touch('gpu0', 'w', 0), '0 gpu0 sync', ...touch('cpu', 'r', 0)];
    const launched = ['0 gpu0 launch', ...touch('gpu0', 'w', 0), ...touch('cpu', 'r', 0)];
    for (const rows of [synced, launched]) {
      const r = run([alloc(1), ...rows], { platform });
      expect(books(r, 'gmem.lockWait.ns', 'migration.d2h.bytes')).toEqual({
        'gmem.lockWait.ns': 0,
        'migration.d2h.bytes': PAGE2M,
      });
    }
  });

  test('munmap waits for running faults and holds back new ones', () => {
    const rows = [
      alloc(4),
      alloc(1, 8, 'b'),
      // Four workers at once: peer_map 10,000 + zeroing 262,144. Clock: 2 negotiations 20,000 + 272,144 = 292,144.
      `0 cpu prefetch ${P(0)} 8M gpu0`,
      // Issued at 300,000 + 292,144 = 592,144: 3 x (10,000 + 500) and the addresses 10,000 = 41,500: until 633,644.
      `300000 cpu free ${P(1)} 6M`,
      // No delay of its own: issued at 600,000, so it waits 33,644 for the mmap lock.
      `600000 gpu0 w ${P(8)} 64`,
    ];
    const r = run(rows, { platform });
    expect(r.metrics['gmem.lockWait.ns']).toBe(33_644);
    const running = run([alloc(4), ...touch('gpu0', 'w', 0, 3), `0 cpu free ${P(1)} 6M`], { platform });
    const served = ['populate', 'map', 'fault'];
    expect(running.events.map((e) => e.kind)).toEqual([
      ...served,
      ...served,
      ...served,
      ...served,
      'unmap',
      'unmap',
      'unmap',
    ]);
  });
});
