/**
 * The fast scanner and csv-parse read the same: rows, errors and line numbers. A quoted header sends the whole file through
 * csv-parse, a plain one through the scanner.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TraceChunk } from '../../src/trace/compiled.ts';
import { compileTraceText, TraceError } from '../../src/trace/index.ts';

const COLUMNS = ['time_ns', 'actor', 'op', 'addr', 'size', 'thread', 'arg'] as const;
type Row = Record<(typeof COLUMNS)[number], string>;

const plainRow: fc.Arbitrary<Row> = fc.record({
  time_ns: fc.oneof(
    { weight: 4, arbitrary: fc.nat(3).map(String) },
    fc.constantFrom(
      '007',
      '1234567',
      '12345678',
      '123456789',
      '012345678901',
      '123456789012345',
      '9007199254740991',
      '9007199254740993',
    ),
  ),
  actor: fc.constantFrom('cpu', 'gpu0', 'gpu1', 'npu12'),
  op: fc.constantFrom('read', 'write', 'atomic', 'r', 'w', 'a', 'launch', 'sync'),
  addr: fc.oneof(
    // The loop reads only blocks that were touched before: a few of them, again and again.
    { weight: 8, arbitrary: fc.integer({ min: 0, max: 2 ** 23 }).map((n) => `0x${n.toString(16)}`) },
    fc.integer({ min: 0, max: 2 ** 30 }).map((n) => `0x${n.toString(16)}`),
    fc.integer({ min: 0, max: 2 ** 30 }).map(String),
    fc.constantFrom(
      '0x1fffffffffff000',
      '0x100000000000043',
      '72057594037927943',
      '0xFFFF0',
      '0x0',
      '144115188075855000',
      '0x00000000000001000',
      '0X10',
      // The last page of a block, and the end of the numbers that the fast loop takes.
      '0x1ff000',
      '0x1fffff',
      '0xfffffffffffff',
      '0x10000000000000',
      // Their low bits are those of the first block.
      '0x20000000001000',
      '0x100000000000001000',
      '0x0000000000001fff',
      '0x00000000000001fff',
      '0xaBcDeF',
    ),
  ),
  size: fc.constantFrom(
    '1',
    '64',
    '4096',
    '5000',
    '200000',
    '2097152',
    '0x40',
    '007',
    '00000064',
    '000000064',
    '12345678',
  ),
  thread: fc.constantFrom('', '0', '7', '007', '255', '256', '-1', '123456789', '12345678901'),
  arg: fc.constantFrom('', 'x', 'a b', 'gpu0'),
});

/** Values that something is wrong, or merely unusual, with. */
const oddValue = fc.constantFrom(
  '',
  ' ',
  ' 1',
  '1 ',
  '-1',
  '1.5',
  'x',
  '0x',
  '0xg',
  '99999999999999999999',
  'CPU',
  'é',
  'rea',
  '#',
  '0',
);
const oddRow = fc
  .tuple(plainRow, fc.constantFrom(...COLUMNS), oddValue)
  .map(([row, column, value]) => ({ ...row, [column]: value }));

const line = fc.oneof(
  { weight: 12, arbitrary: plainRow.map((row) => ({ row })) },
  { weight: 1, arbitrary: oddRow.map((row) => ({ row })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', '# a comment, with "quotes"', '#', 'cpu,read', ',,,,,,,,').map((text) => ({ text })),
  },
);

function write(
  columns: readonly (keyof Row)[],
  lines: readonly ({ row: Row } | { text: string })[],
  end: string,
): string {
  const written = lines.map((l) => ('text' in l ? l.text : columns.map((c) => l.row[c]).join(',')));
  return written.map((text) => text + end).join('');
}

/** The rows of a chunk, for keeping: its columns are used again. */
function columnsOf({ rows, arena: _, ...columns }: TraceChunk): Record<string, number[] | null> {
  const kept = Object.entries(columns).map(([name, column]) => [name, column && [...column.subarray(0, rows)]]);
  return Object.fromEntries(kept);
}

async function read(text: string): Promise<unknown> {
  try {
    const { chunks, sha256: _, ...facts } = await compileTraceText(text, 'trace.csv');
    return { facts, chunks: Array.from(chunks(), columnsOf) };
  } catch (error) {
    if (error instanceof TraceError) return error.message;
    throw error;
  }
}

/** The orders of columns that have a loop of their own. */
const USUAL: readonly (keyof Row)[][] = [
  ['time_ns', 'actor', 'op', 'addr', 'size'],
  ['time_ns', 'actor', 'op', 'addr', 'size', 'arg'],
  ['actor', 'op', 'addr', 'size'],
  ['actor', 'op', 'addr', 'size', 'arg'],
  ['time_ns', 'actor', 'op', 'addr', 'size', 'thread', 'arg'],
  ['actor', 'op', 'addr', 'size', 'thread'],
];

test.each([
  { orders: 'any order of columns', columns: fc.shuffledSubarray([...COLUMNS], { minLength: 7, maxLength: 7 }) },
  { orders: 'the usual orders', columns: fc.constantFrom(...USUAL) },
])('scanner and csv-parse read the same rows and find the same errors in the same lines: $orders', async (given) => {
  let errors = 0;
  let good = 0;
  await fc.assert(
    fc.asyncProperty(
      given.columns,
      fc.array(line, { maxLength: 60 }),
      fc.constantFrom('\n', '\r\n'),
      fc.nat(9),
      async (columns, lines, end, unsorted) => {
        // Times run backwards in some.
        const sorted =
          unsorted === 0
            ? lines
            : [...lines].sort(
                (a, b) => Number('row' in a ? a.row.time_ns : 0) - Number('row' in b ? b.row.time_ns : 0),
              );
        // The last lines of a read are not for the loop: it looks far ahead.
        const tail = `# ${'.'.repeat(100)}${end}`;
        const rows = write(columns, sorted, end) + tail;
        const scanned = await read(columns.join(',') + end + rows);
        const parsed = await read(columns.map((c) => `"${c}"`).join(',') + end + rows);
        if (typeof scanned === 'string') errors++;
        else good++;
        expect(scanned).toEqual(parsed);
      },
    ),
    { numRuns: 200, seed: 20260607 },
  );
  // Both kinds must really occur.
  expect(errors).toBeGreaterThan(30);
  expect(good).toBeGreaterThan(30);
});

test('a quote in the middle sends the rest through csv-parse, with the right lines', async () => {
  const head = 'actor,op,addr,size,arg\n';
  const rows = 'cpu,write,0x1000,64,\n# one\n\ngpu0,read,0x1000,64,\n"gpu0",read,0x1000,64,\ngpu0,read,0x1000,64,\n';
  const trace = await compileTraceText(head + rows, 'trace.csv');
  expect(trace.records).toBe(4);
  // Header 1, rows 2, 5, 6 (the quoted one), 7; the bad row is line 8.
  await expect(compileTraceText(`${head}${rows}gpu0,read,zero,64,\n`, 'trace.csv')).rejects.toThrow(
    /^trace\.csv:8: addr/,
  );
});

test('reads long traces alike, over many reads, with all kinds of lines among the plain rows', async () => {
  const head = 'time_ns,actor,op,addr,size,arg';
  // 60,000 rows of about 35 bytes are four reads of 512 KiB.
  const rows = Array.from({ length: 60_000 }, (_, i) => {
    const address = (0x4000_0000 + ((i * 7919) % 50_000) * 4096 + (i % 61) * 64).toString(16);
    if (i % 1000 === 17) return `# row ${i}`;
    if (i % 1000 === 400) return `${i * 12345},gpu${i % 3},launch,,,`;
    if (i % 1000 === 700) return `${i * 12345},gpu${i % 3},sync,,,`;
    if (i % 500 === 33) return `${i * 12345}, cpu,read,0x${address},64,`;
    if (i % 500 === 34) return `${i * 12345},gpu1,write,${0x4000_0000 + i},5000,x`;
    return `${i * 12345},gpu${i % 3},${i % 5 === 0 ? 'write' : 'r'},0x${address},${i % 11 === 0 ? 4097 : 128},`;
  });
  const text = `${rows.join('\n')}\n`;
  const scanned = await read(`${head}\n${text}`);
  expect(scanned).toEqual(await read(`"${head.replaceAll(',', '","')}"\n${text}`));
  expect(scanned).toMatchObject({ facts: { records: 60_000 - 60 } });
  const bad = `${head}\n${text}${'0,gpu0,read,0x40000000,64,\n'.repeat(10)}`;
  // The header, 60,000 lines, the bad one.
  expect(await read(bad)).toMatch(/^trace\.csv:60002: time_ns runs backwards: 0, but line 60001 has 740687655;/);
});

test('says the line of an access that lies outside, however far into the plain rows', async () => {
  const inside = '0,gpu0,read,0x40000000,64\n'.repeat(30_000);
  const text = `time_ns,actor,op,addr,size\n0,gpu0,read,0x40000000,64\n`;
  const allocated = `time_ns,actor,op,addr,size,arg\n0,cpu,alloc,0x40000000,4096,a\n`;
  const withArg = inside.replaceAll('64\n', '64,\n');
  expect(await read(`${allocated}${withArg}0,gpu0,read,0x40001000,64,\n${withArg}`)).toMatch(
    /^trace\.csv:30003: the access 0x40001000\+64 lies outside every allocation/,
  );
  expect(await read(`${text}${inside}0,cpu,alloc,0x50000000,64\n${inside}`)).toMatch(
    /^trace\.csv:2: the access 0x40000000\+64 lies outside every allocation \(the first `alloc` comes in line 30003\)/,
  );
});

test.each([
  '5,gpu0,read,0x1000,0',
  '5,gpu0,read,0x1000,000000064',
  '5,gpu0,read,0x1000,100000000',
  '5,gpu0,read,0x1fff,4096',
  '5,gpu0,read,0x1f000,200000',
  '5,gpu0,read,0x1fffff,2',
  // Their low bits are those of the first block.
  '5,gpu0,read,0x20000000001000,64',
  '5,gpu0,read,0x10000000000000000,64',
  '5,gpu0,read,0x00000000000001000,64',
  '5,gpu0,read,0xABC,64',
  '5,gpu0,read,0x,64',
  '5,gpu0,read,0x1000,',
  '5,gpu0,read,0x1000,6x',
  '5,gpu0,read,0x1000,64,',
  '5,gpu0,read,0x1000',
  '4,gpu0,read,0x1000,64',
  ',gpu0,read,0x1000,64',
  '123456789012345,gpu0,read,0x1000,64',
  '1234567890123456,gpu0,read,0x1000,64',
  '9007199254740993,gpu0,read,0x1000,64',
  '5,gpu1,read,0x1000,64',
  '5,gpu0,reads,0x1000,64',
  '5,gpu0,r,0x1000,64',
  '5,cpu,a,0x1000,64\r',
])('reads %j in the middle of plain rows as csv-parse does', async (row) => {
  const before = '5,cpu,write,0x1000,64\n5,gpu0,read,0x1000,64\n'.repeat(4);
  const after = '1234567890123456,gpu0,read,0x1000,64\n'.repeat(10);
  const rows = `${before}${row}\n${after}`;
  const scanned = await read(`time_ns,actor,op,addr,size\n${rows}`);
  expect(scanned).toEqual(await read(`"time_ns","actor","op","addr","size"\n${rows}`));
});

test('reads numbers of any length alike, in whatever order the lengths come', async () => {
  const times = ['5', '12', '123', '1234', '12345', '123456', '1234567', '12345678', '123456789', '1234567890'];
  // A size of seven digits fits into the loop only with zeros in front.
  const sizes = ['1', '64', '128', '4096', '12345', '100000', '0012345', '00000064'];
  const threads = ['', '3', '25', '255', '256'];
  // The addresses of one block in 6 to 14 digits, and of one far away in 11 to 13.
  const addresses = [6, 7, 8, 9, 10, 11, 12, 13, 14].map((digits) => `0x${'200fc0'.padStart(digits, '0')}`);
  for (const digits of [11, 12, 13]) addresses.push(`0x${'7f00200000'.padStart(digits, '0')}`);
  let state = 1;
  const pick = <T>(from: readonly T[]): T => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return from[(state >>> 16) % from.length];
  };
  const rows = times.flatMap((time) =>
    Array.from(
      { length: 400 },
      () =>
        `${time},gpu${pick(['0', '1'])},${pick(['r', 'atomic'])},${pick(addresses)},${pick(sizes)},${pick(threads)}\n`,
    ),
  );
  const scanned = await read(`time_ns,actor,op,addr,size,thread\n${rows.join('')}`);
  expect(scanned).toEqual(await read(`"time_ns","actor","op","addr","size","thread"\n${rows.join('')}`));
  expect(scanned).toMatchObject({ facts: { records: 4000 } });
});

test('keeps apart the allocations that share a block', async () => {
  // Three of a page each in one block, one in a block 8 GiB further: they take turns.
  const pages = ['0x40000000', '0x40001000', '0x40002000', '0x240000000'];
  const allocs = pages.map((page, i) => `cpu,alloc,${page},4096,a${i}\n`).join('');
  const rows = Array.from(
    { length: 1000 },
    (_, i) => `gpu0,read,${pages[(i * i) % 4]},64,\ngpu0,read,${pages[i % 3]},64,\n`,
  );
  const trace = await read(`actor,op,addr,size,arg\n${allocs}${rows.join('')}`);
  expect(trace).toEqual(await read(`"actor","op","addr","size","arg"\n${allocs}${rows.join('')}`));
  // i^2 mod 4 is 0 or 1, so the far page is never touched: three pages are. 4 allocations + 2,000 reads.
  expect(trace).toMatchObject({ facts: { records: 2004, footprintBytes: 3 * 4096 } });
  // A freed page is gone, in whichever place it was kept: 1 header, 4 + 2,000 + 1 lines, then the read of it.
  for (const [i, page] of pages.slice(0, 3).entries()) {
    const text = `${allocs}${rows.join('')}cpu,free,${page},4096,\ngpu0,read,${page},64,\n${rows.join('')}`;
    const why = `touches memory that was freed ("a${i}", allocated in line ${2 + i})`;
    expect(await read(`actor,op,addr,size,arg\n${text}`)).toContain(`trace.csv:2007: the access ${page}+64 ${why}`);
  }
});
