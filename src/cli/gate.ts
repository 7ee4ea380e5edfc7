/** New results held against a baseline: what `compare` and `run --baseline` share. */

import { existsSync, readFileSync } from 'node:fs';
import { ConfigurationError } from '../replay/configuration-error.ts';
import { METRIC_NAMES } from '../replay/metrics.ts';
import type { ModelDefinition } from '../replay/model.ts';
import { allModels } from '../replay/registry.ts';
import { counts, ranked, sentence } from '../report/compare/changes.ts';
import { type Comparison, compareResults, type Side } from '../report/compare/comparison.ts';
import type { Known } from '../report/compare/read-rules.ts';
import { type ComparisonFormat, loadComparisonFormat } from '../report/compare/registry.ts';
import { findConfig } from '../report/compare/rules.ts';
import json from '../report/formats/json.ts';
import { type Comparable, readComparable } from '../report/read-result.ts';
import { RESULT_SCHEMA, type Result } from '../report/result.ts';
import type { OutputFile } from './output-file.ts';
import { RegressionError } from './regression-error.ts';

export interface GateOptions {
  readonly format: string;
  /** `FORMAT=FILE`, besides the answer. */
  readonly report?: readonly string[];
  readonly config?: string;
  readonly allowMissing?: true;
  readonly updateBaseline?: true;
}

export interface Gate {
  readonly format: ComparisonFormat;
  /** What it will write, by the option that says so. */
  readonly targets: readonly { readonly option: string; readonly path: string }[];
  /** Opens what it will write besides the answer. */
  open(open: (path: string) => OutputFile): void;
  /** Compares, fills the open files, and gives the answer. */
  judge(now: Side, color: boolean): string;
  /** Throws when a metric got worse. */
  conclude(): void;
}

/** Reads all that can be wrong before the new results are there. `own` = what rules may name since those have it. */
export async function loadGate(basePath: string, options: GateOptions, own: Known): Promise<Gate> {
  const format = await loadComparisonFormat(options.format);
  const reports = await Promise.all((options.report ?? []).map(reportTarget));
  const base = readBase(basePath, options);
  const update = options.updateBaseline === true;
  const how = { allowMissing: options.allowMissing === true, accept: update };
  const config = options.config ?? findConfig('.');
  const rules =
    config === null ? [] : (await import('../report/compare/read-rules.ts')).readRules(config, await known(own, base));

  const files: OutputFile[] = [];
  let baseline: OutputFile | null = null;
  let comparison: Comparison | null = null;
  return {
    format,
    targets: [
      ...reports.map(({ path }) => ({ option: '--report', path })),
      ...(update ? [{ option: '--baseline', path: basePath }] : []),
    ],
    open(open) {
      for (const { path } of reports) files.push(open(path));
      if (update) baseline = open(basePath);
    },
    judge(now, color) {
      const old = base ?? { ...now.result, runs: [] };
      comparison = compareResults({ file: basePath, result: old }, now, rules, how);
      if (comparison.verdict === 'incomparable') throw incomparable(comparison);
      for (const [i, report] of reports.entries()) files[i].write(report.format.render(comparison, { color: false }));
      // Only `run` updates: its result is whole.
      baseline?.write(json.render(now.result as Result));
      return format.render(comparison, { color });
    },
    conclude() {
      if (comparison?.verdict === 'regression') throw regression(comparison);
    },
  };
}

async function reportTarget(text: string): Promise<{ format: ComparisonFormat; path: string }> {
  const match = /^([^=]+)=(.+)$/s.exec(text);
  if (match === null) {
    throw new ConfigurationError(`--report ${text}: not FORMAT=FILE`, 'write for example --report junit=gmem-eval.xml');
  }
  return { format: await loadComparisonFormat(match[1]), path: match[2] };
}

/** Null where there is none yet, or one of another version, and that is to be accepted. */
function readBase(path: string, { allowMissing, updateBaseline }: GateOptions): Comparable | null {
  if ((allowMissing || updateBaseline) && path !== '-' && !existsSync(path)) return null;
  if (updateBaseline && isResultOfAnotherVersion(path)) return null;
  return readComparable(path);
}

/** What is no result at all is never overwritten: the path may be a slip. */
function isResultOfAnotherVersion(path: string): boolean {
  try {
    const { schema } = JSON.parse(readFileSync(path, 'utf8')) as { schema?: unknown };
    return typeof schema === 'string' && schema.startsWith('gmem-eval/result@') && schema !== RESULT_SCHEMA;
  } catch {
    return false;
  }
}

async function known(own: Known, base: Comparable | null): Promise<Known> {
  const models = await allModels();
  const sources: Known[] = [{ metrics: METRIC_NAMES, models: [] }, knownOfModels(models), own];
  if (base !== null) sources.push(knownOfResult(base));
  return { metrics: sources.flatMap((s) => s.metrics), models: sources.flatMap((s) => s.models) };
}

export function knownOfModels(models: readonly ModelDefinition[]): Known {
  return {
    metrics: models.flatMap((model) => Object.keys(model.metrics ?? {}).map((name) => `${model.name}.${name}`)),
    models: models.map((model) => model.name),
  };
}

export function knownOfResult({ runs }: Comparable): Known {
  return { metrics: runs.flatMap((run) => Object.keys(run.metrics)), models: runs.map((run) => run.model) };
}

const MOST_NAMED = 5;

function incomparable({ base, new: now, missing }: Comparison): ConfigurationError {
  const more = missing.length > MOST_NAMED ? [`and ${missing.length - MOST_NAMED} more`] : [];
  const list = [...missing.slice(0, MOST_NAMED), ...more].join('\n  - ');
  return new ConfigurationError(
    `${now.file} cannot be judged against ${base.file}:\n  - ${list}`,
    'judge what both have with --allow-missing, or make the baseline again with `gmem-eval run --baseline FILE --update-baseline`',
  );
}

function regression(comparison: Comparison): RegressionError {
  const { worse } = counts(comparison);
  const [worst] = ranked(comparison);
  return new RegressionError(
    `regression: ${worse} ${worse === 1 ? 'metric' : 'metrics'} got worse${worse === 1 ? '' : '; the worst'}: ${worst.run}: ${sentence(worst)}`,
  );
}
