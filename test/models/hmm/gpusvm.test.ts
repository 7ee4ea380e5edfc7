/** gpusvm beyond the checklist: mixed ranges, accesses that need device memory, prefetch, two devices, explicit memory. */

import { describe, expect, it } from 'vitest';
import hmm from '../../../src/models/hmm/index.ts';
import { unitPlatform } from '../../helpers/platforms.ts';
import { type RunModelOptions, runModel } from '../../helpers/run.ts';
import { sweep } from './rows.ts';

const M2 = 2 ** 21;
const run = (rows: string[], options: RunModelOptions = {}) => runModel(hmm, rows, options).metrics;
const filled = ['0 cpu alloc 0x200000 2M a', '1 cpu w 0x200000 2M'];
/** Nothing takes time but what the test is about. */
const FREE = Object.fromEntries(
  Object.entries(hmm.parameters)
    .filter(([, spec]) => spec.unit === 'ns')
    .map(([key]) => [key, 0]),
);

describe('mixed ranges', () => {
  // The last page of a range on the device is given up: only it has to be faulted in, so 511 stay and 1 is in RAM.
  const mixed = [...filled, '2 gpu0 r 0x200000 64', '3 cpu advise 0x3ff000 4K dontneed', '4 gpu0 r 0x200000 64'];

  it('go home and come back whole', () => {
    // Second fault: 512 cannot move (511 are there already), 1 page filled in RAM, mix refused: 511 home, then 512 again.
    expect(run(mixed)).toMatchObject({
      'faults.device': 2,
      services: 2,
      'populate.host.pages': 512 + 1,
      'migration.d2h.pages': 511,
      'migration.by.hostFault.bytes': 0,
      'migration.h2d.pages': 512 + 512,
      // The refused mix.
      'hmm.retries': 1,
    });
  });

  it('stay where that is allowed', () => {
    const allowed = run([...mixed, '5 gpu0 r 0x3ff000 64'], { set: { allowMixed: true } });
    expect(allowed).toMatchObject({
      'migration.d2h.pages': 0,
      'migration.h2d.pages': 512,
      'remote.device.accesses': 1,
      // First mapping 1 entry of 2 MiB; then one for the run on the device and one for the page in RAM.
      'map.operations': 1 + 2,
      'hmm.retries': 0,
    });
  });

  it('with a hole in front everything comes home at once', () => {
    // The sweep of hmm_range_fault from page 0 on takes all 511 pages home; the range is then in RAM, and stays there.
    const rows = [...filled, '2 gpu0 r 0x200000 64', '3 cpu advise 0x200000 4K dontneed', '4 gpu0 r 0x200000 64'];
    expect(run(rows)).toMatchObject({
      'migration.d2h.pages': 511,
      'migration.by.deviceFault.bytes': M2 + 511 * 4096,
      'migration.h2d.pages': 512,
      'remote.device.accesses': 1,
      // The home-coming moved the sequence: the walk begins again.
      'hmm.retries': 1,
    });
  });
});

describe('accesses that need device memory', () => {
  it('migrate what an ordinary access left in RAM', () => {
    // Pinned: mapped remotely. Unpinned, a read still hits; the atomic faults on permission and migrates the range.
    const rows = [...filled, '2 cpu advise 0x200000 4K pin:cpu', '3 gpu0 r 0x200000 64'];
    const later = [...rows, '4 cpu advise 0x200000 4K unpin', '5 gpu0 r 0x200000 64', '6 gpu0 a 0x200000 64'];
    expect(run(later)).toMatchObject({
      'faults.device': 2,
      'faults.permission': 1,
      'migration.h2d.pages': 512,
      'remote.device.accesses': 2,
    });
  });

  it('fail after three attempts of three tries', () => {
    const rows = [...filled, '2 cpu advise 0x200000 4K pin:cpu', '3 gpu0 a 0x200000 64'];
    // Every try collects the range once: 9 migrate notifications.
    expect(run(rows)).toMatchObject({
      'accesses.failed': 1,
      'migration.h2d.pages': 0,
      'notifier.invalidations': 9,
      'hmm.retries': 2,
    });
  });

  it('double the timeslice with each retry', () => {
    // A mixed range: the first round fails, the second migrates: 2 x 5 ms from t = 10 ms (the sync hands over).
    const rows = [
      ...['0 cpu alloc 0x200000 2M a', '0 gpu0 w 0x200000 64', '0 cpu advise 0x3ff000 4K dontneed'],
      ...['10000000 gpu0 a 0x200000 64', '10000000 gpu0 sync', '11000000 cpu r 0x200000 1'],
    ];
    expect(run(rows, { set: FREE })).toMatchObject({ 'time.stall.host.ns': 9_000_000, 'hmm.retries': 1 });
  });
});

describe('the retry budget', () => {
  it('of one second ends a fault that takes longer', () => {
    // A link of 1 byte in 1,000 ns: taking 511 pages home lasts 2.09 s, so the refused mix is not tried again.
    const link = { copyOverheadNs: 0, bytesPerNs: 0.001 };
    const slow = { ...unitPlatform, link: { h2d: link, d2h: link, d2d: link } };
    const rows = ['0 cpu alloc 0x200000 2M a', '0 gpu0 w 0x200000 64', '0 cpu advise 0x3ff000 4K dontneed'];
    const again = [...rows, '1 gpu0 r 0x200000 64'];
    expect(run(again, { platform: slow, set: FREE })).toMatchObject({ 'accesses.failed': 1, 'migration.h2d.pages': 0 });
    // Twice as fast is 1.05 s; 2.2 times, 0.95 s: within the budget.
    const fast = { ...slow, link: { ...slow.link, d2h: { ...link, bytesPerNs: 0.0022 } } };
    expect(run(again, { platform: fast, set: FREE })).toMatchObject({
      'accesses.failed': 0,
      'migration.h2d.pages': 512,
    });
    const late = { ...slow, link: { ...slow.link, d2h: { ...link, bytesPerNs: 0.002 } } };
    expect(run(again, { platform: late, set: FREE })).toMatchObject({ 'accesses.failed': 1 });
  });
});

describe('device memory', () => {
  it('a range that does not fit stays in RAM', () => {
    expect(
      run([...filled, ...sweep('gpu0', 'r', 0x200000, M2, 2)], { capacity: M2 - 4096, inFlight: 1 }),
    ).toMatchObject({
      'faults.device': 1,
      'migration.h2d.pages': 0,
      'evictions.count': 0,
      'remote.device.accesses': 512,
    });
  });

  it('platforms with 64 KiB pages do not migrate 4 KiB ranges', () => {
    const rows = ['0 cpu alloc 0x210000 80K a', '1 cpu w 0x210000 80K', ...sweep('gpu0', 'r', 0x210000, 81_920, 2)];
    expect(run(rows, { inFlight: 1, set: { vram64k: true } })).toMatchObject({
      'faults.device': 5,
      'migration.h2d.pages': 16,
      'remote.device.accesses': 4,
    });
  });

  it('explicit memory is taken at alloc, at the cost of ranges', () => {
    // 2 MiB of room: the range is evicted for the allocation; the owner hits, others fail; free gives it back.
    const rows = [
      ...filled,
      ...['2 gpu0 r 0x200000 64', '3 gpu0 alloc 0x600000 2M d;kind=device', '4 gpu0 w 0x600000 2M'],
      ...[
        '5 cpu r 0x600000 64',
        '6 gpu0 r 0x200000 64',
        '7 gpu0 free 0x600000 2M',
        '8 cpu invalidate 0x200000 4K numa',
      ],
      ...['9 gpu0 r 0x200000 64'],
    ];
    expect(run(rows, { capacity: M2 })).toMatchObject({
      'evictions.count': 1,
      'accesses.failed': 1,
      // In, out of the way, remote while the room is taken, in again.
      'faults.device': 3,
      'migration.h2d.pages': 1024,
      'remote.device.accesses': 1,
      'memory.device.peakAllocatedBytes': M2,
    });
  });

  it('an allocation beyond it makes its accesses fail', () => {
    const rows = ['0 gpu0 alloc 0x600000 4M d;kind=device', '1 gpu0 w 0x600000 64'];
    const result = runModel(hmm, rows, { capacity: M2 });
    expect(result.metrics['accesses.failed']).toBe(1);
    expect(result.warnings).toHaveLength(1);
  });
});

describe('prefetch', () => {
  it('to a device serves its ranges', () => {
    // 3 MiB: one chunk of 2 MiB and 16 of 64 KiB; no faults afterwards.
    const rows = ['0 cpu alloc 0x200000 3M a', '1 cpu w 0x200000 3M', '2 gpu0 prefetch 0x200000 3M gpu0'];
    expect(run([...rows, ...sweep('gpu0', 'w', 0x200000, 3 * 2 ** 20, 3)])).toMatchObject({
      'hmm.ranges': 17,
      'migration.by.hint.bytes': 3 * 2 ** 20,
      'faults.device': 0,
      services: 0,
      'hints.applied': 1,
    });
  });

  it('to the CPU takes the ranges home and maps them there', () => {
    const rows = [...filled, '2 gpu0 r 0x200000 64', '3 cpu prefetch 0x200000 4K cpu', '4 gpu0 r 0x200000 64'];
    expect(run([...rows, '5 cpu r 0x200000 2M'])).toMatchObject({
      'migration.by.hint.bytes': M2,
      'migration.d2h.pages': 512,
      'faults.device': 1,
      'faults.host': 512,
      'remote.device.accesses': 1,
    });
  });
});

describe('two devices', () => {
  it('take pages from each other through RAM, and then leave them there', () => {
    // The second device's attempt collects nothing; its walk brings the first one's range home: 512 pages d2h for a device
    // fault. It is mapped over the link. The first device lost its mapping and has to fault, and takes the range again.
    const rows = [...filled, '2 gpu0 r 0x200000 64', '3 gpu1 r 0x200000 64', '4 gpu1 r 0x200000 64'];
    expect(run(rows)).toMatchObject({
      'faults.device': 2,
      'migration.h2d.pages': 512,
      'migration.d2h.pages': 512,
      'migration.d2d.pages': 0,
      'migration.by.deviceFault.bytes': 2 * M2,
      'remote.device.accesses': 2,
    });
    expect(run([...rows, '5 gpu0 r 0x200000 64'])).toMatchObject({ 'faults.device': 3, 'migration.h2d.pages': 1024 });
  });
});

describe('host events and hints', () => {
  it.each([
    ['numa', 0, 1],
    ['mprotect', 0, 1],
    // One call a page: the first zaps the range, the second finds it invalid.
    ['compaction', 0, 2],
  ])('%s keeps the data', (sort, home, calls) => {
    const rows = [...filled, '2 gpu0 r 0x200000 64'];
    const before = run(rows);
    const after = run([...rows, `3 cpu invalidate 0x200000 8K ${sort}`, '4 gpu0 r 0x200000 64']);
    expect(after).toMatchObject({ 'migration.d2h.pages': home, 'faults.device': 2, 'unmap.device.operations': 1 });
    expect((after['notifier.invalidations'] ?? 0) - (before['notifier.invalidations'] ?? 0)).toBe(calls);
  });

  it.each(['fork', 'hostio'])('%s brings the range home', (sort) => {
    const rows = [...filled, '2 gpu0 r 0x200000 64', `3 cpu invalidate 0x200000 8K ${sort}`, '4 cpu r 0x200000 2M'];
    expect(run(rows)).toMatchObject({ 'migration.d2h.pages': 512, 'faults.host': 512 });
  });

  it('knows dontneed, pin and unpin', () => {
    const rows = [...filled, '2 gpu0 r 0x200000 64', '3 cpu advise 0x200000 2M dontneed', '4 cpu r 0x200000 64'];
    expect(run([...rows, '5 cpu advise 0x200000 2M read_mostly'])).toMatchObject({
      'hints.applied': 1,
      'hints.ignored': 1,
      // The data is gone, not moved: 512 first touches before, one after.
      'migration.d2h.pages': 0,
      'faults.host.firstTouch': 513,
    });
  });

  it('frees without a trace', () => {
    const rows = [...filled, '2 gpu0 r 0x200000 64', '3 cpu free 0x200000 2M', '4 cpu alloc 0x200000 2M b'];
    expect(run([...rows, '5 gpu0 w 0x200000 64'], { capacity: M2 })).toMatchObject({
      'migration.d2h.pages': 0,
      'evictions.count': 0,
      'populate.device.pages': 512,
      'hmm.ranges': 2,
      'hmm.notifiers': 2,
    });
  });
});
