import { expect, test } from 'vitest';
import type { EventLine } from '../../src/replay/lane.ts';
import { IntervalSamples, type Sample } from '../../src/report/interval.ts';

const event = (more: Partial<EventLine>): EventLine => ({
  seq: 0,
  timeNs: 0,
  durationNs: 0,
  kind: 'migrate',
  actor: 'gpu0',
  trigger: 'deviceFault',
  from: 'cpu',
  to: 'gpu0',
  addr: '0x40000000',
  size: 4096,
  batch: 3,
  record: 0,
  ...more,
});

function folded(records: number, events: readonly EventLine[]): Sample[] {
  const samples: Sample[] = [];
  const folder = new IntervalSamples(records, (sample) => samples.push(sample));
  for (const each of events) folder.add(each);
  folder.flush();
  return samples;
}

test('events of one kind, way and block become one line with their sum and count', () => {
  const samples = folded(10, [
    event({ timeNs: 100, durationNs: 50 }),
    event({ timeNs: 120, durationNs: 10, addr: '0x40001000', size: 8192, record: 9 }),
    event({ timeNs: 130, durationNs: 5, kind: 'fault' }),
  ]);
  // 100..150 covers 120..130; 4,096 + 8,192 bytes.
  expect(samples).toMatchObject([
    {
      seq: 0,
      kind: 'migrate',
      timeNs: 100,
      durationNs: 50,
      addr: '0x40000000',
      size: 12_288,
      count: 2,
      record: 0,
      batch: null,
    },
    { seq: 1, kind: 'fault', timeNs: 130, durationNs: 5, size: 4096, count: 1 },
  ]);
});

test('an interval ends with the first event of a later record; a late one of an earlier record stays in the present', () => {
  const samples = folded(10, [
    event({ record: 3 }),
    event({ record: 25 }),
    event({ record: 4 }),
    event({ record: -1 }),
  ]);
  expect(samples.map(({ record, count }) => [record, count])).toEqual([
    [0, 1],
    [20, 3],
  ]);
});

test('a range over several blocks is cut at their borders, and the sizes add up', () => {
  // From 4 KiB before a border: 4 KiB in the first block, 2 MiB in the second, 4 KiB in the third.
  const samples = folded(1, [event({ kind: 'evict', addr: '0x401ff000', size: 2 ** 21 + 8192 })]);
  expect(samples.map(({ addr, size }) => [addr, size])).toEqual([
    ['0x40000000', 4096],
    ['0x40200000', 2 ** 21],
    ['0x40400000', 4096],
  ]);
});

test('bytes without a place keep none', () => {
  expect(folded(5, [event({ addr: null, size: 100 }), event({ addr: null, size: 11 })])).toMatchObject([
    { addr: null, size: 111, count: 2 },
  ]);
});
