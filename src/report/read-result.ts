/** Reads result files back. Every way in which one can be wrong is named with its file. */

import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { ConfigurationError } from '../replay/configuration-error.ts';
import { RESULT_SCHEMA, type Result } from './result.ts';
import { resultSchema } from './result-schema.ts';

const REMAKE = 'make it with `gmem-eval run TRACE --format json --out FILE`';

/** As published, but with whatever metrics the version that wrote it knew. */
const anyMetrics = resultSchema.extend({
  runs: z.array(
    resultSchema.shape.runs.element.extend({ metrics: z.record(z.string(), z.number().nullable()) }).strict(),
  ),
});

/** What two results need to be compared, whatever else the versions that wrote them knew of the machine and the models. */
const comparable = z.looseObject({
  manifest: z.looseObject({
    tool: z.looseObject({ version: z.string() }),
    options: z.looseObject({}),
    platform: z.looseObject({ name: z.string() }),
    trace: z.looseObject({ name: z.string(), sha256: z.string() }),
    models: z.array(
      z.looseObject({
        model: z.string(),
        metrics: z.record(
          z.string(),
          z.looseObject({ unit: z.string(), direction: z.string(), definition: z.string() }),
        ),
      }),
    ),
  }),
  trace: z.looseObject({}),
  runs: z.array(z.looseObject(anyMetrics.shape.runs.element.shape)),
});

export type Comparable = z.infer<typeof comparable>;

export interface ReadOptions {
  /** Accept results that lack metrics of the dictionary, or have more (of an older or newer version). */
  readonly anyMetrics?: boolean;
}

/** The result in a file; `-` is standard input. */
export function readResult(path: string, options: ReadOptions = {}): Result {
  return readAs(path, options.anyMetrics ? anyMetrics : resultSchema) as Result;
}

export function readComparable(path: string): Comparable {
  return readAs(path, comparable);
}

function readAs<T extends { readonly runs: readonly unknown[] }>(path: string, shape: z.ZodType<T>): T {
  const where = path === '-' ? 'standard input' : path;
  const value = parse(where, read(path, where));
  const schema = value !== null && typeof value === 'object' ? (value as { schema?: unknown }).schema : undefined;
  if (typeof schema !== 'string' || !schema.startsWith('gmem-eval/')) {
    throw new ConfigurationError(`${where}: not a result of gmem-eval: no "schema"`, REMAKE);
  }
  if (schema !== RESULT_SCHEMA) {
    throw new ConfigurationError(
      `${where}: its schema is ${schema}, not ${RESULT_SCHEMA}`,
      `${REMAKE} of this version`,
    );
  }
  const parsed = shape.safeParse(value);
  if (!parsed.success) {
    const [{ path: at, message }] = parsed.error.issues;
    throw new ConfigurationError(`${where}: ${at.join('.') || 'result'}: ${message}`, REMAKE);
  }
  if (parsed.data.runs.length === 0) throw new ConfigurationError(`${where}: no runs in it`, REMAKE);
  return parsed.data;
}

function read(path: string, where: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (error) {
    throw new ConfigurationError(`${where}: cannot read the result: ${(error as Error).message}`, 'check the path', {
      cause: error,
    });
  }
}

function parse(where: string, text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\ufeff/, ''));
  } catch (error) {
    throw new ConfigurationError(
      `${where}: not JSON, or cut off: ${(error as Error).message}`,
      `is it whole? ${REMAKE}`,
      { cause: error },
    );
  }
}
