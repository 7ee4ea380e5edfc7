/**
 * Which run of one result is which of the other.
 *
 * Two runs are the same by model, preset and memory size (the ratio where one was asked for, else the bytes of each
 * device). Parameters tell runs apart only where a result has several of that name: then those with equal parameters
 * are paired first, and what is left over is paired when it is one on each side. Parameters that differ within a pair
 * are reported, not judged: trying another parameter against a baseline is what a comparison is for.
 */

import { ConfigurationError } from '../../replay/configuration-error.ts';
import { formatSize } from '../../replay/sizes.ts';
import type { Comparable } from '../read-result.ts';
import { visible } from '../text.ts';

type ComparableRun = Comparable['runs'][number];

export interface Pair {
  /** Unique among the pairs. */
  readonly title: string;
  readonly base: ComparableRun;
  readonly now: ComparableRun;
}

export interface Pairing {
  readonly pairs: readonly Pair[];
  /** Titles of runs that have no partner. */
  readonly onlyBase: readonly string[];
  readonly onlyNow: readonly string[];
}

export interface NamedRuns {
  readonly file: string;
  readonly runs: readonly ComparableRun[];
}

/** Pairs in the order of the new result. */
export function pairRuns(base: NamedRuns, now: NamedRuns): Pairing {
  const [before, after] = [byTitle(base), byTitle(now)];
  const pairs: Pair[] = [];
  const onlyBase: string[] = [];
  const onlyNow: string[] = [];
  for (const title of new Set([...after.keys(), ...before.keys()])) {
    const olds = [...(before.get(title) ?? [])];
    const news = after.get(title) ?? [];
    const several = Math.max(olds.length, news.length) > 1;
    const varying = several ? varyingParameters([...olds, ...news]) : [];
    const full = (run: ComparableRun): string => (several ? `${title} (${parameterText(run, varying)})` : title);
    const left: ComparableRun[] = [];
    for (const run of news) {
      const i = olds.findIndex((old) => identity(old) === identity(run));
      if (i < 0) left.push(run);
      else pairs.push({ title: full(run), base: olds.splice(i, 1)[0], now: run });
    }
    if (left.length === 1 && olds.length === 1) {
      pairs.push({ title: full(left[0]), base: olds[0], now: left[0] });
    } else {
      onlyBase.push(...olds.map(full));
      onlyNow.push(...left.map(full));
    }
  }
  return { pairs, onlyBase, onlyNow };
}

/** `uvm:preset, oversub 1.25`. */
export function runTitle(run: ComparableRun): string {
  const model = run.preset === null ? run.model : `${run.model}:${run.preset}`;
  return visible(`${model}, ${sizeText(run)}`);
}

function sizeText(run: ComparableRun): string {
  if (run.oversubscription !== null) return `oversub ${run.oversubscription}`;
  if (run.capacityBytes === null) return 'unlimited';
  return (
    Object.entries(run.capacityBytes)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([device, bytes]) => `${device} ${exactSize(bytes)}`)
      .join(' ') || 'no device'
  );
}

/** No two sizes have the same text. */
function exactSize(bytes: number): string {
  const text = formatSize(bytes);
  return text.includes('.') ? `${bytes} B` : text;
}

function byTitle({ file, runs }: NamedRuns): Map<string, ComparableRun[]> {
  const found = new Map<string, ComparableRun[]>();
  for (const run of runs) {
    const title = runTitle(run);
    const same = found.get(title) ?? [];
    if (same.some((other) => identity(other) === identity(run))) {
      throw new ConfigurationError(
        `${file}: the run "${title}" stands twice, with equal parameters`,
        'a comparison cannot tell them apart: name each model, preset and size once',
      );
    }
    found.set(title, [...same, run]);
  }
  return found;
}

function identity(run: ComparableRun): string {
  return JSON.stringify(Object.entries(run.parameters).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function varyingParameters(runs: readonly ComparableRun[]): string[] {
  const names = new Set(runs.flatMap((run) => Object.keys(run.parameters)));
  return [...names].filter((name) => new Set(runs.map((run) => run.parameters[name])).size > 1).sort();
}

function parameterText(run: ComparableRun, names: readonly string[]): string {
  return visible(names.map((name) => `${name}=${run.parameters[name] ?? 'unset'}`).join(' '));
}
