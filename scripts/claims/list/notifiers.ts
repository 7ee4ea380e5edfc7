import type { Claim, Outcome, Verdict } from '../claim.ts';
import type { Runs } from '../experiment.ts';
import { count, list, number, STACKS } from '../numbers.ts';

const EVENTS = ['cputouch', 'free', 'dontneed', 'numa', 'compaction', 'mprotect', 'hostio'] as const;
const SIZES = ['2MiB', '4KiB'] as const;
const TOLD = 'notifier.invalidations';
const UNMAPS = 'unmap.device.operations';

interface Event {
  readonly event: string;
  readonly gmem: Calls;
  readonly hmm: Calls;
}
interface Calls {
  /** Callbacks of core MM for this event alone. */
  readonly told: number;
  /** Device ranges unmapped for it. */
  readonly unmaps: number;
}

/** What the events cost beyond the same trace without them. */
function callsOf(runs: Runs, event: string, size: string, stack: string): Calls {
  const extra = (name: string): number =>
    number(runs.get(`${event}-${size}`, stack), name) - number(runs.get('none', stack), name);
  return { told: extra(TOLD), unmaps: extra(UNMAPS) };
}

export const notifiers: Claim<readonly Event[]> = {
  id: 'H6',
  title: "GMEM's invalidation hooks are MMU notifiers under another name",
  claim:
    'The functions by which GMEM tells a driver to let go of a page do what the existing MMU-notifier callbacks do.',
  source:
    'A. Popple, 1 December 2023, reply to zhuweixi, Message-ID 87edg6o3y5.fsf, amd-gfx archive number 2023-December/101916.',
  test: 'Seven kinds of events, four of each, on 2 MiB that the device has mapped, less the same trace without events; GMEM and HMM have the same unit there. Confirmed if device unmaps and callbacks are equal for every kind, refuted if for none both are, else mixed. The same events on one 4 KiB page are shown beside it.',
  experiments: [
    { key: 'none', trace: 'event-none' },
    ...SIZES.flatMap((size) => EVENTS.map((event) => ({ key: `${event}-${size}`, trace: `event-${event}-${size}` }))),
  ],
  measure: (runs) =>
    EVENTS.map((event) => ({
      event,
      gmem: callsOf(runs, event, '2MiB', 'gmem'),
      hmm: callsOf(runs, event, '2MiB', 'hmm'),
    })),
  judge(events): Verdict {
    const unmaps = events.filter((e) => e.gmem.unmaps === e.hmm.unmaps);
    const both = unmaps.filter((e) => e.gmem.told === e.hmm.told);
    const outcome: Outcome = both.length === events.length ? 'confirmed' : both.length === 0 ? 'refuted' : 'mixed';
    const differing = events
      .filter((e) => !both.includes(e))
      .map(
        (e) =>
          `${e.event} (callbacks ${count(e.gmem.told)} against ${count(e.hmm.told)}, unmaps ${count(e.gmem.unmaps)} against ${count(e.hmm.unmaps)})`,
      );
    return {
      outcome,
      sentence:
        `At 2 MiB GMEM and HMM unmap equally often for ${unmaps.length} of ${events.length} kinds of events, and with equally many callbacks for ${both.length}` +
        `${differing.length === 0 ? '' : `; GMEM against HMM differ in ${list(differing)}`}.`,
    };
  },
  tables: (runs) =>
    SIZES.map((size) => ({
      title: `Four events on ${size === '2MiB' ? '2 MiB each' : 'one 4 KiB page each'}: callbacks / device ranges unmapped`,
      head: ['event', ...STACKS],
      rows: EVENTS.map((event) => [
        event,
        ...STACKS.map((stack) => {
          const { told, unmaps } = callsOf(runs, event, size, stack);
          return `${count(told)} / ${count(unmaps)}`;
        }),
      ]),
    })),
  changes:
    'Counting the direct call into the driver that GMEM makes for a CPU touch and an eager free as a callback (it is an unmap here), or compaction that tells of a range instead of each page.',
  limits:
    'Counts and ranges can be equal; whether the locks and the context of the two interfaces are, no trace can say. GMEM has no code for NUMA balancing, compaction and mprotect: its numbers there follow the trace format. UVM has no notifier on its own memory.',
};
