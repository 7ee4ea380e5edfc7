import { expect, test } from 'vitest';
import type { EventLine, Stop } from '../../../src/replay/lane.ts';
import { type Tally, TallyObserver } from '../../../src/report/explain/tally.ts';
import { line } from './line.ts';

const allocation = (id: number, firstPage: number, lastPage: number, record = id) => ({
  id,
  firstPage,
  lastPage,
  record,
});
type Made = ReturnType<typeof allocation>;
interface Remote {
  readonly page: number;
  readonly bytes: number;
}

/** 4 bytes/ns over the link. */
function tally(allocations: Made[], given: (EventLine | Stop | Remote)[], top = 100): Tally {
  const observer = new TallyObserver(allocations, 4, top);
  for (const each of given) {
    if ('firstSeq' in each) observer.stop(each);
    else if ('page' in each) observer.remote(each.page, each.bytes);
    else observer.add(each);
  }
  return observer.found();
}

const copy = (more: Partial<EventLine>) => line({ kind: 'migrate', from: 'cpu', to: 'gpu0', ...more });
const stop = (ns: number, more: Partial<Stop> = {}): Stop => ({
  actor: 'gpu0',
  kind: 'handOver',
  endNs: 10_000,
  ns,
  firstSeq: 0,
  record: 0,
  ...more,
});
const MIB = 2 ** 20;
const pages = (found: Tally): [number, number, number, number][] =>
  found.pages.ranked.map(({ firstPage, pages: n, eachNs, ns }) => [firstPage, n, eachNs, ns]);

test('a block moved for a fault: the page that faulted pays for it, all pages for the copy', () => {
  // 1536 ns, a copy of 1024 of them: 2 ns for each of 512 pages; 512 ns for the fault on page 600.
  const found = tally(
    [allocation(0, 512, 1023)],
    [
      copy({ seq: 0, addr: '0x200000', size: 2 * MIB, durationNs: 1024, record: 5 }),
      line({ seq: 1, addr: '0x258000', record: 5 }),
      stop(1536),
    ],
  );
  expect(found.totalNs).toBe(1536);
  expect(pages(found)).toEqual([
    [600, 1, 514, 514],
    // 88 pages before it, 423 behind.
    [512, 88, 2, 176],
    [601, 423, 2, 846],
  ]);
  expect(found.pages.ranked[0]).toMatchObject({
    each: { stallNs: 514, copies: 1, faults: 1, evictions: 0, remoteBytes: 0 },
    allocations: [0],
  });
  expect(found.pages).toMatchObject({ others: 0, othersNs: 0, elsewhereNs: 0 });
  expect(found.allocations.ranked).toEqual([
    { id: 0, ns: 1536, copiedBytes: 2 * MIB, remoteBytes: 0, faults: 1, evictions: 0 },
  ]);
  expect([found.deviceFaultNs, found.hostFaultNs]).toEqual([512, 0]);
});

test('neighbours of the same cost stand together, and the dearest page comes first', () => {
  // Four faults of 100 on pages 512, 513 and 520, twice on the last.
  const at = (addr: string, seq: number) => line({ addr, seq });
  const found = tally(
    [],
    [at('0x200000', 0), at('0x201000', 1), at('0x208000', 2), stop(300), at('0x208000', 3), stop(100, { firstSeq: 3 })],
    1,
  );
  expect(pages(found)).toEqual([[520, 1, 200, 200]]);
  expect(found.pages).toMatchObject({ others: 2, othersNs: 200, elsewhereNs: 0 });
});

test('shares that are no whole numbers add up to the stop', () => {
  // 100 ns for three faults far apart: 33.3 each; in address order 33, 67 - 33 = 34, 100 - 67 = 33.
  const found = tally(
    [],
    [line({ addr: '0x200000' }), line({ addr: '0x300000' }), line({ addr: '0x400000' }), stop(100)],
  );
  expect(found.pages.ranked.map(({ firstPage, ns }) => [firstPage, ns])).toEqual([
    [512, 33],
    [768, 34],
    [1024, 33],
  ]);
});

test('remote accesses cost bytes over speed', () => {
  // 400 bytes at 4 bytes/ns = 100 ns; counts that ran ahead are taken back.
  const found = tally(
    [allocation(0, 512, 1023)],
    [line({}), stop(60), { page: 512, bytes: 1000 }, { page: 513, bytes: 400 }, { page: 512, bytes: -1000 }],
  );
  expect(found.totalNs).toBe(160);
  expect(pages(found)).toEqual([
    [513, 1, 100, 100],
    [512, 1, 60, 60],
  ]);
  expect(found.allocations.ranked).toMatchObject([{ id: 0, ns: 160, remoteBytes: 400, faults: 1 }]);
});

test('an allocation pays for its own making, no page does', () => {
  const found = tally(
    [allocation(0, 512, 1023, 3)],
    [stop(70, { kind: 'record', record: 3 }), stop(5, { kind: 'record', record: 4 })],
  );
  expect(found.pages).toEqual({ ranked: [], others: 0, othersNs: 0, elsewhereNs: 75 });
  expect(found.allocations.ranked).toMatchObject([{ id: 0, ns: 70 }]);
  expect(found.allocations.elsewhereNs).toBe(5);
});

test('an explicit copy has no place', () => {
  const given = [copy({ addr: null, trigger: 'copy', durationNs: 5, size: 10 }), stop(5, { kind: 'record' })];
  const found = tally([allocation(0, 512, 1023)], given);
  expect(found.copies).toEqual({ copy: { ns: 5, bytes: 10, runs: 1 } });
  expect([found.pages.ranked, found.pages.elsewhereNs]).toEqual([[], 5]);
});

test('speculation goes with its fault', () => {
  const back = { from: 'gpu0', to: 'cpu', actor: 'cpu', batch: null };
  const found = tally(
    [],
    [
      copy({ ...back, trigger: 'hostFault', size: 4096, durationNs: 200 }),
      copy({ ...back, trigger: 'speculation', size: 8192, durationNs: 100 }),
      line({ actor: 'cpu', trigger: 'hostFault', batch: null }),
      stop(1000, { kind: 'hostFault', actor: 'cpu' }),
    ],
  );
  expect(found.copies).toEqual({ hostFault: { ns: 300, bytes: 12_288, runs: 2 } });
  expect([found.hostFaultNs, found.deviceFaultNs]).toEqual([700, 0]);
});

test('allocations in one block share by pages, and a new one owns what an old one had', () => {
  // 512 pages: 0 has 128, 1 has 300; 84 are nobody's. From record 9 on allocation 2 has the first 64 of allocation 0.
  const allocations = [allocation(0, 512, 639), allocation(1, 640, 939), allocation(2, 512, 575, 9)];
  const move = copy({ addr: '0x200000', size: 2 * MIB, durationNs: 512, record: 8 });
  const shares = (found: Tally) => found.allocations.ranked.map(({ id, ns, copiedBytes }) => [id, ns, copiedBytes]);
  const before = tally(allocations, [move, stop(512)]);
  expect(shares(before)).toEqual([
    [1, 300, 300 * 4096],
    [0, 128, 128 * 4096],
  ]);
  expect(before.allocations.elsewhereNs).toBe(84);
  const after = tally(allocations, [{ ...move, record: 9 }, stop(512)]);
  expect(shares(after).map(([id, ns]) => [id, ns])).toEqual([
    [1, 300],
    [0, 64],
    [2, 64],
  ]);
});

test('an allocation in the middle of an older one leaves it both ends', () => {
  const allocations = [allocation(0, 512, 1023), allocation(1, 600, 699)];
  const found = tally(allocations, [copy({ addr: '0x200000', size: 2 * MIB, durationNs: 512, record: 1 }), stop(512)]);
  expect(found.allocations.ranked.map(({ id, ns }) => [id, ns])).toEqual([
    [0, 412],
    [1, 100],
  ]);
});

test('a victim counts for every page and allocation that it held', () => {
  const found = tally(
    [allocation(0, 512, 1023), allocation(1, 1024, 1535)],
    [line({ kind: 'evict', addr: '0x200000', size: 4 * MIB, record: 1 })],
  );
  expect(found.pages.ranked).toMatchObject([
    { firstPage: 512, pages: 1024, each: { evictions: 1 }, allocations: [0, 1] },
  ]);
  expect(found.allocations.ranked.map(({ id, evictions }) => [id, evictions])).toEqual([
    [0, 1],
    [1, 1],
  ]);
});

test('where nothing takes time: copies, then evictions and faults, then place', () => {
  const found = tally(
    [],
    [
      line({ addr: '0x9000' }),
      line({ addr: '0x8000' }),
      line({ addr: '0x5000' }),
      line({ addr: '0x5000' }),
      line({ addr: '0x4000', kind: 'evict' }),
      copy({ addr: '0x2000' }),
    ],
  );
  expect(found.pages.ranked.map(({ firstPage, pages: n }) => [firstPage, n])).toEqual([
    [2, 1],
    [4, 1],
    [5, 1],
    [8, 2],
  ]);
});
