import { type Claim, outcomeOf, type Verdict } from '../claim.ts';
import { count, list, metric, number, runTable } from '../numbers.ts';

const STACKS = ['gmem', 'uvm', 'kfd', 'hmm', 'hmm:nouveau'] as const;
const PAGES = 1024;
const MIB = 4;

interface Stack {
  readonly name: string;
  /** Device faults on a page that could be read and not written, for each page. */
  readonly upgradesPerPage: number;
  /** Synchronous exchanges for each MiB: many faults in flight, one at a time. */
  readonly exchangesPerMib: number;
  readonly exchangesPerMibSerial: number;
}

export const firstWrite: Claim<readonly Stack[]> = {
  id: 'H1',
  title: 'The first write to a page that was read costs an accelerator a full exchange',
  claim:
    'Core MM takes faults to be cheap. Copy-on-write makes an accelerator fault again on the first write to each 4 KiB page, and each such fault is a round trip to the CPU.',
  source: 'C. König, 4 December 2023, intel-gfx, archive number 2023-December/340775.',
  test: 'A device reads 1,024 untouched pages one by one, then writes them; reads of untouched memory map the shared zero page. Confirmed if every stack takes one permission fault a page, refuted if none takes any.',
  experiments: [
    { key: 'flight', trace: 'read-then-write', models: STACKS, set: ['host.zeroPage=true'] },
    { key: 'serial', trace: 'read-then-write', models: STACKS, set: ['host.zeroPage=true'], inFlight: 1 },
  ],
  measure: (runs) =>
    STACKS.map((name) => ({
      name,
      upgradesPerPage: number(runs.get('flight', name), 'faults.permission') / PAGES,
      exchangesPerMib: number(runs.get('flight', name), 'roundTrips') / MIB,
      exchangesPerMibSerial: number(runs.get('serial', name), 'roundTrips') / MIB,
    })),
  judge(stacks): Verdict {
    const paying = stacks.filter((s) => s.upgradesPerPage >= 1);
    const outcome = paying.length === 0 ? 'refuted' : outcomeOf(stacks.map((s) => paying.includes(s)));
    const others = stacks.filter((s) => !paying.includes(s));
    const who = (part: readonly Stack[]): string =>
      list(
        part.map(
          (s) =>
            `${s.name} (${count(s.exchangesPerMib, 2)} exchanges a MiB, ${count(s.exchangesPerMibSerial, 2)} one by one)`,
        ),
      );
    const parts = [
      ...(paying.length > 0 ? [`at least one further fault for each first write in ${who(paying)}`] : []),
      ...(others.length > 0 ? [`fewer than one, or none, in ${who(others)}`] : []),
    ];
    return { outcome, sentence: `Writing after reading costs ${parts.join('; ')}.` };
  },
  tables: (runs) => [
    runTable(
      runs,
      '4 MiB read, then written',
      'faults in flight',
      ['flight', 'serial'].flatMap((key) =>
        STACKS.map((stack) => [key === 'flight' ? '256' : '1', key, stack] as const),
      ),
      {
        'device faults': metric('faults.device'),
        'of these permission': metric('faults.permission'),
        batches: metric('batches'),
        'round trips': metric('roundTrips'),
        'notifier calls': metric('notifier.invalidations'),
      },
    ),
  ],
  changes:
    'Data that the host wrote before: then no stack maps the zero page. A stack that asks for write permission at the first read, as all but nouveau do here.',
  limits:
    'UVM and GMEM do not use the zero page for their own memory, so nothing is copied on write there. Copy-on-write after fork is outside: a trace has one address space.',
};
