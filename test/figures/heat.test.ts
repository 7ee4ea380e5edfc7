import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { HeatChart } from '../../src/figures/figure.ts';
import { readHeat, shadeNames, shadeOf, shadeSteps } from '../../src/figures/heat.ts';
import heatmap from '../../src/figures/kinds/heatmap.ts';
import { casesOf } from '../../src/report/cases.ts';
import { scratchFolder } from '../cli/harness.ts';
import { resultOf, run } from '../report/fixture.ts';

const folder = scratchFolder();
let files = 0;

type Event = Record<string, unknown>;
const event = (more: Event): Event => ({
  run: 0,
  seq: 0,
  timeNs: 0,
  durationNs: 0,
  kind: 'fault',
  actor: 'gpu0',
  addr: '0x200000',
  size: 4096,
  ...more,
});

function file(lines: readonly (Event | string)[]): string {
  const path = join(folder, `${files++}.jsonl`);
  writeFileSync(path, lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''));
  return path;
}

const result = (device: number, host = 0) => resultOf([run('a', { 'faults.device': device, 'faults.host': host })]);

test('events become cells: address upward without gaps, time as a share of the run', async () => {
  const path = file([
    event({ timeNs: 1000 }),
    event({ timeNs: 1000, kind: 'migrate', addr: '0x200000', size: 8192 }),
    event({ timeNs: 1640, actor: 'cpu', addr: '0x80000000' }),
    event({ timeNs: 1320, kind: 'evict', addr: '0x200000', size: 2 ** 21 }),
    event({ timeNs: 2200, durationNs: 80, kind: 'populate', addr: '0x1ff000000000000', size: 4096 }),
    event({ kind: 'map' }),
    event({ kind: 'migrate', addr: null }),
  ]);
  const heat = await readHeat(path, result(1, 1));
  // Three blocks, far apart: three rows.
  expect(heat.addresses).toEqual(['0x200000', '0x80000000', '0x1ff000000000000']);
  expect([heat.columns, heat.rows]).toEqual([64, 3]);
  // 1000..2280 ns in 64 columns of 20 ns.
  expect(heat.runs[0]).toMatchObject({ startNs: 1000, endNs: 2280 });
  const { faults, residency, evictions } = heat.runs[0].cells;
  const filled = (cells: Float64Array) =>
    [...cells].flatMap((value, i) => (value === 0 ? [] : [[Math.floor(i / 64), i % 64, value]]));
  expect(filled(faults)).toEqual([
    [0, 0, 1],
    [1, 32, 1], // (1640 - 1000) / 20
  ]);
  expect(filled(residency)).toEqual([
    [0, 0, 2], // 8192 bytes are two pages
    [2, 60, 1], // (2200 - 1000) / 20
  ]);
  expect(filled(evictions)).toEqual([[0, 16, 512]]); // (1320 - 1000) / 20; 2 MiB are 512 pages
  expect(heat.runs[0].totals).toEqual({ residency: 3, faults: 2, evictions: 512 });
});

test('what reaches over a block border is spread', async () => {
  const path = file([event({ kind: 'evict', addr: '0x200000', size: 2 ** 22 })]);
  const { runs, rows } = await readHeat(path, result(0));
  expect(rows).toBe(2);
  expect([runs[0].cells.evictions[0], runs[0].cells.evictions[64]]).toEqual([512, 512]);
});

test('more blocks than rows share rows', async () => {
  const path = file(Array.from({ length: 100 }, (_, i) => event({ addr: `0x${((i + 1) * 2 ** 21).toString(16)}` })));
  const { rows, runs, addresses } = await readHeat(path, result(100));
  expect([rows, addresses.length]).toEqual([32, 32]);
  // Row of block i is floor(32 i / 100): row 0 has i = 0..3, row 31 has i = 97..99.
  expect([runs[0].cells.faults[0], runs[0].cells.faults[31 * 64]]).toEqual([4, 3]);
});

test('no events at all: nothing to draw, and nothing breaks', async () => {
  const heat = await readHeat(file([]), result(0));
  expect(heat).toMatchObject({ rows: 0, addresses: [] });
  const { chart } = heatmap.build(casesOf([result(0)]), { scale: 'auto', layer: 'faults', heats: [heat] });
  expect((chart as HeatChart).steps).toEqual([]);
});

test('shades: from one to the largest, evenly over the logarithm', () => {
  // log1p(512) / 6 = 1.0400: expm1 of its multiples is 1.83, 7.0, 21.7, 63.1, 180, 512.
  expect(shadeSteps([[0, 512]], 6)).toEqual([2, 7, 22, 63, 180, 512]);
  expect(shadeSteps([[1, 0]], 6)).toEqual([1]);
  expect(shadeSteps([[0]], 6)).toEqual([]);
  expect([0, 1, 2, 3, 512].map((v) => shadeOf(v, [2, 7, 512]))).toEqual([-1, 0, 0, 1, 2]);
  expect(shadeNames([1, 3, 1000])).toEqual(['1', '2–3', '4–1,000']);
});

test.each<[string, (Event | string)[], RegExp]>([
  ['cut off', [event({}), '{"run":0,"se'], /:2: not a line of JSON, or cut off/],
  ['no object', ['7'], /:1: not an event/],
  ['no run', [event({ run: 'x' })], /:1: an event without a run/],
  ['a run too many', [event({ run: 1 })], /:1: an event of run 1, but the result has 1 runs/],
  ['no address', [event({ addr: '12' })], /:1: an event without an addr/],
  ['no time', [event({ timeNs: null })], /:1: an event without timeNs/],
  ['no size', [event({ size: -1 })], /:1: an event without a size/],
  ['of another result', [event({}), event({})], /not the events of this result: run 0 has faults.device 1, .* tell 2/],
])('bad events: %s', async (_, lines, message) => {
  await expect(readHeat(file(lines), result(1))).rejects.toThrow(message);
});

test('a missing event file is named', async () => {
  await expect(readHeat(join(folder, 'none'), result(0))).rejects.toThrow(/none: cannot read the events/);
});

test('a heatmap needs the events of one result, and few enough runs', async () => {
  const heat = await readHeat(file([]), result(0));
  const build = (cases: ReturnType<typeof casesOf>, heats = [heat]) =>
    heatmap.build(cases, { scale: 'auto', layer: 'faults', heats });
  expect(() => build(casesOf([result(0)]), [])).toThrow(/no events/);
  expect(() => build(casesOf([result(0), result(0)]))).toThrow(/several results/);
  expect(() => build(casesOf([resultOf(Array.from({ length: 9 }, (_, i) => run(`m${i}`)))]))).toThrow(/9 runs/);
});
