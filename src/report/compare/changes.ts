/** What changed, ranked and in words, for every report of a comparison. */

import { formatCount } from '../text.ts';
import type { ComparedMetric, Comparison } from './comparison.ts';
import { METRIC_VERDICTS, type MetricVerdict } from './verdict.ts';

export interface Change extends ComparedMetric {
  readonly run: string;
}

/** What each verdict is called in a report. */
export const WORDS: Readonly<Record<MetricVerdict, string>> = {
  worse: 'worse',
  tolerated: 'worse within tolerance',
  missing: 'not comparable',
  neutral: 'changed',
  better: 'better',
  same: 'unchanged',
};

/** Everything but the unchanged: worst first, by verdict, then by how much of the base, then by how much. */
export function ranked(comparison: Comparison): Change[] {
  const changes = comparison.runs.flatMap((run) =>
    run.metrics.filter((m) => m.verdict !== 'same').map((m): Change => ({ ...m, run: run.run })),
  );
  const rank = (change: Change): number => METRIC_VERDICTS.indexOf(change.verdict);
  // What appeared out of nothing has no share: it is the largest.
  const share = (change: Change): number => Math.abs(change.relative ?? Number.MAX_VALUE);
  const size = (change: Change): number => Math.abs(change.delta ?? Number.MAX_VALUE);
  return changes.sort((a, b) => rank(a) - rank(b) || share(b) - share(a) || size(b) - size(a));
}

export function counts(comparison: Comparison): Record<MetricVerdict, number> {
  const found = Object.fromEntries(METRIC_VERDICTS.map((verdict) => [verdict, 0])) as Record<MetricVerdict, number>;
  for (const run of comparison.runs) for (const metric of run.metrics) found[metric.verdict]++;
  return found;
}

/** `2 worse, 1 better, 237 unchanged in 4 runs`. */
export function summary(comparison: Comparison): string {
  const found = counts(comparison);
  const parts = METRIC_VERDICTS.filter(
    (verdict) => found[verdict] > 0 || verdict === 'worse' || verdict === 'same',
  ).map((verdict) => `${formatCount(found[verdict])} ${WORDS[verdict]}`);
  return `${parts.join(', ')} in ${comparison.runs.length} ${comparison.runs.length === 1 ? 'run' : 'runs'}`;
}

/** Exact: a change of one byte must show. */
export function valueText(value: number | null): string {
  if (value === null) return 'null';
  return Number.isInteger(value) ? formatCount(value) : String(value);
}

export function deltaText({ delta }: ComparedMetric): string {
  if (delta === null) return '-';
  const rounded = Number.isInteger(delta) ? delta : Number(delta.toPrecision(6));
  return `${delta > 0 ? '+' : ''}${valueText(rounded)}`;
}

/** `+16.7 %`; three figures, so that nothing is rounded to no change. */
export function relativeText({ delta, relative }: ComparedMetric): string {
  if (delta === null) return '-';
  if (relative === null) return 'from 0';
  const percent = relative * 100;
  const text = Math.abs(percent) >= 1000 ? formatCount(Math.round(percent)) : String(Number(percent.toPrecision(3)));
  return `${percent > 0 ? '+' : ''}${text} %`;
}

/** `faults.device 6 -> 7 (+1, +16.7 %; lower is better)`. */
export function sentence(change: ComparedMetric): string {
  const side = change.direction === 'neutral' ? '' : `; ${change.direction} is better`;
  return `${change.metric} ${valueText(change.base)} -> ${valueText(change.new)} (${deltaText(change)}, ${relativeText(change)}${side})`;
}

/** `uvm: parameters.prefetch true -> false`. */
export function setupLines(comparison: Comparison): string[] {
  const line = (prefix: string, list: Comparison['setup']): string[] =>
    list.map((s) => `${prefix}${s.name} ${String(s.base)} -> ${String(s.new)}`);
  return [...line('', comparison.setup), ...comparison.runs.flatMap((run) => line(`${run.run}: `, run.setup))];
}

/** The heading of every report. */
export function verdictText(comparison: Comparison): string {
  return {
    pass: 'no regression',
    regression: 'regression',
    accepted: 'regression, accepted as the new baseline',
    incomparable: 'not comparable',
  }[comparison.verdict];
}
