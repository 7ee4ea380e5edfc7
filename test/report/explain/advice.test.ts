import { expect, test } from 'vitest';
import { advise, type Facts } from '../../../src/report/explain/advice.ts';

const MIB = 2 ** 20;

interface Given {
  readonly by?: Record<string, number>;
  readonly metrics?: Record<string, number | null>;
  readonly copies?: Facts['tally']['copies'];
  readonly stops?: { readonly device?: number; readonly host?: number; readonly elsewhere?: number };
  readonly more?: Partial<Omit<Facts, 'metrics' | 'tally'>>;
}

/** A run of 100 us, 20 us of them ideal. */
function facts({ by = {}, metrics = {}, copies = {}, stops = {}, more = {} }: Given): Facts {
  const causes = Object.fromEntries(Object.entries(by).map(([cause, ns]) => [`time.by.${cause}.ns`, ns]));
  return {
    metrics: { 'time.total.ns': 100_000, 'time.ideal.ns': 20_000, ...causes, ...metrics },
    tally: {
      copies,
      deviceFaultNs: stops.device ?? 0,
      hostFaultNs: stops.host ?? 0,
      pages: { elsewhereNs: stops.elsewhere ?? 0 },
    },
    short: [],
    footprintBytes: MIB,
    unlimitedNs: null,
    ...more,
  };
}

const lead = (text: string): string => `100 us against an ideal of 20 us; of ${text}`;

const cases: [string, Given, string][] = [
  [
    'nothing',
    // 101 us against 100: 1 us beyond is less than 1 % of 101 us.
    { by: { wait: 900 }, metrics: { 'time.total.ns': 101_000, 'time.ideal.ns': 100_000 } },
    '101 us against an ideal of 100 us: no time worth saving',
  ],
  [
    'accesses that failed',
    { metrics: { 'accesses.failed': 1 } },
    '100 us against an ideal of 20 us, but 1 access failed: no time worth saving',
  ],
  [
    'causes by their size, those under a tenth left out',
    // 50 + 25 + 20 + 5 = 100: 5 % is not named.
    { by: { faultService: 5000, mapping: 20_000, remote: 50_000, wait: 25_000 } },
    lead(
      '100 us of stalls and remote accesses, 50 % is remote access (50 us), 25 % waiting (25 us), 20 % mapping and shootdown (20 us); the largest part, 50 us, is remote access: 0 B by devices; a hint that lets the pages move to the device would help',
    ),
  ],
  [
    'too little memory',
    // 100 us against 55 us without the limit: 45 us, more than any cause.
    {
      by: { eviction: 40_000, transfer: 40_000 },
      metrics: { 'evictions.count': 3, 'thrash.pages': 10 },
      more: { short: [{ device: 'gpu0', needBytes: 8 * MIB, haveBytes: 6 * MIB }], unlimitedNs: 55_000 },
    },
    lead(
      '80 us of stalls and remote accesses, 50 % is transfer (40 us), 50 % eviction (40 us); the largest part, 45 us, is what the memory limit costs: 3 evictions and 10 pages brought back after one; more memory would help (gpu0 touches 8 MiB at once and has 6 MiB; without a limit the run takes 55 us)',
    ),
  ],
  [
    'victims too large: memory would suffice',
    // 1024 pages of two victims: 512 pages = 2 MiB each.
    {
      by: { eviction: 70_000 },
      metrics: { 'evictions.count': 2, 'evictions.pages': 1024 },
      more: { unlimitedNs: 25_000 },
    },
    lead(
      '70 us of stalls and remote accesses, 100 % is eviction (70 us); the largest part, 75 us, is what the memory limit costs: 2 evictions and 0 pages brought back after one; what is touched at once would fit, so a smaller granule would help (a victim held 2 MiB; without a limit the run takes 25 us)',
    ),
  ],
  [
    'mappings that the limit made',
    // 45 of the 80 us beyond the ideal are the limit's; of 60 us of mapping 60 x (1 - 45 / 80) = 26.25 would stay.
    {
      by: { mapping: 60_000 },
      metrics: { 'evictions.count': 1, 'thrash.pages': 1 },
      more: { short: [{ device: 'gpu0', needBytes: 8 * MIB, haveBytes: 6 * MIB }], unlimitedNs: 55_000 },
    },
    lead(
      '60 us of stalls and remote accesses, 100 % is mapping and shootdown (60 us); the largest part, 45 us, is what the memory limit costs: 1 eviction and 1 page brought back after one; more memory would help (gpu0 touches 8 MiB at once and has 6 MiB; without a limit the run takes 55 us)',
    ),
  ],
  [
    'mappings that the limit has little to do with',
    // 20 of 80 us are the limit's; of 60 us 60 x (1 - 20 / 80) = 45 would stay.
    { by: { mapping: 60_000 }, metrics: { 'map.operations': 7 }, more: { unlimitedNs: 80_000 } },
    lead(
      '60 us of stalls and remote accesses, 100 % is mapping and shootdown (60 us); the largest part, 60 us, is changing mappings: 7 device entries written, 0 ranges unmapped, 0 TLB flushes; a larger granule would help',
    ),
  ],
  [
    'evictions that cost more than the limit',
    {
      by: { eviction: 70_000 },
      metrics: { 'evictions.count': 1, 'evictions.pages': 16, 'thrash.pages': 1 },
      more: { unlimitedNs: 90_000 },
    },
    lead(
      '70 us of stalls and remote accesses, 100 % is eviction (70 us); the largest part, 70 us, is making room: 1 eviction and 1 page brought back after one; a smaller granule would help (a victim held 64 KiB)',
    ),
  ],
];

test.each(cases)('%s', (_, given, said) => {
  expect(advise(facts(given))).toBe(said);
});

const helps: [string, Given, string][] = [
  [
    'many faults for little each',
    // 100 pages moved and 60 populated for 10 faults: 16 pages = 64 KiB each.
    {
      by: { faultService: 60_000 },
      stops: { device: 1 },
      metrics: { 'faults.device': 10, 'migration.h2d.pages': 100, 'populate.device.pages': 60 },
    },
    '60 us, is serving device faults: 10 faults brought 64 KiB each; a larger granule, or a prefetch hint, would help',
  ],
  [
    'faults of a whole block',
    {
      by: { faultService: 60_000 },
      stops: { device: 1 },
      metrics: { 'faults.device': 2, 'migration.h2d.pages': 1024 },
    },
    '60 us, is serving device faults: 2 faults brought 2 MiB each; a prefetch hint ahead of the first touch would help',
  ],
  [
    'fault service by whose stops it was in: 3/4 the CPU',
    // 60 us x 30 / 40 = 45 us. 5 pages for 5 faults: 4 KiB each.
    {
      by: { faultService: 60_000 },
      stops: { device: 10, host: 30 },
      metrics: { 'faults.host': 8, 'faults.host.firstTouch': 5, 'populate.host.pages': 5 },
    },
    '45 us, is serving CPU faults: 5 of 8 touched new memory, 4 KiB each; a larger host page would help',
  ],
  [
    'first touches of large pages',
    // 1024 pages for 2 faults: 2 MiB.
    {
      by: { faultService: 60_000 },
      stops: { host: 1 },
      metrics: { 'faults.host': 2, 'faults.host.firstTouch': 2, 'populate.host.pages': 1024 },
    },
    '60 us, is serving CPU faults: 2 of 2 touched new memory, 2 MiB each; first touches where the data is needed would help',
  ],
  [
    'calls outside of faults',
    {
      by: { faultService: 70_000 },
      stops: { elsewhere: 1 },
      metrics: { roundTrips: 7, 'notifier.invalidations': 1 },
    },
    '70 us, is driver work outside of faults and copies: 7 round trips, 1 notifier invalidation; fewer allocations, frees and hints would help',
  ],
  [
    'short copies',
    // 65,536 bytes in 8 runs: 8 KiB. The links worked side by side: 120 us of copies in 60.
    { by: { transfer: 60_000 }, copies: { deviceFault: { ns: 120_000, bytes: 65_536, runs: 8 } } },
    '60 us, is copies to devices on demand: contiguous runs of 8 KiB each; a larger granule would help',
  ],
  [
    'bytes that nobody uses',
    {
      by: { transfer: 60_000 },
      copies: { deviceFault: { ns: 60_000, bytes: MIB, runs: 1 } },
      metrics: { 'efficiency.movedPerUsed': 2.5 },
    },
    '60 us, is copies to devices on demand: 2.50 bytes moved (both ways) for each byte that devices used; a smaller granule would help',
  ],
  [
    'copies that are needed',
    // 1 MiB on demand and 1 MiB by counters, in two runs.
    {
      by: { transfer: 60_000 },
      copies: { deviceFault: { ns: 30_000, bytes: MIB, runs: 1 }, counter: { ns: 30_000, bytes: MIB, runs: 1 } },
      metrics: { 'efficiency.movedPerUsed': 1.5 },
    },
    '60 us, is copies to devices on demand: 2 MiB in contiguous runs of 1 MiB; a prefetch hint ahead of the first touch would help',
  ],
  [
    'the CPU fetches back',
    {
      by: { transfer: 60_000 },
      copies: { hostFault: { ns: 60_000, bytes: 32_768, runs: 4 } },
      metrics: { 'faults.host': 8, 'faults.host.firstTouch': 4 },
    },
    '60 us, is copies to the CPU on demand: 8 faults, 32 KiB copied for them; a prefetch hint to the CPU ahead of its turn would help',
  ],
  [
    'what was asked for',
    {
      by: { transfer: 60_000 },
      copies: {
        hint: { ns: 20_000, bytes: 1024, runs: 1 },
        launch: { ns: 20_000, bytes: 1024, runs: 1 },
        copy: { ns: 20_000, bytes: 2048, runs: 1 },
      },
    },
    '60 us, is copies that hints, launches or the program asked for: 4 KiB; asking earlier, or for less, would help',
  ],
  [
    'zero-fill is what no copy took',
    // 60 - 20 = 40 us. 512 + 256 pages = 3 MiB, three times what is touched.
    {
      by: { transfer: 60_000 },
      copies: { deviceFault: { ns: 20_000, bytes: MIB, runs: 1 } },
      metrics: { 'populate.host.pages': 512, 'populate.device.pages': 256 },
    },
    '40 us, is zeroing new memory: 3 MiB zeroed for 1 MiB that the trace touches; a smaller granule would help',
  ],
  [
    'zero-fill that is needed',
    { by: { transfer: 60_000 }, metrics: { 'populate.host.pages': 256 } },
    '60 us, is zeroing new memory: 1 MiB zeroed for 1 MiB that the trace touches; only touching less new memory would help',
  ],
  [
    'many small entries',
    {
      by: { mapping: 60_000 },
      metrics: {
        'map.operations': 3,
        'unmap.host.operations': 2,
        'unmap.device.operations': 1,
        'tlb.invalidations': 1,
      },
    },
    '60 us, is changing mappings: 3 device entries written, 3 ranges unmapped, 1 TLB flush; a larger granule would help',
  ],
  [
    'entries that come and go',
    { by: { mapping: 60_000 }, metrics: { 'map.operations': 1, 'unmap.host.operations': 2, 'tlb.invalidations': 2 } },
    '60 us, is changing mappings: 1 device entry written, 2 ranges unmapped, 2 TLB flushes; a hint that keeps pages in one place would help',
  ],
  [
    'the CPU reaches over the link',
    { by: { remote: 60_000 }, metrics: { 'remote.device.bytes': 4096, 'remote.host.bytes': 8192 } },
    '60 us, is remote access: 8 KiB by the CPU; a hint that lets the pages move to the host would help',
  ],
  [
    'put off',
    { by: { wait: 60_000 }, metrics: { 'faults.deferred': 1, 'notifier.invalidations': null } },
    '60 us, is waiting: 1 fault put off, 0 notifier invalidations; a hint that keeps pages which both sides touch in one place would help',
  ],
];

test.each(helps)('%s', (_, given, said) => {
  expect(advise(facts(given))).toMatch(/^100 us against an ideal of 20 us; of .*; the largest part, /);
  expect(advise(facts(given)).split('the largest part, ')[1]).toBe(said);
});
