/**
 * The fast scanner and csv-parse read the same: rows, errors and line numbers. A quoted header sends the whole file through
 * csv-parse, a plain one through the scanner.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileTraceText, TraceError } from '../../src/trace/index.ts';

const COLUMNS = ['time_ns', 'actor', 'op', 'addr', 'size', 'thread', 'arg'] as const;
type Row = Record<(typeof COLUMNS)[number], string>;

const plainRow: fc.Arbitrary<Row> = fc.record({
  time_ns: fc.nat(3).map(String),
  actor: fc.constantFrom('cpu', 'gpu0', 'gpu1', 'npu12'),
  op: fc.constantFrom('read', 'write', 'atomic', 'r', 'w', 'a', 'launch', 'sync'),
  addr: fc.oneof(
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
    ),
  ),
  size: fc.constantFrom('1', '64', '4096', '5000', '2097152', '0x40', '007'),
  thread: fc.constantFrom('', '0', '7', '-1', '12345678901'),
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

async function read(text: string): Promise<unknown> {
  try {
    const { chunks, sha256: _, ...facts } = await compileTraceText(text, 'trace.csv');
    return { facts, chunks: [...chunks()] };
  } catch (error) {
    if (error instanceof TraceError) return error.message;
    throw error;
  }
}

test('scanner and csv-parse read the same rows and find the same errors in the same lines', async () => {
  let errors = 0;
  let good = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray([...COLUMNS], { minLength: 7, maxLength: 7 }),
      fc.array(line, { maxLength: 30 }),
      fc.constantFrom('\n', '\r\n'),
      async (columns, lines, end) => {
        const sorted = [...lines].sort(
          (a, b) => Number('row' in a ? a.row.time_ns : 0) - Number('row' in b ? b.row.time_ns : 0),
        );
        const rows = write(columns, sorted, end);
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
