/** What a kind of figure is: a file of `kinds/`. */

import { codeUrl } from '../code.ts';
import { ConfigurationError, didYouMean } from '../replay/configuration-error.ts';
import { METRICS, type MetricSpec } from '../replay/metrics.ts';
import { defaultExport, modulesOf } from '../replay/registry.ts';
import { type Case, metricOf } from '../report/cases.ts';
import type { DataTable, Figure } from './figure.ts';
import type { Heat, Layer } from './heat.ts';

export interface BuildOptions {
  readonly scale: 'auto' | 'linear' | 'log';
  readonly layer: Layer;
  /** Of the event file of each result, by its number; empty without event files. */
  readonly heats: readonly Heat[];
}

export interface FigureKind {
  readonly name: string;
  readonly title: string;
  /** Drawn from `--events`. */
  readonly needsEvents?: boolean;
  build(cases: readonly Case[], options: BuildOptions): Figure;
}

const KINDS = codeUrl('./figures/kinds/');

export function kindNames(): string[] {
  return [...modulesOf(KINDS).keys()];
}

export async function loadKind(name: string): Promise<FigureKind> {
  const url = modulesOf(KINDS).get(name);
  if (url === undefined) {
    throw new ConfigurationError(
      `no figure kind "${name}"`,
      `${didYouMean(name, kindNames())}known are ${kindNames().join(', ')}`,
    );
  }
  return defaultExport(url);
}

/** Parts of a stacked bar on a logarithmic axis would lie about their shares. */
export function linearOnly(kind: string, scale: BuildOptions['scale']): void {
  if (scale !== 'log') return;
  throw new ConfigurationError(
    `${kind}: stacked bars on a logarithmic axis`,
    'leave --scale out: lengths of parts mean nothing there',
  );
}

/** A figure of metrics, with its tables. */
export function metricFigure(
  cases: readonly Case[],
  metrics: readonly string[],
  drawn: Omit<Figure, 'table' | 'tidy'>,
): Figure {
  return { ...drawn, table: wide(cases, metrics), tidy: tidy(cases, metrics) };
}

function wide(cases: readonly Case[], metrics: readonly string[]): DataTable {
  return {
    columns: ['trace', 'platform', 'stack', 'memory', ...metrics],
    rows: cases.map((c) => [
      c.result.manifest.trace.name,
      c.result.manifest.platform.name,
      c.stack,
      c.size,
      ...metrics.map((name) => metricOf(c, name)),
    ]),
  };
}

/** As `--format csv` writes it. */
function tidy(cases: readonly Case[], metrics: readonly string[]): DataTable {
  return {
    columns: [
      'trace',
      'model',
      'preset',
      'platform',
      'oversubscription',
      'capacity',
      'stack',
      'metric',
      'unit',
      'value',
    ],
    rows: cases.flatMap((c) =>
      metrics.map((name) => [
        c.result.manifest.trace.name,
        c.run.model,
        c.run.preset,
        c.result.manifest.platform.name,
        c.run.oversubscription,
        capacity(c),
        c.stack,
        name,
        (METRICS as Readonly<Record<string, MetricSpec>>)[name]?.unit ?? null,
        metricOf(c, name),
      ]),
    ),
  };
}

function capacity({ run }: Case): string | null {
  if (run.capacityBytes === null) return null;
  return Object.entries(run.capacityBytes)
    .map(([device, bytes]) => `${device}=${bytes}`)
    .join('/');
}
