/** Items 1 to 8 of the HMM checklist, preset nouveau, and what else is particular to it. */

import { describe, expect, it } from 'vitest';
import hmm from '../../../src/models/hmm/index.ts';
import { type RunModelOptions, runModel } from '../../helpers/run.ts';
import { sweep } from './rows.ts';

const M2 = 2 ** 21;
const run = (rows: string[], options: RunModelOptions = {}) =>
  runModel(hmm, rows, { preset: 'nouveau', ...options }).metrics;
const filled = ['0 cpu alloc 0x200000 2M a', '1 cpu w 0x200000 2M'];

describe('nouveau: faults map where the page is', () => {
  it('1: 512 pages of RAM take 512 services in one pass, and stay', () => {
    expect(run([...filled, ...sweep('gpu0', 'r', 0x200000, M2, 2)], { inFlight: 512 })).toMatchObject({
      'faults.device': 512,
      services: 512,
      batches: 1,
      'map.operations': 512,
      'migration.h2d.pages': 0,
      'remote.device.accesses': 512,
      'remote.device.bytes': 512 * 64,
    });
  });

  it('2: a huge page of the CPU takes one', () => {
    // The CPU's first touch fills 2 MiB: 1 host fault. One service maps it all; the other 511 of the pass are satisfied.
    const rows = [...filled, ...sweep('gpu0', 'r', 0x200000, M2, 2)];
    expect(run(rows, { inFlight: 512, host: { pageBytes: M2 } })).toMatchObject({
      'faults.host': 1,
      services: 1,
      'faults.device': 1,
      'faults.duplicate': 511,
      'map.operations': 1,
      'migration.h2d.pages': 0,
    });
  });

  it('3: the stronger access of a page goes first and serves the other', () => {
    const rows = [...filled, '2 gpu0 r 0x200000 64', '2 gpu0 w 0x200000 64'];
    expect(run(rows, { inFlight: 2 })).toMatchObject({ services: 1, 'faults.duplicate': 1, batches: 1 });
    // The zero page tells the order apart: read first would map it, and the write would break it at one invalidation.
    const hole = ['0 cpu alloc 0x200000 2M a', '2 gpu0 r 0x200000 64', '2 gpu0 w 0x200000 64'];
    expect(run(hole, { inFlight: 2, host: { zeroPage: true } })).toMatchObject({
      services: 1,
      'notifier.invalidations': 0,
    });
  });

  it('8: the zero page, and protection', () => {
    const read = ['0 cpu alloc 0x200000 2M a', '1 gpu0 r 0x200000 64'];
    const host = { zeroPage: true };
    expect(run(read, { host })).toMatchObject({ services: 1, 'populate.host.pages': 0, 'migration.h2d.pages': 0 });
    // The write finds a read-only page: a page takes its place (1 page, 1 clear), and the write is served.
    expect(run([...read, '2 gpu0 w 0x200000 64'], { host, inFlight: 1 })).toMatchObject({
      services: 2,
      'faults.permission': 1,
      'populate.host.pages': 1,
      'notifier.invalidations': 1,
    });
    const protect = [
      ...filled,
      '2 gpu0 r 0x200000 64',
      '3 cpu invalidate 0x200000 4K mprotect',
      '4 gpu0 r 0x200000 64',
    ];
    expect(run(protect)).toMatchObject({ services: 2, 'notifier.invalidations': 1, 'unmap.device.operations': 1 });
  });
});

describe('nouveau: bind', () => {
  const bound = [...filled, '2 gpu0 prefetch 0x200000 2M gpu0'];

  it('4: 128 pages a cycle, every page a copy of its own, no fault afterwards', () => {
    // 512 / 128 = 4 cycles (one migrate notification each), 512 copies of 4 KiB, one chunk of 2 MiB.
    const all = runModel(hmm, [...bound, ...sweep('gpu0', 'r', 0x200000, M2, 3)], { preset: 'nouveau' });
    expect(all.metrics).toMatchObject({
      'migration.operations': 4,
      'notifier.invalidations': 4,
      'migration.h2d.pages': 512,
      'migration.by.hint.bytes': M2,
      'memory.device.peakAllocatedBytes': M2,
      'faults.device': 0,
      'hints.applied': 1,
    });
    // 513 pages: a fifth cycle, a second chunk.
    const size = M2 + 4096;
    const rows = [
      `0 cpu alloc 0x200000 ${size} a`,
      `1 cpu w 0x200000 ${size}`,
      `2 gpu0 prefetch 0x200000 ${size} gpu0`,
    ];
    expect(run(rows)).toMatchObject({ 'migration.operations': 5, 'memory.device.peakAllocatedBytes': 2 * M2 });
  });

  it('5: the CPU takes back one page a fault, and the chunk stays', () => {
    expect(run([...bound, '3 cpu r 0x300000 1'])).toMatchObject({
      'faults.host': 513,
      'migration.d2h.pages': 1,
      'migration.d2h.bytes': 4096,
      'memory.device.peakResidentBytes': M2,
    });
    // All 512 come back; binding again needs no new chunk.
    const back = [...bound, '3 cpu r 0x200000 2M', '4 gpu0 prefetch 0x200000 2M gpu0'];
    expect(run(back)).toMatchObject({
      'faults.host': 1024,
      'migration.d2h.pages': 512,
      'migration.h2d.pages': 1024,
      'memory.device.peakAllocatedBytes': M2,
    });
  });

  it('6: without room pages stay in RAM; nothing is evicted', () => {
    // 3 MiB = 768 pages in room for 512: 256 stay. The sweep faults for those and they do not move.
    const rows = ['0 cpu alloc 0x200000 3M a', '1 cpu w 0x200000 3M', '2 gpu0 prefetch 0x200000 3M gpu0'];
    rows.push(...sweep('gpu0', 'r', 0x200000, 3 * 2 ** 20, 3));
    expect(run(rows, { capacity: M2 })).toMatchObject({
      'migration.h2d.pages': 512,
      'faults.device': 256,
      'evictions.count': 0,
      'remote.device.accesses': 256,
    });
  });

  it('6: memory comes in chunks of 2 MiB', () => {
    const rows = ['0 cpu alloc 0x200000 4M a', '1 gpu0 prefetch 0x200000 4M gpu0'];
    const result = runModel(hmm, rows, { preset: 'nouveau', capacity: 3 * 2 ** 20 });
    expect(result.effectiveCapacityBytes?.[1]).toBe(M2);
    expect(result.metrics['populate.device.pages']).toBe(512);
  });

  it('7: never touched memory is cleared on the device', () => {
    expect(run(['0 cpu alloc 0x200000 2M a', '1 gpu0 prefetch 0x200000 2M gpu0'])).toMatchObject({
      'populate.device.pages': 512,
      'migration.h2d.bytes': 0,
      'migration.operations': 4,
    });
  });

  it('binds to the device only', () => {
    expect(run([...bound, '3 cpu prefetch 0x200000 2M cpu'])).toMatchObject({
      'hints.rejected': 1,
      'migration.d2h.pages': 0,
    });
  });

  it('takes a page home for an atomic, and the CPU ends the exclusive use', () => {
    // Bound page: 1 home (device fault), made exclusive: 1 notification for the move, 1 for the exclusive entry. The CPU's
    // touch gives one more and takes the device's mapping, no data moves.
    const rows = [...bound, '3 gpu0 a 0x200000 64', '4 gpu0 sync', '5 cpu r 0x200000 1', '6 gpu0 a 0x200000 64'];
    expect(run(rows)).toMatchObject({
      'migration.d2h.pages': 1,
      'migration.by.deviceFault.bytes': 4096,
      'faults.device': 2,
      'faults.host': 513,
      // 4 cycles of bind + 1 (home) + 1 (exclusive) + 1 (the CPU ends it) + 1 (exclusive again).
      'notifier.invalidations': 8,
    });
  });
});
