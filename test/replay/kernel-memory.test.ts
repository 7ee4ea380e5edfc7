/** The memory that the loops of the hit path work on: it grows, and columns lie in it or are brought in. */
import { expect, test } from 'vitest';
import * as layout from '../../src/replay/kernel/layout.ts';
import { PassMemory } from '../../src/replay/kernel/memory.ts';
import type { TraceChunk } from '../../src/trace/compiled.ts';
import { inArena } from '../helpers/arena.ts';
import { ALL, chunkOf, oneActor, UNIT } from '../helpers/pass-memory.ts';

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
