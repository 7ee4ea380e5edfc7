import { expect, test } from 'vitest';
import { advise, type Facts } from '../../../src/report/explain/advice.ts';

const MIB = 2 ** 20;

/** A run of 100 us, 20 us of them ideal. */
function facts(
  metrics: Record<string, number | null>,
  tally: Partial<Facts['tally']> = {},
  more: Partial<Facts> = {},
): Facts {
  return {
    metrics: { 'time.total.ns': 100_000, 'time.ideal.ns': 20_000, ...metrics },
    tally: { copies: {}, deviceFaultNs: 0, hostFaultNs: 0, ...tally },
    remoteNs: 0,
    short: [],
    ...more,
  };
}

const LEAD = '100 us against an ideal of 20 us, the largest part on ';

const cases: [string, Facts, string][] = [
  [
    'nothing',
    // 101 us against 100: 1 us beyond is less than 1 % of 101 us.
    facts({ 'time.total.ns': 101_000, 'time.ideal.ns': 100_000 }, { hostFaultNs: 900 }),
    'no time worth saving: 101 us against an ideal of 100 us',
  ],
  [
    'too little memory: half of what came had been evicted',
    facts(
      // 10 of 20 pages: half of the 40 us of copies on demand = 20; no page was populated: half of 20 us = 10; 15 to evict.
      { 'evictions.count': 3, 'thrash.pages': 10, 'migration.h2d.pages': 20 },
      {
        copies: { eviction: { ns: 15_000, bytes: 0, runs: 1 }, deviceFault: { ns: 40_000, bytes: 0, runs: 1 } },
        deviceFaultNs: 20_000,
      },
      { short: [{ device: 'gpu0', needBytes: 8 * MIB, haveBytes: 6 * MIB }] },
    ),
    `${LEAD}making room and bringing back (45 us): 3 evictions and 10 pages brought back after one; more memory would help (gpu0 touches 8 MiB at once and has 6 MiB)`,
  ],
  [
    'victims too large: memory would suffice',
    // 1024 pages of two victims: 512 pages = 2 MiB each.
    facts(
      { 'evictions.count': 2, 'evictions.pages': 1024 },
      { copies: { eviction: { ns: 70_000, bytes: 0, runs: 1 } } },
    ),
    `${LEAD}making room and bringing back (70 us): 2 evictions and 0 pages brought back after one; what is touched at once would fit, so a smaller granule would help (a victim held 2 MiB)`,
  ],
  [
    'many faults for little each',
    // 100 pages moved and 60 populated for 10 faults: 16 pages = 64 KiB each.
    facts({ 'faults.device': 10, 'migration.h2d.pages': 100, 'populate.device.pages': 60 }, { deviceFaultNs: 60_000 }),
    `${LEAD}serving device faults (60 us): 10 faults brought 64 KiB each; a larger granule, or a prefetch hint, would help`,
  ],
  [
    'faults of a whole block',
    facts({ 'faults.device': 2, 'migration.h2d.pages': 1024 }, { deviceFaultNs: 60_000 }),
    `${LEAD}serving device faults (60 us): 2 faults brought 2 MiB each; a prefetch hint ahead of the first touch would help`,
  ],
  [
    'short copies',
    // 65536 bytes in 8 runs: 8 KiB.
    facts({}, { copies: { deviceFault: { ns: 60_000, bytes: 65_536, runs: 8 } } }),
    `${LEAD}copying to devices on demand (60 us): contiguous runs of 8 KiB each; a larger granule would help`,
  ],
  [
    'bytes that nobody uses',
    facts({ 'efficiency.movedPerUsed': 2.5 }, { copies: { deviceFault: { ns: 60_000, bytes: MIB, runs: 1 } } }),
    `${LEAD}copying to devices on demand (60 us): 2.50 bytes moved (both ways) for each byte that devices used; a smaller granule would help`,
  ],
  [
    'copies that are needed',
    // 1 MiB on demand and 1 MiB by counters, in two runs.
    facts(
      { 'efficiency.movedPerUsed': 1.5 },
      {
        copies: { deviceFault: { ns: 30_000, bytes: MIB, runs: 1 }, counter: { ns: 30_000, bytes: MIB, runs: 1 } },
      },
    ),
    `${LEAD}copying to devices on demand (60 us): 2 MiB in contiguous runs of 1 MiB; a prefetch hint ahead of the first touch would help`,
  ],
  [
    'the CPU fetches back',
    facts(
      { 'faults.host': 8, 'faults.host.firstTouch': 4 },
      { hostFaultNs: 30_000, copies: { hostFault: { ns: 30_000, bytes: 32_768, runs: 4 } } },
    ),
    `${LEAD}CPU faults (60 us): 8 faults, 32 KiB copied for them; a prefetch hint to the CPU ahead of its turn would help`,
  ],
  [
    'first touches of small pages',
    // 5 pages for 5 faults.
    facts({ 'faults.host': 8, 'faults.host.firstTouch': 5, 'populate.host.pages': 5 }, { hostFaultNs: 60_000 }),
    `${LEAD}CPU faults (60 us): 5 of 8 touched new memory, 4 KiB each; a larger host page would help`,
  ],
  [
    'first touches of large pages',
    // 1024 pages for 2 faults: 2 MiB.
    facts({ 'faults.host': 2, 'faults.host.firstTouch': 2, 'populate.host.pages': 1024 }, { hostFaultNs: 60_000 }),
    `${LEAD}CPU faults (60 us): 2 of 2 touched new memory, 2 MiB each; a smaller granule, or first touches where the data is needed, would help`,
  ],
  [
    'devices reach over the link',
    facts({ 'remote.device.bytes': 4096, 'remote.host.bytes': 4095 }, {}, { remoteNs: 60_000 }),
    `${LEAD}remote accesses (60 us): 4 KiB by devices; a hint that lets the pages move to the device would help`,
  ],
  [
    'the CPU reaches over the link',
    facts({ 'remote.device.bytes': 0, 'remote.host.bytes': 8192 }, {}, { remoteNs: 60_000 }),
    `${LEAD}remote accesses (60 us): 8 KiB by the CPU; a hint that lets the pages move to the host would help`,
  ],
  [
    'what was asked for',
    facts(
      {},
      {
        copies: {
          hint: { ns: 20_000, bytes: 1024, runs: 1 },
          launch: { ns: 20_000, bytes: 1024, runs: 1 },
          copy: { ns: 20_000, bytes: 2048, runs: 1 },
        },
      },
    ),
    `${LEAD}copies that hints, launches or the program asked for (60 us): 4 KiB; asking earlier, or for less, would help`,
  ],
  [
    'elsewhere',
    // 80 us beyond the ideal, 10 known.
    facts({ roundTrips: 7, 'notifier.invalidations': 2, 'faults.deferred': 1 }, { deviceFaultNs: 10_000 }),
    `${LEAD}driver work outside of faults and copies (70 us): 7 round trips, 2 notifier invalidations, 1 fault put off; fewer allocations, frees and hints would help`,
  ],
];

test.each(cases)('%s', (_, given, said) => {
  expect(advise(given)).toBe(said);
});

test('a metric that the stack has no notion of counts as none', () => {
  expect(advise(facts({ roundTrips: null }))).toContain('0 round trips');
});
