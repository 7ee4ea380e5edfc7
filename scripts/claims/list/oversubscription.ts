import { type Claim, outcomeOf, type Verdict } from '../claim.ts';
import { bytes, count, list, metric, number, runTable } from '../numbers.ts';

const RATIOS = [1.1, 2, 15.6] as const;
const STACKS = ['gmem', 'gmem:rfc', 'uvm', 'kfd', 'hmm'] as const;
const TRACES = ['sweeps', 'sweeps-hot'] as const;
const BROUGHT = 'migration.h2d.bytes';

interface Point {
  readonly trace: string;
  readonly ratio: number;
  readonly failed: number;
  /** Evictions that the device's own driver decides in the RFC, and in the code with eviction in core. */
  readonly rfcDriverEvictions: number;
  readonly coreDriverEvictions: number;
  /** Bytes written back and brought: GMEM with eviction in core, and the least of the other stacks. */
  readonly gmemBytes: number;
  readonly bestOtherBytes: number;
}

export const oversubscription: Claim<readonly Point[]> = {
  id: 'H12',
  title: 'Oversubscription comes free to every driver',
  claim:
    'A driver on GMEM gets oversubscription of device memory without writing it; a 32 GB card ran a model that needs 500 GB of host memory.',
  source:
    'zhuweixi, 30 November 2023, Message-ID cee6e5ba46f84557b0cd9122eaa8ae17, as quoted in A. Popple, 87edg6o3y5.fsf.',
  test: 'Three sweeps over 512 MiB, alone and beside a hot set of 16 MiB, with 1.1, 2 and 15.6 times as much data as memory. Three questions: does everything run without the driver evicting in the code that openEuler ships (preset olk66); does it in the RFC as posted; does it move no more than the best other stack (within 1 %). Confirmed if all hold at every point, refuted if none does, else mixed.',
  experiments: TRACES.map((trace) => ({ key: trace, trace, models: STACKS, oversub: RATIOS })),
  measure: (runs) =>
    TRACES.flatMap((trace) =>
      RATIOS.map((ratio) => {
        const value = (stack: string, what: string): number => number(runs.get(trace, stack, ratio), what);
        const moved = (stack: string): number => value(stack, BROUGHT) + value(stack, 'evictions.bytes');
        return {
          trace,
          ratio,
          failed: value('gmem', 'accesses.failed'),
          rfcDriverEvictions: value('gmem:rfc', 'gmem.driverEvictions'),
          coreDriverEvictions: value('gmem:olk66', 'gmem.driverEvictions'),
          gmemBytes: moved('gmem:olk66'),
          bestOtherBytes: Math.min(...['uvm', 'kfd', 'hmm'].map(moved)),
        };
      }),
    ),
  judge(points): Verdict {
    const core = points.every((p) => p.failed === 0 && p.coreDriverEvictions === 0);
    const rfc = points.every((p) => p.rfcDriverEvictions === 0);
    const dearer = points.filter((p) => p.gmemBytes > 1.01 * p.bestOtherBytes);
    const ratio = (p: Point): string => `${p.trace} at ${p.ratio}: ${count(p.gmemBytes / p.bestOtherBytes, 2)}`;
    const failed = points.reduce((sum, p) => sum + p.failed, 0);
    const evictions = points.reduce((sum, p) => sum + p.rfcDriverEvictions, 0);
    const coreEvictions = points.reduce((sum, p) => sum + p.coreDriverEvictions, 0);
    return {
      outcome: outcomeOf([core, rfc, dearer.length === 0]),
      sentence:
        `In the code of openEuler ${count(failed)} accesses fail and ${count(coreEvictions)} evictions are left to the driver; with the RFC the driver is taken to make ${count(evictions)}. ` +
        (dearer.length === 0
          ? 'At every point core eviction moves at most 1 % more than the best other stack.'
          : `Core eviction moves more than the best other stack at ${dearer.length} of ${points.length} points (times as much: ${list(dearer.map(ratio))}).`),
    };
  },
  tables: (runs) =>
    TRACES.map((trace) =>
      runTable(
        runs,
        trace === 'sweeps' ? 'Three sweeps' : 'Three sweeps beside a hot set',
        'data / memory',
        RATIOS.flatMap((ratio) => STACKS.map((stack) => [`${ratio}`, trace, stack, ratio] as const)),
        {
          'device faults': metric('faults.device'),
          'brought in': metric(BROUGHT, bytes),
          'written back': metric('evictions.bytes', bytes),
          evictions: metric('evictions.count'),
          'of these by the driver': metric('gmem.driverEvictions'),
          'pages brought back': metric('thrash.pages'),
          failed: metric('accesses.failed'),
        },
      ),
    ),
  changes:
    'A use of the list of pages that follows accesses, not faults; smaller eviction rounds than 16 pages; hints (a prefetch of a resident page moves it to the end of the list).',
  limits:
    "The RFC has no eviction: its driver is taken to evict as openEuler's older driver does, with watermarks of 128 and 256 MiB, which empty a device smaller than that. Times are not compared: GMEM's driver time was never published. GMEM rounds memory up to 32 MiB, the other stacks do not.",
};
