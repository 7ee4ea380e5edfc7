/** A fetched batch: the order in which faults are looked at, and which entries are merged. */
import { describe, expect, it } from 'vitest';
import { FaultBatch } from '../../../src/models/uvm/batch.ts';
import { ACCESS, FaultBuffer, OUTCOME } from '../../../src/replay/faults.ts';

function bufferOf(...entries: readonly (readonly [page: number, access: keyof typeof ACCESS])[]): FaultBuffer {
  const buffer = new FaultBuffer(entries.length);
  for (const [page, access] of entries) {
    buffer.page[buffer.count] = page;
    buffer.access[buffer.count++] = ACCESS[access];
  }
  return buffer;
}

function faultsOf(batch: FaultBatch): { page: number; access: number; entries: number[] }[] {
  return Array.from({ length: batch.count }, (_, i) => ({
    page: batch.page[i],
    access: batch.accessOf(i),
    entries: [...batch.order.subarray(batch.first[i], batch.first[i + 1])],
  }));
}

describe('a batch', () => {
  it('is sorted by page, then strongest access, then age, and merged by page', () => {
    const batch = new FaultBatch();
    const buffer = bufferOf([9, 'read'], [4, 'read'], [9, 'atomic'], [4, 'write'], [2 ** 44, 'read'], [9, 'read']);
    batch.load(buffer, 6);
    expect(faultsOf(batch)).toEqual([
      { page: 4, access: ACCESS.write, entries: [3, 1] },
      { page: 9, access: ACCESS.atomic, entries: [2, 0, 5] },
      { page: 2 ** 44, access: ACCESS.read, entries: [4] },
    ]);
  });

  it('takes no more entries than were fetched, and is loaded again with more or fewer', () => {
    const batch = new FaultBatch();
    batch.load(bufferOf([3, 'read'], [1, 'read'], [2, 'read']), 2);
    expect(faultsOf(batch).map(({ page }) => page)).toEqual([1, 3]);
    batch.load(bufferOf([3, 'read'], [1, 'read'], [2, 'read'], [1, 'read'], [0, 'read']), 5);
    expect(faultsOf(batch).map(({ page, entries }) => [page, ...entries])).toEqual([
      [0, 4],
      [1, 1, 3],
      [2, 2],
      [3, 0],
    ]);
    batch.load(bufferOf([7, 'write']), 1);
    expect(faultsOf(batch)).toEqual([{ page: 7, access: ACCESS.write, entries: [0] }]);
  });

  it('sorts any number of entries as a stable sort does', () => {
    const batch = new FaultBatch();
    let seed = 1;
    const below = (n: number) => (seed = (seed * 48271) % 2147483647) % n;
    for (const n of [2, 3, 7, 64, 255, 256, 257]) {
      const kinds = ['read', 'write', 'atomic'] as const;
      const entries = Array.from({ length: n }, () => [below(n), kinds[below(3)]] as const);
      batch.load(bufferOf(...entries), n);
      const expected = entries
        .map(([page, access], i) => ({ page, access: ACCESS[access], i }))
        .sort((a, b) => a.page - b.page || b.access - a.access || a.i - b.i);
      expect([...batch.order.subarray(0, n)]).toEqual(expected.map(({ i }) => i));
    }
  });

  it('marks the first entry of a fault with what became of it and the others as duplicates', () => {
    const batch = new FaultBatch();
    const buffer = bufferOf([5, 'read'], [5, 'write'], [6, 'read'], [6, 'read'], [7, 'read'], [8, 'read']);
    batch.load(buffer, 6);
    batch.serve(buffer, 0);
    batch.defer(buffer, 1, 700);
    batch.stale(buffer, 2);
    batch.fail(buffer, 3);
    const { duplicate, served, deferred, stale, failed } = OUTCOME;
    expect([...buffer.outcome]).toEqual([duplicate, served, deferred, deferred, stale, failed]);
    expect([buffer.wakeNs[2], buffer.wakeNs[3]]).toEqual([700, 700]);
  });
});
