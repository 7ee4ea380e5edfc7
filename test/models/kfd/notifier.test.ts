/** Callbacks of the notifier, and what a GPU's mapping of RAM asks of core MM. A range that a fault makes of memory that was
 * not registered has 2 MiB. */
import { expect, it } from 'vitest';
import { MIB, PAGE, row, run } from './kfd-run.ts';

const TWO_RANGES = [
  row(0, 'cpu alloc', 0, 4 * MIB, 'a;kind=system'),
  row(0, 'cpu write', 0, 4 * MIB),
  row(3, 'gpu0 read', 0, PAGE),
  row(6, 'gpu0 read', 2 * MIB, PAGE),
];

it('one invalidation is one callback for each range that it meets', () => {
  const callbacks = (...more: string[]) => run([...TWO_RANGES, ...more]).m('notifier.invalidations');
  const before = callbacks();
  expect(callbacks(row(9, 'cpu invalidate', 0, 2 * MIB, 'numa')) - before).toBe(1);
  expect(callbacks(row(9, 'cpu invalidate', 2 * MIB - PAGE, PAGE, 'numa')) - before).toBe(1);
  expect(callbacks(row(9, 'cpu invalidate', 2 * MIB - PAGE, 2 * PAGE, 'numa')) - before).toBe(2);
  expect(callbacks(row(9, 'cpu invalidate', 0, 4 * MIB, 'numa')) - before).toBe(2);
});

it('pages that a GPU only reads in RAM are pages of their own where their VMA may be written', () => {
  // 1 MiB of VRAM holds no buffer of 2 MiB: the range stays in RAM. Nobody has touched it, and a read by the CPU would get
  // the zero page; get_user_pages for writing makes all 512 pages.
  const rows = [row(0, 'cpu alloc', 0, 2 * MIB, 'a'), row(3, 'gpu0 read', 0, PAGE)];
  const { m } = run(rows, { capacity: '1M', host: { zeroPage: true } });
  expect(m('migration.h2d.pages')).toBe(0);
  expect(m('populate.host.pages')).toBe(512);
});
