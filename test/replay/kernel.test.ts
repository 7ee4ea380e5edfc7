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
const STRIDE = layout.COUNTED_STRIDE;
const ALL = 0b101;

const row = fc.record({
  code: fc.oneof({ weight: 60, arbitrary: fc.constantFrom(0, 1, 3, 4, 5) }, { weight: 1, arbitrary: fc.constant(255) }),
  page: fc.oneof(
    { weight: 40, arbitrary: fc.constantFrom(0, 2, 3, 511, 513, 600) },
    { weight: 1, arbitrary: fc.constantFrom(1, 512, 1029) },
  ),
  bytes: fc.constantFrom(1, 64, 4096),
});
const setup = fc.record({
  rows: fc.array(row, { minLength: 1, maxLength: 200, size: 'max' }),
  /** Codes that are open to the loop. */
  open: fc.oneof(
    { weight: 3, arbitrary: fc.constant([0, 1, 3, 4, 5]) },
    { weight: 1, arbitrary: fc.subarray([0, 1, 3, 4, 5]) },
  ),
  /** Pages that some run cares about. */
  unsettled: fc.constantFrom<number[]>([], [], [1], [512], [1029]),
  /** Running counts at first: nothing, or nearly full. */
  count: fc.constantFrom(0, layout.TOUCHES_MASK - 3, layout.COUNT_LIMIT - (200 << layout.BYTES_SHIFT)),
  left: fc.constantFrom(1, 2, 5, 1000),
  from: fc.nat(5),
});
type Setup = typeof setup extends fc.Arbitrary<infer T> ? T : never;

/** Puts a setup into a fresh memory, calls one loop, and gives what it said and everything that it left behind. */
function outcome(
  kernel: 'auto' | 'plain',
  plan: Setup,
  call: (kernel: Kernel, from: number, to: number) => number,
): { stopped: number; words: Int32Array } {
  const memory = new PassMemory({ kernel });
  const words = memory.take(6 * STRIDE * PAGES);
  const groups = memory.take(2 * ((PAGES >> layout.GROUP_SHIFT) + 1));
  const n = plan.rows.length;
  const chunk = {
    rows: n,
    code: Uint8Array.from(plan.rows, ({ code }) => code),
    page: Int32Array.from(plan.rows, ({ page }) => page),
    bytes: Uint32Array.from(plan.rows, ({ bytes }) => bytes),
  } as unknown as TraceChunk;
  memory.load(chunk, 0, true);
  const all = memory.words;
  for (const table of [layout.PLAIN_AT, layout.COUNTED_AT, layout.LAST_ROW_AT])
    all.fill(-1, table, table + layout.CODES);
  for (const code of plan.open) {
    all[layout.PLAIN_AT + code] = words + code * PAGES;
    all[layout.COUNTED_AT + code] = words + code * STRIDE * PAGES;
    all[layout.LEFT_AT + code] = groups;
  }
  all.fill(ALL, words, words + 6 * STRIDE * PAGES);
  for (let code = 0; code < 6; code++) {
    for (let page = 0; page < PAGES; page++) {
      all[words + (code * PAGES + page) * STRIDE + STRIDE - 1] = plan.count;
    }
    for (const page of plan.unsettled) {
      all[words + code * PAGES + page] = 0b001;
      all[words + (code * PAGES + page) * STRIDE] = 0b100;
    }
  }
  all.fill(plan.left, groups, groups + 2 * ((PAGES >> layout.GROUP_SHIFT) + 1));
  const stopped = call(memory.kernel, Math.min(plan.from, n), n);
  return { stopped, words: memory.words.slice() };
}

const LOOPS: Record<keyof Kernel, (kernel: Kernel, from: number, to: number) => number> = {
  settledRows: (kernel, from, to) => kernel.settledRows(ALL, from, to),
  countedRows: (kernel, from, to) => kernel.countedRows(ALL, from, to),
  watchedRows: (kernel, from, to) => kernel.watchedRows(ALL, from, to),
};

for (const [name, call] of Object.entries(LOOPS)) {
  test(`${name}: both kernels stop at the same row and leave the same memory`, () => {
    let passed = 0;
    fc.assert(
      fc.property(setup, (plan) => {
        const wasm = outcome('auto', plan, call);
        const plain = outcome('plain', plan, call);
        expect(wasm.stopped).toBe(plain.stopped);
        expect(Buffer.compare(Buffer.from(wasm.words.buffer), Buffer.from(plain.words.buffer))).toBe(0);
        passed += plain.stopped - Math.min(plan.from, plan.rows.length);
      }),
      { numRuns: 400, seed: 23 },
    );
    // Worth something only if rows were passed.
    expect(passed).toBeGreaterThan(300);
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
    expect(memory.endsAt(first + 1000)).toBe(true);
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
    memory.load(chunk, 0, false);
    memory.words[layout.PLAIN_AT] = second + 2 ** 22 - 1;
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
  expect(memory.load(chunk, layout.ROOM_ROWS + 3, false)).toBe(layout.ROOM_ROWS);
  expect(memory.words[layout.PAGE_AT / 4 + 3]).toBe(layout.ROOM_ROWS + 3);
  expect(memory.load(chunk, 5, false)).toBe(0);
  expect(memory.words[layout.PAGE_AT / 4 + 5]).toBe(5);
});
