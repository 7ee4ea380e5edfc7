/** The comparison of two results, `gmem-eval/comparison@1`: what every report of it is rendered from. */

import { z } from 'zod';
import { METRICS, type MetricSpec } from '../../replay/metrics.ts';
import type { Comparable } from '../read-result.ts';
import { visible } from '../text.ts';
import { type Pair, pairRuns } from './pair.ts';
import { type Rule, ruleFor } from './rules.ts';
import { type Circumstances, judgeAll, judgeMetric, METRIC_VERDICTS, NO_TOLERANCE, VERDICTS } from './verdict.ts';

export const COMPARISON_SCHEMA = 'gmem-eval/comparison@1';

const side = z.strictObject({
  file: z.string(),
  version: z.string().describe('of the gmem-eval that made it'),
  trace: z.string(),
  sha256: z.string(),
});
const setting = z.union([z.number(), z.boolean(), z.string(), z.null()]);
const settings = z.array(z.strictObject({ name: z.string(), base: setting, new: setting }));
const value = z.number().nullable();

export const comparisonSchema = z.strictObject({
  schema: z.literal(COMPARISON_SCHEMA),
  verdict: z.enum(VERDICTS),
  base: side,
  new: side,
  missing: z.array(z.string()).describe('what only one side has, and so was not judged'),
  setup: settings.describe('machine and options that differ; reported, not judged'),
  runs: z.array(
    z.strictObject({
      run: z.string(),
      model: z.string(),
      preset: z.string().nullable(),
      setup: settings.describe('parameters and sizes that differ; reported, not judged'),
      metrics: z.array(
        z.strictObject({
          metric: z.string(),
          unit: z.string(),
          direction: z.enum(['lower', 'higher', 'neutral']),
          base: value,
          new: value,
          delta: value.describe('new - base'),
          relative: value.describe('delta / |base|; null where base is 0'),
          tolerance: z.string().nullable().describe('as the rule that fits says; null = none'),
          rule: z.string().nullable().describe('FILE:LINE of that rule'),
          verdict: z.enum(METRIC_VERDICTS),
        }),
      ),
    }),
  ),
});

export type Comparison = z.infer<typeof comparisonSchema>;
export type ComparedRun = Comparison['runs'][number];
export type ComparedMetric = ComparedRun['metrics'][number];

type ComparableRun = Comparable['runs'][number];

export interface Side {
  readonly file: string;
  readonly result: Comparable;
}

export function compareResults(base: Side, now: Side, rules: readonly Rule[], how: Circumstances): Comparison {
  const missing: string[] = [];
  const { trace } = now.result.manifest;
  if (base.result.manifest.trace.sha256 !== trace.sha256) {
    missing.push(
      `the traces differ: ${visible(base.result.manifest.trace.name)} has SHA-256 ${base.result.manifest.trace.sha256.slice(0, 12)}..., ${visible(trace.name)} ${trace.sha256.slice(0, 12)}...`,
    );
  }
  const pairing = pairRuns({ file: base.file, runs: base.result.runs }, { file: now.file, runs: now.result.runs });
  for (const title of pairing.onlyBase) missing.push(`run "${title}" is only in ${visible(base.file)}`);
  for (const title of pairing.onlyNow) missing.push(`run "${title}" is only in ${visible(now.file)}`);
  const runs = pairing.pairs.map((pair) => compareRun(pair, base, now, rules, missing));
  const verdicts = runs.flatMap((run) => run.metrics.map((m) => m.verdict));
  return {
    schema: COMPARISON_SCHEMA,
    verdict: judgeAll(verdicts, missing.length, how),
    base: sideOf(base),
    new: sideOf(now),
    missing,
    setup: differences(setupOf(base.result), setupOf(now.result)),
    runs,
  };
}

function sideOf({ file, result }: Side): Comparison['base'] {
  const { tool, trace } = result.manifest;
  return { file, version: tool.version, trace: trace.name, sha256: trace.sha256 };
}

function compareRun(pair: Pair, base: Side, now: Side, rules: readonly Rule[], missing: string[]): ComparedRun {
  const { model, preset } = pair.now;
  const trace = now.result.manifest.trace.name;
  const names = new Set([...Object.keys(pair.base.metrics), ...Object.keys(pair.now.metrics)]);
  return {
    run: pair.title,
    model,
    preset,
    setup: differences(setupOfRun(pair.base), setupOfRun(pair.now)),
    metrics: [...names].map((metric): ComparedMetric => {
      const [before, after] = [measured(pair.base, metric), measured(pair.now, metric)];
      const spec = specOf(metric, model, now.result) ?? specOf(metric, model, base.result);
      const lack = lacks(pair, metric, spec, base, now);
      if (lack !== null) missing.push(`${visible(metric)} of "${pair.title}" ${lack}`);
      const rule = ruleFor(rules, { metric, model, preset, trace });
      const direction = spec?.direction ?? 'neutral';
      const delta = before === null || after === null ? null : after - before;
      return {
        metric,
        unit: spec?.unit ?? '',
        direction,
        base: before,
        new: after,
        delta,
        relative: delta === null || before === 0 ? null : delta / Math.abs(before!),
        tolerance: rule?.text ?? null,
        rule: rule?.where ?? null,
        verdict:
          lack === null
            ? judgeMetric(
                direction,
                orNothing(metric, before),
                orNothing(metric, after),
                rule?.tolerance ?? NO_TOLERANCE,
              )
            : 'missing',
      };
    }),
  };
}

function measured(run: ComparableRun, metric: string): number | null {
  return Object.hasOwn(run.metrics, metric) ? run.metrics[metric] : null;
}

/** This one is null where nothing moved (metric dictionary): nothing for something used, not an unknown. */
function orNothing(metric: string, given: number | null): number | null {
  return metric === 'efficiency.movedPerUsed' ? (given ?? 0) : given;
}

/** Why a metric cannot be judged, or null. */
function lacks(pair: Pair, metric: string, spec: MetricSpec | null, base: Side, now: Side): string | null {
  const has = (run: ComparableRun): boolean => Object.hasOwn(run.metrics, metric);
  if (!has(pair.base)) return `is only in ${visible(now.file)}`;
  if (!has(pair.now)) return `is only in ${visible(base.file)}`;
  if (spec === null) return 'is in no dictionary: which way is better is unknown';
  const [before, after] = [pair.base, pair.now].map((run) => orNothing(metric, run.metrics[metric]));
  if (before === null && after !== null) return `is null in ${visible(base.file)} and a number in ${visible(now.file)}`;
  if (before !== null && after === null) return `is a number in ${visible(base.file)} and null in ${visible(now.file)}`;
  return null;
}

function specOf(metric: string, model: string, result: Comparable): MetricSpec | null {
  if (Object.hasOwn(METRICS, metric)) return METRICS[metric as keyof typeof METRICS];
  for (const entry of result.manifest.models) {
    if (entry.model !== model || !Object.hasOwn(entry.metrics, metric)) continue;
    const { unit, direction, definition } = entry.metrics[metric];
    if (direction === 'lower' || direction === 'higher' || direction === 'neutral')
      return { unit, direction, definition };
  }
  return null;
}

/** What the numbers also depend on, besides trace and runs. */
function setupOf({ manifest, trace }: Comparable): unknown {
  const { title: _title, sources: _sources, ...platform } = manifest.platform;
  const { inFlight = null, host = null } = manifest.options;
  return { platform, inFlight, host, trace };
}

function setupOfRun({ parameters, capacityBytes, effectiveCapacityBytes, warnings }: ComparableRun): unknown {
  return {
    parameters,
    capacityBytes,
    effectiveCapacityBytes,
    warning: Object.fromEntries(warnings.map((text) => [text, true])),
  };
}

/** Leaves that differ, by dotted name. */
function differences(base: unknown, now: unknown, name = ''): Comparison['setup'] {
  if (isRecord(base) || isRecord(now)) {
    const [a, b] = [isRecord(base) ? base : {}, isRecord(now) ? now : {}];
    return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) =>
      differences(
        Object.hasOwn(a, key) ? a[key] : null,
        Object.hasOwn(b, key) ? b[key] : null,
        name === '' ? key : `${name}.${key}`,
      ),
    );
  }
  const [a, b] = [leaf(base), leaf(now)];
  return a === b ? [] : [{ name, base: a, new: b }];
}

function isRecord(thing: unknown): thing is Record<string, unknown> {
  return thing !== null && typeof thing === 'object' && !Array.isArray(thing);
}

function leaf(thing: unknown): string | number | boolean | null {
  return typeof thing === 'number' || typeof thing === 'boolean' || thing === null
    ? thing
    : Array.isArray(thing)
      ? thing.join(' ')
      : String(thing);
}
