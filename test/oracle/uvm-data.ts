/** Reading the recorded decisions of the driver, and its way of writing page sets: flat half-open runs. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { addRange, forEachRun, newMask, type PageMask } from '../../src/replay/mask.ts';

export function readLines<T>(name: string): T[] {
  const file = new URL(`./data/${name}`, import.meta.url);
  return gunzipSync(readFileSync(file))
    .toString('utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}

/** Runs relative to the block as a mask from the 2 MiB boundary below it. */
export function toMask(runs: readonly number[], blockFirst: number): PageMask {
  const mask = newMask();
  for (let i = 0; i < runs.length; i += 2) addRange(mask, runs[i] + blockFirst, runs[i + 1] - 1 + blockFirst);
  return mask;
}

export function toRuns(mask: PageMask, blockFirst: number): number[] {
  const runs: number[] = [];
  forEachRun(mask, (first, last) => runs.push(first - blockFirst, last + 1 - blockFirst));
  return runs;
}
