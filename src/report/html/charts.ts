import { type ChartConfig, chartConfig, heightInLines, type Style } from '../../figures/config.ts';
import type { BarChart, Figure, LineChart } from '../../figures/figure.ts';
import type { BuildOptions, FigureKind } from '../../figures/kind.ts';
import faults from '../../figures/kinds/faults.ts';
import migration from '../../figures/kinds/migration.ts';
import slowdown from '../../figures/kinds/slowdown-vs-oversubscription.ts';
import time from '../../figures/kinds/time-breakdown.ts';
import { METRICS, type MetricSpec } from '../../replay/metrics.ts';
import { type Case, metricOf, pressureOf } from '../cases.ts';
import { formatMetric } from '../overview.ts';
import { type Html, html } from './escape.ts';
import { plainTable } from './tables.ts';

export interface DrawnChart {
  readonly id: string;
  readonly config: ChartConfig;
  readonly heightPx: number;
  readonly body: Html;
}

const STYLE: Style = { fontSize: 13, lineWidth: 2, pointRadius: 5 };
const OPTIONS: BuildOptions = { scale: 'auto', layer: 'residency', heats: [] };

/** The figures of a group that its runs allow. */
export function charts(cases: readonly Case[], id: (part: string) => string): DrawnChart[] {
  const kinds: FigureKind[] = [faults, migration, time];
  if (hasCurves(cases)) kinds.unshift(slowdown);
  return kinds.map((kind) => drawn(kind, kind.build(cases, OPTIONS), id(kind.name)));
}

/** A slowdown at two or more sizes. */
function hasCurves(cases: readonly Case[]): boolean {
  const usable = cases.filter(
    (c) => metricOf(c, 'slowdown') !== null && (c.run.oversubscription ?? pressureOf(c)) !== null,
  );
  return new Set(usable.map((c) => c.size)).size > 1;
}

function drawn(kind: FigureKind, figure: Figure, id: string): DrawnChart {
  const chart = figure.chart as BarChart | LineChart;
  const { columns, rows } = figure.table;
  // Trace and machine are those of the group.
  const kept = columns.map((_, i) => i).filter((i) => !['trace', 'platform'].includes(columns[i]));
  const text = (column: string, value: string | number | null): string =>
    typeof value === 'string'
      ? value
      : formatMetric((METRICS as Readonly<Record<string, MetricSpec>>)[column] ?? { unit: 'count' }, value);
  return {
    id,
    config: chartConfig(chart, STYLE),
    heightPx: Math.round(heightInLines(chart) * STYLE.fontSize * (chart.type === 'lines' ? 1.25 : 1.45)),
    body: html`
<figure aria-labelledby="${id}-title">
<h3 id="${id}-title">${kind.title}</h3>
<figcaption>${figure.caption}</figcaption>
<div class="chart"><canvas id="${id}" role="img" aria-label="${kind.title}, as a chart. The table below it has the same numbers."></canvas></div>
<details><summary>${kind.title}: the numbers</summary>
${plainTable(
  `${kind.title}: the numbers`,
  kept.map((i) => columns[i]),
  rows.map((row) => kept.map((i) => text(columns[i], row[i]))),
)}
</details>
</figure>`,
  };
}
