/** Every model of the folder on random traces: the fast engine and the reference agree, and no invariant breaks. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Platform } from '../../src/platforms/platform.ts';
import { allModels } from '../../src/replay/registry.ts';
import { compileRecords } from '../helpers/mini-trace.ts';
import { timedPlatform, unitPlatform } from '../helpers/platforms.ts';
import { expectAgreement, lanePlans, Reached } from './lanes.ts';
import { recordsOf, tracePlan } from './random-trace.ts';

/** A machine with one coherent address space, where stacks choose other ways. */
const coherentPlatform: Platform = {
  ...timedPlatform,
  name: 'coherent',
  topology: { coherent: true, ats: true, peer: 'fast' },
};

const platforms = [unitPlatform, timedPlatform, timedPlatform, coherentPlatform];

describe.each(await allModels())('$name', (model) => {
  test('both engines agree on random traces', () => {
    const reached = new Reached();
    const lanes = fc.array(lanePlans([model], [null, 512, 1024, 2048], platforms), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(tracePlan, lanes, fc.constantFrom(3, 7, 1000), (plan, plans, rows) => {
        expectAgreement(compileRecords(recordsOf(plan), { chunkRows: rows }), plans, reached);
      }),
      { numRuns: 20, seed: 19, endOnFailure: true },
    );
    const causes = ['inFlight', 'otherActor', 'event', 'thread'];
    expect(reached.missing(causes.map((cause) => `hand-over: ${cause}`))).toEqual([]);
  });
});
