import { expect, test } from 'vitest';
import type { LifeLine } from '../../../src/report/explain/life.ts';
import { partings, partingTexts } from '../../../src/report/explain/parting.ts';
import { line } from './line.ts';

const lived = (more: Partial<LifeLine>): LifeLine => ({ ...line(more), costNs: 0 });
const fault = lived({ kind: 'fault', record: 2 });
const move = lived({ kind: 'migrate', from: 'cpu', to: 'gpu0', record: 2 });
const stack = (name: string, ...lines: LifeLine[]) => ({ stack: name, life: { lines } });

test('the first line that differs parts the stacks', () => {
  const other = lived({ kind: 'remoteMap', record: 3 });
  expect(partingTexts([stack('a', fault, move), stack('b', fault, other), stack('c', fault, move)])).toEqual([
    "The stacks part at line 2 of the page's life: a, c: migrate cpu to gpu0 (deviceFault) at record 2; b: remoteMap gpu0 (deviceFault) at record 3.",
  ]);
});

test('stacks that stayed together part later', () => {
  const map = lived({ kind: 'map', record: 4 });
  const stacks = [stack('a', fault, move, map), stack('b', move), stack('c', fault, move), stack('d', move, map)];
  expect(partings(stacks)).toEqual([
    {
      line: 1,
      groups: [
        { stacks: ['a', 'c'], what: 'fault gpu0 (deviceFault)', records: [2] },
        { stacks: ['b', 'd'], what: 'migrate cpu to gpu0 (deviceFault)', records: [2] },
      ],
    },
    {
      line: 3,
      groups: [
        { stacks: ['a'], what: 'map gpu0 (deviceFault)', records: [4] },
        { stacks: ['c'], what: null, records: [] },
      ],
    },
    {
      line: 2,
      groups: [
        { stacks: ['b'], what: null, records: [] },
        { stacks: ['d'], what: 'map gpu0 (deviceFault)', records: [4] },
      ],
    },
  ]);
  expect(partingTexts(stacks)[1]).toBe(
    "a, c part at line 3 of the page's life: a: map gpu0 (deviceFault) at record 4; c: nothing more.",
  );
});

test.each([
  ['kind', { kind: 'evict' }],
  ['from', { from: 'gpu1' }],
  ['to', { to: 'gpu1' }],
  ['trigger', { trigger: 'speculation' }],
])('another %s parts them', (_, change) => {
  expect(partings([stack('a', move), stack('b', { ...move, ...change })])).toMatchObject([{ line: 1 }]);
});

test('times, sizes, costs and records are their own', () => {
  const elsewhen = { ...move, timeNs: 999, durationNs: 7, size: 2 ** 21, record: 8, seq: 5, batch: 3, costNs: 9 };
  expect(partingTexts([stack('a', move), stack('b', elsewhen)])).toEqual(['All stacks do the same with this page.']);
});

test('one stack has nothing to part from', () => {
  expect(partingTexts([stack('a', move)])).toEqual(['One stack alone: nothing to compare it with.']);
});
