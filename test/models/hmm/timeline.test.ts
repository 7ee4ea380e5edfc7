/** Where the time goes, nanosecond by nanosecond. */

import { describe, expect, it } from 'vitest';
import hmm from '../../../src/models/hmm/index.ts';
import pcie4 from '../../../src/platforms/machines/pcie4.ts';
import { runModel } from '../../helpers/run.ts';

// pcie4: fault latency 10,000; copy 1,000 + bytes / 24; CPU fault 700; host zeroing 10 bytes/ns; TLB flush 1,000.
// First touch of a page by the CPU: 700 + 500 (handle_mm_fault) + round(4096 / 10) = 1,610.

describe('gpusvm on pcie4', () => {
  const rows = [
    '0 cpu alloc 0x210000 64K a',
    '0 cpu w 0x210000 64K',
    '100000 gpu0 r 0x210000 64',
    '200000 gpu0 r 0x210000 64',
  ];

  it('migrates 64 KiB for a fault', () => {
    // Raised at 100,000. The record at 200,000 is late: hand-over at 110,000. From there
    //   1,000 fault + 20,636 cycle + 16 x 1,364 pages = 21,824 + copy 1,000 + 65,536 / 24 = 3,731 + 16 x 228 = 3,648
    //   + get_pages 984 + 16 x 15.66 = 1,235 + bind 1,977 + 16 x 23.48 = 2,353: 54,427 in all.
    expect(runModel(hmm, rows, { platform: pcie4 }).metrics).toMatchObject({
      'time.stall.host.ns': 16 * 1610,
      'time.stall.device.ns': 1000 + 20_636 + 21_824 + 3731 + 3648 + 1235 + 2353,
      'time.link.busy.ns': 3731,
      'migration.h2d.pages': 16,
      roundTrips: 2,
    });
  });

  it('takes the range back for a CPU touch', () => {
    // 700 trap + 500 fault + 1,000 TLB flush of the zapped range + 20,636 + 21,824 + 3,731 + 3,648 = 52,039.
    const run = runModel(hmm, [...rows, '300000 cpu r 0x210000 1'], { platform: pcie4 });
    expect(run.metrics).toMatchObject({
      'time.stall.host.ns': 16 * 1610 + 52_039,
      'time.stall.device.ns': 54_427,
      'time.link.busy.ns': 2 * 3731,
      'tlb.invalidations': 1,
    });
  });

  it('maps pinned memory in place', () => {
    // 16 pinned pages are there from the start. Fault at 100,000, end of the trace: 10,000 latency + 1,000 + get_pages 1,235
    // + bind 2,353; no migration is tried, since the VMA is none that migrates.
    const pinned = ['0 cpu alloc 0x210000 64K a;kind=pinned', '100000 gpu0 r 0x210000 64'];
    expect(runModel(hmm, pinned, { platform: pcie4 }).metrics).toMatchObject({
      'time.stall.device.ns': 10_000 + 1000 + 1235 + 2353,
      'remote.device.accesses': 1,
      'faults.device': 1,
    });
  });

  it('evicts before it migrates', () => {
    // Room for one page. The second fault reserves: eviction of the first, 1,000 TLB flush + 20,636 + 1,364 + copy
    // round(1,000 + 4,096 / 24) = 1,171; then its own migration 20,636 + 1,364 + 1,171 + 228. Page faults of 4 KiB:
    //   each 1,000 + (984 + 15.66 -> 1,000) + (1,977 + 23.48 -> 2,000) + 23,399 = 27,399; the eviction 24,171 more.
    const set = [
      '0 cpu alloc 0x201000 4K a',
      '0 cpu alloc 0x401000 4K b',
      '0 cpu w 0x201000 4K',
      '0 cpu w 0x401000 4K',
    ];
    const touch = ['100000 gpu0 r 0x201000 64', '200000 gpu0 r 0x401000 64', '300000 gpu0 r 0x401000 64'];
    const run = runModel(hmm, [...set, ...touch], { platform: pcie4, capacity: 4096 });
    expect(run.metrics).toMatchObject({
      'evictions.count': 1,
      'time.stall.device.ns': 27_399 + 24_171 + 27_399,
      'time.link.busy.ns': 3 * 1171,
    });
  });
});

describe('nouveau on pcie4', () => {
  it('binds two pages, gives one back, and maps it in place', () => {
    const rows = [
      '0 cpu alloc 0x200000 8K a',
      '0 cpu w 0x200000 8K',
      '10000 gpu0 prefetch 0x200000 8K gpu0',
      '50000 gpu0 r 0x200000 64',
      '60000 cpu w 0x200000 64',
      '100000 gpu0 r 0x200000 64',
    ];
    // Bind: cycle 20,636 + 2 x 1,364 + 2 copies of 1,171 + 1,977 + 2 x 23.48 = 2,024: 27,730.
    // CPU: two first touches of 1,610; then 700 + 500 + 1,000 TLB + 20,636 + 1,364 + 1,171 = 25,371.
    // Second fault: latency 10,000 + 1,000 + 1,000 (hmm_range_fault of a page) + 2,000 (its bind) = 14,000; remote.
    expect(runModel(hmm, rows, { preset: 'nouveau', platform: pcie4 }).metrics).toMatchObject({
      'time.stall.device.ns': 27_730 + 14_000,
      'time.stall.host.ns': 2 * 1610 + 25_371,
      'time.link.busy.ns': 3 * 1171 + round(64 / 24),
      'remote.device.accesses': 1,
      'migration.d2h.pages': 1,
    });
  });
});

const round = Math.round;

describe('one fault of 2 MiB on Xe, as published', () => {
  // Link without overhead at the copy rate with huge pages: 2 MiB in 106 us.
  const link = { copyOverheadNs: 0, bytesPerNs: 2 ** 21 / 106_000 };
  const xe = { ...pcie4, faultLatencyNs: 0, link: { h2d: link, d2h: link, d2d: link } };
  const rows = ['0 cpu alloc 0x200000 2M a', '0 cpu w 0x200000 2M', '10000000 gpu0 r 0x200000 64'];

  it('966 us in pages of 4 KiB', () => {
    // 1,000 + 20,636 + 512 x 1,364 + 106,000 + 512 x 228 + (984 + 8,018) + (1,977 + 12,022) = 965,741.
    const { metrics } = runModel(hmm, rows, { platform: xe });
    expect(metrics['time.stall.device.ns']).toBe(965_741);
    expect(Math.round(965_741 / 1000)).toBe(966);
  });

  it('132 us as one page of 2 MiB', () => {
    // 1,000 + 20,636 + 1,364 + 106,000 + (984 + 16) + (1,977 + 23) = 132,000. Back for the CPU it moves as one page too.
    const options = { platform: xe, host: { pageBytes: 2 ** 21 }, set: { hugeMigration: true } };
    expect(runModel(hmm, rows, options).metrics['time.stall.device.ns']).toBe(132_000);
    // First touch 700 + 500 + 2 MiB / 10 = 209,715; back: 700 + 500 + 1,000 + 20,636 + 1,364 + 106,000.
    const back = [...rows, '20000000 gpu0 r 0x200000 64', '30000000 cpu r 0x200000 1'];
    expect(runModel(hmm, back, options).metrics['time.stall.host.ns']).toBe(1200 + 209_715 + 130_200);
  });

  it('splits the huge page without hugeMigration', () => {
    // The same costs as with 4 KiB pages, and the CPU keeps single entries.
    const { metrics } = runModel(hmm, rows, { platform: xe, host: { pageBytes: 2 ** 21 } });
    expect(metrics['time.stall.device.ns']).toBe(965_741);
  });
});
