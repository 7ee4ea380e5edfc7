import { type Claim, outcomeOf, type Verdict } from '../claim.ts';
import type { Metrics } from '../experiment.ts';
import { gridTable, list, MESSAGE_US, microseconds, number, STACKS } from '../numbers.ts';

const USES = ['64B', '4KiB', '64KiB', '512KiB', '2MiB', '2MiB-x4', '2MiB-x16', '2MiB-x64'] as const;
const PLATFORM = 'gh200';

/** What a run takes beyond a machine that never waits. */
const extraNs = (metrics: Metrics): number => number(metrics, 'time.total.ns') - number(metrics, 'time.ideal.ns');
const text = (use: string): string => use.replace('-x', ' x ');

interface Latency {
  readonly messageUs: number;
  readonly uses: readonly { readonly use: string; readonly moveNs: number; readonly remoteNs: number }[];
}

export const coherentBus: Claim<readonly Latency[]> = {
  id: 'H15',
  title: 'A coherent bus does not make migration superfluous, but sparse data is better used from afar',
  claim:
    'Even on a coherent bus an accelerator needs memory of its own under management; and data that is used sparsely may better be left where it is.',
  source:
    'GMEM RFC, cover letter of 28 November 2023, as quoted in Message-ID 9308a79d-e312-4e6d-98fe-75dc6d0fbeda@amd.com; patch 6 of 6, Message-ID 20231128125025.4449-7-weixi.zhu@huawei.com.',
  test: 'On the profile of a GH200, the device uses from 64 bytes of each 2 MiB to all of it 64 times: in memory that migrates (GMEM) and in memory that stays on the host and is reached over the bus. The first half holds if the heaviest use is faster by migration, the second if the lightest is faster from afar. Confirmed if both hold at every message latency, refuted if neither does at any.',
  experiments: [
    ...USES.map((use) => ({ key: `move-${use}`, trace: `use-${use}-managed`, platform: PLATFORM })),
    ...USES.map((use) => ({ key: `remote-${use}`, trace: `use-${use}-pinned`, platform: PLATFORM })),
    ...USES.map((use) => ({ key: `system-${use}`, trace: `use-${use}-system`, models: ['uvm'], platform: PLATFORM })),
    ...MESSAGE_US.flatMap((us) =>
      USES.map((use) => ({
        key: `${us}-${use}`,
        trace: `use-${use}-managed`,
        models: ['gmem'],
        platform: PLATFORM,
        set: [`gmem.roundTripNs=${us * 1000}`],
      })),
    ),
  ],
  measure: (runs) =>
    MESSAGE_US.map((us) => ({
      messageUs: us,
      uses: USES.map((use) => ({
        use: text(use),
        moveNs: extraNs(runs.get(`${us}-${use}`, 'gmem')),
        remoteNs: extraNs(runs.get(`remote-${use}`, 'gmem')),
      })),
    })),
  judge(latencies): Verdict {
    const holds = latencies.flatMap(({ uses }) => {
      const [least, most] = [uses[0], uses[uses.length - 1]];
      return [least.remoteNs < least.moveNs, most.moveNs < most.remoteNs];
    });
    const crossover = ({ messageUs, uses }: Latency): string => {
      const from = uses.find((u) => u.moveNs < u.remoteNs);
      const most = uses[uses.length - 1];
      return from === undefined
        ? `never up to ${most.use} at ${messageUs} us`
        : `from ${from.use} on at ${messageUs} us (${microseconds(from.moveNs)} against ${microseconds(from.remoteNs)})`;
    };
    return {
      outcome: outcomeOf(holds),
      sentence: `Migration is faster than access over the bus, by use of each 2 MiB and message latency: ${list(latencies.map(crossover))}.`,
    };
  },
  tables: (runs) => [
    {
      title: 'Time beyond an ideal machine, 8 MiB, GMEM by message latency against access over the bus',
      head: ['used of each 2 MiB', ...MESSAGE_US.map((us) => `${us} us`), 'over the bus'],
      rows: USES.map((use) => [
        text(use),
        ...MESSAGE_US.map((us) => microseconds(extraNs(runs.get(`${us}-${use}`, 'gmem')))),
        microseconds(extraNs(runs.get(`remote-${use}`, 'gmem'))),
      ]),
    },
    gridTable(
      runs,
      'Memory that each stack migrates',
      'used of each 2 MiB',
      USES.map((use) => [text(use), `move-${use}`] as const),
      STACKS,
      (metrics) => microseconds(extraNs(metrics)),
    ),
    gridTable(
      runs,
      'Memory that stays on the host (pinned)',
      'used of each 2 MiB',
      USES.map((use) => [text(use), `remote-${use}`] as const),
      STACKS,
      (metrics) => microseconds(extraNs(metrics)),
    ),
    gridTable(
      runs,
      'Ordinary memory through the CPU page table, migrated by access counters',
      'used of each 2 MiB',
      USES.map((use) => [text(use), `system-${use}`] as const),
      ['uvm'],
      (metrics) => microseconds(extraNs(metrics)),
    ),
  ],
  changes:
    'A slower bus moves the crossover to lighter use, a dearer fault to heavier; caches in the device that serve repeated reads of remote memory move it up as well.',
  limits:
    'Access over the bus costs bandwidth only: no latency, no translation misses, no page requests, which favours it; every touch goes over the bus, which does not. The fault latency and the cost of a copy on this machine are assumed as on PCIe.',
};
