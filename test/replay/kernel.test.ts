/** The kernel in WebAssembly against the one in TypeScript, and the memory that both work on. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HIT_PATH, kernelModule } from '../../scripts/kernel/compile.ts';
import type { Kernel } from '../../src/replay/kernel/kernel.ts';
import * as layout from '../../src/replay/kernel/layout.ts';
import { PassMemory } from '../../src/replay/kernel/memory.ts';
import type { TraceChunk } from '../../src/trace/compiled.ts';

const PAGES = 1030;
const ALL = 0b101;
const UNIT = 64;
/** Of a row that is no access, `page` is anything. */
const NOBODY = 255;

const row = fc.record({
  code: fc.oneof(
    { weight: 90, arbitrary: fc.constant(3) },
    { weight: 30, arbitrary: fc.constantFrom(0, 1, 3, 4, 5) },
    { weight: 1, arbitrary: fc.constant(NOBODY) },
  ),
  page: fc.oneof(
    { weight: 40, arbitrary: fc.constantFrom(0, 2, 3, 511, 513, 600) },
    { weight: 1, arbitrary: fc.constantFrom(1, 512, 1029) },
  ),
  bytes: fc.oneof({ weight: 3, arbitrary: fc.constant(UNIT) }, { weight: 2, arbitrary: fc.constantFrom(1, 128, 4096) }),
});
const setup = fc.record({
  rows: fc.array(row, { minLength: 1, maxLength: 200, size: 'max' }),
  /** Codes that are open to the loop. */
  open: fc.oneof(
    { weight: 3, arbitrary: fc.constant<number[]>([0, 1, 3, 4, 5]) },
    { weight: 1, arbitrary: fc.subarray<number>([0, 1, 3, 4, 5]) },
  ),
  /** Pages that some run cares about. */
  unsettled: fc.constantFrom<number[]>([], [], [1], [512], [1029]),
  /** Low counts and sums at first: nothing, or nearly full. */
  count: fc.constantFrom(0, 250),
  sum: fc.constantFrom(0, 2 ** 15 - 200, 200 - 2 ** 15),
  left: fc.constantFrom(1, 2, 5, 30, 1000),
  from: fc.nat(5),
  cut: fc.nat(5),
});
type Setup = typeof setup extends fc.Arbitrary<infer T> ? T : never;

/** Puts a setup into a fresh memory, calls one loop, and gives what it said and everything that it left behind. */
function outcome(
  kernel: 'auto' | 'plain',
  plan: Setup,
  call: Call,
): { stopped: number | undefined; words: Int32Array } {
  const memory = new PassMemory({ kernel });
  const words = memory.take(6 * PAGES);
  const low = memory.take(2 * PAGES);
  const high = memory.take(2 * PAGES);
  const lowSum = memory.take(2 * PAGES);
  const highSum = memory.take(2 * PAGES);
  const groups = (PAGES >> layout.GROUP_SHIFT) + 1;
  const left = memory.take(2 * groups);
  const n = plan.rows.length;
  const chunk = {
    rows: n,
    code: Uint8Array.from(plan.rows, ({ code }) => code),
    page: Int32Array.from(plan.rows, ({ page, code }) => (code === NOBODY ? 2 ** 30 : page)),
    bytes: Uint32Array.from(plan.rows, ({ bytes }) => bytes),
  } as unknown as TraceChunk;
  memory.load(chunk, 0);
  memory.mixesBytes(chunk, UNIT);
  const all = memory.words;
  for (let code = 0; code < layout.CODES; code++) {
    const actor = Math.floor(code / 3);
    const entry = layout.TABLE_AT + code * layout.ENTRY_WORDS;
    all[entry + layout.WORD] = plan.open.includes(code) ? words + code * PAGES : -1;
    // The second actor's bit is the sign.
    all[entry + layout.ACTOR_BIT] = actor === 0 ? 1 : 1 << 31;
    all[entry + layout.LOW] = low + (actor % 2) * PAGES;
    all[entry + layout.HIGH] = high + (actor % 2) * PAGES;
    // Nobody sums up what the first one touches.
    all[entry + layout.SUM_LOW] = actor % 2 === 0 ? -1 : lowSum + PAGES;
    all[entry + layout.SUM_HIGH] = highSum + PAGES;
    all[entry + layout.LEFT] = left + (actor % 2) * groups;
  }
  all.fill(ALL, words, words + 6 * PAGES);
  for (let code = 0; code < 6; code++) {
    for (const page of plan.unsettled) all[words + code * PAGES + page] = 0b001;
  }
  memory.bytes.fill(plan.count, 4 * low, 4 * (low + 2 * PAGES));
  memory.halves.fill(plan.sum, 2 * lowSum, 2 * (lowSum + 2 * PAGES));
  all.fill(plan.left, left, left + 2 * groups);
  const from = Math.min(plan.from, n - 1);
  const stopped = call(memory.kernel, from, Math.max(from, n - plan.cut));
  return { stopped, words: memory.words.slice() };
}

type Call = (kernel: Kernel, from: number, to: number) => number | undefined;
const LOOPS: Record<keyof Kernel, Call> = {
  settledRows: (kernel, from, to) => kernel.settledRows(ALL, from, to),
  watchRows: (kernel, from, to) => kernel.watchRows(from, to),
  countRows: (kernel, from, to) => void kernel.countRows(from, to),
  countBytes: (kernel, from, to) => void kernel.countBytes(UNIT, from, to),
};

for (const [name, call] of Object.entries(LOOPS)) {
  const stops = name === 'settledRows' || name === 'watchRows';
  test(`${name}: both kernels ${stops ? 'stop at the same row and ' : ''}leave the same memory`, () => {
    let passed = 0;
    // Only the first of the loops meets rows that are no accesses.
    const plans = name === 'settledRows' ? setup : setup.filter(({ rows }) => rows.every((r) => r.code !== NOBODY));
    fc.assert(
      fc.property(plans, (plan) => {
        const wasm = outcome('auto', plan, call);
        const plain = outcome('plain', plan, call);
        expect(wasm.stopped).toBe(plain.stopped);
        expect(Buffer.compare(Buffer.from(wasm.words.buffer), Buffer.from(plain.words.buffer))).toBe(0);
        passed += (plain.stopped ?? plan.rows.length) - Math.min(plan.from, plan.rows.length - 1);
      }),
      { numRuns: 400, seed: 23 },
    );
    // Worth something only if rows were passed.
    expect(passed).toBeGreaterThan(4000);
  });
}

test('the WebAssembly kernel is what the compiler makes of its source', async () => {
  const committed = readFileSync(new URL('../../src/replay/kernel/wasm.ts', import.meta.url), 'utf8');
  expect(await kernelModule(HIT_PATH)).toBe(committed);
});

for (const kernel of ['auto', 'plain'] as const) {
  test(`memory of the ${kernel} kernel grows and keeps what is in it`, () => {
    const memory = new PassMemory({ kernel });
    const first = memory.take(1000);
    expect(first).toBe(layout.FREE_AT);
    memory.words.fill(7, first, first + 1000);
    // 4 Mi words = 16 MiB: far beyond what there was.
    const second = memory.take(2 ** 22);
    expect(second).toBe(first + 1000);
    expect(memory.words[first]).toBe(7);
    expect(memory.words[first + 999]).toBe(7);
    expect(memory.words[second]).toBe(0);
    memory.words[second + 2 ** 22 - 1] = 9;
    expect(memory.words.length).toBeGreaterThanOrEqual(second + 2 ** 22);
    // The kernel sees the memory that grew.
    const chunk = { rows: 1, code: new Uint8Array(1), page: new Int32Array(1) } as unknown as TraceChunk;
    memory.load(chunk, 0);
    memory.words[layout.TABLE_AT + layout.WORD] = second + 2 ** 22 - 1;
    expect(memory.kernel.settledRows(9, 0, 1)).toBe(1);
    expect(memory.kernel.settledRows(8, 0, 1)).toBe(0);
  });
}

test('a chunk longer than the columns is brought in piece by piece', () => {
  const memory = new PassMemory();
  const rows = layout.ROOM_ROWS + 10;
  const chunk = {
    rows,
    code: new Uint8Array(rows),
    page: Int32Array.from({ length: rows }, (_, i) => i),
    bytes: new Uint32Array(rows),
  } as unknown as TraceChunk;
  expect(memory.load(chunk, layout.ROOM_ROWS + 3)).toBe(layout.ROOM_ROWS);
  expect(memory.words[layout.PAGE_AT / 4 + 3]).toBe(layout.ROOM_ROWS + 3);
  expect(memory.load(chunk, 5)).toBe(0);
  expect(memory.words[layout.PAGE_AT / 4 + 5]).toBe(5);
});

test('bytes are brought in only where some row touches others than the unit', () => {
  const memory = new PassMemory();
  const rows = layout.ROOM_ROWS + 10;
  const bytes = new Uint32Array(rows).fill(64);
  bytes[rows - 1] = 65;
  const chunk = {
    rows,
    code: new Uint8Array(rows),
    page: new Int32Array(rows),
    bytes,
  } as unknown as TraceChunk;
  memory.load(chunk, 0);
  expect(memory.mixesBytes(chunk, 64)).toBe(false);
  expect(memory.words[layout.BYTES_AT / 4]).toBe(0);
  memory.load(chunk, layout.ROOM_ROWS);
  expect(memory.mixesBytes(chunk, 64)).toBe(true);
  expect(memory.words[layout.BYTES_AT / 4 + 9]).toBe(65);
  memory.load(chunk, 1);
  expect(memory.mixesBytes(chunk, 32)).toBe(true);
  expect(memory.words[layout.BYTES_AT / 4]).toBe(64);
});
