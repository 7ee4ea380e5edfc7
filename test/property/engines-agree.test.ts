/** The fast engine against the slow one: the same result and the same events to the last byte, on random traces. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LaneSpec } from '../../src/replay/lane.ts';
import type { CompiledTrace } from '../../src/trace/compiled.ts';
import { compileRecords } from '../helpers/mini-trace.ts';
import { timedPlatform, unitPlatform } from '../helpers/platforms.ts';
import { laneSpec, replayFast } from '../helpers/run.ts';
import { chaosToy, plainToy } from '../helpers/toys.ts';
import { replayReference } from '../reference/engine.ts';
import { recordsOf, tracePlan } from './random-trace.ts';

const TOYS = [plainToy, chaosToy(false), chaosToy(true)];

const lanePlan = fc.record({
  model: fc.nat(2),
  seed: fc.nat(1_000_000),
  preset: fc.nat(1),
  platform: fc.constantFrom(unitPlatform, timedPlatform, timedPlatform),
  capacityPages: fc.constantFrom(null, 1, 3, 8, 30),
  inFlight: fc.constantFrom(1, 2, 3, 8, 256),
});
type LanePlan = typeof lanePlan extends fc.Arbitrary<infer T> ? T : never;

const reached = new Map<string, number>();
const reach = (what: string, n = 1): void => {
  reached.set(what, (reached.get(what) ?? 0) + n);
};

function specOf(trace: CompiledTrace, plan: LanePlan): LaneSpec {
  const model = TOYS[plan.model];
  const presets = Object.keys(model.presets);
  return laneSpec(model, trace, {
    preset: presets[plan.preset % presets.length],
    set: 'seed' in model.parameters ? { seed: plan.seed } : {},
    platform: plan.platform,
    capacity: plan.capacityPages === null ? null : plan.capacityPages * 4096,
    inFlight: plan.inFlight,
  });
}

test('toy drivers: fast engine and reference agree', () => {
  fc.assert(
    fc.property(
      tracePlan,
      fc.array(lanePlan, { minLength: 1, maxLength: 4 }),
      fc.constantFrom(3, 4, 7, 1000),
      (plan, lanes, chunkRows) => {
        const trace = compileRecords(recordsOf(plan), { chunkRows });
        const specs = lanes.map((lane) => specOf(trace, lane));
        const fast = replayFast(trace, specs);
        specs.forEach((spec, lane) => {
          const reference = replayReference(trace, spec, {
            check: true,
            onHandOver: (cause) => reach(`hand-over: ${cause}`),
          });
          for (const [name, value] of Object.entries(reference.result.metrics)) if (value) reach(name);
          for (const event of reference.events) reach(`event: ${event.kind}`);
          expect(fast[lane].events).toEqual(reference.events);
          expect(fast[lane].result).toEqual(reference.result);
          expect(JSON.stringify(fast[lane])).toBe(JSON.stringify(reference));
        });
      },
    ),
    { numRuns: Number(process.env.PROPERTY_RUNS ?? 300), seed: 20250607 },
  );
});
