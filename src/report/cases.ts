/** The runs of one or several results as reports and figures put them beside each other, each with names for people. */

import { formatSize } from '../replay/sizes.ts';
import type { Result, RunResult } from './result.ts';

export interface Case {
  readonly result: Result;
  readonly run: RunResult;
  /** Which of the results, and which of its runs. */
  readonly source: number;
  readonly index: number;
  /** `model` or `model:preset`; with what tells it from its namesakes where there are several. */
  readonly stack: string;
  /** Memory size: `unlimited`, `1.25x`, `8 MiB`, `gpu0 4 MiB, gpu1 1 GiB`. */
  readonly size: string;
}

export function casesOf(results: readonly Result[]): Case[] {
  const plain = results.flatMap((result, source) =>
    result.runs.map((run, index) => ({ result, run, source, index, stack: stackName(run), size: sizeName(run) })),
  );
  return apart(plain);
}

function stackName(run: RunResult): string {
  return run.preset === null ? run.model : `${run.model}:${run.preset}`;
}

export function sizeName(run: RunResult): string {
  if (run.oversubscription !== null) return `${run.oversubscription}x`;
  if (run.capacityBytes === null) return 'unlimited';
  const sizes = Object.entries(run.capacityBytes);
  if (sizes.length === 1) return formatSize(sizes[0][1]);
  return sizes.map(([device, bytes]) => `${device} ${formatSize(bytes)}`).join(', ') || 'no device';
}

/** Stacks of one name in one table. */
const namesake = (c: Case): string => JSON.stringify([c.result.manifest.trace.sha256, groupName(c), c.stack]);

/**
 * Stacks of one name and size are told apart by the parameters in which they differ, and by their number where that is
 * not enough; so are their runs of other sizes, so that a stack has one name at all sizes.
 */
function apart(cases: readonly Case[]): Case[] {
  const named = renamed(cases, (c, clashes) => {
    const all = clashes.map((clash) => clash.map((each) => settings(each.run, each.result)));
    const keys = Object.keys(Object.assign({}, ...all.flat()));
    const differing = keys.filter((key) => all.some((values) => new Set(values.map((v) => v[key])).size > 1));
    const own = settings(c.run, c.result);
    const text = differing.map((key) => `${key}=${own[key] ?? 'unset'}`).join(', ');
    return text === '' ? c.stack : `${c.stack} (${text})`;
  });
  return renamed(named, (c, clashes) => {
    const sources = [...new Set(clashes.flat().map((each) => each.source))];
    const oneEach = clashes.every((clash) => new Set(clash.map((each) => each.source)).size === clash.length);
    const same = clashes.find((clash) => clash.includes(c)) ?? [c];
    return `${c.stack} #${(oneEach ? sources.indexOf(c.source) : same.indexOf(c)) + 1}`;
  });
}

/** `clashes`: the runs of one name and one size, for each size that has several. */
function renamed(cases: readonly Case[], name: (c: Case, clashes: readonly (readonly Case[])[]) => string): Case[] {
  const clashesOf = new Map(
    [...grouped(cases, namesake)].map(([key, same]) => [
      key,
      [...grouped(same, (c) => c.size).values()].filter((clash) => clash.length > 1),
    ]),
  );
  return cases.map((c) => {
    const clashes = clashesOf.get(namesake(c)) ?? [];
    return clashes.length === 0 ? c : { ...c, stack: name(c, clashes) };
  });
}

function settings(run: RunResult, result: Result): Record<string, string> {
  const { inFlight, host } = result.manifest.options;
  const all = { ...run.parameters, 'in flight': inFlight, 'host.page': host.page, 'host.zeroPage': host.zeroPage };
  return Object.fromEntries(Object.entries(all).map(([key, value]) => [key, String(value)]));
}

/** Runs that belong into one table: the same trace on the same machine. */
export interface Group {
  readonly name: string;
  readonly cases: readonly Case[];
}

export function groupsOf(cases: readonly Case[]): Group[] {
  const key = (c: Case): string => JSON.stringify([groupName(c), c.result.manifest.trace.sha256]);
  return [...grouped(cases, key).values()].map((inside) => ({ name: groupName(inside[0]), cases: inside }));
}

function groupName(c: Case): string {
  return `${c.result.manifest.trace.name} on ${c.result.manifest.platform.name}`;
}

/** In the order in which the sizes first occur. */
export function sizesOf(cases: readonly Case[]): { readonly size: string; readonly cases: readonly Case[] }[] {
  return [...grouped(cases, (c) => c.size)].map(([size, inside]) => ({ size, cases: inside }));
}

/** `Map.groupBy`, which Node 20 lacks. */
export function grouped<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const found = new Map<string, T[]>();
  for (const item of items) {
    const list = found.get(key(item));
    if (list === undefined) found.set(key(item), [item]);
    else list.push(item);
  }
  return found;
}

/** Labels that say only what differs: a figure of one trace and one size names stacks alone. */
export function labelsOf(cases: readonly Case[]): string[] {
  const differs = (text: (c: Case) => string): boolean => new Set(cases.map(text)).size > 1;
  const parts: ((c: Case) => string)[] = [];
  const trace = (c: Case): string => c.result.manifest.trace.name.replace(/(\.csv)?(\.gz)?$/, '');
  const platform = (c: Case): string => c.result.manifest.platform.name;
  const stack = (c: Case): string => c.stack;
  const size = (c: Case): string => c.size;
  if (differs(trace)) parts.push(trace);
  if (differs(platform)) parts.push(platform);
  parts.push(stack);
  if (differs(size)) parts.push(size);
  return cases.map((c) => parts.map((part) => part(c)).join(' '));
}

/** A metric of a run; null where the stack has no such notion, or the result is of a version that had no such metric. */
export function metricOf(c: Case, name: string): number | null {
  return c.run.metrics[name] ?? null;
}

/** Peak of the live blocks that a device touches over the memory that the stack really uses; of the fullest device. */
export function pressureOf({ result, run }: Case): number | null {
  const capacity = run.effectiveCapacityBytes;
  if (capacity === null) return null;
  const ratios = Object.entries(result.manifest.trace.livePeakBytes)
    .filter(([device]) => capacity[device] > 0)
    .map(([device, bytes]) => bytes / capacity[device]);
  return ratios.length === 0 ? null : Math.max(...ratios);
}
