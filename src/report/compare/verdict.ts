/**
 * Pass or fail: the one place that decides. Every report format and the exit status read what is decided here.
 *
 * Counters are deterministic, so a metric that got worse by anything is worse, unless a rule tolerates it.
 */

import type { Direction } from '../../replay/metrics.ts';

/** Of one metric in one run, worst first. */
export const METRIC_VERDICTS = ['worse', 'tolerated', 'missing', 'neutral', 'better', 'same'] as const;
export type MetricVerdict = (typeof METRIC_VERDICTS)[number];

/** Of the whole: `accepted` = worse, but the new results become the baseline; `incomparable` = something is missing. */
export const VERDICTS = ['pass', 'regression', 'accepted', 'incomparable'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** How much worse a metric may get. */
export type Tolerance =
  | { readonly kind: 'absolute'; readonly amount: number }
  | { readonly kind: 'percent'; readonly percent: number }
  | { readonly kind: 'any' };

export const NO_TOLERANCE: Tolerance = { kind: 'absolute', amount: 0 };

export function judgeMetric(
  direction: Direction,
  base: number | null,
  now: number | null,
  tolerance: Tolerance,
): MetricVerdict {
  if (base === now) return 'same';
  if (base === null || now === null) return 'missing';
  if (direction === 'neutral') return 'neutral';
  const worseBy = direction === 'lower' ? now - base : base - now;
  if (worseBy < 0) return 'better';
  return isTolerated(tolerance, worseBy, Math.abs(base)) ? 'tolerated' : 'worse';
}

/** Percent of 0 is 0: what was absent before may not appear. */
function isTolerated(tolerance: Tolerance, worseBy: number, base: number): boolean {
  if (tolerance.kind === 'any') return true;
  if (tolerance.kind === 'absolute') return worseBy <= tolerance.amount;
  return worseBy * 100 <= tolerance.percent * base;
}

export interface Circumstances {
  /** What only one side has is no error. */
  readonly allowMissing: boolean;
  /** The new results become the baseline. */
  readonly accept: boolean;
}

/** `missing`: how many things only one side has. */
export function judgeAll(
  metrics: Iterable<MetricVerdict>,
  missing: number,
  { allowMissing, accept }: Circumstances,
): Verdict {
  if (missing > 0 && !allowMissing && !accept) return 'incomparable';
  for (const verdict of metrics) if (verdict === 'worse') return accept ? 'accepted' : 'regression';
  return 'pass';
}

/** Whether this metric makes the whole fail. */
export function fails(whole: Verdict, metric: MetricVerdict): boolean {
  return whole === 'regression' && metric === 'worse';
}
