/** The loops of the hit path in WebAssembly against those in TypeScript. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HIT_PATH, kernelModule } from '../../scripts/kernel/compile.ts';
import type { Kernel } from '../../src/replay/kernel/kernel.ts';
import * as layout from '../../src/replay/kernel/layout.ts';
import { PassMemory } from '../../src/replay/kernel/memory.ts';
import type { TraceChunk } from '../../src/trace/compiled.ts';
import { inArena } from '../helpers/arena.ts';
import { ALL, chunkOf, NOBODY, oneActor, type Row, UNIT } from '../helpers/pass-memory.ts';

const PAGES = 1030;

const row: fc.Arbitrary<Row> = fc.record({
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
  left: fc.constantFrom(0, 1, 4, 29, 999),
  from: fc.nat(5),
  cut: fc.nat(5),
});
type Setup = typeof setup extends fc.Arbitrary<infer T> ? T : never;

/** Which kernel, and whether it walks the columns in the arena or in the room for columns of elsewhere. */
type Place = 'arena' | 'room' | 'plain';

/** Puts a setup into a fresh memory, calls one loop, and gives what it said and everything that it left behind. */
function outcome(place: Place, plan: Setup, call: Call): { stopped: number | undefined; words: Int32Array } {
  const memory = new PassMemory({ kernel: place === 'plain' ? 'plain' : 'auto' });
  const words = memory.take(6 * PAGES);
  const low = memory.take(2 * PAGES);
  const high = memory.take(2 * PAGES);
  const lowSum = memory.take(2 * PAGES);
  const highSum = memory.take(2 * PAGES);
  const groups = (PAGES >> layout.GROUP_SHIFT) + 1;
  const left = memory.take(2 * groups);
  const n = plan.rows.length;
  const chunk = chunkOf(plan.rows);
  memory.load(place === 'arena' ? inArena(chunk, memory.arena!) : chunk, 0);
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
  const stopped = call(memory, from, Math.max(from, n - plan.cut));
  // Table and all that was given out, but no columns.
  return { stopped, words: memory.words.slice(layout.TABLE_AT, left + 2 * groups) };
}

type Call = (memory: PassMemory, from: number, to: number) => number | undefined;
const LOOPS: Record<keyof Kernel, Call> = {
  settledRows: ({ kernel, codeAt, pageAt }, from, to) => kernel.settledRows(ALL, codeAt, pageAt, from, to),
  countedRows: ({ kernel, codeAt, pageAt }, from, to) => kernel.countedRows(ALL, codeAt, pageAt, from, to),
  watchedRows: ({ kernel, codeAt, pageAt }, from, to) => kernel.watchedRows(ALL, codeAt, pageAt, from, to),
  countBytes: ({ kernel, codeAt, pageAt, bytesAt }, from, to) =>
    void kernel.countBytes(UNIT, codeAt, pageAt, bytesAt, from, to),
  unlikeRows: ({ kernel, bytesAt }, from, to) => kernel.unlikeRows(UNIT, bytesAt, from, to),
};

for (const [name, call] of Object.entries(LOOPS)) {
  const stops = name.endsWith('edRows');
  test(`${name}: both kernels ${stops ? 'stop at the same row and ' : ''}leave the same memory, wherever columns are`, () => {
    let passed = 0;
    // Only loops that stop meet rows that are no accesses.
    const plans = stops ? setup : setup.filter(({ rows }) => rows.every((r) => r.code !== NOBODY));
    fc.assert(
      fc.property(plans, (plan) => {
        const plain = outcome('plain', plan, call);
        for (const place of ['arena', 'room'] as const) {
          const wasm = outcome(place, plan, call);
          expect(wasm.stopped).toBe(plain.stopped);
          expect(Buffer.compare(Buffer.from(wasm.words.buffer), Buffer.from(plain.words.buffer))).toBe(0);
        }
        passed += (stops ? plain.stopped! : plan.rows.length) - Math.min(plan.from, plan.rows.length - 1);
      }),
      { numRuns: 400, seed: 23 },
    );
    // Worth something only if rows were passed.
    expect(passed).toBeGreaterThan(4000);
  });
}

for (const kernel of ['auto', 'plain'] as const) {
  const reads = (pages: readonly number[], memory: PassMemory): TraceChunk => {
    const chunk = chunkOf(pages.map((page) => ({ code: 0, page, bytes: UNIT })));
    return memory.arena === null ? chunk : inArena(chunk, memory.arena);
  };
  const watched = (pages: readonly number[], left: readonly number[], unsettled: readonly number[]) => {
    const memory = new PassMemory({ kernel });
    const at = oneActor(memory, 2048);
    memory.words.set(left, at.left);
    for (const page of unsettled) memory.words[at.word + page] = 0;
    memory.load(reads(pages, memory), 0);
    const stopped = memory.kernel.watchedRows(ALL, memory.codeAt, memory.pageAt, 0, pages.length);
    const counts = [...new Set(pages)].map((page) => memory.bytes[4 * at.low + page]);
    return { stopped, counts, left: [...memory.words.subarray(at.left, at.left + left.length)] };
  };

  test(`${kernel}: as many touches pass as are left to a group, and what does not pass is neither counted nor counted down`, () => {
    // Pages 0..5 are of one group.
    const pages = [0, 1, 2, 3, 4, 5];
    expect(watched(pages, [6], [])).toEqual({ stopped: 6, counts: [1, 1, 1, 1, 1, 1], left: [0] });
    expect(watched(pages, [5], [])).toEqual({ stopped: 5, counts: [1, 1, 1, 1, 1, 0], left: [0] });
    expect(watched(pages, [2], [])).toEqual({ stopped: 2, counts: [1, 1, 0, 0, 0, 0], left: [0] });
    expect(watched(pages, [0], [])).toEqual({ stopped: 0, counts: [0, 0, 0, 0, 0, 0], left: [0] });
    // Page 4 stops the loop for another reason: 10 - 4.
    expect(watched(pages, [10], [4])).toEqual({ stopped: 4, counts: [1, 1, 1, 1, 0, 0], left: [6] });
    expect(watched(pages, [5], [2])).toEqual({ stopped: 2, counts: [1, 1, 0, 0, 0, 0], left: [3] });
    // Groups by themselves: 512 is of the second one, which has but one left.
    expect(watched([0, 512, 1, 512, 2], [9, 1], [])).toEqual({ stopped: 3, counts: [1, 1, 1, 0], left: [7, 0] });
  });

  test(`${kernel}: rows of many turns pass, up to one that is not settled`, () => {
    const pages = Array.from({ length: 8000 }, (_, i) => i % 1024);
    pages[7900] = 1500;
    // Of rows 0..7899, 7 x 512 are of each group, then 512 of the first one and 220 of the second.
    const left = [5000 - 4096, 5000 - 3804, 10];
    expect(watched(pages, [5000, 5000, 10], [1500])).toMatchObject({ stopped: 7900, left });
  });

  test(`${kernel}: actors of all turns are noted`, () => {
    const memory = new PassMemory({ kernel });
    const at = oneActor(memory, 100);
    memory.words.fill(20_000, at.left, at.left + 8);
    // Code 3, of the second actor, leads to the same places; its rows come first.
    const own = layout.TABLE_AT + 3 * layout.ENTRY_WORDS;
    memory.words.copyWithin(own, layout.TABLE_AT, layout.TABLE_AT + layout.ENTRY_WORDS);
    memory.words[own + layout.ACTOR_BIT] = 2;
    const chunk = reads(new Array(8000).fill(1), memory);
    chunk.code.fill(3, 0, 10);
    memory.load(chunk, 0);
    const { codeAt, pageAt } = memory;
    for (const loop of ['settledRows', 'countedRows', 'watchedRows'] as const) {
      expect(memory.kernel[loop](ALL, codeAt, pageAt, 0, 8000)).toBe(8000);
      expect(memory.words[layout.SEEN_AT]).toBe(3);
      expect(memory.kernel[loop](ALL, codeAt, pageAt, 10, 8000)).toBe(8000);
      expect(memory.words[layout.SEEN_AT]).toBe(1);
    }
  });

  test(`${kernel}: bytes that differ are seen wherever they are`, () => {
    const memory = new PassMemory({ kernel });
    for (const other of [0, 1, 15, 16, 36, 37, 38]) {
      const chunk = reads(new Array(40).fill(0), memory);
      chunk.bytes[other] = UNIT + 1;
      memory.load(chunk, 0);
      expect(memory.mixesBytes(UNIT)).toBe(true);
      expect(memory.kernel.unlikeRows(UNIT, memory.bytesAt, other + 1, 40)).toBe(0);
      expect(memory.kernel.unlikeRows(UNIT, memory.bytesAt, 0, other)).toBe(0);
    }
    memory.load(reads(new Array(40).fill(0), memory), 0);
    expect(memory.mixesBytes(UNIT)).toBe(false);
  });
}

test('the WebAssembly kernel is what the compiler makes of its source', async () => {
  const committed = readFileSync(new URL('../../src/replay/kernel/wasm.ts', import.meta.url), 'utf8');
  expect(await kernelModule(HIT_PATH)).toBe(committed);
});
