/** The shape of the result object. Apart from `result.ts`: what makes a result has no need to load the checker. */

import { z } from 'zod';
import { profileSchema } from '../platforms/profile-schema.ts';
import { METRIC_NAMES } from '../replay/metrics.ts';
import { RESULT_SCHEMA } from './result.ts';

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
