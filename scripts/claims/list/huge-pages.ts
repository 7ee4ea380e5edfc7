import { type Claim, outcomeOf, type Verdict } from '../claim.ts';
import { count, gridTable, list, metric, microseconds, number, runTable, STACKS, times } from '../numbers.ts';

const USES = ['64B', '4KiB', '64KiB', '512KiB', '2MiB'] as const;
const key = (kind: string, use: string): string => `${kind}-${use}`;
const STALL = 'time.stall.device.ns';

interface Use {
  readonly use: string;
  /** Bytes moved for each byte used. */
  readonly gmemMovedPerUsed: number;
  /** Time the device waits: large unit / 4 KiB unit, of the same stack. */
  readonly hmmHugeToSmall: number;
  readonly uvmGrownToSmall: number;
}

export const hugePages: Claim<readonly Use[]> = {
  id: 'H2',
  title: 'Devices must have huge pages',
  claim:
    'Accelerators depend on huge pages for speed; the memory management of the CPU works with 4 KiB pages and hardly knows larger ones.',
  source: 'C. König, 29 November 2023, Message-ID 8b3673c7-d0b9-4509-938f-eb8d4f158367, third point.',
  test: 'The device uses from 64 bytes to all of each 2 MiB that the host wrote. Two stacks run with large and with 4 KiB units: HMM with 2 MiB CPU pages that migrate whole, and UVM with and without its growth to 64 KiB and more. Confirmed if the device waits less with large units at every density in both, refuted if in none.',
  experiments: [
    ...USES.map((use) => ({ key: key('plain', use), trace: `use-${use}-managed` })),
    ...USES.map((use) => ({
      key: key('huge', use),
      trace: `use-${use}-managed`,
      models: ['hmm'],
      set: ['host.page=2097152', 'hmm.hugeMigration=true'],
    })),
    ...USES.map((use) => ({
      key: key('small', use),
      trace: `use-${use}-managed`,
      models: ['uvm'],
      set: ['uvm.prefetch=false'],
    })),
  ],
  measure: (runs) =>
    USES.map((use) => ({
      use,
      gmemMovedPerUsed: number(runs.get(key('plain', use), 'gmem'), 'efficiency.movedPerUsed'),
      hmmHugeToSmall:
        number(runs.get(key('huge', use), 'hmm'), STALL) / number(runs.get(key('plain', use), 'hmm'), STALL),
      uvmGrownToSmall:
        number(runs.get(key('plain', use), 'uvm'), STALL) / number(runs.get(key('small', use), 'uvm'), STALL),
    })),
  judge(uses): Verdict {
    const ratios = uses.flatMap((u) => [u.hmmHugeToSmall, u.uvmGrownToSmall]);
    const least = uses[0];
    const most = uses[uses.length - 1];
    const against = uses.filter((u) => u.hmmHugeToSmall >= 1 || u.uvmGrownToSmall >= 1).map((u) => u.use);
    const where =
      against.length === 0
        ? 'both gain at every density'
        : `at ${list(against)} of each 2 MiB at least one of the two gains nothing`;
    return {
      outcome: outcomeOf(ratios.map((r) => r < 1)),
      sentence:
        `With all of each 2 MiB used, 2 MiB CPU pages bring HMM's device wait to ${count(most.hmmHugeToSmall, 2)} of that with 4 KiB pages, and growth brings UVM's to ` +
        `${count(most.uvmGrownToSmall, 2)} of that without; with ${least.use} used, to ${count(least.hmmHugeToSmall, 2)} and ${count(least.uvmGrownToSmall, 2)}; ${where}. ` +
        `A unit fixed at 2 MiB (GMEM) moves ${times(least.gmemMovedPerUsed)} what is used at ${least.use} and ${times(most.gmemMovedPerUsed)} at ${most.use}.`,
    };
  },
  tables: (runs) => [
    gridTable(
      runs,
      'Bytes moved for each byte used',
      'used of each 2 MiB',
      USES.map((use) => [use, key('plain', use)] as const),
      STACKS,
      metric('efficiency.movedPerUsed'),
    ),
    runTable(
      runs,
      'Large and small units',
      'used of each 2 MiB',
      USES.flatMap((use) => [
        ...STACKS.map((stack) => [use, key('plain', use), stack] as const),
        [`${use}, 2 MiB CPU pages`, key('huge', use), 'hmm'] as const,
        [`${use}, no growth`, key('small', use), 'uvm'] as const,
      ]),
      {
        'device faults': metric('faults.device'),
        'page-table entries': metric('map.operations'),
        'device waits': metric(STALL, microseconds),
      },
    ),
  ],
  changes: 'A device whose page walks show: TLB misses favour large pages further and are in no model.',
  limits:
    'Address translation costs nothing once an entry is there, so what huge pages do for a TLB is not seen, only what they do for faults, copies and page tables. GMEM has one size and no small one to compare with; its driver time was never published and counts as 0 beyond its messages.',
};
