/** However the same trace is written, the compiled form is the same. */

import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compileTraceText } from '../../src/trace/index.ts';
import { snapshot } from './snapshot.ts';

const COLUMNS = ['time_ns', 'actor', 'op', 'addr', 'size', 'thread', 'arg'] as const;
type Row = Record<(typeof COLUMNS)[number], string>;

/** Addresses anywhere below 2^57, with room for the size. */
const address = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 23n }),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 53n + 2n ** 22n }),
  fc.bigInt({ min: 2n ** 57n - 2n ** 23n, max: 2n ** 57n - 2n ** 22n }),
);
const actor = fc.constantFrom('cpu', 'gpu0', 'gpu1', 'npu12');

const row = fc
  .record({
    actor,
    op: fc.constantFrom('read', 'write', 'atomic', 'prefetch', 'advise', 'launch', 'invalidate'),
    address,
    size: fc.integer({ min: 1, max: 2 ** 22 }),
    thread: fc.constantFrom('', '0', '1', '-7'),
    target: actor,
  })
  .map(({ actor, op, address, size, thread, target }): Omit<Row, 'time_ns'> => {
    const args: Record<string, string> = {
      prefetch: target,
      advise: `attr:"A, B"=1@${target}`,
      invalidate: 'fork',
    };
    const who = op === 'launch' && actor === 'cpu' ? 'gpu0' : actor;
    return { actor: who, op, addr: `${address}`, size: `${size}`, thread, arg: args[op] ?? '' };
  });

const style = fc.record({
  columns: fc.shuffledSubarray([...COLUMNS], { minLength: COLUMNS.length }),
  newline: fc.constantFrom('\n', '\r\n'),
  hex: fc.constantFrom('', '0x', '0X'),
  quoteAll: fc.boolean(),
  pad: fc.constantFrom('', ' '),
  short: fc.boolean(),
  comments: fc.boolean(),
  byteOrderMark: fc.boolean(),
  lastNewline: fc.boolean(),
  gzip: fc.boolean(),
});
type Style = typeof style extends fc.Arbitrary<infer S> ? S : never;

const PLAIN: Style = {
  columns: [...COLUMNS],
  newline: '\n',
  hex: '',
  quoteAll: false,
  pad: '',
  short: false,
  comments: false,
  byteOrderMark: false,
  lastNewline: true,
  gzip: false,
};

function write(rows: readonly Row[], style: Style): Uint8Array {
  const quote = (value: string) =>
    style.quoteAll || value.includes('"') ? `"${value.replaceAll('"', '""')}"` : `${style.pad}${value}${style.pad}`;
  const value = (row: Row, column: keyof Row) => {
    if (column === 'op' && style.short) return row.op.replace(/^(r|w|a)(ead|rite|tomic)$/, '$1');
    if (column === 'addr' && style.hex !== '') return style.hex + BigInt(row.addr).toString(16);
    return row[column];
  };
  const lines = [style.columns.map(quote).join(',')];
  for (const row of rows) {
    if (style.comments) lines.push('# a "comment, with a quote', '');
    lines.push(style.columns.map((column) => quote(value(row, column))).join(','));
  }
  if (style.comments) lines.unshift('# title: it', '', '# nothing');
  const text =
    (style.byteOrderMark ? '\ufeff' : '') + lines.join(style.newline) + (style.lastNewline ? style.newline : '');
  return style.gzip ? gzipSync(text) : Buffer.from(text);
}

it('compiles the same trace whatever the order of columns, quotes, line ends, numbers and compression', async () => {
  const trace = fc.tuple(fc.array(row, { minLength: 1, maxLength: 30 }), fc.array(fc.nat(1000), { maxLength: 30 }));
  await fc.assert(
    fc.asyncProperty(trace, style, async ([rows, steps], how) => {
      let time = 0;
      const timed = rows.map((r, i) => ({ ...r, time_ns: `${(time += steps[i] ?? 0)}` }));
      const plain = await compileTraceText(write(timed, PLAIN));
      const styled = await compileTraceText(write(timed, how));
      expect(snapshot(styled)).toEqual(snapshot(plain));
      expect(styled.metadata).toEqual(how.comments ? { title: 'it' } : {});
    }),
    { numRuns: 150 },
  );
});
