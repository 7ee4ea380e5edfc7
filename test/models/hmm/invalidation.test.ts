/** Eviction makes one notification a page: said at once, it does what one after another do. */

import { describe, expect, it } from 'vitest';
import { createInvalidation } from '../../../src/models/hmm/invalidation.ts';
import { addRange, type DeviceRanges, newDeviceRanges, notifierAt } from '../../../src/models/hmm/ranges.ts';
import { addPage, newMask, nextPage } from '../../../src/replay/mask.ts';
import { type Core, RIGHTS } from '../../../src/replay/model.ts';

const BLOCK = 512;

function setup() {
  const log: string[] = [];
  const core = {
    unmap: (device: number, block: number, mask: Int32Array, calls: number) =>
      log.push(`unmap ${device} ${block * BLOCK + nextPage(mask, 0)} ${calls}`),
    tlbInvalidate: (device: number) => log.push(`tlb ${device}`),
    count: () => {},
  } as unknown as Core;
  const devices: DeviceRanges[] = [newDeviceRanges(), newDeviceRanges(), newDeviceRanges()];
  const add = (device: number, first: number, last: number, mapped: boolean): void => {
    const { notifier } = notifierAt(devices[device], first, 2 * BLOCK);
    addRange(devices[device], { first, last }, notifier).rights = mapped ? RIGHTS.write : RIGHTS.none;
  };
  add(1, BLOCK, BLOCK + 511, true);
  add(2, BLOCK, BLOCK + 15, true);
  add(2, BLOCK + 16, BLOCK + 31, false);
  add(2, BLOCK + 32, BLOCK + 47, true);
  add(2, BLOCK + 64, BLOCK + 64, true);
  add(2, 2 * BLOCK, 2 * BLOCK + 15, true);
  return { log, devices, ...createInvalidation(core, devices) };
}

const PAGES = [0, 1, 20, 40, 41, 65];
// Page 0 meets device 1's whole range and device 2's first; 20 an unmapped one; 40 the third; 65 lies behind page 64.
const STEPS = ['unmap 1 512 1', 'tlb 1', 'unmap 2 512 1', 'tlb 2', 'unmap 2 544 1', 'tlb 2'];

describe('invalidateEach', () => {
  it('calls both notifiers for each page and takes each mapped range once, in the order of pages', () => {
    const { log, devices, invalidateEach } = setup();
    const mask = newMask();
    for (const page of PAGES) addPage(mask, page);
    // 6 pages, two devices with a notifier over 0..1023 each.
    expect(invalidateEach(1, mask)).toBe(12);
    expect(log).toEqual(STEPS);
    expect(devices[1].notifiers.at(BLOCK)?.sequence).toBe(6);
    expect(devices[2].notifiers.at(BLOCK)?.sequence).toBe(6);
    // The notifier of the next block was not called.
    expect(devices[2].notifiers.at(2 * BLOCK)?.sequence).toBe(0);
    expect(devices[2].ranges.at(BLOCK + 64)?.rights).toBe(RIGHTS.write);
  });

  it('does what one after another do', () => {
    const { log, invalidate } = setup();
    let calls = 0;
    for (const page of PAGES) {
      calls += invalidate({ event: 'clear', firstPage: BLOCK + page, lastPage: BLOCK + page, owner: -1 });
    }
    expect(calls).toBe(12);
    expect(log).toEqual(STEPS);
  });
});
