/** Traces over 2 MiB blocks in few words. Block b begins at (b + 1) x 2 MiB. */
import uvm from '../../../src/models/uvm/index.ts';
import type { RecordRow } from '../../helpers/mini-trace.ts';
import { type ModelRun, type RunModelOptions, runModel } from '../../helpers/run.ts';

export const MiB = 2 ** 20;
export const KiB = 1024;
export const BLOCK = 2 * MiB;

export function pageAddr(block: number, page: number): string {
  return `0x${((block + 1) * BLOCK + page * 4096).toString(16)}`;
}

/** First page of the k-th 64 KiB unit. */
export const B = (k: number): number => k * 16;

export const alloc = (blocks: number, name = 'a'): string => `0 cpu alloc ${pageAddr(0, 0)} ${blocks * 2}M ${name}`;

/** The CPU writes whole blocks. */
export const fill = (blocks: number): string => `0 cpu write ${pageAddr(0, 0)} ${blocks * 2}M`;

/** Touches of one page each, in order. */
export function touch(actor: string, op: string, block: number, pages: readonly number[], time = 0): string[] {
  return pages.map((page) => `${time} ${actor} ${op} ${pageAddr(block, page)} 8`);
}

export const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

export function run(rows: readonly RecordRow[], options: RunModelOptions = {}): ModelRun {
  return runModel(uvm, rows, options);
}

/** One access after the other: each completes before the next is raised. */
export function oneByOne(rows: readonly RecordRow[], options: RunModelOptions = {}): ModelRun {
  return run(rows, { inFlight: 1, ...options });
}

/** What faults of devices (or of the CPU) moved, migration by migration, in KiB, copies of one service summed. */
export function movedPerService(result: ModelRun, to: string): number[] {
  const sums = new Map<number, number>();
  for (const event of result.events) {
    if ((event.kind !== 'migrate' && event.kind !== 'populate') || event.to !== to) continue;
    sums.set(event.record, (sums.get(event.record) ?? 0) + event.size / KiB);
  }
  return [...sums.values()];
}
