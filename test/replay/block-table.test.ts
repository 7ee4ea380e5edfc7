import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BlockTable } from '../../src/replay/block-table.ts';

test('an empty table, one block, and the block again', () => {
  const table = new BlockTable();
  expect(table.get(7)).toBe(-1);
  table.set(7, 3);
  table.set(7, 4);
  expect([table.get(7), table.size]).toEqual([4, 1]);
  table.delete(8);
  expect(table.size).toBe(1);
  table.delete(7);
  expect([table.get(7), table.size]).toEqual([-1, 0]);
});

test('a block stays where it can be found when one before it in the same chain goes', () => {
  const table = new BlockTable();
  // 64 places at first: 5, 69 and 133 all belong to place 5, 6 comes after them.
  for (const [slot, block] of [5, 69, 133, 6].entries()) table.set(block, slot);
  table.delete(5);
  expect([5, 69, 133, 6].map((block) => table.get(block))).toEqual([-1, 1, 2, 3]);
  table.delete(133);
  expect([69, 133, 6].map((block) => table.get(block))).toEqual([1, -1, 3]);
});

test('the last block of a 57-bit address space', () => {
  const table = new BlockTable();
  table.set(2 ** 36 - 1, 9);
  expect([table.get(2 ** 36 - 1), table.get(2 ** 36 - 2), table.get(0xfffff)]).toEqual([9, -1, -1]);
});

test('the table does what a Map does', () => {
  const block = fc.oneof(
    fc.nat(200),
    fc.nat(200).map((n) => n * 64),
    fc.nat(9).map((n) => n * 2 ** 33),
  );
  const call = fc.tuple(fc.constantFrom('set', 'set', 'delete'), block, fc.nat(1000));
  fc.assert(
    fc.property(fc.array(call, { maxLength: 300 }), (calls) => {
      const table = new BlockTable();
      const map = new Map<number, number>();
      for (const [what, at, slot] of calls) {
        if (what === 'set') {
          table.set(at, slot);
          map.set(at, slot);
        } else {
          table.delete(at);
          map.delete(at);
        }
        expect(table.get(at)).toBe(map.get(at) ?? -1);
      }
      const found: [number, number][] = [];
      table.forEach((at, slot) => {
        found.push([at, slot]);
      });
      expect(found.sort(([a], [b]) => a - b)).toEqual([...map].sort(([a], [b]) => a - b));
      expect(table.size).toBe(map.size);
    }),
  );
});
