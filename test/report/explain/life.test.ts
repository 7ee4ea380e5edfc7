import { expect, test } from 'vitest';
import { type Life, LifeObserver, parting } from '../../../src/report/explain/life.ts';
import { pageMarkdown, pageTable } from '../../../src/report/explain/page.ts';
import { spanOf } from '../../../src/report/explain/span.ts';
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
});

const kept = (page: number, ...lines: ReturnType<typeof line>[]): Life => {
  const observer = new LifeObserver(page);
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
  expect(life.left).toBe(0);
});

test('a life has an end', () => {
  const observer = new LifeObserver(512);
  for (let i = 0; i < 10_003; i++) observer.add(line({ seq: i }));
  const life = observer.found();
  expect([life.lines.length, life.left]).toEqual([10_000, 3]);
  expect(pageTable(report({ stack: 'a', life }))).toContain('a: 3 later lines are not kept.');
});

const fault = line({ kind: 'fault', record: 2 });
const move = line({ kind: 'migrate', from: 'cpu', to: 'gpu0', record: 2 });
const stack = (name: string, ...lines: ReturnType<typeof line>[]) => ({ stack: name, life: { lines, left: 0 } });

test('the first line that differs parts the stacks', () => {
  const other = line({ kind: 'remoteMap', record: 3 });
  expect(parting([stack('a', fault, move), stack('b', fault, other), stack('c', fault, move)])).toBe(
    "The stacks part at line 2 of the page's life: a, c: migrate cpu to gpu0 (deviceFault) at record 2; b: remoteMap gpu0 (deviceFault) at record 3.",
  );
});

test.each([
  ['kind', { kind: 'evict' }],
  ['from', { from: 'gpu1' }],
  ['to', { to: 'gpu1' }],
  ['trigger', { trigger: 'speculation' }],
])('another %s parts them', (_, change) => {
  expect(parting([stack('a', move), stack('b', { ...move, ...change })])).toMatch(/^The stacks part at line 1 /);
});

test('times, sizes and records are their own', () => {
  const elsewhen = { ...move, timeNs: 999, durationNs: 7, size: 2 ** 21, record: 8, seq: 5, batch: 3 };
  expect(parting([stack('a', move), stack('b', elsewhen)])).toBe('All stacks do the same with this page.');
});

test('a life that ends earlier parts them', () => {
  expect(parting([stack('a', fault, move), stack('b', fault)])).toMatch(/ line 2 .*; b: nothing more\.$/);
});

test('one stack has nothing to part from', () => {
  expect(parting([stack('a', move)])).toBe('One stack alone: nothing to compare it with.');
});

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
  // 2500 ns = 2.50 us.
  const copy = { ...move, timeNs: 1000, durationNs: 2500, size: 65536 };
  const text = pageTable(report(stack('a', copy), stack('b', { ...fault, record: 3, timeNs: 5 })));
  // The first column is as wide as `migrate cpu to gpu0 (deviceFault)`, 33, and the gap of 2 after it.
  expect(text.split('\n').slice(-6)).toEqual([
    `record  ${'a'.padEnd(35)}b`,
    '2       migrate cpu to gpu0 (deviceFault)',
    '          at 1 us, 64 KiB, took 2.50 us',
    `3       ${' '.repeat(35)}fault gpu0 (deviceFault)`,
    `        ${' '.repeat(35)}  at 5 ns, 4 KiB`,
    '',
  ]);
});

test('names of a trace steer neither a terminal nor Markdown', () => {
  const table = pageTable(report(stack('a', move)));
  expect(table).not.toContain('\u001b');
  expect(table).not.toContain('\u202e');
  const md = pageMarkdown(report(stack('a', move)));
  expect(md).not.toContain('\u001b');
  expect(md).toContain('\\<b\\>');
  expect(md).toContain('\\|\\<i\\>');
});
