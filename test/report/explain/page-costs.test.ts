import { expect, test } from 'vitest';
import { PageCosts } from '../../../src/report/explain/page-costs.ts';

const shown = (costs: PageCosts): [number, number, number, number][] =>
  [...costs.ranges()].map(({ firstPage, pages, each }) => [firstPage, pages, each.stallNs, each.faults]);

test('a page apart from its neighbours is one range, they are the others', () => {
  const costs = new PageCosts();
  costs.add(512, 1023, { stallNs: 2 });
  costs.add(600, 600, { stallNs: 5, faults: 1 });
  expect(shown(costs)).toEqual([
    [512, 88, 2, 0],
    [600, 1, 7, 1],
    [601, 423, 2, 0],
  ]);
});

test('pages that come to the same are one range again, across blocks too', () => {
  const costs = new PageCosts();
  costs.add(1000, 1030, { stallNs: 1 });
  costs.add(1000, 1010, { stallNs: 2 });
  costs.add(1011, 1030, { stallNs: 2 });
  expect(shown(costs)).toEqual([[1000, 31, 3, 0]]);
});

test('each kind of cost tells pages apart', () => {
  const costs = new PageCosts();
  const kinds = [{ stallNs: 1 }, { remoteBytes: 1 }, { copies: 1 }, { faults: 1 }, { evictions: 1 }];
  for (const [page, cost] of kinds.entries()) costs.add(page, page, cost);
  expect([...costs.ranges()].length).toBe(5);
});

test('gaps stay gaps', () => {
  const costs = new PageCosts();
  costs.add(10, 12, { faults: 1 });
  costs.add(2, 3, { faults: 1 });
  costs.add(1, 20, { stallNs: 1 });
  expect(shown(costs)).toEqual([
    [1, 1, 1, 0],
    [2, 2, 1, 1],
    [4, 6, 1, 0],
    [10, 3, 1, 1],
    [13, 8, 1, 0],
  ]);
});

test('memory goes with lives, not with addresses: 1 TiB of blocks that move whole takes an entry a block', () => {
  const costs = new PageCosts();
  // 1 TiB = 524,288 blocks; here a thousand of them, 1 GiB apart, twice.
  for (let round = 0; round < 2; round++) {
    for (let block = 0; block < 1000; block++) costs.add(block * 262_144, block * 262_144 + 511, { copies: 1 });
  }
  expect(costs.entries).toBe(1000);
});

test('as a plain table of pages would have it', () => {
  const costs = new PageCosts();
  const table = new Map<number, { stallNs: number; faults: number }>();
  let seed = 1;
  const random = (n: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * n);
  };
  for (let i = 0; i < 2000; i++) {
    const first = random(1500);
    const last = Math.min(first + random(i % 3 === 0 ? 1 : 700), 1535);
    const cost = { stallNs: random(4), faults: random(2) };
    costs.add(first, last, cost);
    for (let page = first; page <= last; page++) {
      const old = table.get(page) ?? { stallNs: 0, faults: 0 };
      table.set(page, { stallNs: old.stallNs + cost.stallNs, faults: old.faults + cost.faults });
    }
  }
  const found = new Map<number, { stallNs: number; faults: number }>();
  for (const { firstPage, pages, each } of costs.ranges()) {
    for (let page = firstPage; page < firstPage + pages; page++) {
      expect(found.has(page)).toBe(false);
      found.set(page, { stallNs: each.stallNs, faults: each.faults });
    }
  }
  expect(found.size).toBe(table.size);
  for (const [page, cost] of table) expect(found.get(page)).toEqual(cost);
  expect(costs.entries).toBeLessThanOrEqual(1536);
});
