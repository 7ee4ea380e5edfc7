/** The loops of reading in WebAssembly against those in TypeScript. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { kernelModule, READING } from '../../scripts/kernel/compile.ts';
import { TraceCompiler } from '../../src/trace/compiler.ts';
import { TraceError } from '../../src/trace/errors.ts';
import { finishTrace } from '../../src/trace/finish.ts';
import { format } from '../../src/trace/formats/csv.ts';
import { Arena } from '../../src/trace/kernel/arena.ts';
import { FREE_AT } from '../../src/trace/kernel/layout.ts';
import { ReadMemory } from '../../src/trace/kernel/memory.ts';
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
