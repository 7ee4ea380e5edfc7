import pc from 'picocolors';
import { formatSize } from '../../replay/sizes.ts';
import type { ReportFormat } from '../registry.ts';
import type { Result, RunResult } from '../result.ts';
import { formatCount, formatDuration, formatRatio, visible, wrap } from '../text.ts';

const WIDTH = 100;
const GAP = 2;

interface Row {
  readonly label: string;
  readonly value: (run: RunResult, result: Result) => number | null;
  readonly show: (value: number) => string;
  /** Left out of a section where it is 0 in every run. */
  readonly onlyIfAny?: boolean;
}

const of = (metric: string) => (run: RunResult) => run.metrics[metric];
const row = (label: string, metric: string, show: Row['show'], onlyIfAny = false): Row => ({
  label,
  value: of(metric),
  show,
  onlyIfAny,
});

const ROWS: readonly Row[] = [
  row('device faults', 'faults.device', formatCount),
  row('  raw entries', 'faults.deviceRaw', formatCount),
  row('host faults', 'faults.host', formatCount),
  row('batches', 'batches', formatCount),
  row('host to device', 'migration.h2d.bytes', formatSize),
  row('device to host', 'migration.d2h.bytes', formatSize),
  row('device to device', 'migration.d2d.bytes', formatSize, true),
  row('  by device faults', 'migration.by.deviceFault.bytes', formatSize, true),
  row('  by host faults', 'migration.by.hostFault.bytes', formatSize, true),
  row('  by speculation', 'migration.by.speculation.bytes', formatSize, true),
  row('  by hints', 'migration.by.hint.bytes', formatSize, true),
  row('  by eviction', 'migration.by.eviction.bytes', formatSize, true),
  row('  by launches', 'migration.by.launch.bytes', formatSize, true),
  row('  by access counters', 'migration.by.counter.bytes', formatSize, true),
  row('  by copies', 'migration.by.copy.bytes', formatSize, true),
  row('evictions', 'evictions.count', formatCount),
  row('thrashed pages', 'thrash.pages', formatCount),
  {
    label: 'remote accesses',
    value: ({ metrics: m }) => sumOrNull(m['remote.device.accesses'], m['remote.host.accesses']),
    show: formatCount,
  },
  row('failed accesses', 'accesses.failed', formatCount, true),
  row('modelled time', 'time.total.ns', formatDuration),
  row('slowdown', 'slowdown', (value) => `${formatRatio(value)} x`),
];

const FOOTPRINT: Row = {
  label: 'footprint / memory',
  value: pressure,
  show: (value) => (value <= 1 ? `${value.toFixed(2)} (fits)` : value.toFixed(2)),
};

/** For people: stacks side by side, one section a memory size. */
export default {
  name: 'table',
  title: 'stacks side by side, for reading',
  extension: 'txt',
  render(result, { color }) {
    const paint = pc.createColors(color);
    const lines = [...heading(result, paint), ''];
    for (const section of sections(result)) {
      lines.push(paint.bold(section.title));
      for (const group of columnGroups(result, section.runs)) lines.push(...table(result, group, paint), '');
    }
    lines.push(...remarks(result, paint));
    while (lines.at(-1) === '') lines.pop();
    return `${lines.join('\n')}\n`;
  },
} satisfies ReportFormat;

type Paint = ReturnType<typeof pc.createColors>;

function heading(result: Result, paint: Paint): string[] {
  const { manifest, trace } = result;
  const about = [
    `records ${formatCount(trace.records)}`,
    `accesses ${formatCount(trace.accesses)}`,
    `duration ${formatDuration(trace.durationNs)}`,
    `actors ${trace.actors.join(' ') || 'none'}`,
  ].join(', ');
  const peaks = Object.entries(manifest.trace.livePeakBytes).map(([device, bytes]) => `${device} ${formatSize(bytes)}`);
  const memory = [
    `footprint ${formatSize(trace.footprintBytes)}`,
    `allocations ${formatCount(trace.allocations)}${trace.inferredAllocations ? ' (inferred)' : ''}`,
    `touched and alive at once ${peaks.join(', ') || 'nothing by devices'}`,
  ].join(', ');
  const machine = `${manifest.platform.name}: ${manifest.platform.title}; ${formatCount(manifest.options.inFlight)} in flight`;
  return [
    paint.bold(visible(manifest.trace.name)),
    ...wrap(visible(about), WIDTH),
    ...wrap(visible(memory), WIDTH),
    ...wrap(visible(machine), WIDTH),
  ];
}

/** Runs of one memory size, in the order of the result. */
function sections(result: Result): { title: string; runs: RunResult[] }[] {
  const found = new Map<string, RunResult[]>();
  for (const run of result.runs) {
    const title = sizeTitle(run);
    const runs = found.get(title);
    if (runs === undefined) found.set(title, [run]);
    else runs.push(run);
  }
  return [...found].map(([title, runs]) => ({ title, runs }));
}

function sizeTitle(run: RunResult): string {
  if (run.capacityBytes === null) return 'device memory: unlimited';
  const sizes = Object.entries(run.capacityBytes).map(([device, bytes]) => `${device} ${formatSize(bytes)}`);
  const asked = run.oversubscription === null ? '' : ` (oversubscription ${run.oversubscription})`;
  return visible(`device memory: ${sizes.join(', ') || 'no device'}${asked}`);
}

/** Peak of the live blocks that a device touches over what the stack really uses; of the fullest device. */
function pressure(run: RunResult, result: Result): number | null {
  const capacity = run.effectiveCapacityBytes;
  if (capacity === null) return null;
  const ratios = Object.entries(result.manifest.trace.livePeakBytes).map(([device, bytes]) => bytes / capacity[device]);
  return Math.max(0, ...ratios);
}

/** As many runs side by side as fit the width. */
function columnGroups(result: Result, runs: RunResult[]): RunResult[][] {
  const groups: RunResult[][] = [];
  let room = 0;
  for (const run of runs) {
    const width = GAP + columnWidth(result, run);
    if (groups.length === 0 || width > room) {
      groups.push([]);
      room = WIDTH - labelWidth();
    }
    groups.at(-1)!.push(run);
    room -= width;
  }
  return groups;
}

function labelWidth(): number {
  return Math.max(...[FOOTPRINT, ...ROWS].map((r) => r.label.length));
}

function columnWidth(result: Result, run: RunResult): number {
  const cells = [FOOTPRINT, ...ROWS].map((r) => cellText(r, run, result).length);
  // Wide enough for most values, so that sections line up below each other.
  return Math.max(12, columnTitle(run).length, ...cells);
}

function columnTitle(run: RunResult): string {
  return visible(run.preset === null ? run.model : `${run.model}:${run.preset}`);
}

function cellText(line: Row, run: RunResult, result: Result): string {
  const value = line.value(run, result);
  return value === null ? '-' : line.show(value);
}

function table(result: Result, runs: readonly RunResult[], paint: Paint): string[] {
  const widths = runs.map((run) => columnWidth(result, run));
  const line = (label: string, cells: readonly string[]) =>
    label.padEnd(labelWidth()) + cells.map((cell, i) => ' '.repeat(GAP) + cell.padStart(widths[i])).join('');
  const lines = [paint.cyan(line('', runs.map(columnTitle)))];
  const limited = runs.some((run) => run.effectiveCapacityBytes !== null);
  for (const each of limited ? [FOOTPRINT, ...ROWS] : ROWS) {
    if (each.onlyIfAny && runs.every((run) => (each.value(run, result) ?? 0) === 0)) continue;
    const text = line(
      each.label,
      runs.map((run) => cellText(each, run, result)),
    );
    lines.push(each.label === 'failed accesses' ? paint.red(text) : text);
  }
  return lines.map((text) => text.trimEnd());
}

function remarks(result: Result, paint: Paint): string[] {
  const { manifest, runs } = result;
  const notes: string[] = [];
  if (/instruction/i.test(manifest.trace.metadata['time'] ?? '')) {
    notes.push(
      `Time in this trace counts instructions (time: ${manifest.trace.metadata['time']}): slowdown compares stacks with each other, it is not that of a real machine.`,
    );
  } else if (!manifest.trace.hasTime) {
    notes.push('This trace has no times: all records are issued at once, the modelled time is that of moving memory.');
  }
  const limited = runs.filter((run) => run.effectiveCapacityBytes !== null);
  if (limited.length > 0 && limited.every((run) => (pressure(run, result) ?? 0) <= 1)) {
    notes.push(
      'The footprint fits the device memory in every run: nothing is oversubscribed. A ratio above 1 or less memory shows eviction.',
    );
  } else if (limited.some((run) => (pressure(run, result) ?? 0) <= 1)) {
    notes.push('Runs marked "fits" are not oversubscribed: the stack uses enough memory for the whole footprint.');
  }
  const warnings = new Map<string, string[]>();
  for (const run of runs) {
    for (const text of run.warnings) {
      const who = warnings.get(text) ?? [];
      if (!who.includes(columnTitle(run))) who.push(columnTitle(run));
      warnings.set(text, who);
    }
  }
  const everyone = new Set(runs.map(columnTitle)).size;
  for (const [text, who] of warnings)
    notes.push(`warning: ${who.length === everyone ? '' : `${who.join(', ')}: `}${text}`);
  return notes.flatMap((note) => wrap(visible(note), WIDTH, '  ').map((text) => paint.yellow(text)));
}

function sumOrNull(a: number | null, b: number | null): number | null {
  return a === null && b === null ? null : (a ?? 0) + (b ?? 0);
}
