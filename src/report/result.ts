/** The result object, `gmem-eval/result@1`: what every report is rendered from. */

import { profileFromPlatform } from '../platforms/profile.ts';
import type { LaneResult } from '../replay/lane.ts';
import type { MetricSpec } from '../replay/metrics.ts';
import type { ModelDefinition } from '../replay/model.ts';
import type { MemorySize, Plan, PlannedRun } from '../replay/plan.ts';
import type { CompiledTrace } from '../trace/compiled.ts';
import type { Result } from './result-schema.ts';

export const RESULT_SCHEMA = 'gmem-eval/result@1';

export type { Result };
export type RunResult = Result['runs'][number];

export function buildResult(
  trace: CompiledTrace,
  plan: Plan,
  runs: readonly PlannedRun[],
  lanes: readonly LaneResult[],
  tool: { readonly version: string; readonly check: boolean },
): Result {
  return {
    schema: RESULT_SCHEMA,
    manifest: {
      tool: { name: 'gmem-eval', version: tool.version },
      options: optionsOf(plan, tool.check),
      platform: profileFromPlatform(plan.platform),
      trace: {
        name: trace.name,
        sha256: trace.sha256,
        metadata: { ...trace.metadata },
        hasTime: trace.hasTime,
        livePeakBytes: byDevice(trace.actors, [...trace.livePeakBytes]) ?? {},
        warnings: [...trace.warnings],
      },
      seed: 0,
      models: plan.choices.map((choice) => ({
        model: choice.model.name,
        preset: presetShown(choice),
        title: choice.model.title,
        sources: [...choice.model.sources],
        parameters: { ...choice.parameters },
        metrics: ownMetrics(choice.model),
      })),
    },
    trace: {
      records: trace.records,
      accesses: sum(trace.accessesByActor),
      touches: sum(trace.touchesByActor),
      footprintBytes: trace.footprintBytes,
      actors: trace.actors.filter((_, i) => trace.actorHasRecords[i]),
      allocations: trace.allocations.length,
      durationNs: trace.durationNs,
      inferredAllocations: trace.inferredAllocations,
    },
    runs: runs.map(({ choice, oversubscription, spec }, i) => ({
      model: choice.model.name,
      preset: presetShown(choice),
      parameters: { ...lanes[i].parameters },
      oversubscription,
      capacityBytes: byDevice(trace.actors, spec.capacityBytes),
      effectiveCapacityBytes: byDevice(trace.actors, lanes[i].effectiveCapacityBytes),
      metrics: { ...lanes[i].metrics } as RunResult['metrics'],
      warnings: [...trace.warnings, ...lanes[i].warnings],
    })),
  };
}

function optionsOf(plan: Plan, check: boolean): Result['manifest']['options'] {
  const ratios = plan.sizes.some((s) => s.kind === 'oversubscribed')
    ? plan.sizes.map((s: MemorySize) => (s.kind === 'oversubscribed' ? s.ratio : null))
    : null;
  const sizes = plan.sizes.flatMap((s: MemorySize) => (s.kind === 'bytes' ? [s.text] : []));
  return {
    models: plan.choices.map((c) => `${c.reference}:${c.preset}`),
    set: [...plan.set],
    platform: plan.platform.name,
    oversub: ratios,
    deviceMemory: sizes.length > 0 ? sizes : null,
    inFlight: plan.inFlight,
    host: { page: plan.host.pageBytes, zeroPage: plan.host.zeroPage },
    check,
  };
}

/** A model with a single preset has no choice to report. */
function presetShown(choice: Plan['choices'][number]): string | null {
  return Object.keys(choice.model.presets).length > 1 ? choice.preset : null;
}

/** Metrics that only this model has, as `MODEL.name`. */
function ownMetrics(model: ModelDefinition): Record<string, MetricSpec> {
  return Object.fromEntries(
    Object.entries(model.metrics ?? {}).map(([name, spec]) => [`${model.name}.${name}`, { ...spec }]),
  );
}

function byDevice(actors: readonly string[], bytes: readonly number[] | null): Record<string, number> | null {
  if (bytes === null) return null;
  return Object.fromEntries(actors.slice(1).map((name, i) => [name, bytes[i + 1]]));
}

function sum(column: Float64Array): number {
  return column.reduce((a, b) => a + b, 0);
}
