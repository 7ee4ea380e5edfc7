/** The loops of reading in WebAssembly against those in TypeScript. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { kernelModule, READING } from '../../scripts/kernel/compile.ts';
import { CONTINUES, OP } from '../../src/trace/compiled.ts';
import { TraceCompiler } from '../../src/trace/compiler.ts';
import { TraceError } from '../../src/trace/errors.ts';
import { finishTrace } from '../../src/trace/finish.ts';
import { format } from '../../src/trace/formats/csv.ts';
import { Arena } from '../../src/trace/kernel/arena.ts';
import type { Counting, Narrow } from '../../src/trace/kernel/kernel.ts';
import { FREE_AT } from '../../src/trace/kernel/layout.ts';
import { ReadMemory } from '../../src/trace/kernel/memory.ts';
import { setFinals } from '../../src/trace/packed-rows.ts';
import { RowKinds } from '../../src/trace/row-kinds.ts';
import { sourceOfText } from '../../src/trace/source.ts';
import { snapshot } from './snapshot.ts';

test('the WebAssembly loops are what the compiler makes of their source', async () => {
  expect(await kernelModule(READING)).toBe(readFileSync(READING.module, 'utf8'));
});

async function compiled(text: string, memory: ReadMemory): Promise<unknown> {
  const source = await sourceOfText(text, 'trace.csv');
  const compiler = new TraceCompiler('trace.csv', memory);
  try {
    await format.read(source, compiler);
    return snapshot(finishTrace(compiler, 'trace.csv', source.sha256()));
  } catch (error) {
    if (error instanceof TraceError) return error.message;
    throw error;
  }
}

const digits = (most: number) => fc.array(fc.nat(9), { minLength: 1, maxLength: most }).map((list) => list.join(''));
const hex = fc
  .array(fc.constantFrom(...'0123456789abcdefABCDEF'), { minLength: 1, maxLength: 6 })
  .map((d) => d.join(''));
const time = fc.oneof({ weight: 20, arbitrary: fc.nat(3).map(String) }, digits(17));
const address = fc.oneof(
  { weight: 20, arbitrary: fc.nat(2 ** 22).map((n) => `0x${n.toString(16)}`) },
  hex.map((d) => `0x${d}`),
  fc.tuple(fc.nat(9), hex).map(([zeros, d]) => `0x${'0'.repeat(zeros)}${d}`),
  fc.constantFrom('0x', '0xg0', '0x10g', '0x1 0', '0X10', '4096', '', '0x@0', '0x:0', '0x`0', '0xG0'),
);
const size = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom('64', '4096', '1', '131072') },
  digits(9),
  fc.constant(''),
);
const thread = fc.oneof({ weight: 8, arbitrary: fc.constantFrom('', '0', '12', '255') }, digits(5), fc.constant('-1'));
const end = fc.oneof({ weight: 20, arbitrary: fc.constant('\n') }, fc.constantFrom('\r\n', ',\n', ' \n', '/\n', ':\n'));
const actorAndOp = fc.constantFrom(
  'cpu,r',
  'gpu0,read',
  'gpu0,write',
  'gpu1,a',
  'gpu1,atomic',
  'npu12,w',
  'accelerator7,read',
);
const row = fc.tuple(time, actorAndOp, address, size, thread, end);

test('text is read alike with and without WebAssembly, row by row', async () => {
  let good = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 60, size: 'max' }), fc.nat(7), async (rows, without) => {
      const last = without & 2 ? '' : ',';
      const lines = rows.map(([time, actor, address, size, thread, end]) => {
        const first = without & 1 ? '' : `${time},`;
        return `${first}${actor},${address},${size}${without & 4 ? '' : `,${thread}`}${last}${end}`;
      });
      const columns = `${without & 1 ? '' : 'time_ns,'}actor,op,addr,size${without & 4 ? '' : ',thread'}`;
      // The loops stop at the first row that is wrong: by fewer rows at a time more of them are seen.
      for (let from = 0; from < lines.length; from += 10) {
        const text = `${columns}${last ? ',arg' : ''}\n${lines.slice(0, from + 10).join('')}`;
        const auto = await compiled(text, new ReadMemory());
        expect(auto).toEqual(await compiled(text, new ReadMemory('plain')));
        if (typeof auto !== 'string') good++;
        else break;
      }
    }),
    { numRuns: 150, seed: 71 },
  );
  expect(good).toBeGreaterThan(30);
});

test('goes on without WebAssembly when its memory can grow no more', async () => {
  const rows = Array.from({ length: 20_000 }, (_, i) => `${i},gpu0,read,0x${(i * 2 ** 21).toString(16)},64\n`);
  const text = `time_ns,actor,op,addr,size\n${rows.join('')}${rows.join('')}`;
  const sorted = `actor,op,addr,size\n${[...rows, ...rows].map((line) => line.slice(line.indexOf(',') + 1)).join('')}`;
  for (const trace of [text, sorted]) {
    // 20,000 blocks need 20,000 x 16 words and more; this memory has room for a thousandth of that.
    const small = new ReadMemory('auto', Arena.make(FREE_AT, 96));
    expect(small.exports).not.toBe(null);
    const result = await compiled(trace, small);
    expect(small.exports).toBe(null);
    expect(result).toEqual(await compiled(trace, new ReadMemory('plain')));
  }
});

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

test('the loop reads the rows right behind the header: those of a short trace, too', async () => {
  const memory = new ReadMemory();
  const { exports } = memory;
  if (exports === null) throw new Error('no WebAssembly');
  let passed = 0;
  memory.exports = {
    ...exports,
    plainRows: (...given) => {
      const at = exports.plainRows(...given);
      passed += memory.found[0] - given[2];
      return at;
    },
  };
  await compiled(`time_ns,actor,op,addr,size\n${'5,gpu0,read,0x1000,64\n'.repeat(20)}`, memory);
  // The first row tells the actor and the block.
  expect(passed).toBe(19);
});
