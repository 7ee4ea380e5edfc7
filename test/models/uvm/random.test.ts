/** Random small traces over every kind of memory, hint and event: both engines agree and no invariant breaks. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import uvm from '../../../src/models/uvm/index.ts';
import { compileRecords } from '../../helpers/mini-trace.ts';
import { timedPlatform, unitPlatform } from '../../helpers/platforms.ts';
import { runTrace } from '../../helpers/run.ts';
import { recordsOf, tracePlan } from '../../property/random-trace.ts';

const coherent = { ...timedPlatform, topology: { coherent: true, ats: true, peer: 'fast' } } as const;
const strangers = { ...timedPlatform, topology: { coherent: false, ats: false, peer: 'none' } } as const;

test('random traces', () => {
  fc.assert(
    fc.property(
      tracePlan,
      fc.constantFrom(unitPlatform, timedPlatform, coherent, strangers),
      fc.constantFrom(null, '1M', '2M', '4M', '6M'),
      fc.constantFrom(1, 3, 256),
      fc.constantFrom('block', 'batch', 'batch_flush', 'once'),
      fc.constantFrom(2, 256),
      fc.array(fc.constantFrom('managed', 'managed', 'system', 'file', 'device', 'pinned'), { minLength: 3 }),
      (plan, platform, capacity, inFlight, replayPolicy, batchCount, kinds) => {
        let allocations = 0;
        const records = recordsOf(plan).map((record) =>
          record.op === 'alloc'
            ? { ...record, arg: `${record.arg};kind=${kinds[allocations++ % kinds.length]}` }
            : record,
        );
        const trace = compileRecords(records);
        const { metrics } = runTrace(uvm, trace, {
          platform,
          capacity,
          inFlight,
          set: { replayPolicy, batchCount, counterThreshold: 3 },
        });
        expect(metrics['faults.deviceRaw']).toBe(
          metrics['faults.device']! +
            metrics['faults.duplicate']! +
            metrics['faults.stale']! +
            metrics['faults.deferred']!,
        );
      },
    ),
    { numRuns: Number(process.env.PROPERTY_RUNS ?? 40), seed: 7 },
  );
});
