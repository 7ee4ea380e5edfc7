/** Stacks beside each other, metric by metric, with the best marked: what the Markdown and the HTML report show. */

import { METRIC_NAMES, METRICS, type MetricSpec } from '../replay/metrics.ts';
import { formatSize } from '../replay/sizes.ts';
import { type Case, metricOf, pressureOf } from './cases.ts';
import { formatCount, formatDuration, formatRatio } from './text.ts';

export interface OverviewRow {
  readonly name: string;
  readonly spec: MetricSpec;
  readonly cells: readonly { readonly text: string; readonly best: boolean }[];
}

/** What tells most; the others are one click away. */
const KEY = [
  'slowdown',
  'time.total.ns',
  'faults.device',
  'faults.deviceRaw',
  'faults.host',
  'batches',
  'migration.h2d.bytes',
  'migration.d2h.bytes',
  'migration.d2d.bytes',
  'evictions.count',
  'thrash.pages',
  'remote.device.accesses',
  'map.operations',
  'tlb.invalidations',
  'efficiency.movedPerUsed',
  'memory.device.peakAllocatedBytes',
  'accesses.failed',
];
/** Left out of the first table where all runs have 0 of it. */
const ONLY_IF_ANY = new Set(['migration.d2d.bytes', 'remote.device.accesses', 'accesses.failed']);

export function overview(cases: readonly Case[], which: 'key' | 'all'): OverviewRow[] {
  const specs = specsOf(cases);
  const names = which === 'key' ? KEY : [...specs.keys()];
  const rows = names.flatMap((name) => {
    const spec = specs.get(name);
    const values = cases.map((c) => metricOf(c, name));
    if (spec === undefined || values.every((v) => v === null)) return which === 'all' ? [row(name, specs, values)] : [];
    if (which === 'key' && ONLY_IF_ANY.has(name) && values.every((v) => !v)) return [];
    return [row(name, specs, values)];
  });
  return [...footprint(cases), ...rows];
}

/** All metrics that some run has: those of the dictionary in its order, then the models' own. */
function specsOf(cases: readonly Case[]): Map<string, MetricSpec> {
  const specs = new Map<string, MetricSpec>(METRIC_NAMES.map((name) => [name, METRICS[name]]));
  for (const { result, run } of cases) {
    const own = result.manifest.models.find((m) => m.model === run.model && m.preset === run.preset)?.metrics ?? {};
    for (const name of Object.keys(run.metrics)) {
      if (specs.has(name)) continue;
      specs.set(name, (own[name] as MetricSpec | undefined) ?? UNKNOWN);
    }
  }
  return specs;
}

const UNKNOWN: MetricSpec = { unit: 'count', direction: 'neutral', definition: 'of another version of gmem-eval' };

function row(name: string, specs: ReadonlyMap<string, MetricSpec>, values: readonly (number | null)[]): OverviewRow {
  const spec = specs.get(name) ?? UNKNOWN;
  const best = bestOf(spec, values);
  return {
    name,
    spec,
    cells: values.map((value) => ({ text: formatMetric(spec, value), best: value !== null && value === best })),
  };
}

/** Null where nobody is better: one run, no better direction, or the same everywhere. */
function bestOf({ direction }: MetricSpec, values: readonly (number | null)[]): number | null {
  const known = values.filter((v): v is number => v !== null);
  if (direction === 'neutral' || new Set(known).size < 2) return null;
  return direction === 'lower' ? Math.min(...known) : Math.max(...known);
}

export function formatMetric({ unit }: { readonly unit: string }, value: number | null): string {
  if (value === null) return '–';
  if (unit === 'bytes') return formatSize(value);
  if (unit === 'ns') return formatDuration(value);
  return unit === 'ratio' ? formatRatio(value) : formatCount(value);
}

function footprint(cases: readonly Case[]): OverviewRow[] {
  const values = cases.map(pressureOf);
  if (values.every((v) => v === null)) return [];
  return [
    {
      name: 'footprint / memory',
      spec: {
        unit: 'ratio',
        direction: 'neutral',
        definition:
          'peak of the live 2 MiB blocks that a device touches over the memory that the stack really uses; up to 1 nothing is oversubscribed',
      },
      cells: values.map((v) => ({
        text: v === null ? '–' : v <= 1 ? `${v.toFixed(2)} (fits)` : v.toFixed(2),
        best: false,
      })),
    },
  ];
}

/** What a reader must know before believing the numbers, and the warnings of the runs, each once with its stacks. */
export function notesOf(cases: readonly Case[]): string[] {
  const notes: string[] = [];
  const { trace } = cases[0].result.manifest;
  const time = trace.metadata['time'] ?? '';
  if (/instruction/i.test(time)) {
    notes.push(
      `Time in this trace counts instructions (time: ${time}): slowdown compares stacks with each other, it is not that of a real machine.`,
    );
  } else if (!trace.hasTime) {
    notes.push('This trace has no times: all records are issued at once, the modelled time is that of moving memory.');
  }
  if (cases.some((c) => (pressureOf(c) ?? 2) <= 1)) {
    notes.push('Runs marked "fits" are not oversubscribed: the stack uses enough memory for the whole footprint.');
  }
  const warnings = new Map<string, Set<string>>();
  for (const c of cases) {
    for (const text of c.run.warnings) warnings.set(text, (warnings.get(text) ?? new Set()).add(c.stack));
  }
  const everyone = new Set(cases.map((c) => c.stack)).size;
  for (const [text, who] of warnings) {
    notes.push(`Warning${who.size === everyone ? '' : ` of ${[...who].join(', ')}`}: ${text}`);
  }
  return notes;
}

/** One line on a group: what was replayed, and on what. */
export function factsOf({ result: { trace, manifest } }: Case): string[] {
  const peaks = Object.entries(manifest.trace.livePeakBytes).map(([device, bytes]) => `${device} ${formatSize(bytes)}`);
  return [
    `${formatCount(trace.records)} records, ${formatCount(trace.accesses)} accesses, footprint ${formatSize(trace.footprintBytes)}, ` +
      `actors ${trace.actors.join(' ') || 'none'}, ${formatCount(trace.allocations)} allocations` +
      `${trace.inferredAllocations ? ' (inferred)' : ''}, duration ${formatDuration(trace.durationNs)}`,
    `touched and alive at once: ${peaks.join(', ') || 'nothing by devices'}`,
    `${manifest.platform.name}: ${manifest.platform.title}; ${formatCount(manifest.options.inFlight)} touches in flight`,
  ];
}

/** Parameters as used, one row a stack and parameter; where they depend on the size, each with its size. */
export function parametersOf(cases: readonly Case[]): { stack: string; name: string; value: string }[] {
  const rows = new Map<string, { stack: string; name: string; values: Map<string, string[]> }>();
  for (const c of cases) {
    for (const [name, value] of Object.entries(c.run.parameters)) {
      const key = JSON.stringify([c.stack, name]);
      const found = rows.get(key) ?? { stack: c.stack, name, values: new Map<string, string[]>() };
      const text = value === null ? 'unset' : String(value);
      found.values.set(text, [...(found.values.get(text) ?? []), c.size]);
      rows.set(key, found);
    }
  }
  return [...rows.values()].map(({ stack, name, values }) => ({
    stack,
    name,
    value:
      values.size === 1
        ? [...values.keys()][0]
        : [...values].map(([text, sizes]) => `${text} (${sizes.join(', ')})`).join('; '),
  }));
}
