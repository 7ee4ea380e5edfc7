/** The address space as GMEM sees it. Block 1 = pages 512..1023. */
import { expect, it } from 'vitest';
import { tracedSpace } from '../../../src/models/gmem/space.ts';
import { PlainCore } from '../../replay/plain-core.ts';

it('takes a 2 MiB page as peer-shared wherever the managed memory in it lies', () => {
  const plain = new PlainCore(1);
  const { isPeerShared } = tracedSpace(plain.core);
  expect(isPeerShared(1)).toBe(false);
  // Other memory at the front, a hole, managed memory at the end.
  plain.addVma(512, 4, 'system');
  expect(isPeerShared(1)).toBe(false);
  plain.addVma(1000, 8, 'managed');
  expect(isPeerShared(1)).toBe(true);
  // Nothing at the front of block 2; all of block 3.
  plain.addVma(1030, 8, 'managed');
  plain.addVma(1536, 512, 'managed');
  expect([2, 3, 4].map(isPeerShared)).toEqual([true, true, false]);
});
