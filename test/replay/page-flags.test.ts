/** Sparse sets of pages: what becomes empty is used again, and must be empty then. */

import { describe, expect, it } from 'vitest';
import { endInBlock, PageFlags } from '../../src/replay/linux-mm/page-flags.ts';
import { countPages, rangeMask } from '../../src/replay/mask.ts';

describe('a set of pages', () => {
  it('covers blocks in part, and forgets them', () => {
    const flags = new PageFlags();
    // 500..1030: 12 pages of block 0, all 512 of block 1, 7 of block 2.
    flags.add(500, 1030);
    expect([0, 1, 2, 3].map((block) => countPages(flags.mask(block) ?? rangeMask(1, 0)))).toEqual([12, 512, 7, 0]);
    flags.remove(511, 1024);
    // 500..510 = 11 and 1025..1030 = 6 are left.
    expect(flags.mask(1)).toBeNull();
    expect(countPages(flags.mask(0) ?? rangeMask(1, 0))).toBe(11);
    expect(countPages(flags.mask(2) ?? rangeMask(1, 0))).toBe(6);
    expect([flags.has(510), flags.has(511), flags.has(1024), flags.has(1025)]).toEqual([true, false, false, true]);
  });

  it('keeps no page of a block in the next one', () => {
    const flags = new PageFlags();
    flags.add(512, 520);
    flags.removeMask(1, rangeMask(0, 511));
    flags.addPage(1024 + 100);
    expect(countPages(flags.mask(2) ?? rangeMask(1, 0))).toBe(1);
    flags.remove(1024, 1535);
    expect([flags.mask(1), flags.mask(2)]).toEqual([null, null]);
    flags.addMask(7, rangeMask(3, 4));
    expect(countPages(flags.mask(7) ?? rangeMask(1, 0))).toBe(2);
    expect(flags.has(7 * 512 + 3)).toBe(true);
  });

  it('ends a block at its last page', () => {
    expect([endInBlock(0, 2000), endInBlock(511, 2000), endInBlock(512, 2000), endInBlock(1030, 1040)]).toEqual([
      511, 511, 1023, 1040,
    ]);
  });
});
