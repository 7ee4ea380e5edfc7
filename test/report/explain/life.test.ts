import { expect, test } from 'vitest';
import { type Life, LifeObserver } from '../../../src/report/explain/life.ts';
import { pageMarkdown, pageTable } from '../../../src/report/explain/page.ts';
import { pagesOf, spanOf } from '../../../src/report/explain/span.ts';
import { line } from './line.ts';

test.each([
  // 0x1000 + 4096 ends at 0x1fff.
  ['0x1000', 4096, { firstPage: 1, lastPage: 1 }],
  // The first byte of the next page.
  ['0x1000', 4097, { firstPage: 1, lastPage: 2 }],
  // Byte 0xfff of page 1, two bytes long.
  ['0x1fff', 2, { firstPage: 1, lastPage: 2 }],
  ['0x0', 1, { firstPage: 0, lastPage: 0 }],
  ['0xfff', 1, { firstPage: 0, lastPage: 0 }],
  // Below 2^57 and beyond 2^53: 0x1ffffffffffff000 / 4096 = 0x1ffffffffffff would round as one number with its bytes.
  ['0x1fffffffffff001', 1, { firstPage: 0x1fffffffffff, lastPage: 0x1fffffffffff }],
  [null, 4096, null],
])('%s + %d bytes', (addr, size, span) => {
  expect(spanOf({ addr, size })).toEqual(span);
  expect(pagesOf({ addr, size })).toBe(span === null ? 0 : span.lastPage - span.firstPage + 1);
});

/** 4 bytes/ns over the link. */
const kept = (page: number, ...lines: ReturnType<typeof line>[]): Life => {
  const observer = new LifeObserver(page, 4);
  for (const each of lines) observer.add(each);
  return observer.found();
};

test('only lines that cover the page, by time', () => {
  const life = kept(
    512,
    line({ kind: 'migrate', addr: '0x200000', size: 8192, timeNs: 30, seq: 0 }),
    line({ kind: 'migrate', addr: '0x201000', size: 4096, timeNs: 40, seq: 1 }),
    line({ kind: 'map', addr: '0x1ff000', size: 8192, timeNs: 40, seq: 2 }),
    line({ kind: 'fault', addr: '0x200000', timeNs: 10, seq: 3 }),
  );
  expect(life.lines.map((l) => l.kind)).toEqual(['fault', 'migrate', 'map']);
  expect(life).toMatchObject({ left: 0, costNs: 0 });
});

test('each line has its cost, and they add up', () => {
  // A stop of 1000: 400 copy 4 pages, 100 each; 600 for two faults, one of them on this page. 200 bytes: 50 ns.
  const observer = new LifeObserver(512, 4);
  observer.add(line({ kind: 'migrate', addr: '0x200000', size: 16_384, timeNs: 30, durationNs: 400, seq: 0 }));
  observer.add(line({ addr: '0x200000', timeNs: 10, seq: 1 }));
  observer.add(line({ addr: '0x900000', timeNs: 10, seq: 2 }));
  observer.stop({ actor: 'gpu0', kind: 'handOver', endNs: 1000, ns: 1000, firstSeq: 0, record: 0 });
  observer.remote(512, 200);
  observer.remote(513, 900);
  const life = observer.found();
  expect(life.lines.map(({ kind, costNs }) => [kind, costNs])).toEqual([
    ['fault', 300],
    ['migrate', 100],
  ]);
  expect(life).toMatchObject({ costNs: 450, remoteNs: 50, remoteBytes: 200, leftNs: 0 });
});

test('a life has an end', () => {
  const observer = new LifeObserver(512, 4);
  for (let i = 0; i < 10_003; i++) {
    observer.add(line({ seq: i }));
    observer.stop({ actor: 'gpu0', kind: 'handOver', endNs: i, ns: 7, firstSeq: i, record: 0 });
  }
  const life = observer.found();
  expect([life.lines.length, life.left]).toEqual([10_000, 3]);
  // 10,003 x 7 in all, 3 x 7 of them not kept.
  expect([life.costNs, life.leftNs]).toEqual([70_021, 21]);
  expect(pageTable(report({ stack: 'a', life }))).toContain('a: 3 later events are not kept; they cost 21 ns.');
});

const move = line({ kind: 'migrate', from: 'cpu', to: 'gpu0', record: 2 });
const life = (...lines: (ReturnType<typeof line> & { costNs?: number })[]): Life => {
  const costNs = lines.reduce((sum, each) => sum + (each.costNs ?? 0), 0);
  const kept_ = lines.map((each) => ({ costNs: 0, ...each }));
  return { lines: kept_, left: 0, leftNs: 0, remoteBytes: 0, remoteNs: 0, costNs };
};

function report(...stacks: { stack: string; life: Life }[]) {
  return {
    trace: { name: 'evil\u001b[31m|<b>.csv', sha256: '' },
    page: '0x200000',
    allocations: ['x\u202e|<i>'],
    platform: 'unit',
    stacks: stacks.map((each) => ({ size: 'unlimited', ...each })),
  };
}

test('stacks stand side by side, a band a record', () => {
  const copy = { ...move, timeNs: 1000, size: 65_536, costNs: 2500 };
  const fault = line({ record: 3, timeNs: 5 });
  const text = pageTable(report({ stack: 'a', life: life(copy) }, { stack: 'b', life: life(fault) }));
  expect(text).toContain('It cost a 2.50 us, b 0 ns.');
  // The first column is as wide as `  at 1 us, 64 KiB, cost 2.50 us`, 31, or `migrate cpu to gpu0 (deviceFault)`, 33; and a gap.
  expect(text.split('\n').slice(-6)).toEqual([
    `record  ${'a'.padEnd(35)}b`,
    '2       migrate cpu to gpu0 (deviceFault)',
    '          at 1 us, 64 KiB, cost 2.50 us',
    `3       ${' '.repeat(35)}fault gpu0 (deviceFault)`,
    `        ${' '.repeat(35)}  at 5 ns, 4 KiB`,
    '',
  ]);
});

test('names of a trace steer neither a terminal nor Markdown', () => {
  const given = report({ stack: 'a', life: life(move) });
  const table = pageTable(given);
  expect(table).not.toContain('\u001b');
  expect(table).not.toContain('\u202e');
  const md = pageMarkdown(given);
  expect(md).not.toContain('\u001b');
  expect(md).toContain('\\<b\\>');
  expect(md).toContain('\\|\\<i\\>');
});
