import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addPage, addRange, hasPage, newMask } from '../../src/replay/mask.ts';
import { PageTree } from '../../src/replay/page-tree.ts';

/** The same by counting page by page. */
function slowDensest(mask: Int32Array, leaves: number, leaf: number, percent: number): number {
  let found = -1;
  for (let size = 1; size / 2 < leaves; size *= 2) {
    const first = Math.floor(leaf / size) * size;
    const end = Math.min(first + size, leaves);
    let set = 0;
    for (let page = first; page < end; page++) if (hasPage(mask, page)) set++;
    if (set * 100 > (end - first) * percent) found = first * 1024 + end;
  }
  return found;
}

test('the largest node counts, whatever lies below it', () => {
  // Pages 0..2 of 8 and 4..7: leaf 3 is empty, {2, 3} is half full, {0..3} 75 %, {0..7} 7 of 8.
  const tree = new PageTree();
  tree.load(addRange(addRange(newMask(), 0, 2), 4, 7), 8);
  expect(tree.densest(3, 51)).toBe(0 * 1024 + 8);
  expect(tree.densest(3, 87)).toBe(0 * 1024 + 8);
  expect(tree.densest(3, 88)).toBe(-1);
  expect(tree.densest(4, 88)).toBe(4 * 1024 + 8);
});

test('the share must be exceeded', () => {
  const tree = new PageTree();
  tree.load(addPage(newMask(), 0), 2);
  expect(tree.densest(1, 50)).toBe(-1);
  expect(tree.densest(1, 49)).toBe(2);
});

test('the last node of a level is as large as the leaves that exist', () => {
  // 5 leaves, only the last is set: its nodes of 2, 4 leaves hold one leaf, the root five.
  const tree = new PageTree();
  tree.load(addPage(newMask(), 4), 5);
  expect(tree.densest(4, 51)).toBe(4 * 1024 + 5);
});

test('agrees with plain counting', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 512 }),
      fc.array(fc.tuple(fc.nat(511), fc.nat(80)), { maxLength: 12 }),
      fc.nat(511),
      fc.integer({ min: 0, max: 100 }),
      (leaves, runs, at, percent) => {
        const mask = newMask();
        for (const [first, length] of runs)
          addRange(mask, first % leaves, Math.min((first % leaves) + length, leaves - 1));
        const tree = new PageTree();
        tree.load(mask, leaves);
        expect(tree.densest(at % leaves, percent)).toBe(slowDensest(mask, leaves, at % leaves, percent));
      },
    ),
    { seed: 11, numRuns: 300 },
  );
});
