/** Where the time of the runs of `timeline.test.ts` goes, cause by cause, and what waits for what. */
import { expect, test } from 'vitest';
import { causesOf, only } from '../../helpers/causes.ts';
import { timedPlatform } from '../../helpers/platforms.ts';
import { alloc, MIB, P, run, touch } from './rows.ts';

// Platform `timed`: round trip 10,000; 2 MiB over a link 2,098,152; zeroing 2 MiB 524,288 on the host, 262,144 on a
// device; CPU trap 300, CPU shootdown 70, device TLB flush 500.
const platform = timedPlatform;

test('faults at once: those of the one that ends last (olk66, coupled)', () => {
  const r = run(
    [
      alloc(3),
      ...touch('cpu', 'w', 0),
      ...touch('cpu', 'w', 1),
      ...touch('gpu0', 'r', 0, 1),
      ...touch('gpu0', 'w', 2),
      `0 gpu0 r ${P(0, 4096)} 64`,
      ...touch('cpu', 'r', 0),
      `0 cpu r ${P(0, MIB)} 64`,
      ...touch('gpu0', 'w', 0),
      ...touch('cpu', 'w', 2),
    ],
    { platform },
  );
  expect(causesOf(r)).toEqual(
    only({
      // Negotiation; four CPU traps. The device's faults are old enough to be fetched at once.
      faultService: 10_000 + 4 * 300,
      // Of the three at once P1 ends last: zap and peer_map. Two pages home: peer_unmap and flush. P0 again.
      mapping: 10_070 + 2 * 10_500 + 10_070,
      // Two first touches; P1 waits for P0's copy and then its own; two zeroed host pages and copies home; P0's copy.
      transfer: 2 * 524_288 + 2 * 2_098_152 + 2 * (524_288 + 2_098_152) + 2_098_152,
    }),
  );
});

test('a victim for each of two faults (olk510, decoupled, no background evictor)', () => {
  const r = run(
    [
      alloc(3),
      `0 cpu prefetch ${P(0)} 4M gpu0`,
      ...touch('cpu', 'r', 0),
      ...touch('gpu0', 'r', 0),
      ...touch('gpu0', 'r', 2),
      '0 gpu0 sync',
      ...touch('cpu', 'w', 1),
      ...touch('gpu0', 'w', 1),
    ],
    {
      platform,
      preset: 'olk510',
      capacity: '4M',
      set: { mmuOps: 'decoupled', lowWatermarkBytes: 0, highWatermarkBytes: 0 },
    },
  );
  expect(causesOf(r)).toEqual(
    only({
      faultService: 10_000 + 2 * 300,
      // Prefetch: two pages of three messages. Home: four messages and a flush. P2: three. P1: zap and three.
      mapping: 6 * 10_000 + 40_500 + 30_000 + 30_070,
      // Prefetch zeroes twice. Home: a zeroed host page and the copy. P2 is zeroed, P1 copied.
      transfer: 2 * 262_144 + 524_288 + 2_098_152 + 262_144 + 2_098_152,
      // Five messages, a flush and the copy, twice.
      eviction: 2 * (50_000 + 500 + 2_098_152),
    }),
  );
});

test('the background evictor stops nobody but who waits for its page (olk510)', () => {
  const r = run([alloc(4), ...touch('gpu0', 'w', 0, 3), `300000 cpu r ${P(0)} 64`], {
    platform,
    preset: 'olk510',
    capacity: '8M',
    set: { lowWatermarkBytes: 2 * MIB, highWatermarkBytes: 0 },
  });
  // It holds P0 until 2,400,796; the CPU's trap ends at 310,300.
  expect(causesOf(r)).toEqual(
    only({ faultService: 10_000 + 300, mapping: 10_000, transfer: 262_144, eviction: 2_400_796 - 310_300 }),
  );
});

test('waiting for a page that another fault imports (olk66)', () => {
  // Copies of 2 MiB take 2,097 ns: the zeroed page ends last.
  const fast = { copyOverheadNs: 0, bytesPerNs: 1_000 };
  const quick = { ...platform, link: { h2d: fast, d2h: fast, d2d: fast } };
  const rows = [alloc(2), ...touch('cpu', 'w', 0), ...touch('gpu0', 'r', 0), ...touch('gpu0', 'w', 1)];
  // CPU: negotiation 10,000, 300 + 524,288; the device's faults of 0 are handed over at the end. P0 imports after its zap
  // of 70; P1 waits for that, then peer_map 10,000 and zeroing.
  expect(causesOf(run(rows, { platform: quick }))).toEqual(
    only({ faultService: 10_300, transfer: 524_288 + 262_144, mapping: 10_000, wait: 70 }),
  );
});

test('pages that an eviction round frees are waited for as eviction (olk66)', () => {
  const rows = [
    alloc(19),
    ...touch('cpu', 'w', 17, 18),
    `0 cpu prefetch ${P(0)} 32M gpu0`,
    ...touch('gpu0', 'w', 16, 18),
  ];
  // Two first touches; four workers, four pages each, of 10,000 + 262,144. P18 ends last: zap 70, then the page freed
  // fourteenth at s + 29,521,128; peer_map 10,000; the link, busy with P17 until s + 33,737,932; its copy.
  expect(causesOf(run(rows, { platform, capacity: '32M' }))).toEqual(
    only({
      faultService: 10_000 + 2 * 300,
      mapping: 4 * 10_000 + 70 + 10_000,
      transfer: 2 * 524_288 + 4 * 262_144 + (33_737_932 - 29_521_128 - 10_000) + 2_098_152,
      eviction: 29_521_128 - 70,
    }),
  );
});

test('a replica is reached over the bus', () => {
  const coherent = { ...platform, topology: { coherent: true, ats: true, peer: 'none' as const } };
  const rows = [alloc(1), ...touch('cpu', 'w', 0), ...touch('gpu0', 'r', 0)];
  // Negotiation, trap, a zeroed page, one message for the device's entry; 64 bytes at 2 bytes/ns.
  expect(causesOf(run(rows, { platform: coherent, set: { replicate: true }, actors: ['gpu0'] }))).toEqual(
    only({ faultService: 10_300, transfer: 524_288, mapping: 10_000, remote: 32 }),
  );
});
