/** Where the time of two runs goes, cause by cause; `timeline.test.ts` has the same steps with their sources. */
import { expect, it } from 'vitest';
import t4 from '../../../src/platforms/machines/t4.ts';
import { causesOf, only } from '../../helpers/causes.ts';
import { unitPlatform } from '../../helpers/platforms.ts';
import { alloc, fill, MiB, oneByOne, pageAddr, run, touch } from './rows.ts';

it('a burst into two blocks and an eviction, on a T4', () => {
  const burst = [...touch('gpu0', 'read', 0, [0, 0, 1, 200]), ...touch('gpu0', 'read', 1, [5])];
  const third = [...burst, '0 gpu0 sync', ...touch('gpu0', 'read', 2, [0]), '0 gpu0 sync'];
  const start = [alloc(3), fill(3), '0 gpu0 launch'];
  const before = causesOf(run(start, { platform: t4, capacity: 4 * MiB }));
  const after = causesOf(run([...start, ...third], { platform: t4, capacity: 4 * MiB }));
  const added = Object.fromEntries(Object.entries(after).map(([cause, ns]) => [cause, ns! - before[cause as 'wait']!]));
  expect(added).toEqual(
    only({
      // The burst: latency 10,000, batch 1,500, five entries at 200, 3 + 1 looks at 25, two blocks at 4,800, replay 900.
      // Then 10,000 + 1,500 + 200, a look before the eviction and one after it, one block, replay.
      faultService: 10_000 + 1_500 + 1_000 + 100 + 9_600 + 900 + 10_000 + 1_700 + 50 + 4_800 + 900,
      // 32 + 16 pages at 214 and three contiguous ranges of the CPU at 2,000; then 16 pages and one range.
      mapping: 48 * 214 + 6_000 + 16 * 214 + 2_000,
      // The burst's copies end at 50,498, the driver is done with both blocks at 38,472; then 4 KiB and 60 KiB.
      transfer: 50_498 - 38_472 + 1_106 + 5_806,
      // evictNs, 32 pages at 214, TLB flush, two copies home of 64 KiB.
      eviction: 4_800 + 32 * 214 + 1_000 + 2 * 5_641,
    }),
  );
});

it('a page fought over: both are throttled in turn, then the GPU reaches it remotely', () => {
  // Where nothing takes time, but single accesses do: 2 bytes/ns. thrashing.test.ts has the times: the GPU is put off from
  // 700,000 to 1,100,968, the CPU sleeps from 1,200,000 to 1,601,960; two remote accesses of 8 bytes follow.
  const turns = [0, 1, 2, 3, 4, 5, 6].map(
    (i) => `${(i + 1) * 100_000} ${i % 2 === 0 ? 'gpu0' : 'cpu'} write ${pageAddr(0, 0)} 8`,
  );
  const rows = [
    alloc(1),
    `0 cpu write ${pageAddr(0, 0)} 8`,
    ...turns,
    `1200000 cpu write ${pageAddr(0, 0)} 8`,
    `1300000 gpu0 write ${pageAddr(0, 0)} 8`,
    `150000000 gpu0 write ${pageAddr(0, 0)} 8`,
  ];
  const platform = { ...unitPlatform, remoteBytesPerNs: 2 };
  expect(causesOf(oneByOne(rows, { platform, set: { prefetch: false, pinThreshold: 1 } }))).toEqual(
    only({ wait: 400_968 + 401_960, remote: 8 }),
  );
});
