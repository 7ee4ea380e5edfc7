/** Random configurations of runs, and how the property tests compare the engines. */

import fc from 'fast-check';
import { expect } from 'vitest';
import type { Platform } from '../../src/platforms/platform.ts';
import type { MemoryOptions } from '../../src/replay/kernel/memory.ts';
import type { LaneResult, LaneSpec } from '../../src/replay/lane.ts';
import { CAUSES } from '../../src/replay/metrics.ts';
import type { ModelDefinition, ParameterValue } from '../../src/replay/model.ts';
import type { CompiledTrace } from '../../src/trace/compiled.ts';
import { timedPlatform, unitPlatform } from '../helpers/platforms.ts';
import { expectSameQuietly, laneSpec, replayFast } from '../helpers/run.ts';
import { replayReference } from '../reference/engine.ts';

export interface LanePlan {
  readonly model: ModelDefinition;
  readonly preset: number;
  readonly seed: number;
  /** Which of the parameters that have a few values is set, and to which of them. */
  readonly knob: number;
  readonly turn: number;
  readonly platform: Platform;
  readonly capacityPages: number | null;
  readonly inFlight: number;
  readonly zeroPage: boolean;
}

export function lanePlans(
  models: readonly ModelDefinition[],
  capacities: readonly (number | null)[],
  platforms: readonly Platform[] = [unitPlatform, timedPlatform, timedPlatform],
): fc.Arbitrary<LanePlan> {
  return fc.record({
    model: fc.constantFrom(...models),
    preset: fc.nat(5),
    seed: fc.nat(1_000_000),
    knob: fc.nat(40),
    turn: fc.nat(5),
    platform: fc.constantFrom(...platforms),
    capacityPages: fc.constantFrom(...capacities),
    inFlight: fc.constantFrom(1, 2, 3, 8, 256),
    zeroPage: fc.boolean(),
  });
}

/** The seed of a made-up driver, and one yes-or-no or one-of-several parameter away from its default. */
function settings({ model, seed, knob, turn }: LanePlan): Record<string, ParameterValue> {
  if ('seed' in model.parameters) return { seed };
  const choices = Object.entries(model.parameters).flatMap(([name, { type, values }]) => {
    const known = values ?? (type === 'boolean' ? [true, false] : []);
    return known.length > 0 ? [{ name, known }] : [];
  });
  if (choices.length === 0 || turn === 0) return {};
  const { name, known } = choices[knob % choices.length];
  return { [name]: known[turn % known.length] };
}

function specOf(trace: CompiledTrace, plan: LanePlan): LaneSpec {
  const { model } = plan;
  const presets = Object.keys(model.presets);
  return laneSpec(model, trace, {
    preset: presets[plan.preset % presets.length],
    set: settings(plan),
    platform: plan.platform,
    capacity: plan.capacityPages === null ? null : plan.capacityPages * 4096,
    inFlight: plan.inFlight,
    host: { zeroPage: plan.zeroPage },
  });
}

/** What was seen at all, so that a test can insist that the random traces get everywhere. */
export class Reached {
  private readonly times = new Map<string, number>();

  note(what: string): void {
    this.times.set(what, (this.times.get(what) ?? 0) + 1);
  }

  missing(wanted: readonly string[]): string[] {
    return wanted.filter((what) => !this.times.has(what));
  }
}

/** Every nanosecond of a stop has one cause; remote time is of no stop. */
function expectCausesAddUp(metrics: LaneResult['metrics']): void {
  const of = (name: string): number => metrics[name] ?? 0;
  const stopped = of('time.stall.device.ns') + of('time.stall.host.ns');
  const byCause = CAUSES.reduce((sum, cause) => sum + of(`time.by.${cause}.ns`), 0);
  expect(byCause).toBe(stopped + of('time.by.remote.ns'));
}

/** All runs in one pass of the fast engine, each against a reference run of its own: equal to the last byte. */
export function expectAgreement(
  trace: CompiledTrace,
  plans: readonly LanePlan[],
  reached: Reached,
  memory?: MemoryOptions,
): void {
  const specs = plans.map((plan) => specOf(trace, plan));
  const fast = replayFast(trace, specs, true, memory);
  expectSameQuietly(trace, specs, fast, true, memory);
  specs.forEach((spec, lane) => {
    const reference = replayReference(trace, spec, {
      check: true,
      onHandOver: (cause) => reached.note(`hand-over: ${cause}`),
    });
    for (const [name, value] of Object.entries(reference.result.metrics)) if (value) reached.note(name);
    expectCausesAddUp(reference.result.metrics);
    for (const { kind } of reference.events) reached.note(`event: ${kind}`);
    if (JSON.stringify(fast[lane]) === JSON.stringify(reference)) return;
    const what = `${spec.model.name} ${spec.preset} on ${spec.platform.name}, lane ${lane}`;
    reference.events.forEach((event, i) => {
      expect(fast[lane].events[i], `${what}: event ${i}`).toEqual(event);
    });
    expect(fast[lane].events.length, `${what}: events`).toBe(reference.events.length);
    expect(fast[lane].result, what).toEqual(reference.result);
    expect(JSON.stringify(fast[lane]), what).toBe(JSON.stringify(reference));
  });
}
