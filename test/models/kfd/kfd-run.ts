/** Rows for the KFD tests: everything lies at 1 GiB, where every range size begins a range. */

import kfd from '../../../src/models/kfd/index.ts';
import { type ModelRun, type RunModelOptions, runModel } from '../../helpers/run.ts';

export const BASE = 0x4000_0000;
export const MIB = 2 ** 20;
export const PAGE = 4096;
/** Longer than the 2 ms in which a range ignores faults. */
export const APART_NS = 3_000_000;

/** `row(3, 'gpu0 read', 2 * MIB, 4096)` = `3 ms`, 2 MiB from the base. */
export function row(ms: number, what: string, offset: number, size: number, arg = ''): string {
  return `${ms * 1_000_000} ${what} 0x${(BASE + offset).toString(16)} ${size} ${arg}`.trimEnd();
}

export interface KfdRun extends ModelRun {
  /** A metric that must be there. */
  m(name: string): number;
}

export function run(rows: readonly string[], options: RunModelOptions = {}): KfdRun {
  // The plain engine takes minutes over traces of this size; small ones go through both and must agree.
  const allocated = rows
    .filter((text) => / alloc /.test(text))
    .reduce((sum, text) => sum + Number(text.split(' ')[4]), 0);
  // There a first touch of the CPU fills 64 KiB.
  const large = { engine: 'fast', host: { pageBytes: 65536 } } as const;
  const result = runModel(kfd, rows, { ...(allocated > 4 * MIB ? large : {}), ...options });
  return {
    ...result,
    m(name) {
      const value = result.metrics[name];
      if (typeof value !== 'number') throw new Error(`no metric ${name}`);
      return value;
    },
  };
}
