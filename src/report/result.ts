/** The result object, `gmem-eval/result@1`: what every report is rendered from. */

import { z } from 'zod';
import { profileFromPlatform, profileSchema } from '../platforms/profile.ts';
import type { LaneResult } from '../replay/lane.ts';
import { METRIC_NAMES, type MetricSpec } from '../replay/metrics.ts';
import type { ModelDefinition } from '../replay/model.ts';
import type { MemorySize, Plan, PlannedRun } from '../replay/plan.ts';
import type { CompiledTrace } from '../trace/compiled.ts';

export const RESULT_SCHEMA = 'gmem-eval/result@1';

const parameter = z.union([z.number(), z.boolean(), z.string(), z.null()]);
const parameters = z.record(z.string(), parameter);
const bytesByDevice = z.record(z.string(), z.int().nonnegative());
const metric = z.number().nullable();

const runSchema = z.strictObject({
  model: z.string(),
  preset: z.string().nullable().describe('null where the model has only one'),
  parameters,
  oversubscription: z.number().nullable().describe('footprint / memory as asked for; null without --oversub'),
  capacityBytes: bytesByDevice.nullable().describe('usable bytes by device; null = unlimited'),
  effectiveCapacityBytes: bytesByDevice.nullable().describe('differs from capacityBytes where a stack rounds'),
  metrics: z.object(Object.fromEntries(METRIC_NAMES.map((name) => [name, metric]))).catchall(metric),
  warnings: z.array(z.string()),
});

export const resultSchema = z.strictObject({
  schema: z.literal(RESULT_SCHEMA),
  manifest: z.strictObject({
    tool: z.strictObject({ name: z.literal('gmem-eval'), version: z.string() }),
    options: z.strictObject({
      models: z.array(z.string()),
      set: z.array(z.string()),
      platform: z.string(),
      oversub: z.array(z.number().nullable().describe('null = a run without a limit')).nullable(),
      deviceMemory: z.array(z.string()).nullable(),
      inFlight: z.int(),
      host: z.strictObject({ page: z.int(), zeroPage: z.boolean() }),
      check: z.boolean(),
    }),
    platform: profileSchema,
    trace: z.strictObject({
      name: z.string(),
      sha256: z.string().describe('of the uncompressed bytes'),
      metadata: z.record(z.string(), z.string()),
      hasTime: z.boolean(),
      livePeakBytes: bytesByDevice.describe(
        'peak of the live 2 MiB blocks that each device touches: what --oversub divides',
      ),
      warnings: z.array(z.string()),
    }),
    seed: z.int().describe('no run draws random numbers; fixed so that this stays true of the format'),
    models: z.array(
      z.strictObject({
        model: z.string(),
        preset: z.string().nullable(),
        title: z.string(),
        sources: z.array(z.string()),
        parameters,
        metrics: z.record(
          z.string(),
          z.strictObject({ unit: z.string(), direction: z.string(), definition: z.string() }),
        ),
      }),
    ),
  }),
  trace: z.strictObject({
    records: z.int(),
    accesses: z.int(),
    touches: z.int(),
    footprintBytes: z.int(),
    actors: z.array(z.string()),
    allocations: z.int(),
    durationNs: z.number(),
    inferredAllocations: z.boolean(),
  }),
  runs: z.array(runSchema),
});

export type Result = z.infer<typeof resultSchema>;
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
