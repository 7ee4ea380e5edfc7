/** Two runs worked out by hand to the nanosecond. */
import { expect, test } from 'vitest';
import { timedPlatform } from '../../helpers/platforms.ts';
import { alloc, books, MIB, P, roundTrips, run, touch, victims } from './rows.ts';

// Platform `timed`: fault latency 10,000 (so a round trip is 10,000 too); 2 MiB over a link 1,000 + 2,097,152 = 2,098,152;
// zeroing 2 MiB 524,288 on the host, 262,144 on a device; CPU trap 300, CPU shootdown 70, device TLB flush 500.
const platform = timedPlatform;

test('CPU and device share three pages (olk66, coupled)', () => {
  const r = run(
    [
      // Negotiation, one round trip: now = CPU delay = 10,000.
      alloc(3),
      // First touch: 300 + 524,288. Now 534,588.
      ...touch('cpu', 'w', 0),
      // Again 524,588. Now 1,059,176 = s.
      ...touch('cpu', 'w', 1),
      // The device has no delay: all four are issued at 0 and fill its four places, so they are handed over at s.
      ...touch('gpu0', 'r', 0, 1),
      ...touch('gpu0', 'w', 2),
      `0 gpu0 r ${P(0, 4096)} 64`,
      // P0: zap 70, peer_map 10,000, copy: until s + 2,108,222.
      // P1: the same beside it, but the link is busy until then: copy until s + 2,108,222 + 2,098,152 = s + 4,206,374.
      // P2: waits 70 for the import that the first fault does after its zap, then peer_map 10,000 + zeroing 262,144:
      // s + 272,214. The fourth touch is held back with the first.
      // Lock wait: P0 and P1 were wanted since 0, while the CPU held each for 524,288; and the 70.
      // Now s + 4,206,374 = 5,265,550; device delay 4,206,374.
      //
      // CPU delay 1,059,176: the touch was issued at s, but P0 was locked until s + 2,108,222: lock wait 2,108,222.
      // 300 + zeroed host page 524,288 + peer_unmap 10,000 + flush 500 + copy 2,098,152 = 2,633,240. Now 7,898,790.
      ...touch('cpu', 'r', 0),
      `0 cpu r ${P(0, MIB)} 64`,
      // Issued at 4,206,374, waits for others to fill up.
      ...touch('gpu0', 'w', 0),
      // Another 2,633,240. Now 10,532,030.
      ...touch('cpu', 'w', 2),
      // End: zap 70 + peer_map 10,000 + copy 2,098,152 = 2,108,222: now 12,640,252. It was issued at 4,206,374, the CPU held
      // P0 from its trap's end 5,265,850 to 7,898,790: lock wait 2,632,940.
    ],
    { platform },
  );
  // Ideal: CPU 5 x 64 bytes at 8 bytes/ns = 40, device 5 x 64 at 16 = 20.
  expect(r.metrics['time.total.ns']).toBe(12_640_252 + 40);
  expect(r.metrics['gmem.lockWait.ns']).toBe(2 * 524_288 + 70 + 2_108_222 + 2_632_940);
  // Three copies to the device (P0, P1, P0), two home (P0, P2).
  expect(r.metrics['time.link.busy.ns']).toBe(5 * 2_098_152);
  expect(books(r, 'migration.h2d.bytes', 'migration.d2h.bytes', 'faults.device', 'faults.duplicate')).toEqual({
    'migration.h2d.bytes': 6 * MIB,
    'migration.d2h.bytes': 4 * MIB,
    'faults.device': 4,
    'faults.duplicate': 1,
  });
  // Four device faults of two, two CPU faults of one.
  expect(roundTrips(r)).toBe(4 * 2 + 2);
});

test('two places for three pages (olk510, decoupled, no background evictor)', () => {
  const r = run(
    [
      // Negotiation: now = CPU delay = 10,000.
      alloc(3),
      // Two pages are one work item, hence one worker: allocate, zero, enter = 30,000 + 262,144 each, 584,288 together.
      // Now = CPU delay = 594,288.
      `0 cpu prefetch ${P(0)} 4M gpu0`,
      // 300 + host page 524,288 + release, invalidate, copy, free 40,000 + flush 500 + 2,098,152 = 2,663,240.
      // Now = CPU delay = 3,257,528 = s.
      ...touch('cpu', 'r', 0),
      ...touch('gpu0', 'r', 0),
      ...touch('gpu0', 'r', 2),
      // Handed over by the sync at s. P0: zap 70, allocate (one place is free), copy, enter: 30,000 + 2,098,152.
      // P2, beside it: no place, so the head of the list P1 goes: EVICT_PAGE 10,000 + 40,000 + 500 + 2,098,152 = 2,148,652,
      // then 30,000 + 262,144: s + 2,440,796 = 5,698,324. Device delay 2,440,796.
      '0 gpu0 sync',
      // Evicted: only the CPU entry is missing. 300: now 5,698,624.
      ...touch('cpu', 'w', 1),
      ...touch('gpu0', 'w', 1),
      // End: zap 70, P0 is evicted (list: P0, P2) 2,148,652, then 30,000 + 2,098,152 = 4,276,874 in all: now 9,975,498.
    ],
    {
      platform,
      preset: 'olk510',
      capacity: '4M',
      set: { mmuOps: 'decoupled', lowWatermarkBytes: 0, highWatermarkBytes: 0 },
    },
  );
  // Ideal: CPU 128 / 8 = 16.
  expect(r.metrics['time.total.ns']).toBe(9_975_498 + 16);
  expect(victims(r)).toEqual([1, 0]);
  expect(
    books(r, 'migration.h2d.bytes', 'migration.d2h.bytes', 'evictions.bytes', 'thrash.pages', 'populate.device.pages'),
  ).toEqual({
    'migration.h2d.bytes': 4 * MIB,
    'migration.d2h.bytes': 6 * MIB,
    'evictions.bytes': 4 * MIB,
    'thrash.pages': 512,
    'populate.device.pages': 3 * 512,
  });
  // Prefetch 2 x 3; home 4; P0 1 + 3; P2 and P1 each 1 + 5 + 3.
  expect(roundTrips(r)).toBe(6 + 4 + 4 + 9 + 9);
});

test('a CPU touch waits for the background evictor to finish with its page (olk510)', () => {
  const r = run(
    [
      // Negotiation: now = CPU delay = 10,000.
      alloc(4),
      // All four together at 10,000: peer_map 10,000 + zeroing 262,144, until 282,144. No page is free then: swapd wakes.
      ...touch('gpu0', 'w', 0, 3),
      // Before this record, issued at 310,000: swapd evicts P0 from 282,144 on: EVICT_PAGE and FREE_PAGE 20,000, flush 500,
      // copy 2,098,152, so until 2,400,796; it delays nobody. The trap ends at 310,300, then the page's mutex.
      `300000 cpu r ${P(0)} 64`,
    ],
    { platform, preset: 'olk510', capacity: '8M', set: { lowWatermarkBytes: 2 * MIB, highWatermarkBytes: 0 } },
  );
  expect(victims(r)).toEqual([0]);
  expect(r.metrics['gmem.lockWait.ns']).toBe(2_400_796 - 310_300);
  // Only the CPU entry was missing. Ideal is the trace's own 300,000.
  expect(r.metrics['time.total.ns']).toBe(2_400_796);
});

test('faults beside an eviction round wait for the pages that it frees (olk66)', () => {
  const r = run(
    [
      // 10,000, then two first touches of 524,588: now = CPU delay = 1,059,176.
      alloc(19),
      ...touch('cpu', 'w', 17, 18),
      // Sixteen pages fill the memory: four workers, four pages of 272,144 each. Now 2,147,752 = s.
      `0 cpu prefetch ${P(0)} 32M gpu0`,
      // Handed over together at s. P16: sixteen victims of 10,000 + 500 + 2,098,152 = 2,108,652, until s + 33,738,432, then
      // peer_map 10,000 + zeroing 262,144: s + 34,010,576.
      // P17: zap 70, then the page freed fifteenth: s + 31,629,780; peer_map 10,000, copy 2,098,152: s + 33,737,932.
      // P18: zap 70, the one freed fourteenth: s + 29,521,128; 10,000; link free at s + 33,737,932, copy: s + 35,836,084.
      ...touch('gpu0', 'w', 16, 18),
    ],
    { platform, capacity: '32M' },
  );
  // Ideal: CPU 128 / 8 = 16.
  expect(r.metrics['time.total.ns']).toBe(2_147_752 + 35_836_084 + 16);
  // P17 and P18 were wanted since 0, while the CPU held each for 524,288.
  expect(r.metrics['gmem.lockWait.ns']).toBe(2 * 524_288 + (31_629_780 - 70) + (29_521_128 - 70));
});
