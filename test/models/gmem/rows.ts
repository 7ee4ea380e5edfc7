/** Short forms for rows over one peer-shared mapping: P(n) is the address of its 2 MiB page n. */
import gmem from '../../../src/models/gmem/index.ts';
import type { RecordRow } from '../../helpers/mini-trace.ts';
import { type ModelRun, type RunModelOptions, runModel } from '../../helpers/run.ts';

export const MIB = 2 ** 20;
/** One logical page. */
export const PAGE2M = 2 * MIB;
const BASE = 0x40000000;

export const P = (page: number, offset = 0): string => `0x${(BASE + page * PAGE2M + offset).toString(16)}`;
export const alloc = (pages: number, first = 0, arg = 'a'): string =>
  `0 cpu alloc ${P(first)} ${pages * PAGE2M} ${arg}`;
/** One 64-byte access to each of the pages first..last, in order. */
export const touch = (actor: string, op: string, first: number, last = first): string[] =>
  Array.from({ length: last - first + 1 }, (_, i) => `0 ${actor} ${op} ${P(first + i)} 64`);

export function run(rows: readonly RecordRow[], options: RunModelOptions = {}): ModelRun {
  return runModel(gmem, rows, options);
}

export const GENERATIONS = ['olk66', 'olk510', 'rfc'] as const;

/** Exchanges without the address negotiation at `alloc`. */
export function roundTrips(of: ModelRun): number {
  return Number(of.metrics.roundTrips) - Number(of.metrics['gmem.vaRequests']);
}

/** The metrics named, as one object to compare. */
export function books(of: ModelRun, ...names: string[]): Record<string, number | null> {
  return Object.fromEntries(names.map((name) => [name, of.metrics[name]]));
}

/** Page numbers of the victims, in order. */
export function victims(of: ModelRun): number[] {
  return of.events.filter((e) => e.kind === 'evict').map((e) => (Number(e.addr) - BASE) / PAGE2M);
}

export const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);
