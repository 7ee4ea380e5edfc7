/** The real runs, one test a claim: numbers worked out by hand beside the verdict that the page gives. */
import { expect, test } from 'vitest';
import type { Claim } from '../../scripts/claims/claim.ts';
import { runExperiments } from '../../scripts/claims/experiment.ts';
import { anonymousMemory } from '../../scripts/claims/list/anonymous-memory.ts';
import { coherentBus } from '../../scripts/claims/list/coherent-bus.ts';
import { coupling } from '../../scripts/claims/list/coupling.ts';
import { fileIo } from '../../scripts/claims/list/file-io.ts';
import { firstWrite } from '../../scripts/claims/list/first-write.ts';
import { hugePages } from '../../scripts/claims/list/huge-pages.ts';
import { notifiers } from '../../scripts/claims/list/notifiers.ts';
import { oversubscription } from '../../scripts/claims/list/oversubscription.ts';
import { prefetchBandwidth } from '../../scripts/claims/list/prefetch-bandwidth.ts';
import { stickyHints } from '../../scripts/claims/list/sticky-hints.ts';

const MIB = 2 ** 20;

async function result<Numbers>(claim: Claim<Numbers>): Promise<{ numbers: Numbers; outcome: string }> {
  const runs = await runExperiments(claim.experiments);
  const numbers = claim.measure(runs);
  for (const table of claim.tables(runs)) {
    for (const row of table.rows) expect(row).toHaveLength(table.head.length);
  }
  return { numbers, outcome: claim.judge(numbers).outcome };
}

/** The default platform: ns of one copy of 2 MiB (1 us to start, 24 bytes/ns), of a shootdown, of a CPU fault. */
const COPY_NS = Math.round(1_000 + (2 * MIB) / 24);
const SHOOTDOWN_NS = 2_000;
const FAULT_NS = 700;

test('H1: only nouveau upgrades page by page', async () => {
  const { numbers, outcome } = await result(firstWrite);
  expect(outcome).toBe('mixed');
  const of = (name: string) => numbers.find((stack) => stack.name === name);
  // Every page is mapped read-only to the zero page first, so each of the 1,024 writes faults once more.
  expect(of('hmm:nouveau')?.upgradesPerPage).toBe(1);
  // One for the address range, two for each of two 2 MiB pages, over 4 MiB; whatever the faults in flight.
  expect(of('gmem')).toEqual({
    name: 'gmem',
    upgradesPerPage: 0,
    exchangesPerMib: 5 / 4,
    exchangesPerMibSerial: 5 / 4,
  });
});

test('H2: 2 MiB help HMM, growth costs UVM where little is used', async () => {
  const { numbers, outcome } = await result(hugePages);
  expect(outcome).toBe('mixed');
  // 2 MiB for 64 bytes, 4 KiB, 64 KiB, 512 KiB, 2 MiB.
  expect(numbers.map((use) => use.gmemMovedPerUsed)).toEqual([32_768, 512, 32, 4, 1]);
  for (const use of numbers) expect(use.hmmHugeToSmall).toBeLessThan(1);
  // 64 KiB instead of 4 KiB for one page used.
  expect(numbers[0].uvmGrownToSmall).toBeGreaterThan(1);
});

test('H5: the whole unit comes home and goes back', async () => {
  const { numbers, outcome } = await result(fileIo);
  expect(outcome).toBe('confirmed');
  // Four events: a block of 2 MiB each, in UVM the 64 KiB around the page.
  expect(numbers).toEqual([
    { name: 'gmem', homeBytes: 8 * MIB, backBytes: 8 * MIB },
    { name: 'uvm', homeBytes: 4 * 65_536, backBytes: 4 * 65_536 },
    { name: 'kfd', homeBytes: 8 * MIB, backBytes: 8 * MIB },
    { name: 'hmm', homeBytes: 8 * MIB, backBytes: 8 * MIB },
  ]);
});

test('H6: the same unmaps, not always the same callbacks', async () => {
  const { numbers, outcome } = await result(notifiers);
  expect(outcome).toBe('mixed');
  // Four events on one unit each. GMEM calls the driver itself for a CPU touch and an eager free, without a callback.
  const four = { told: 4, unmaps: 4 };
  const own = { told: 0, unmaps: 4 };
  expect(numbers).toEqual([
    { event: 'cputouch', gmem: own, hmm: four },
    { event: 'free', gmem: four, hmm: four },
    { event: 'dontneed', gmem: own, hmm: four },
    { event: 'numa', gmem: four, hmm: four },
    // Core MM compacts page by page: 4 x 512.
    { event: 'compaction', gmem: four, hmm: { told: 2_048, unmaps: 4 } },
    { event: 'mprotect', gmem: four, hmm: four },
    { event: 'hostio', gmem: four, hmm: four },
  ]);
});

test('H9: GMEM keeps no hint, UVM and KFD do', async () => {
  const { numbers, outcome } = await result(stickyHints);
  expect(outcome).toBe('confirmed');
  // One fault a round; the prefetch takes the place of the first.
  expect(numbers[0]).toEqual({ name: 'gmem', sticky: [], faultsPlain: 5, faultsAfterPrefetch: 4 });
  expect(numbers.map(({ name, sticky }) => [name, sticky])).toEqual([
    ['gmem', []],
    ['uvm', ['preferred-cpu', 'accessed-by', 'read-mostly']],
    ['kfd', ['preferred-cpu', 'accessed-by']],
    ['hmm', []],
  ]);
});

test('H10: dearer in sparse memory, cheaper in dense', async () => {
  const { numbers, outcome } = await result(anonymousMemory);
  expect(outcome).toBe('mixed');
  // Zeroing at 10 bytes/ns: 16 faults of 2 MiB and one shootdown at the end, against 256 or 8,192 faults of 4 KiB.
  const gmemNs = 16 * (FAULT_NS + Math.round((2 * MIB) / 10)) + SHOOTDOWN_NS;
  const hmmFaultNs = FAULT_NS + Math.round(4_096 / 10);
  expect(numbers.sparseToHmm).toBeCloseTo(gmemNs / (256 * hmmFaultNs), 10);
  expect(numbers.denseToHmm).toBeCloseTo(gmemNs / (8_192 * hmmFaultNs), 10);
  // The same 16 faults of 2 MiB in core MM, less the shootdown.
  expect(numbers.sparseToHuge).toBeCloseTo(gmemNs / (gmemNs - SHOOTDOWN_NS), 3);
  expect([numbers.unusedBytes, numbers.unusedToHmm]).toEqual([0, 1]);
  // An entry of 56 bytes, 648 of its tree, 80 of a device page; 32 ranges of 152 bytes and one notifier of 200.
  expect(numbers.gmemMetadata).toBe(56 + 648 + 80);
  expect(numbers.hmmMetadata).toBe((32 * 152 + 200) / 32);
  // The CPU waits from the zap to the end: shootdown, the message of 10 us, the copy.
  expect(numbers.lockWaitNs).toBe(SHOOTDOWN_NS + 10_000 + COPY_NS);
});

test('H12: in core since openEuler, and dearest beside a hot set', async () => {
  const { numbers, outcome } = await result(oversubscription);
  expect(outcome).toBe('mixed');
  // 512 MiB / 1.1 = 465.5, down to 464, up to 480 MiB = 240 pages. 768 faults, the last 528 of them in rounds of 16:
  // 33 rounds, 528 pages out; the second and third sweep bring 256 pages each in.
  expect(numbers[0]).toMatchObject({
    trace: 'sweeps',
    ratio: 1.1,
    failed: 0,
    coreDriverEvictions: 0,
    gmemBytes: (33 * 16 + 512) * 2 * MIB,
  });
  for (const point of numbers) expect(point.rfcDriverEvictions).toBeGreaterThan(0);
  const hot = numbers.find((point) => point.trace === 'sweeps-hot' && point.ratio === 15.6);
  expect(hot && hot.gmemBytes > 2 * hot.bestOtherBytes).toBe(true);
});

test('H13: up to 100 us a message', async () => {
  const { numbers, outcome } = await result(prefetchBandwidth);
  expect(outcome).toBe('mixed');
  const share = (us: number, size: number) =>
    numbers.find((l) => l.messageUs === us)?.shares.find(([mebibytes]) => mebibytes === size)?.[1];
  // One page: shootdown, message, copy. Two are one work item, so one after the other.
  const pageNs = (us: number) => SHOOTDOWN_NS + us * 1_000 + COPY_NS;
  for (const us of [1, 20, 100]) {
    expect(share(us, 2)).toBeCloseTo((2 * MIB) / pageNs(us) / 24, 10);
    expect(share(us, 4)).toBeCloseTo((2 * MIB) / pageNs(us) / 24, 10);
  }
  // Four workers hide a message of up to three copies: the link works from the first copy to the end.
  expect(share(20, 64)).toBeCloseTo((64 * MIB) / (SHOOTDOWN_NS + 20_000 + 32 * COPY_NS) / 24, 10);
});

test('H14: fewer round trips, until entries are posted', async () => {
  const { numbers, outcome } = await result(coupling);
  expect(outcome).toBe('mixed');
  // Address range 1; first touch 8, fetch 8, return 8, prefetch 8; unmap 16 pages in two runs; range given back 1 (host).
  expect(numbers.map((o) => [o.owner, o.sameData, o.roundTrips])).toEqual([
    [
      'host',
      true,
      {
        coupled: 1 + 16 * 2 + 8 * 1 + 8 * 1 + 16 + 1,
        decoupled: 1 + 16 * 3 + 8 * 3 + 8 * 2 + 16 * 2 + 1,
        coalesced: 1 + 16 * 3 + 8 * 3 + 8 * 2 + (16 + 2) + 1,
        // Neither enter nor release costs one: unmapping is two invalidations.
        posted: 1 + 16 * 2 + 8 * 2 + 8 * 1 + 2 + 1,
      },
    ],
    [
      'device',
      true,
      {
        coupled: 1 + 16 * 2 + 8 * 1 + 8 * 1 + 16,
        decoupled: 1 + 16 * 4 + 8 * 4 + 8 * 3 + 16 * 3,
        coalesced: 1 + 16 * 4 + 8 * 4 + 8 * 3 + (32 + 2),
        posted: 1 + 16 * 3 + 8 * 3 + 8 * 2 + (16 + 2),
      },
    ],
  ]);
});

test('H15: a crossover at every latency', async () => {
  const { numbers, outcome } = await result(coherentBus);
  expect(outcome).toBe('confirmed');
  for (const { uses } of numbers) {
    // 328 bytes/ns over the bus: 4 x 64 bytes, and 8 MiB 64 times.
    expect(uses[0].remoteNs).toBe(Math.round(256 / 328));
    expect(uses[uses.length - 1].remoteNs).toBe(Math.round((64 * 8 * MIB) / 328));
  }
});
