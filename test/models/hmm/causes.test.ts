/** Where the time of two runs goes, cause by cause; `timeline.test.ts` has the same steps with their sources. */
import { expect, it } from 'vitest';
import hmm from '../../../src/models/hmm/index.ts';
import pcie4 from '../../../src/platforms/machines/pcie4.ts';
import { causesOf, only } from '../../helpers/causes.ts';
import { runModel } from '../../helpers/run.ts';

it('two pages with room for one, and a look at pinned memory (gpusvm on pcie4)', () => {
  const rows = [
    '0 cpu alloc 0x201000 4K a',
    '0 cpu alloc 0x401000 4K b',
    '0 cpu alloc 0x601000 4K p;kind=pinned',
    '0 cpu w 0x201000 4K',
    '0 cpu w 0x401000 4K',
    '100000 gpu0 r 0x201000 64',
    '200000 gpu0 r 0x401000 64',
    '300000 gpu0 r 0x601000 64',
  ];
  expect(causesOf(runModel(hmm, rows, { platform: pcie4, capacity: 4096 }))).toEqual(
    only({
      // CPU: trap 700 and handle_mm_fault 500, twice. Three faults of 1,000 with get_pages 984 + 15.66; the last one is
      // handed over at the end of the trace and waits out the latency.
      faultService: 2 * 1_200 + 3 * 2_000 + 10_000,
      // Three pages zeroed on the host, 4096 / 10; two copies 1,000 + 4,096 / 24 and 228 for a scattered page.
      transfer: 3 * 410 + 2 * (1_171 + 228),
      // Two cycles of one page; three binds 1,977 + 23.48.
      mapping: 2 * (20_636 + 1_364) + 3 * 2_000,
      // TLB flush of the victim, a cycle of one page, its copy.
      eviction: 1_000 + 20_636 + 1_364 + 1_171,
      // 64 / 24.
      remote: 3,
    }),
  );
});

it('the CPU waits out the timeslice of a page on the device', () => {
  // The atomic of 10 ms is served there; its range may not go home for 5 ms. The CPU wants it at 11 ms.
  const rows = [
    '0 cpu alloc 0x200000 4K a',
    '0 cpu w 0x200000 4K',
    '10000000 gpu0 a 0x200000 64',
    '10000000 gpu0 sync',
    '11000000 cpu r 0x200000 1',
  ];
  expect(causesOf(runModel(hmm, rows, { set: { timesliceMs: 5 } }))).toEqual(only({ wait: 4_000_000 }));
});
