import { expect, test } from 'vitest';
import type { EventLine, Stop } from '../../../src/replay/lane.ts';
import { Biller } from '../../../src/report/explain/bill.ts';
import { line } from './line.ts';

/** Runs lines and stops through; gives what each line paid, by its `seq`, and what nobody did. */
function bill(...given: (EventLine | Stop)[]): { paid: [number, number][]; elsewhere: [number, number][] } {
  const paid = new Map<number, number>();
  const elsewhere: [number, number][] = [];
  const biller = new Biller({
    charge: ({ seq }, ns) => paid.set(seq, (paid.get(seq) ?? 0) + ns),
    elsewhere: (ns, record) => elsewhere.push([ns, record]),
  });
  for (const each of given) {
    if ('firstSeq' in each) biller.stop(each);
    else biller.add(each);
  }
  return { paid: [...paid].sort(([a], [b]) => a - b), elsewhere };
}

const stop = (ns: number, more: Partial<Stop> = {}): Stop => ({
  actor: 'gpu0',
  kind: 'handOver',
  endNs: 10_000,
  ns,
  firstSeq: 0,
  record: 7,
  ...more,
});
const copy = (seq: number, durationNs: number, more: Partial<EventLine> = {}) =>
  line({ seq, kind: 'migrate', from: 'cpu', to: 'gpu0', durationNs, ...more });
const MIB = 2 ** 20;

test('copies pay for their own time, faults evenly for the rest', () => {
  // 1000 - 300 - 100 = 600 for two faults.
  const { paid, elsewhere } = bill(copy(0, 300), copy(1, 100), line({ seq: 2 }), line({ seq: 3 }), stop(1000));
  expect(paid).toEqual([
    [0, 300],
    [1, 100],
    [2, 300],
    [3, 300],
  ]);
  expect(elsewhere).toEqual([]);
});

test('what a fault waited before its hand-over costs nothing', () => {
  // Raised 5000 before it was served, but the device was stopped for 40 only.
  expect(bill(line({ seq: 0, durationNs: 5000 }), stop(40)).paid).toEqual([[0, 40]]);
});

test('copies side by side on several links are shortened alike', () => {
  // 300 + 100 in 200: a half each; nothing is left for the fault.
  expect(bill(copy(0, 300), copy(1, 100), line({ seq: 2 }), stop(200)).paid).toEqual([
    [0, 150],
    [1, 50],
  ]);
});

test('without a fault the rest goes by the pages of what was done', () => {
  // A prefetch: a copy of 3 pages, 60 of 100; the rest, 40, by pages: copy 3, map 3, unmap 2 of 8: 15, 15, 10.
  const hint = { batch: null, trigger: 'hint' };
  const { paid } = bill(
    line({ ...hint, seq: 0, kind: 'unmap', size: 8192 }),
    copy(1, 60, { ...hint, size: 12_288 }),
    line({ ...hint, seq: 2, kind: 'map', size: 12_288 }),
    line({ ...hint, seq: 3, kind: 'hint', size: 2 * MIB }),
    stop(100, { kind: 'record' }),
  );
  expect(paid).toEqual([
    [0, 10],
    [1, 75],
    [2, 15],
  ]);
});

test('a fault that is put off pays for being looked at', () => {
  expect(bill(line({ seq: 0 }), line({ seq: 1, kind: 'defer' }), stop(100)).paid).toEqual([
    [0, 50],
    [1, 50],
  ]);
});

test('a stop in which nothing was done to pages is nowhere', () => {
  const given = [line({ batch: null, kind: 'hint' }), stop(100, { kind: 'record' })];
  expect(bill(...given)).toEqual({ paid: [], elsewhere: [[100, 7]] });
  // An explicit copy has its time, but no page; the rest has neither.
  expect(bill(copy(0, 30, { addr: null, batch: null }), stop(100, { kind: 'record' }))).toEqual({
    paid: [[0, 30]],
    elsewhere: [[70, 7]],
  });
});

test('a stop of nothing costs nothing', () => {
  expect(bill(copy(0, 300), line({ seq: 1 }), stop(0))).toEqual({ paid: [[0, 0]], elsewhere: [] });
});

test('only what was done since the actor stopped pays', () => {
  // Line 0 is of the stop before; line 1 of a wake-up in the same record.
  const { paid } = bill(
    line({ seq: 0, batch: null, record: 4, actor: 'cpu' }),
    stop(10, { actor: 'cpu', kind: 'hostFault' }),
    copy(1, 50, { batch: null, record: 4, trigger: 'counter' }),
    line({ seq: 2, batch: null, record: 4, actor: 'cpu' }),
    stop(20, { actor: 'cpu', kind: 'hostFault', firstSeq: 2 }),
  );
  expect(paid).toEqual([
    [0, 10],
    [2, 20],
  ]);
});

test('several batches of one hand-over share its stop', () => {
  const { paid } = bill(line({ seq: 0, batch: 3, record: 1 }), line({ seq: 1, batch: 4, record: 2 }), stop(100));
  expect(paid).toEqual([
    [0, 50],
    [1, 50],
  ]);
});

test('whom the stack stops waits for the pages it is at, and its own stop goes on', () => {
  // The CPU's fault unmaps 1 page and copies 3 in 10, stops gpu0 for 80: 20 and 60. Its own 30: the copy 10, the fault 20.
  const host = { batch: null, actor: 'cpu', trigger: 'hostFault' };
  const { paid } = bill(
    line({ ...host, seq: 0, kind: 'unmap' }),
    copy(1, 10, { ...host, size: 12_288 }),
    stop(80, { kind: 'model' }),
    line({ ...host, seq: 2 }),
    stop(30, { kind: 'hostFault', actor: 'cpu' }),
  );
  expect(paid).toEqual([
    [0, 20],
    [1, 70],
    [2, 20],
  ]);
});

test('faults that are put off share the wait evenly until they are due', () => {
  // Due at 1500 and 3000. Until 1500 both wait, 200 for two; then the second alone, 500. Another device does not care.
  const defer = (seq: number, durationNs: number, actor = 'gpu0') =>
    line({ seq, kind: 'defer', timeNs: 1000, durationNs, actor });
  const { paid, elsewhere } = bill(
    defer(0, 500),
    defer(1, 2000),
    defer(2, 900, 'gpu1'),
    stop(200, { kind: 'putOff', endNs: 1500, firstSeq: 3 }),
    stop(500, { kind: 'putOff', endNs: 3000, firstSeq: 3 }),
    stop(5, { kind: 'putOff', endNs: 4000, firstSeq: 3 }),
  );
  expect(paid).toEqual([
    [0, 100],
    [1, 600],
  ]);
  // Nobody is known to wait any more.
  expect(elsewhere).toEqual([[5, 7]]);
});
