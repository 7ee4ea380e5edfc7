/** Reads `--events` files into address x time grids, one a run. Read twice, never held: event files get large. */

import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { ConfigurationError } from '../replay/configuration-error.ts';
import type { Result } from '../report/result.ts';
import { formatCount } from '../report/text.ts';

export const LAYERS = ['residency', 'faults', 'evictions'] as const;
/** Pages that came to a place (migrated or zero-filled); faults of devices and CPU; pages of victims. */
export type Layer = (typeof LAYERS)[number];

export const LAYER_TITLES: Readonly<Record<Layer, { readonly title: string; readonly unit: string }>> = {
  residency: { title: 'Residency changes', unit: 'pages moved or zero-filled' },
  faults: { title: 'Faults', unit: 'faults' },
  evictions: { title: 'Evictions', unit: 'pages of victims' },
};

export interface RunHeat {
  readonly startNs: number;
  readonly endNs: number;
  /** Row-major, row 0 has the lowest addresses. */
  readonly cells: Readonly<Record<Layer, Float64Array>>;
  readonly totals: Readonly<Record<Layer, number>>;
}

export interface Heat {
  readonly columns: number;
  readonly rows: number;
  /** First address of each row. Blocks without any event are left out, so rows may have gaps between them. */
  readonly addresses: readonly string[];
  readonly runs: readonly RunHeat[];
}

const BLOCK_BYTES = 2 ** 21;
const PAGE_BYTES = 4096;
const COLUMNS = 64;
const MOST_ROWS = 32;

interface Mark {
  readonly run: number;
  readonly layer: Layer;
  readonly actor: string;
  readonly timeNs: number;
  readonly endNs: number;
  readonly block: number;
  /** Of a span over several blocks: how many. */
  readonly blocks: number;
  readonly amount: number;
}

export async function readHeat(path: string, result: Result): Promise<Heat> {
  const spans = result.runs.map(() => ({ startNs: Number.POSITIVE_INFINITY, endNs: 0, device: 0, host: 0 }));
  const seen = new Set<number>();
  for await (const mark of marks(path, result.runs.length)) {
    const span = spans[mark.run];
    span.startNs = Math.min(span.startNs, mark.timeNs);
    span.endNs = Math.max(span.endNs, mark.endNs);
    if (mark.layer === 'faults') span[mark.actor === 'cpu' ? 'host' : 'device'] += mark.amount;
    for (let i = 0; i < mark.blocks; i++) seen.add(mark.block + i);
  }
  result.runs.forEach((run, i) => {
    for (const [side, metric] of [
      ['device', 'faults.device'],
      ['host', 'faults.host'],
    ] as const) {
      const told = run.metrics[metric];
      if (told !== null && told !== undefined && told !== spans[i][side]) {
        throw new ConfigurationError(
          `${path}: not the events of this result: run ${i} has ${metric} ${formatCount(told)}, the events tell ${formatCount(spans[i][side])}`,
          'write both with one command: gmem-eval run TRACE --format json --out FILE --events FILE',
        );
      }
    }
  });
  const blocks = [...seen].sort((a, b) => a - b);
  const rows = Math.min(MOST_ROWS, blocks.length);
  const rowOf = new Map(blocks.map((block, i) => [block, Math.floor((i * rows) / blocks.length)]));
  const runs = spans.map(({ startNs, endNs }) => ({
    startNs: Math.min(startNs, endNs),
    endNs,
    cells: {
      residency: new Float64Array(COLUMNS * rows),
      faults: new Float64Array(COLUMNS * rows),
      evictions: new Float64Array(COLUMNS * rows),
    },
    totals: { residency: 0, faults: 0, evictions: 0 },
  }));
  for await (const { run, layer, timeNs, block, blocks: count, amount } of marks(path, result.runs.length)) {
    const { startNs, endNs, cells, totals } = runs[run];
    const share = endNs > startNs ? (timeNs - startNs) / (endNs - startNs) : 0;
    const column = Math.min(COLUMNS - 1, Math.floor(share * COLUMNS));
    totals[layer] += amount;
    for (let i = 0; i < count; i++) cells[layer][rowOf.get(block + i)! * COLUMNS + column] += amount / count;
  }
  const firsts = Array.from({ length: rows }, (_, row) => blocks.find((block) => rowOf.get(block) === row)!);
  return {
    columns: COLUMNS,
    rows,
    addresses: firsts.map((block) => `0x${(BigInt(block) * BigInt(BLOCK_BYTES)).toString(16)}`),
    runs,
  };
}

const LAYER_OF: Readonly<Record<string, Layer>> = {
  migrate: 'residency',
  populate: 'residency',
  fault: 'faults',
  evict: 'evictions',
};

async function* marks(path: string, runs: number): AsyncGenerator<Mark> {
  const stream = createReadStream(path, 'utf8');
  let number = 0;
  const wrong = (what: string): never => {
    throw new ConfigurationError(
      `${path}:${number}: ${what}`,
      'give the file that `gmem-eval run --events FILE` wrote with this result',
    );
  };
  try {
    for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      number++;
      if (line === '') continue;
      let event: Record<string, unknown>;
      try {
        event = JSON.parse(line);
      } catch {
        return wrong('not a line of JSON, or cut off');
      }
      if (event === null || typeof event !== 'object') return wrong('not an event');
      const { run, kind, timeNs, durationNs, addr, size, actor, count = 1 } = event;
      if (typeof run !== 'number' || !Number.isInteger(run) || run < 0) return wrong('an event without a run');
      if (run >= runs) return wrong(`an event of run ${run}, but the result has ${runs} runs`);
      if (typeof kind !== 'string') return wrong('an event without a kind');
      const layer = LAYER_OF[kind];
      // An explicit copy has no one place.
      if (layer === undefined || addr === null) continue;
      if (typeof timeNs !== 'number' || typeof durationNs !== 'number')
        return wrong('an event without timeNs, durationNs');
      if (typeof size !== 'number' || !(size > 0) || size > 2 ** 50) return wrong('an event without a size');
      if (typeof addr !== 'string' || !/^0x[0-9a-f]{1,15}$/i.test(addr)) return wrong('an event without an addr');
      if (typeof count !== 'number' || !(count >= 1)) return wrong('a sample without its count');
      // A sample (`run --interval`) lies in one block, whatever its size adds up to.
      const [first, last] = blocksOf(addr, event['count'] === undefined ? size : 1);
      yield {
        run,
        layer,
        actor: String(actor),
        timeNs,
        endNs: timeNs + durationNs,
        block: first,
        blocks: last - first + 1,
        amount: layer === 'faults' ? count : size / PAGE_BYTES,
      };
    }
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    throw new ConfigurationError(`${path}: cannot read the events: ${(error as Error).message}`, 'check the path', {
      cause: error,
    });
  } finally {
    stream.destroy();
  }
}

/** Addresses reach 2^57: beyond exact numbers, their blocks are not. */
function blocksOf(addr: string, size: number): [number, number] {
  if (addr.length <= 2 + 13) {
    const first = Number(addr);
    return [Math.floor(first / BLOCK_BYTES), Math.floor((first + size - 1) / BLOCK_BYTES)];
  }
  const first = BigInt(addr);
  return [Number(first / BigInt(BLOCK_BYTES)), Number((first + BigInt(size) - 1n) / BigInt(BLOCK_BYTES))];
}

/** Upper ends of the shades, evenly spread over the logarithm of what there is; fewer where there is little to tell. */
export function shadeSteps(grids: Iterable<ArrayLike<number>>, shades: number): number[] {
  let most = 0;
  for (const grid of grids) for (let i = 0; i < grid.length; i++) most = Math.max(most, Math.ceil(grid[i]));
  const steps: number[] = [];
  for (let i = 1; i <= shades && most > 0; i++) {
    const step = Math.max(1, i === shades ? most : Math.round(Math.expm1((i / shades) * Math.log1p(most))));
    if (step > (steps.at(-1) ?? 0)) steps.push(step);
  }
  return steps;
}

/** Which shade a value gets; -1 for nothing. The darkest are for the largest, however few shades are in use. */
export function shadeOf(value: number, steps: readonly number[]): number {
  return value > 0 ? steps.findIndex((step) => Math.ceil(value) <= step) : -1;
}

/** What each shade stands for: `1`, `2-12`, `13-512`. */
export function shadeNames(steps: readonly number[]): string[] {
  return steps.map((step, i) => {
    const least = (steps[i - 1] ?? 0) + 1;
    return least === step ? formatCount(step) : `${formatCount(least)}–${formatCount(step)}`;
  });
}
