/** The fault filter where the recorded rows cannot tell: its hash. */

import { describe, expect, it } from 'vitest';
import { FaultFilter } from '../../../src/models/kfd/filter.ts';

describe('the fault filter', () => {
  /**
   * The bucket of a page is the upper 8 of 64 bits of (page << 16) x 0x61c8864680b583eb, that is, the upper 8 of the lower 48
   * bits of page x 0x864680b583eb. Page 0 is in bucket 0; so is page 204, the first after it: 204 x
   * 0x864680b583eb = 0x6b002e90a51f44, and 0x00 are the upper 8 of its lower 48 bits.
   */
  it('hides a fault behind a younger one of its bucket with the same time stamp', () => {
    const again = (between: number) => {
      const filter = new FaultFilter();
      return [0, between, 0].map((page) => filter.drops(page, 10_000));
    };
    // The chain is followed only to older stamps.
    expect(again(1)).toEqual([false, false, true]);
    expect(again(204)).toEqual([false, false, false]);
  });
});
