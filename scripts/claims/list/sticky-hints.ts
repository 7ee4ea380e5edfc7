import { type Claim, outcomeOf, type Verdict } from '../claim.ts';
import { bytes, count, list, metric, number, runTable, STACKS } from '../numbers.ts';

const HINTS = ['prefetch', 'preferred-cpu', 'accessed-by', 'read-mostly'] as const;
const ALL = ['none', ...HINTS] as const;
const ROUNDS = 5;
const COUNTED = ['faults.device', 'migration.h2d.bytes', 'migration.d2h.bytes'] as const;

interface Stack {
  readonly name: string;
  /** Hints that still change something after the first of the rounds. */
  readonly sticky: readonly string[];
  readonly faultsPlain: number;
  readonly faultsAfterPrefetch: number;
}

export const stickyHints: Claim<readonly Stack[]> = {
  id: 'H9',
  title: 'GMEM keeps no attribute on a range',
  claim:
    'It is asked where GMEM keeps the attributes of a range: there seems to be no place for them, so a hint acts once.',
  source: 'O. Zeng, in the reply of A. Popple of 1 December 2023, Message-ID 87a5quo3fm.fsf.',
  test: 'One hint on 2 MiB, then five rounds in which the device and the host read it in turn. A hint is sticky when it saves more than one round saves (a fifth of the faults or bytes). Confirmed for GMEM if none of four hints is sticky while some other stack has one that is, refuted if GMEM has one too, mixed if no stack has any.',
  experiments: ALL.map((hint) => ({ key: hint, trace: `hint-${hint}` })),
  measure: (runs) =>
    STACKS.map((name) => {
      const value = (hint: string, what: string): number => number(runs.get(hint, name), what);
      return {
        name,
        sticky: HINTS.filter((hint) =>
          COUNTED.some((what) => value('none', what) - value(hint, what) > value('none', what) / ROUNDS),
        ),
        faultsPlain: value('none', 'faults.device'),
        faultsAfterPrefetch: value('prefetch', 'faults.device'),
      };
    }),
  judge(stacks): Verdict {
    const gmem = stacks.find((s) => s.name === 'gmem') as Stack;
    const others = stacks.filter((s) => s !== gmem && s.sticky.length > 0);
    const elsewhere =
      others.length === 0 ? 'nor in any other stack' : list(others.map((s) => `${s.name} keeps ${list(s.sticky)}`));
    const own =
      gmem.sticky.length === 0 ? 'no hint outlives its first use' : `${list(gmem.sticky)} outlives its first use`;
    return {
      outcome: outcomeOf([gmem.sticky.length === 0, gmem.sticky.length === 0 && others.length > 0]),
      sentence:
        `In GMEM ${own}: ${count(gmem.faultsAfterPrefetch)} device faults in ${ROUNDS} rounds after a prefetch, ${count(gmem.faultsPlain)} without; ` +
        `${elsewhere}.`,
    };
  },
  tables: (runs) => [
    runTable(
      runs,
      'Five rounds after one hint',
      'hint',
      ALL.flatMap((hint) => STACKS.map((stack) => [hint, hint, stack] as const)),
      {
        'device faults': metric('faults.device'),
        h2d: metric('migration.h2d.bytes', bytes),
        d2h: metric('migration.d2h.bytes', bytes),
        'remote touches': metric('remote.device.accesses'),
        applied: metric('hints.applied'),
        ignored: metric('hints.ignored'),
      },
    ),
  ],
  changes:
    'An attribute of the range, or a memory policy on the new NUMA node, which A. Popple proposed in the same thread and no code has.',
  limits: 'GMEM knows a pin (in OLK-6.6), which is kept on the page, not on the range; it is not part of this test.',
};
