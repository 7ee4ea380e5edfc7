/** The loops over columns of rows in WebAssembly against those in TypeScript. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONTINUES, OP } from '../../src/trace/compiled.ts';
import type { Counting, Narrow } from '../../src/trace/kernel/kernel.ts';
import { ReadMemory } from '../../src/trace/kernel/memory.ts';
import { setFinals } from '../../src/trace/packed-rows.ts';
import { RowKinds } from '../../src/trace/row-kinds.ts';

describe('loops over columns', () => {
  const ROWS = 300;
  const column = fc
    .tuple(fc.constantFrom(2 ** 8, 2 ** 16, 2 ** 32), fc.nat(12), fc.nat(ROWS - 1))
    .chain(([top, shift, n]) =>
      fc
        .array(fc.integer({ min: 0, max: top - 1 }), { minLength: n + 1, maxLength: n + 1, size: 'max' })
        .map((list) => Uint32Array.from(list, (x) => (x << shift) >>> 0)),
    );
  const words = (memory: ReadMemory, numbers: ArrayLike<number>) => {
    const { buffer, byteOffset } = memory.int32(numbers.length);
    const copy = new Uint32Array(buffer, byteOffset, numbers.length);
    copy.set(numbers);
    return copy;
  };
  const both = () => [new ReadMemory(), new ReadMemory('plain')] as const;
  const [auto, plain] = both();

  it('scan, narrow and widen columns alike, and back to what they were', () => {
    fc.assert(
      fc.property(column, (numbers) => {
        const found = [auto, plain].map((memory) => {
          const scanned = { least: 0, greatest: 0, bits: 0 };
          memory.columns.scan(words(memory, numbers), numbers.length, scanned);
          return scanned;
        });
        expect(found[0]).toEqual(found[1]);
        expect(found[0]).toMatchObject({ least: Math.min(...numbers), greatest: Math.max(...numbers) });
        const { least, greatest, bits } = found[0];
        const shift = bits === 0 ? 0 : 31 - Math.clz32(bits & -bits);
        const most = (greatest - least) >>> shift;
        for (const Kind of [Uint8Array, Uint16Array, Uint32Array]) {
          if (most >= 2 ** (8 * Kind.BYTES_PER_ELEMENT)) continue;
          const kept = [auto, plain].map((memory) => {
            const { buffer, byteOffset } = words(memory, numbers);
            const to: Narrow = new Kind(buffer as ArrayBuffer, byteOffset, numbers.length);
            const back = words(memory, numbers);
            memory.columns.narrow(words(memory, numbers), numbers.length, least, shift, to);
            back.fill(1);
            memory.columns.widen(to, numbers.length, least, shift, back);
            expect(back).toEqual(numbers);
            return [...to];
          });
          expect(kept[0]).toEqual(kept[1]);
        }
        // In parts, two bytes and one.
        const truncated = [auto, plain].map((memory) => {
          const back = words(memory, numbers);
          const low = words(memory, numbers);
          const high = words(memory, numbers);
          const lows = new Uint16Array(low.buffer, low.byteOffset, numbers.length);
          const highs = new Uint8Array(high.buffer, high.byteOffset, numbers.length);
          memory.columns.narrow(words(memory, numbers), numbers.length, least, 8, lows);
          memory.columns.narrow(words(memory, numbers), numbers.length, least, 24, highs);
          memory.columns.widen(lows, numbers.length, least, 8, back);
          memory.columns.raise(highs, numbers.length, 24, back);
          return [...back];
        });
        const whole = Array.from(numbers, (x) => (least + ((((x - least) >>> 8) << 8) >>> 0)) >>> 0);
        expect(truncated).toEqual([whole, whole]);
      }),
      { numRuns: 100, seed: 5 },
    );
  });

  it('take times apart and put them together again', () => {
    // Steps 0, 2^32 - 1, 5: all fit; one more, 2^32, does not.
    const times = [7, 7 + 2 ** 32 - 1, 12 + 2 ** 32 - 1, 12 + 2 ** 33 - 1];
    for (const memory of [auto, plain]) {
      memory.draft.timeNs.set(times);
      expect(memory.columns.steps(memory.draft.timeNs, 3, memory.steps)).toBe(true);
      expect([...memory.steps.subarray(0, 3)]).toEqual([0, 2 ** 32 - 1, 5]);
      memory.draft.timeNs.fill(0);
      memory.columns.sums(memory.steps, 3, 7, memory.draft.timeNs);
      expect([...memory.draft.timeNs.subarray(0, 3)]).toEqual(times.slice(0, 3));
      memory.draft.timeNs.set(times);
      expect(memory.columns.steps(memory.draft.timeNs, 4, memory.steps)).toBe(false);
    }
  });

  it('take times of any number of rows apart alike', () => {
    const step = fc.oneof(fc.constantFrom(0, 2 ** 32 - 1), fc.nat(100), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
    const late = fc.option(fc.tuple(fc.nat(ROWS - 1), fc.constantFrom(2 ** 32, 2 ** 40)), { nil: null });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: ROWS, size: 'max' }), late, (list, beyond) => {
        const rows = list.length;
        if (beyond !== null && beyond[0] < rows) list[beyond[0]] = beyond[1];
        const fits = beyond === null || beyond[0] >= rows || beyond[0] === 0;
        let time = 3;
        const times = list.map((more, i) => (i === 0 ? time : (time += more)));
        for (const memory of [auto, plain]) {
          memory.draft.timeNs.fill(-1);
          memory.draft.timeNs.set(times);
          memory.steps.fill(77, 0, rows + 1);
          expect(memory.columns.steps(memory.draft.timeNs, rows, memory.steps)).toBe(fits);
          expect([...memory.steps.subarray(0, rows + 1)]).toEqual([
            0,
            ...list.slice(1).map((more) => Math.min(more, 2 ** 32 - 1)),
            77,
          ]);
          memory.draft.timeNs.fill(-1);
          memory.columns.sums(memory.steps, rows, 3, memory.draft.timeNs);
          if (fits) expect([...memory.draft.timeNs.subarray(0, rows + 1)]).toEqual([...times, -1]);
        }
      }),
      { numRuns: 100, seed: 3 },
    );
  });

  it('fill so many rows and no other', () => {
    for (const memory of [auto, plain]) {
      for (let rows = 0; rows <= 9; rows++) {
        memory.steps.fill(1, 0, 12);
        memory.columns.fill(rows, 2 ** 32 - 5, memory.steps);
        const expected = Array.from({ length: 12 }, (_, i) => (i < rows ? 2 ** 32 - 5 : 1));
        expect([...memory.steps.subarray(0, 12)]).toEqual(expected);
      }
    }
  });

  it('count bits of any number of words', () => {
    const numbers = [0, -1, 1, -(2 ** 31), 0x55555555, 3, -1, -1, 5, -2, 0x0f0f0f0f];
    const bits = [0, 32, 1, 1, 16, 2, 32, 32, 2, 31, 16];
    for (const memory of [auto, plain]) {
      for (let n = 0; n <= numbers.length; n++) {
        const some = memory.int32(n);
        some.set(numbers.slice(0, n));
        expect(memory.columns.countBits(some)).toBe(bits.slice(0, n).reduce((sum, more) => sum + more, 0));
      }
    }
  });

  it('give page ids and count alike', () => {
    const draftRow = fc.record({
      op: fc.constantFrom(OP.read, OP.write, OP.atomic, OP.read | CONTINUES, OP.write, OP.read, OP.launch),
      actor: fc.nat(4),
      word: fc.nat(63),
      bit: fc.nat(31),
      offset: fc.nat(4095),
      bytes: fc.oneof(fc.integer({ min: 1, max: 4096 }), fc.integer({ min: 1, max: 2 ** 21 - 4096 })),
    });
    fc.assert(
      fc.property(fc.array(draftRow, { minLength: 1, maxLength: ROWS, size: 'max' }), (rows) => {
        const outcomes = both().map((memory) => {
          const kinds = new RowKinds();
          for (const [i, { op, actor, word, bit, offset, bytes }] of rows.entries()) {
            memory.draft.word[i] = word;
            memory.draft.spot[i] = offset | (bit << 12) | (kinds.numberOf(op, actor) << 17);
            memory.draft.bytes[i] = bytes;
          }
          setFinals(memory, kinds.finish(), Uint8Array.of(0, 4, 2, 90, 1));
          const to = memory.finalColumns(rows.length);
          to.bytes.set(rows.map(({ bytes }) => bytes));
          const ids = { wordId: memory.int32(64), touched: memory.int32(64) };
          for (let w = 0; w < 64; w++) {
            ids.wordId[w] = w * 32;
            ids.touched[w] = Math.imul(w + 1, 0x9e3779b1);
          }
          memory.columns.numberRows(rows.length, 41, memory.draft, ids, memory.finals, to);
          const counts = words(memory, new Uint32Array(kinds.finish().length * 6));
          // A count that is about to need its upper half.
          counts.fill(0xffffff00);
          const counting: Counting = { counts, lastActor: -1, handOvers: 0 };
          const bits = memory.int32((64 * 32 + 1024) * 2);
          const ends: number[] = [];
          for (let from = 0; from < rows.length; from = ends.at(-1)! + 1) {
            const { columns, draft, finals, steps } = memory;
            ends.push(columns.countRows(from, rows.length, draft, ids, finals, counting, steps));
            columns.markLines(from, ends.at(-1)!, draft, finals, steps, bits);
            for (let row = from; row < ends.at(-1)!; row++) expect(steps[row]).toBe(to.page[row]);
          }
          const { thread: _, timeNs: __, ...columns } = to;
          const kept = Object.entries(columns).map(([name, column]) => [name, ...column]);
          return { kept, counting: { ...counting, counts: [...counts] }, bits: [...bits], ends };
        });
        expect(outcomes[0]).toEqual(outcomes[1]);
        const stops = rows.flatMap(({ op }, i) => (op === OP.launch ? [i] : []));
        expect(outcomes[0].ends.filter((row) => row < rows.length)).toEqual(stops);
      }),
      { numRuns: 60, seed: 9 },
    );
  });
});
