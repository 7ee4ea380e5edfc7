/** The frame of the loops over faults is known to them and to TypeScript: one in bytes, the other in words. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as layout from '../../src/replay/kernel/layout.ts';

const text = (name: string) => readFileSync(new URL(`../../kernel/${name}`, import.meta.url), 'utf8');

test('both have every part at the same place', () => {
  const parts = [...text('fault-frame.ts').matchAll(/^export const (\w+): usize = (\d+);/gm)];
  expect(parts.length).toBeGreaterThan(50);
  for (const [, name, bytes] of parts) {
    expect([name, 4 * (layout as unknown as Record<string, number>)[name]]).toEqual([name, Number(bytes)]);
  }
});

test('there is room for the rows that are looked at together', () => {
  const rows = Number(/const MOST_ROWS: i32 = (\d+);/.exec(text('raise-faults.ts'))?.[1]);
  // Of the rows found one entry is written beyond the last.
  expect(layout.LOOKED - layout.FOUND).toBeGreaterThan(rows);
  expect(layout.FRAME_WORDS - layout.LOOKED).toBeGreaterThanOrEqual(rows);
});
