/** Where the time of two runs goes, cause by cause; `timeline.test.ts` has the same steps with their sources. */
import { expect, it } from 'vitest';
import mi250x from '../../../src/platforms/machines/mi250x.ts';
import { causesOf, only } from '../../helpers/causes.ts';
import { unitPlatform } from '../../helpers/platforms.ts';
import { MIB, PAGE, row, run } from './kfd-run.ts';

it('two buffers of two pages with room for one, and a look at pinned memory, on an MI250X', () => {
  const rows = [
    row(0, 'cpu alloc', 0, 2 * PAGE, 'a'),
    row(0, 'cpu alloc', 2 * MIB, 2 * PAGE, 'b'),
    row(0, 'cpu alloc', 4 * MIB, PAGE, 'p;kind=pinned'),
    row(0.5, 'gpu0 read', 4 * MIB, PAGE),
    row(1, 'gpu0 write', 0, PAGE),
    row(2, 'gpu0 write', 2 * MIB, PAGE),
  ];
  expect(causesOf(run(rows, { platform: mi250x, capacity: 2 * PAGE }))).toEqual(
    only({
      // faultNs twice; the second fault is handed over at the end of the trace and waits out the latency.
      faultService: 8_000 + 10_000 + 8_000,
      // Clearing both buffers, 8192 / 1600 each; zeroing the pinned page, 4096 / 10.
      transfer: 5 + 5 + 410,
      // Twice: migrateInPageNs and mapPageNs for two pages, TLB flush.
      mapping: 2 * (2 * 7_760 + 2 * 20 + 1_000),
      // The victim's TLB flush, copy 1000 + 8192 / 36, job, migrateOutPageNs for two pages.
      eviction: 1_000 + 1_228 + 2_000 + 2 * 2_350,
      // 4096 / 36.
      remote: 114,
    }),
  );
});

it('a fault in the window of 2 ms is put off', () => {
  // Block 0 is served at 0 ms; block 1, at 1 ms, is raised again at 2 ms.
  const rows = [
    row(0, 'cpu alloc', 0, 32 * MIB, 'a'),
    row(0, 'cpu write', 0, 32 * MIB),
    row(0, 'gpu0 read', 0, PAGE),
    row(1, 'gpu0 read', 2 * MIB, PAGE),
  ];
  const set = { maxRange: 32 * MIB };
  expect(causesOf(run(rows, { set, platform: unitPlatform }))).toEqual(only({ wait: 1_000_000 }));
});

it('with XNACK off an invalidation stops the queues for 1 ms and the time of mapping again', () => {
  const rows = [
    row(0, 'cpu alloc', 0, 2 * PAGE, 'a'),
    row(0, 'cpu write', 0, 2 * PAGE),
    row(3, 'cpu invalidate', 0, PAGE, 'numa'),
    row(9, 'gpu0 read', 0, PAGE),
  ];
  const { m, ...result } = run(rows, { platform: mi250x, set: { xnack: false } });
  expect(m('kfd.queueEvictions')).toBe(1);
  // Restored in the background at 4 ms: two pages mapped, 20 each, and a TLB flush.
  expect(m('time.stall.device.ns')).toBe(1_000_000 + 1_040);
  expect(causesOf(result)).toMatchObject({ wait: 1_000_000, eviction: 0 });
});
