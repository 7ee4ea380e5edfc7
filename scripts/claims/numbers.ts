/** How numbers are looked up and written in verdicts and tables. */
import type { Table } from './claim.ts';
import type { Metrics, Runs } from './experiment.ts';

/** Stacks of the tables, in the order of the default runs. */
export const STACKS = ['gmem', 'uvm', 'kfd', 'hmm'] as const;

/** Nobody published the latency of a GMEM message: verdicts that depend on it are taken at each of these. */
export const MESSAGE_US = [1, 5, 20, 100] as const;

/** A metric that must be there: absence is an error, never 0. */
export function number(metrics: Metrics, name: string): number {
  const value = metrics[name];
  if (typeof value !== 'number') throw new Error(`no number for ${name}`);
  return value;
}

export function count(value: number, digits = 0): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: digits });
}

export const times = (value: number): string => `${count(value, value < 10 ? 2 : 0)} times`;
export const percent = (share: number): string => `${count(100 * share)} %`;
export const microseconds = (ns: number): string => `${count(ns / 1_000, ns < 100_000 ? 1 : 0)} us`;

export function bytes(value: number): string {
  for (const [unit, size] of [
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
    ['KiB', 2 ** 10],
  ] as const) {
    if (value >= size) return `${count(value / size, value / size < 10 ? 2 : 0)} ${unit}`;
  }
  return `${count(value)} B`;
}

/** `a`, `a and b`, `a, b and c`. */
export function list(items: readonly string[]): string {
  if (items.length < 2) return items.join('');
  return `${items.slice(0, -1).join(', ')} and ${items[items.length - 1]}`;
}

/** What is shown of one run. */
export type Cell = (metrics: Metrics) => string;

export const metric =
  (name: string, write: (value: number) => string = count): Cell =>
  (metrics) =>
    typeof metrics[name] === 'number' ? write(metrics[name]) : '-';

export const sum =
  (names: readonly string[], write: (value: number) => string = count): Cell =>
  (metrics) =>
    write(names.reduce((total, name) => total + number(metrics, name), 0));

/** One row a run, one column a cell. */
export function runTable(
  runs: Runs,
  title: string,
  what: string,
  rows: readonly (readonly [label: string, key: string, stack: string, oversubscription?: number])[],
  columns: Readonly<Record<string, Cell>>,
): Table {
  return {
    title,
    head: [what, 'stack', ...Object.keys(columns)],
    rows: rows.map(([label, key, stack, oversubscription]) => {
      const metrics = runs.get(key, stack, oversubscription);
      return [label, stack, ...Object.values(columns).map((cell) => cell(metrics))];
    }),
  };
}

/** One row an experiment, one column a stack: a single number of many runs. */
export function gridTable(
  runs: Runs,
  title: string,
  what: string,
  rows: readonly (readonly [label: string, key: string])[],
  stacks: readonly string[],
  cell: Cell,
): Table {
  return {
    title,
    head: [what, ...stacks],
    rows: rows.map(([label, key]) => [label, ...stacks.map((stack) => cell(runs.get(key, stack)))]),
  };
}
