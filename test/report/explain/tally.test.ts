import { expect, test } from 'vitest';
import { dearest, settled, type Tally, TallyObserver } from '../../../src/report/explain/tally.ts';
import type { Allocation } from '../../../src/trace/compiled.ts';
import { line } from './line.ts';

function allocation(id: number, firstPage: number, lastPage: number, record = id): Allocation {
  const sizeBytes = (lastPage - firstPage + 1) * 4096;
  return { id, name: `a${id}`, kind: 'managed', vma: 'map', actor: 0, firstPage, lastPage, sizeBytes, record };
}

function tally(allocations: Allocation[], ...lines: ReturnType<typeof line>[]): Tally {
  const observer = new TallyObserver(allocations);
  for (const each of lines) observer.add(each);
  return observer.found();
}

const copy = (more: Parameters<typeof line>[0]) => line({ kind: 'migrate', from: 'cpu', to: 'gpu0', ...more });
const MIB = 2 ** 20;

test('a batch is served once, whoever waits for it, and copies are not counted again', () => {
  // Raised at 100 and 120, served at 1000: 1000 - 120 = 880 ns, of them 300 a copy: 580, 290 each fault.
  const found = tally(
    [allocation(0, 512, 1535)],
    copy({ addr: '0x200000', size: 2 * MIB, timeNs: 400, durationNs: 300, record: 5 }),
    line({ addr: '0x200000', timeNs: 100, durationNs: 900, record: 5 }),
    line({ addr: '0x400000', timeNs: 120, durationNs: 880, record: 5 }),
  );
  expect(found.deviceFaultNs).toBe(580);
  expect(found.servingCopiesNs).toBe(300);
  // Block 1: the copy and one fault, 300 + 290; block 2: one fault.
  expect([...found.blocks]).toEqual([
    [1, { ns: 590, servingNs: 290, bytes: 2 * MIB, faults: 1, evictions: 0 }],
    [2, { ns: 290, servingNs: 290, bytes: 0, faults: 1, evictions: 0 }],
  ]);
  expect(found.allocations.get(0)).toEqual({ ns: 880, servingNs: 580, bytes: 2 * MIB, faults: 2, evictions: 0 });
});

test('what waited through the batch before counts from its end', () => {
  // Both raised at 0; the first batch ends at 500, the second at 700: 500 + 200.
  const found = tally(
    [],
    line({ timeNs: 0, durationNs: 500, batch: 0 }),
    line({ timeNs: 0, durationNs: 700, batch: 1 }),
  );
  expect(found.deviceFaultNs).toBe(700);
});

test('a CPU fault is one service; speculation goes with its fault', () => {
  // 1000 ns, of them copies of 200 (own) and 100 (speculation): 700.
  const back = { from: 'gpu0', to: 'cpu', actor: 'cpu', batch: null };
  const found = tally(
    [],
    copy({ ...back, trigger: 'hostFault', size: 4096, timeNs: 2100, durationNs: 200 }),
    copy({ ...back, trigger: 'speculation', size: 8192, timeNs: 2300, durationNs: 100 }),
    line({ actor: 'cpu', trigger: 'hostFault', batch: null, timeNs: 2000, durationNs: 1000 }),
  );
  expect([found.hostFaultNs, found.deviceFaultNs]).toEqual([700, 0]);
  expect(found.copies).toEqual({ hostFault: { ns: 300, bytes: 12288, runs: 2 } });
});

test('copies before a fault was raised are not taken from its time', () => {
  const found = tally(
    [],
    copy({ trigger: 'hint', batch: null, timeNs: 0, durationNs: 400 }),
    line({ timeNs: 1000, durationNs: 300 }),
  );
  expect(found.deviceFaultNs).toBe(300);
  expect(found.copies.hint?.ns).toBe(400);
});

test('an explicit copy has no place', () => {
  const found = tally([allocation(0, 512, 1023)], copy({ addr: null, trigger: 'copy', durationNs: 5, size: 10 }));
  expect(found.copies).toEqual({ copy: { ns: 5, bytes: 10, runs: 1 } });
  expect([found.blocks.size, found.allocations.size]).toEqual([0, 0]);
});

test('allocations in one block share by pages, and a new one owns what an old one had', () => {
  // 512 pages: 0 has 128, 1 has 384. From record 9 on allocation 2 has the first 64 of allocation 0.
  const allocations = [allocation(0, 512, 639), allocation(1, 640, 1023), allocation(2, 512, 575, 9)];
  const move = copy({ addr: '0x200000', size: 2 * MIB, durationNs: 512, record: 8 });
  const before = tally(allocations, move);
  expect([...before.allocations].map(([id, c]) => [id, c.ns]).sort()).toEqual([
    [0, 128],
    [1, 384],
  ]);
  const after = tally(allocations, { ...move, record: 9 });
  expect([...after.allocations].map(([id, c]) => [id, c.ns]).sort()).toEqual([
    [0, 64],
    [1, 384],
    [2, 64],
  ]);
});

test('a victim counts for every block and allocation that it held', () => {
  const found = tally(
    [allocation(0, 512, 1023), allocation(1, 1024, 1535)],
    line({ kind: 'evict', addr: '0x200000', size: 4 * MIB, record: 1 }),
  );
  expect([...found.blocks].map(([block, c]) => [block, c.evictions])).toEqual([
    [1, 1],
    [2, 1],
  ]);
  expect([...found.allocations].map(([id, c]) => [id, c.evictions])).toEqual([
    [0, 1],
    [1, 1],
  ]);
});

test('serving takes no longer than devices were stopped', () => {
  // 1000 ns raised to served, 300 of them a copy: 700. Devices were stopped for 650: 350 are left for serving.
  const found = tally([], copy({ timeNs: 100, durationNs: 300, size: 4096 }), line({ timeNs: 0, durationNs: 1000 }));
  expect(settled(found, 1000)).toBe(found);
  const less = settled(found, 650);
  expect(less.deviceFaultNs).toBe(350);
  expect(less.blocks.get(1)?.ns).toBe(650);
});

test('the dearest: time, then bytes, evictions, faults, place', () => {
  const cost = (ns: number, bytes = 0, evictions = 0, faults = 0) => ({ ns, servingNs: 0, bytes, faults, evictions });
  const costs = new Map([
    [9, cost(1)],
    [8, cost(1)],
    [7, cost(1, 0, 0, 1)],
    [6, cost(1, 0, 1)],
    [5, cost(1, 1)],
    [4, cost(2)],
  ]);
  expect(dearest(costs, 10).map(([key]) => key)).toEqual([4, 5, 6, 7, 8, 9]);
  expect(dearest(costs, 2).map(([key]) => key)).toEqual([4, 5]);
});

test('copies of a hint are none of the fault that follows', () => {
  const hint = { trigger: 'hint', batch: null };
  const found = tally(
    [],
    copy({ ...hint, timeNs: 50, durationNs: 40 }),
    line({ ...hint, kind: 'hint', timeNs: 50 }),
    line({ timeNs: 50, durationNs: 300 }),
  );
  expect(found.deviceFaultNs).toBe(300);
});
