/** The order of a sorted fault buffer. */

import { expect, it } from 'vitest';
import { FaultOrder } from '../../../src/models/hmm/fault-order.ts';
import { ACCESS, FaultBuffer } from '../../../src/replay/faults.ts';

function buffer(entries: readonly (readonly [page: number, access: number])[]): FaultBuffer {
  const faults = new FaultBuffer(entries.length);
  entries.forEach(([page, access], i) => {
    faults.page[i] = page;
    faults.access[i] = access;
  });
  faults.count = entries.length;
  return faults;
}

const { read, write, atomic } = ACCESS;

it('is by page, the stronger access first, of equals the one raised first', () => {
  const order = new FaultOrder();
  const faults = buffer([
    [7, read],
    [3, write],
    [7, atomic],
    [3, write],
    [3, read],
  ]);
  // Page 3: writes 1 and 3, then read 4. Page 7: atomic 2, then read 0.
  expect([...order.sort(faults).subarray(0, 5)]).toEqual([1, 3, 4, 2, 0]);
  // A smaller buffer afterwards, at the end of the address space (2^57 bytes = 2^45 pages).
  const last = 2 ** 45 - 1;
  const far = buffer([
    [last, read],
    [last - 1, read],
    [last, write],
  ]);
  expect([...order.sort(far).subarray(0, 3)]).toEqual([1, 2, 0]);
  expect([...order.sort(buffer([[1, read]])).subarray(0, 1)]).toEqual([0]);
});

it('is by access alone on a single page, and by page alone where accesses are alike', () => {
  const order = new FaultOrder();
  const one = buffer([
    [9, read],
    [9, atomic],
    [9, write],
  ]);
  expect([...order.sort(one).subarray(0, 3)]).toEqual([1, 2, 0]);
  // The pages differ in their last bit alone, which is the last one of a rank that has no access.
  const alike = buffer([
    [9, write],
    [8, write],
    [9, write],
  ]);
  expect([...order.sort(alike).subarray(0, 3)]).toEqual([1, 0, 2]);
});

it('is the stable sort of any length', () => {
  const order = new FaultOrder();
  for (let count = 0; count <= 70; count++) {
    // 11 pages in a scattered order, each with all accesses.
    const entries = Array.from({ length: count }, (_, i) => [(i * 7) % 11, (i * 5) % 3] as const);
    const plain = entries
      .map((_, i) => i)
      .sort((a, b) => entries[a][0] - entries[b][0] || entries[b][1] - entries[a][1] || a - b);
    expect([...order.sort(buffer(entries)).subarray(0, count)]).toEqual(plain);
  }
});

it('is by page however far apart the pages lie', () => {
  const order = new FaultOrder();
  // Both ends of the address space, and pages whose distances differ in the upper half of the number only.
  const faults = buffer([
    [2 ** 45 - 1, read],
    [2 ** 44 + 5, read],
    [2 ** 26 + 5, write],
    [5, read],
    [2 ** 25 + 5, read],
    [2 ** 44 + 4, atomic],
    [2 ** 26 + 5, atomic],
    [0, read],
  ]);
  // 0 < 5 < 2^25+5 < 2^26+5 (atomic, then write) < 2^44+4 < 2^44+5 < 2^45-1.
  expect([...order.sort(faults).subarray(0, 8)]).toEqual([7, 3, 4, 6, 2, 5, 1, 0]);
});
