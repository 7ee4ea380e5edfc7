import { type Claim, outcomeOf, type Verdict } from '../claim.ts';
import { bytes, count, MESSAGE_US, metric, microseconds, number, percent, runTable, STACKS, sum } from '../numbers.ts';

const PRESETS = ['gmem:olk66', 'gmem:rfc'] as const;
const OWNER = { 'gmem:olk66': 'host', 'gmem:rfc': 'device' } as const;
const DESIGNS = {
  coupled: [],
  decoupled: ['gmem.mmuOps=decoupled'],
  coalesced: ['gmem.mmuOps=decoupled', 'gmem.coalesce=true'],
  posted: ['gmem.mmuOps=decoupled', 'gmem.coalesce=true', 'gmem.postedEntries=true'],
} as const;
type Design = keyof typeof DESIGNS;
const NAMES = Object.keys(DESIGNS) as Design[];
const WAIT = ['time.stall.device.ns', 'time.stall.host.ns'] as const;
const TEXT: Readonly<Record<Design, string>> = {
  coupled: 'coupled',
  decoupled: 'decoupled',
  coalesced: 'with one invalidation a range',
  posted: 'with posted entries as well',
};

interface Owner {
  readonly owner: string;
  readonly roundTrips: Readonly<Record<Design, number>>;
  /** All designs move the same bytes and take the same faults. */
  readonly sameData: boolean;
  /** Share of the waiting time that plain decoupling adds, by message latency. */
  readonly addedBy: readonly (readonly [messageUs: number, share: number])[];
}

export const coupling: Claim<readonly Owner[]> = {
  id: 'H14',
  title: 'Coupling the steps of peer_map and peer_unmap saves communication',
  claim:
    'With one function for all steps of a mapping a driver can do them in one exchange; separate functions would take that away.',
  source:
    'GMEM RFC, cover letter of 28 November 2023, as quoted in the reply of C. König, Message-ID 9308a79d-e312-4e6d-98fe-75dc6d0fbeda@amd.com.',
  test: 'First touch, fetch, return, prefetch and unmap of 8 pages of 2 MiB each, in four designs of the interface, with device memory owned by the host (preset olk66) and by the device (rfc), at four message latencies. Confirmed if coupling needs the fewest round trips against each of the three other designs, refuted if against none.',
  experiments: [
    { key: 'all', trace: 'operations' },
    ...NAMES.map((design) => ({ key: design, trace: 'operations', models: PRESETS, set: DESIGNS[design] })),
    ...MESSAGE_US.flatMap((us) =>
      (['coupled', 'decoupled'] as const).map((design) => ({
        key: `${design}-${us}`,
        trace: 'operations',
        models: PRESETS,
        set: [...DESIGNS[design], `gmem.roundTripNs=${us * 1000}`],
      })),
    ),
  ],
  measure: (runs) =>
    PRESETS.map((preset) => {
      const value = (key: string, what: string): number => number(runs.get(key, preset), what);
      const wait = (key: string): number => WAIT.reduce((total, name) => total + value(key, name), 0);
      const data = ['migration.h2d.bytes', 'migration.d2h.bytes', 'faults.device', 'faults.host'];
      return {
        owner: OWNER[preset],
        roundTrips: Object.fromEntries(NAMES.map((design) => [design, value(design, 'roundTrips')])) as Record<
          Design,
          number
        >,
        sameData: NAMES.every((design) => data.every((what) => value(design, what) === value('coupled', what))),
        addedBy: MESSAGE_US.map((us) => [us, wait(`decoupled-${us}`) / wait(`coupled-${us}`) - 1] as const),
      };
    }),
  judge(owners): Verdict {
    const others = NAMES.filter((design) => design !== 'coupled');
    const holds = owners.flatMap((o) =>
      others.map((design) => o.sameData && o.roundTrips.coupled < o.roundTrips[design]),
    );
    const one = (o: Owner): string => {
      const [first, last] = [o.addedBy[0], o.addedBy[o.addedBy.length - 1]];
      return (
        `Where the ${o.owner} owns device memory: ${count(o.roundTrips.coupled)} coupled against ${others.map((d) => `${count(o.roundTrips[d])} ${TEXT[d]}`).join(', ')}; ` +
        `plain decoupling adds ${percent(first[1])} of waiting at ${first[0]} us a message and ${percent(last[1])} at ${last[0]} us` +
        `${o.sameData ? '' : ', but does not move the same data'}`
      );
    };
    return { outcome: outcomeOf(holds), sentence: `Round trips. ${owners.map(one).join('. ')}.` };
  },
  tables: (runs) => [
    runTable(
      runs,
      'Round trips by design',
      'design',
      PRESETS.flatMap((preset) => NAMES.map((design) => [TEXT[design], design, preset] as const)),
      {
        'round trips': metric('roundTrips'),
        h2d: metric('migration.h2d.bytes', bytes),
        d2h: metric('migration.d2h.bytes', bytes),
        waits: sum(WAIT, microseconds),
      },
    ),
    runTable(
      runs,
      'Waiting time by message latency',
      'latency, design',
      PRESETS.flatMap((preset) =>
        MESSAGE_US.flatMap((us) =>
          (['coupled', 'decoupled'] as const).map(
            (design) => [`${us} us, ${design}`, `${design}-${us}`, preset] as const,
          ),
        ),
      ),
      { waits: sum(WAIT, microseconds) },
    ),
    runTable(
      runs,
      'The same trace on all stacks as they are',
      'trace',
      STACKS.map((stack) => ['operations', 'all', stack] as const),
      {
        'round trips': metric('roundTrips'),
        'device faults': metric('faults.device'),
        'CPU faults': metric('faults.host'),
        waits: sum(WAIT, microseconds),
      },
    ),
  ],
  changes:
    'How much a design without answers gains: posted writes of page-table entries and one invalidation for many pages are for separate steps only. A trace with more unmaps of long ranges favours them, one with more faults favours coupling.',
  limits:
    'Which steps a real driver would answer is an assumption of the decoupled mode; no decoupled driver was published. The exchange of a fault itself is the fault latency of the platform and not swept.',
};
