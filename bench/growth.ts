/** How time and memory grow with touches, footprint, runs, devices and faults. */

import type { Figure } from '../src/figures/figure.ts';
import type { FaultingReplay } from './fault-path.ts';
import { type Benchmark, type Context, interleaved, launch, type Outcome, type Sample } from './harness.ts';
import { column, exponent, median } from './table.ts';

interface Sweep {
  readonly name: string;
  /** What x is. */
  readonly unit: string;
  readonly points: readonly (Omit<FaultingReplay, 'model'> & { readonly x: number | 'faults' })[];
}

const STACKS = ['gmem', 'uvm'];

/** Each varies one thing. Without a limit each page faults once, whatever else happens. */
function sweeps(quick: boolean): Sweep[] {
  const shrink = quick ? 16 : 1;
  const powers = (from: number, to: number): number[] =>
    Array.from({ length: to - from + 1 }, (_, i) => 2 ** (from + i));
  const pages = 2 ** 16;
  const settled = { touches: 2 ** 20 / shrink, oversub: 'none' } as const;
  const limited = { pages: 2 ** 17 / shrink, touches: 2 ** 13 / shrink };
  return [
    {
      name: 'touches',
      unit: 'touches',
      points: powers(0, 5).map((n) => ({ x: n * settled.touches, repeats: n, pages, ...settled })),
    },
    {
      name: 'footprint',
      unit: 'pages',
      points: powers(16, 20).map((n) => ({ x: n, pages: n / shrink, repeats: 4, ...settled })),
    },
    {
      name: 'runs',
      unit: 'runs in a pass',
      points: powers(0, 5).map((n) => ({ x: n, runs: n, pages, repeats: 4, ...settled })),
    },
    {
      name: 'devices',
      unit: 'devices',
      // From two on: pages go back and forth.
      points: powers(1, 4).map((n) => ({ x: n, devices: n, pages: 2 ** 13, touches: 2 ** 14, oversub: 'none' })),
    },
    {
      name: 'fault rate',
      unit: 'faults',
      points: [1.0625, 1.125, 1.25, 1.5, 2].map((oversub) => ({ x: 'faults', ...limited, oversub })),
    },
  ];
}

interface Curve {
  readonly stack: string;
  readonly sweep: Sweep;
  readonly points: readonly { readonly x: number; readonly seconds: number; readonly bytes: number }[];
}

async function measure(context: Context, stack: string, sweep: Sweep): Promise<Curve> {
  const contestants: Record<string, () => Promise<Sample>> = {};
  for (const [i, { x: _x, ...point }] of sweep.points.entries()) {
    contestants[`${stack}, ${sweep.name} ${i + 1}`] = () =>
      launch(context, 'fault-path', 'replay', { model: stack, ...point });
  }
  const samples = Object.values(await interleaved(context, contestants));
  const points = sweep.points.map(({ x }, i) => {
    const middle = (field: string): number => median(column(samples[i], field));
    return {
      x: x === 'faults' ? middle('faults') : x,
      seconds: middle('cpuSeconds'),
      bytes: middle('peakRssBytes'),
    };
  });
  return { stack, sweep, points };
}

async function run(context: Context): Promise<Outcome> {
  const curves: Curve[] = [];
  for (const sweep of sweeps(context.quick)) {
    for (const stack of STACKS) curves.push(await measure(context, stack, sweep));
  }
  const rows = curves.map(({ stack, sweep, points }) => {
    const [first, last] = [points[0], points[points.length - 1]];
    const doublings = Math.log2(last.x / first.x);
    const time = points.map(({ x, seconds }) => ({ x, y: seconds }));
    return [
      `${stack}: ${sweep.name}`,
      `${first.x} to ${last.x}`,
      `${first.seconds.toFixed(3)} to ${last.seconds.toFixed(3)}`,
      exponent(time).toFixed(2),
      doublings === 0 ? '' : ((last.seconds / first.seconds) ** (1 / doublings)).toFixed(2),
      `${(first.bytes / 2 ** 20).toFixed(0)} to ${(last.bytes / 2 ** 20).toFixed(0)}`,
      exponent(points.map(({ x, bytes }) => ({ x, y: bytes }))).toFixed(2),
    ];
  });
  return {
    tables: [
      {
        title: 'Growth of CPU time and of peak memory',
        columns: ['what grows', 'from, to', 'CPU s', 'exponent', 'a doubling', 'peak MiB', 'exponent'],
        rows,
        note: `Random reads in memory that the CPU wrote; medians of ${context.rounds} launches. Exponent 1 = in proportion, 0 = not at all; a doubling: factor of the time for twice as much.`,
      },
    ],
    figures: {
      'growth-time': figureOf(curves, 'seconds', 'CPU time'),
      'growth-memory': figureOf(curves, 'bytes', 'peak memory'),
    },
  };
}

/** Both axes in powers: a straight line is a power law. Of one stack: lines of both would hide each other. */
function figureOf(curves: readonly Curve[], field: 'seconds' | 'bytes', what: string): Figure {
  const [stack] = STACKS;
  const columns = ['stack', 'what grows', 'value', 'CPU s', 'peak bytes'];
  const table = {
    columns,
    rows: curves.flatMap(({ stack, sweep, points }) =>
      points.map(({ x, seconds, bytes }) => [stack, sweep.name, x, seconds, bytes]),
    ),
  };
  return {
    title: `Growth of ${what}`,
    caption: `Growth of ${what} in ${stack} as what a line names is doubled again and again, relative to the least.`,
    chart: {
      type: 'lines',
      xTitle: 'doublings',
      axis: { title: `${what}, relative to the least`, log: false },
      series: curves
        .filter((curve) => curve.stack === stack)
        .map(({ sweep, points }) => {
          const least = Math.min(...points.map((point) => point[field]));
          return {
            name: sweep.name,
            points: points.map((point) => ({ x: Math.log2(point.x / points[0].x), y: point[field] / least })),
          };
        }),
    },
    table,
    tidy: table,
  };
}

export const benchmark: Benchmark = { title: 'growth of time and memory', run };
