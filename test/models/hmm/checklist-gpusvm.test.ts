/** Items 9 to 20 of the HMM checklist, preset gpusvm: tiny traces, every number worked out in the comment. */

import { describe, expect, it } from 'vitest';
import hmm from '../../../src/models/hmm/index.ts';
import { runModel } from '../../helpers/run.ts';
import { sweep } from './rows.ts';

const M2 = 2 ** 21;
const K64 = 65_536;
const K4 = 4096;

describe('gpusvm: choice of the chunk', () => {
  it('9: one touch of an aligned, populated VMA takes 2 MiB', () => {
    // 4 MiB = 2 chunks; the CPU touches 1024 pages first. One touch: 1 fault, 512 pages, 2 MiB.
    const rows = ['0 cpu alloc 0x200000 4M a', '1 cpu w 0x200000 4M'];
    const one = runModel(hmm, [...rows, '2 gpu0 r 0x200000 64']);
    expect(one.metrics).toMatchObject({
      'faults.host': 1024,
      'faults.device': 1,
      services: 1,
      'migration.h2d.pages': 512,
      'migration.h2d.bytes': M2,
      'migration.by.deviceFault.bytes': M2,
      'migration.operations': 1,
      'map.operations': 1,
      'hmm.ranges': 1,
    });
    // The rest of that chunk hits; then the other chunk faults once.
    const all = runModel(hmm, [...rows, '2 gpu0 r 0x200000 64', ...sweep('gpu0', 'r', 0x200000, 2 * M2, 3)], {
      inFlight: 1,
    });
    expect(all.metrics).toMatchObject({ 'faults.device': 2, 'faults.stale': 0, 'migration.h2d.pages': 1024 });
  });

  it('10: smaller VMAs are served in 64 KiB and 4 KiB', () => {
    // 1 MiB at 64 KiB alignment (not 2 MiB): 1 MiB / 64 KiB = 16.
    const mib = ['0 cpu alloc 0x210000 1M a', '1 cpu w 0x210000 1M', ...sweep('gpu0', 'r', 0x210000, M2 / 2, 2)];
    expect(runModel(hmm, mib, { inFlight: 1 }).metrics).toMatchObject({
      'faults.device': 16,
      'hmm.ranges': 16,
      'map.operations': 16,
      'migration.h2d.pages': 256,
    });
    // 80 KiB = one whole 64 KiB and 16 KiB beyond, where no aligned 64 KiB fits: 4 pages. 1 + 4 = 5.
    const kib = ['0 cpu alloc 0x210000 80K a', '1 cpu w 0x210000 80K', ...sweep('gpu0', 'r', 0x210000, 80 * 1024, 2)];
    expect(runModel(hmm, kib, { inFlight: 1 }).metrics).toMatchObject({
      'faults.device': 5,
      'migration.h2d.pages': 20,
    });
  });

  it('11: an unaligned VMA begins with single pages', () => {
    // From 2 MiB + 4 KiB to 4 MiB: up to the first 64 KiB boundary 15 pages; then (2 MiB - 64 KiB) / 64 KiB = 31 chunks.
    const size = M2 - K4;
    const rows = [
      `0 cpu alloc 0x201000 ${size} a`,
      `1 cpu w 0x201000 ${size}`,
      ...sweep('gpu0', 'r', 0x201000, size, 2),
    ];
    expect(runModel(hmm, rows, { inFlight: 1 }).metrics).toMatchObject({
      'faults.device': 46,
      'migration.h2d.pages': 511,
    });
  });

  it('12: only chunks up to the threshold must be present', () => {
    // 2 MiB is over the threshold of 64 KiB: taken, 512 holes become zeroed device pages, nothing is copied.
    const big = runModel(hmm, ['0 cpu alloc 0x200000 2M a', '1 gpu0 w 0x200000 64']);
    expect(big.metrics).toMatchObject({
      'faults.device': 1,
      'populate.device.pages': 512,
      'migration.h2d.bytes': 0,
      'populate.host.pages': 0,
      'migration.operations': 1,
    });
    // 64 KiB of holes is not present: 16 faults of 4 KiB. With threshold 0 nothing is checked: one fault.
    const rows = ['0 cpu alloc 0x210000 64K a', ...sweep('gpu0', 'w', 0x210000, K64, 1)];
    expect(runModel(hmm, rows, { inFlight: 1 }).metrics).toMatchObject({
      'faults.device': 16,
      'populate.device.pages': 16,
    });
    const unchecked = runModel(hmm, rows, { inFlight: 1, set: { checkPagesThreshold: 0 } });
    expect(unchecked.metrics).toMatchObject({ 'faults.device': 1, 'populate.device.pages': 16 });
  });
});

describe('gpusvm: back and forth', () => {
  it('13: a CPU touch takes the whole range back', () => {
    // k = 3 alternations after the first migration. CPU faults: 512 first touches + 3; each way 3 x 2 MiB, and the first.
    const rows = ['0 cpu alloc 0x200000 2M a', '1 cpu w 0x200000 2M', '2 gpu0 r 0x200000 64'];
    for (let i = 0; i < 3; i++) rows.push(`${10 + 2 * i} cpu r 0x200800 1`, `${11 + 2 * i} gpu0 r 0x200000 64`);
    expect(runModel(hmm, rows).metrics).toMatchObject({
      'faults.host': 515,
      'faults.device': 4,
      'migration.d2h.pages': 3 * 512,
      'migration.by.hostFault.bytes': 3 * M2,
      'migration.h2d.pages': 4 * 512,
      'hmm.ranges': 1,
      'evictions.count': 0,
    });
  });

  it('14: eviction is first in, first out', () => {
    const rows = ['0 cpu alloc 0x200000 6M a', '1 cpu w 0x200000 6M'];
    const touch = (name: string, time: number) => `${time} gpu0 r ${0x200000 + 'ABC'.indexOf(name) * M2} 64`;
    const run = (order: string) =>
      runModel(hmm, [...rows, ...[...order].map((name, i) => touch(name, 2 + i))], { capacity: 2 * M2 }).metrics;
    // A B C A in room for two: C evicts A, A evicts B: 4 faults, 8 MiB in, 2 evictions, 4 MiB out; A came back: thrash 512.
    expect(run('ABCA')).toMatchObject({
      'faults.device': 4,
      'migration.h2d.bytes': 4 * M2,
      'evictions.count': 2,
      'evictions.pages': 1024,
      'evictions.bytes': 2 * M2,
      'migration.d2h.bytes': 2 * M2,
      'thrash.pages': 512,
      'memory.device.peakAllocatedBytes': 2 * M2,
    });
    // A B A C A: the third touch hits and does not renew A. C evicts A, A evicts B: 4 faults; true LRU would have 3.
    expect(run('ABACA')).toMatchObject({ 'faults.device': 4, 'evictions.count': 2 });
    // An eviction is by page frame: one clear notification for each of the 512 pages (rule 15 of the recording), and the
    // migration to the device one for its range. 4 x 1 + 2 x 512, all in the one notifier.
    expect(run('ABCA')).toMatchObject({ 'notifier.invalidations': 4 + 1024, 'hmm.notifiers': 1 });
  });

  it('19: a second fault on a valid range is stale', () => {
    // Two pages of one range wait together: the first is served, the second is fetched and found valid.
    const rows = ['0 cpu alloc 0x200000 2M a', '1 cpu w 0x200000 2M', '2 gpu0 r 0x200000 8K'];
    expect(runModel(hmm, rows, { inFlight: 2 }).metrics).toMatchObject({
      'faults.device': 1,
      'faults.stale': 1,
      'faults.deviceRaw': 2,
      batches: 2,
      services: 1,
      'migration.operations': 1,
    });
  });
});

describe('gpusvm: memory that does not migrate', () => {
  it('15: one pinned page keeps its chunk in RAM', () => {
    const rows = ['0 cpu alloc 0x200000 2M a', '1 cpu w 0x200000 2M', '2 cpu advise 0x300000 4K pin:cpu'];
    const run = runModel(hmm, [...rows, '3 gpu0 r 0x200000 64', '4 gpu0 r 0x200000 64']);
    // One attempt (one migrate call), all or nothing: 0 pages; 512 entries of 4 KiB over the link; the repeat hits. Two remote touches.
    expect(run.metrics).toMatchObject({
      'faults.device': 1,
      'notifier.invalidations': 1,
      'migration.h2d.pages': 0,
      'migration.operations': 0,
      'map.operations': 512,
      'remote.device.accesses': 2,
      'memory.device.peakResidentBytes': 0,
    });
    // Unpinned it may go, but only once something unmapped the range: here the kernel's own I/O invalidation.
    const later = ['5 cpu advise 0x200000 2M unpin', '6 cpu invalidate 0x200000 4K numa', '7 gpu0 r 0x200000 64'];
    expect(runModel(hmm, [...rows, '3 gpu0 r 0x200000 64', ...later]).metrics).toMatchObject({
      'faults.device': 2,
      'migration.h2d.pages': 512,
    });
  });

  it('16: file-backed memory stays in RAM', () => {
    const rows = ['0 cpu alloc 0x200000 2M a;kind=file', '1 cpu w 0x200000 2M', ...sweep('gpu0', 'r', 0x200000, M2, 2)];
    expect(runModel(hmm, rows, { inFlight: 1 }).metrics).toMatchObject({
      'faults.device': 1,
      'migration.h2d.pages': 0,
      'remote.device.accesses': 512,
    });
  });
});

describe('gpusvm: invalidation', () => {
  const half = ['0 cpu alloc 0x200000 2M a', '1 cpu w 0x200000 2M', '2 gpu0 r 0x200000 64', '3 cpu free 0x300000 1M'];

  it('17: munmap of a part destroys the range', () => {
    // The upper 256 pages are freed in place, the lower 256 come home: 1 MiB. The rest has room for 64 KiB chunks: 16.
    const rows = [...half, ...sweep('gpu0', 'r', 0x200000, M2 / 2, 4)];
    expect(runModel(hmm, rows, { inFlight: 1 }).metrics).toMatchObject({
      'faults.device': 17,
      'migration.d2h.pages': 256,
      'migration.h2d.pages': 512 + 256,
      'hmm.ranges': 17,
    });
  });

  it('17: without partialUnmapEvicts the rest stays on the device', () => {
    // 16 new ranges of 64 KiB find their pages there: 16 faults, nothing moves.
    const rows = [...half, ...sweep('gpu0', 'r', 0x200000, M2 / 2, 4)];
    const run = runModel(hmm, rows, { inFlight: 1, set: { partialUnmapEvicts: false } });
    expect(run.metrics).toMatchObject({
      'faults.device': 17,
      'migration.d2h.pages': 0,
      'migration.h2d.pages': 512,
    });
  });

  it('18: a notifier covers 512 MiB, an invalidation zaps one range', () => {
    const rows = ['0 cpu alloc 0x40000000 1G a', '1 gpu0 w 0x40000000 64', '2 gpu0 w 0x60000000 64'];
    const before = runModel(hmm, rows).metrics;
    // Two halves of 1 GiB: 2 notifiers, 2 ranges. Each range of holes: M for the range and M for its holes = 2 calls.
    // Books: 2 x 152 + 2 x 200.
    expect(before).toMatchObject({
      'hmm.notifiers': 2,
      'hmm.ranges': 2,
      'notifier.invalidations': 4,
      'memory.metadata.peakBytes': 704,
    });
    const more = [...rows, '3 cpu invalidate 0x40000000 4K numa', '4 gpu0 w 0x40000000 64', '5 gpu0 w 0x60000000 64'];
    // One more call, one range unmapped, one fault to map it again; its pages are on the device and stay there.
    expect(runModel(hmm, more).metrics).toMatchObject({
      'notifier.invalidations': 5,
      'unmap.device.operations': 1,
      'tlb.invalidations': 1,
      'faults.device': 3,
      'migration.h2d.pages': 0,
      'migration.d2h.pages': 0,
      'populate.device.pages': 1024,
    });
    // A notifier of 2 MiB instead: one per chunk touched, here also 2; of 1 GiB: one.
    expect(runModel(hmm, rows, { set: { notifierSize: 2 ** 30 } }).metrics).toMatchObject({ 'hmm.notifiers': 1 });
  });

  it('20: after an atomic the CPU waits for the end of the timeslice', () => {
    const rows = (op: string) => [
      '0 cpu alloc 0x200000 2M a',
      `0 gpu0 ${op} 0x200000 64`,
      '0 gpu0 sync',
      '1000000 cpu r 0x200000 1',
    ];
    // Nothing else takes time here, so the range arrives at 0 (the sync hands over). 5 ms - 1 ms = 4 ms of waiting.
    const none = { faultNs: 0, pageFaultNs: 0, migrateCycleNs: 0, migratePageNs: 0, copyPageNs: 0 };
    const set = { ...none, getPagesNs: 0, getPagesEntryNs: 0, bindNs: 0, bindEntryNs: 0 };
    expect(runModel(hmm, rows('a'), { set }).metrics).toMatchObject({
      'time.stall.host.ns': 4_000_000,
      'migration.d2h.pages': 512,
      'faults.host': 1,
    });
    expect(runModel(hmm, rows('w'), { set }).metrics).toMatchObject({
      'time.stall.host.ns': 0,
      'migration.d2h.pages': 512,
    });
    expect(runModel(hmm, rows('a'), { set: { ...set, timesliceMs: 2 } }).metrics).toMatchObject({
      'time.stall.host.ns': 1_000_000,
    });
  });
});
