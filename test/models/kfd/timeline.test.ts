/** Two runs on published machines with every nanosecond accounted for, from the defaults of the model. */

import { describe, expect, it } from 'vitest';
import mi210 from '../../../src/platforms/machines/mi210.ts';
import mi250x from '../../../src/platforms/machines/mi250x.ts';
import { MIB, PAGE, row, run } from './kfd-run.ts';

describe('time', () => {
  it('of one fault on an MI210: two pages, one of them written by the CPU', () => {
    const rows = [row(0, 'cpu alloc', 0, 2 * PAGE, 'a'), row(0, 'cpu write', 0, PAGE), row(1, 'gpu0 read', 0, PAGE)];
    const { m } = run(rows, { platform: mi210, capacity: 64 * MIB });
    // Trap 700, clearing 4096 / 10 = 409.6.
    expect(m('time.stall.host.ns')).toBe(700 + 410);
    const fault =
      10_000 + // until the driver can fetch the fault
      8_000 + // faultNs
      5 + // clearing the buffer: 8192 / 1600 = 5.12
      1_171 + // one copy: 1000 + 4096 / 24 = 1170.7
      2_000 + // copyJobNs, one job
      2 * 7_760 + // migrateInPageNs; the page that nobody wrote costs no copy, but the rest
      2 * 20 + // mapPageNs
      1_000; // TLB flush after mapping
    expect(fault).toBe(37_736);
    expect(m('time.stall.device.ns')).toBe(fault);
    expect(m('time.total.ns')).toBe(1_000_000 + fault);
  });

  it('of an eviction on an MI250X: two buffers of two pages, room for one', () => {
    const rows = [
      row(0, 'cpu alloc', 0, 2 * PAGE, 'a'),
      row(0, 'cpu alloc', 2 * MIB, 2 * PAGE, 'b'),
      row(1, 'gpu0 write', 0, PAGE),
      row(2, 'gpu0 write', 2 * MIB, PAGE),
    ];
    const { m } = run(rows, { platform: mi250x, capacity: 2 * PAGE });
    // faultNs, clearing 8192 / 1600, two zeroed pages without a copy, mapping them, TLB flush. The device waits for it from
    // the moment when the driver can fetch the fault: before that its next record is a millisecond away.
    const first = 8_000 + 5 + 2 * 7_760 + 2 * 20 + 1_000;
    expect(first).toBe(24_565);
    const eviction =
      1_000 + // TLB flush after unmapping the victim
      1_228 + // one copy of both pages: 1000 + 8192 / 36 = 1227.6
      2_000 + // copyJobNs
      2 * 2_350; // migrateOutPageNs
    expect(eviction).toBe(8_928);
    // The trace ends: the device also waits for the 10 us until the fault can be fetched.
    const second = 10_000 + eviction + first;
    expect(m('time.stall.device.ns')).toBe(first + second);
    expect(m('time.total.ns')).toBe(2_000_000 + first + second);
    expect([m('evictions.count'), m('evictions.bytes')]).toEqual([1, 2 * PAGE]);
    // The copy alone is on the link.
    expect(m('time.link.busy.ns')).toBe(1_228);
  });

  it('of faults that are found repaired on an MI210: four pages wait, one is served', () => {
    const rows = [row(0, 'cpu alloc', 0, 4 * PAGE, 'a'), row(1, 'gpu0 read', 0, 4 * PAGE)];
    const { m } = run(rows, { platform: mi210, capacity: 64 * MIB });
    // As above, 16384 / 1600 = 10.24 to clear and no copy; then three times repairedFaultNs.
    const served = 10_000 + 8_000 + 10 + 4 * 7_760 + 4 * 20 + 1_000;
    expect(m('time.stall.device.ns')).toBe(served + 3 * 1_000);
    expect(m('faults.stale')).toBe(3);
  });
});
