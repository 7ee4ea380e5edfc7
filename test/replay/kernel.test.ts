/** The kernel in WebAssembly against the one in TypeScript, and the memory that both work on. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HIT_PATH, kernelModule } from '../../scripts/kernel/compile.ts';
import type { Kernel } from '../../src/replay/kernel/kernel.ts';
import * as layout from '../../src/replay/kernel/layout.ts';
import { PassMemory } from '../../src/replay/kernel/memory.ts';
import type { TraceChunk } from '../../src/trace/compiled.ts';
import { inArena } from '../helpers/arena.ts';

const PAGES = 1030;
const ALL = 0b101;
const UNIT = 64;
/** Of a row that is no access, `page` is anything. */
const NOBODY = 255;

interface Row {
  readonly code: number;
  readonly page: number;
  readonly bytes: number;
}
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

function chunkOf(rows: readonly Row[]): TraceChunk {
  return {
    rows: rows.length,
    code: Uint8Array.from(rows, ({ code }) => code),
    page: Int32Array.from(rows, ({ page, code }) => (code === NOBODY ? 2 ** 30 : page)),
    bytes: Uint32Array.from(rows, ({ bytes }) => bytes),
  } as unknown as TraceChunk;
}

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

/** A table in which one actor reads with code 0; where its words, low counts and groups begin. */
function oneActor(memory: PassMemory, pages: number): { word: number; low: number; left: number } {
  const word = memory.take(pages);
  const low = memory.take(pages);
  const high = memory.take(pages);
  const left = memory.take(8);
  const entry = [word, 1, low, high, -1, -1, left];
  memory.words.set(entry, layout.TABLE_AT);
  memory.words.fill(ALL, word, word + pages);
  return { word, low, left };
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

for (const kernel of ['auto', 'plain'] as const) {
  test(`memory of the ${kernel} kernel grows and keeps what is in it`, () => {
    const memory = new PassMemory({ kernel });
    const first = memory.take(1000);
    expect(first).toBe(layout.FREE_AT);
    memory.words.fill(7, first, first + 1000);
    // 4 Mi words = 16 MiB: far beyond what there was.
    const second = memory.take(2 ** 22);
    // 1000 words are 62.5 cache lines.
    expect(second).toBe(first + 1008);
    expect(memory.words[first]).toBe(7);
    expect(memory.words[first + 999]).toBe(7);
    expect(memory.words[second]).toBe(0);
    memory.words[second + 2 ** 22 - 1] = 9;
    expect(memory.words.length).toBeGreaterThanOrEqual(second + 2 ** 22);
    // The kernel sees the memory that grew.
    memory.load(chunkOf([{ code: 0, page: 0, bytes: UNIT }]), 0);
    memory.words[layout.TABLE_AT + layout.WORD] = second + 2 ** 22 - 1;
    expect(memory.kernel.settledRows(9, memory.codeAt, memory.pageAt, 0, 1)).toBe(1);
    expect(memory.kernel.settledRows(8, memory.codeAt, memory.pageAt, 0, 1)).toBe(0);
  });
}

test('columns in the arena are walked where they lie, all of a chunk, also once the memory has grown', () => {
  const memory = new PassMemory();
  const { word } = oneActor(memory, 100);
  const rows = Array.from({ length: layout.ROOM_ROWS + 100 }, (_, i) => ({ code: 0, page: i % 100, bytes: UNIT }));
  const chunk = inArena(chunkOf(rows), memory.arena!);
  memory.load(chunk, layout.ROOM_ROWS + 3);
  expect([memory.firstRow, memory.endRow]).toEqual([0, layout.ROOM_ROWS + 100]);
  const settled = () => memory.kernel.settledRows(ALL, memory.codeAt, memory.pageAt, 0, memory.endRow);
  expect(settled()).toBe(layout.ROOM_ROWS + 100);
  // Somebody else takes 16 MiB, then the memory of the pass lies behind that.
  expect(memory.arena!.take(2 ** 24)).toBeGreaterThan(0);
  const late = memory.take(10);
  expect(4 * late).toBeGreaterThan(2 ** 24);
  memory.words[late + 9] = 7;
  expect(memory.words[late + 9]).toBe(7);
  expect(memory.bytes[4 * (late + 9)]).toBe(7);
  expect(memory.halves[2 * (late + 9)]).toBe(7);
  expect(settled()).toBe(layout.ROOM_ROWS + 100);
  chunk.page[50] = 3;
  memory.words[word + 50] = 0;
  // Row 150 is the first one that is now of page 50.
  expect(settled()).toBe(150);
});

test('columns in the arena of another memory are brought in', () => {
  const [memory, other] = [new PassMemory(), new PassMemory()];
  oneActor(memory, 100);
  const chunk = inArena(chunkOf([{ code: 0, page: 5, bytes: 65 }]), other.arena!);
  memory.load(chunk, 0);
  expect([memory.codeAt, memory.pageAt, memory.bytesAt]).toEqual([layout.CODE_AT, layout.PAGE_AT, layout.BYTES_AT]);
  expect(memory.words[layout.PAGE_AT / 4]).toBe(5);
  expect(memory.mixesBytes(64)).toBe(true);
});

test('goes on without WebAssembly where the arena can grow no more, columns in it and all', () => {
  // 96 pages of 64 KiB = 6 MiB, of which the layout takes 5 and a bit.
  const memory = new PassMemory({ kernel: 'auto', mostPages: 96 });
  const { word, left, low } = oneActor(memory, 100);
  memory.words[left] = 12;
  const rows = Array.from({ length: 20 }, (_, i) => ({ code: 0, page: 10 + i, bytes: UNIT }));
  // Columns lie behind everything that the pass has looked at so far.
  expect(memory.arena!.take(10 * 2 ** 16)).toBeGreaterThan(0);
  const chunk = inArena(chunkOf(rows), memory.arena!);
  expect(chunk.code.byteOffset).toBeGreaterThan(memory.bytes.length);
  memory.load(chunk, 0);
  const watched = (from: number, to: number) => memory.kernel.watchedRows(ALL, memory.codeAt, memory.pageAt, from, to);
  expect(watched(0, 8)).toBe(8);
  const late = memory.take(2 ** 20);
  expect(memory.arena).toBe(null);
  expect(memory.words.length).toBeGreaterThanOrEqual(late + 2 ** 20);
  expect(memory.words[late]).toBe(0);
  expect(memory.words[word + 99]).toBe(ALL);
  memory.load(chunk, 8);
  // 12 - 8 are left.
  expect(watched(8, 20)).toBe(12);
  expect([...memory.bytes.subarray(4 * low + 10, 4 * low + 23)]).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]);
  const later = memory.take(2 ** 20);
  expect(later).toBeGreaterThanOrEqual(late + 2 ** 20);
  expect(memory.words[word + 99]).toBe(ALL);
  memory.words[later + 2 ** 20 - 1] = 7;
  expect(memory.words[later + 2 ** 20 - 1]).toBe(7);
});

test('a chunk longer than the room for columns is brought in piece by piece', () => {
  const memory = new PassMemory();
  const rows = layout.ROOM_ROWS + 10;
  const bytes = new Uint32Array(rows).fill(64);
  bytes[rows - 1] = 65;
  const chunk = {
    rows,
    code: new Uint8Array(rows),
    page: Int32Array.from({ length: rows }, (_, i) => i),
    bytes,
  } as unknown as TraceChunk;
  memory.load(chunk, layout.ROOM_ROWS + 3);
  expect([memory.firstRow, memory.endRow]).toEqual([layout.ROOM_ROWS, rows]);
  expect(memory.words[layout.PAGE_AT / 4 + 3]).toBe(layout.ROOM_ROWS + 3);
  expect(memory.mixesBytes(64)).toBe(true);
  memory.load(chunk, 5);
  expect([memory.firstRow, memory.endRow]).toEqual([0, layout.ROOM_ROWS]);
  expect(memory.words[layout.PAGE_AT / 4 + 5]).toBe(5);
  expect(memory.mixesBytes(64)).toBe(false);
});
