/** Reads result files back. Every way in which one can be wrong is named with its file. */

import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { ConfigurationError } from '../replay/configuration-error.ts';
import { RESULT_SCHEMA, type Result, resultSchema } from './result.ts';

const REMAKE = 'make it with `gmem-eval run TRACE --format json --out FILE`';

/** As published, but with whatever metrics the version that wrote it knew. */
const anyMetrics = resultSchema.extend({
  runs: z.array(
    resultSchema.shape.runs.element.extend({ metrics: z.record(z.string(), z.number().nullable()) }).strict(),
  ),
});

export interface ReadOptions {
  /** Accept results that lack metrics of the dictionary, or have more (of an older or newer version). */
  readonly anyMetrics?: boolean;
}

/** The result in a file; `-` is standard input. */
export function readResult(path: string, options: ReadOptions = {}): Result {
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
  const parsed = (options.anyMetrics ? anyMetrics : resultSchema).safeParse(value);
  if (!parsed.success) {
    const [{ path: at, message }] = parsed.error.issues;
    throw new ConfigurationError(`${where}: ${at.join('.') || 'result'}: ${message}`, REMAKE);
  }
  const result = parsed.data as Result;
  if (result.runs.length === 0) throw new ConfigurationError(`${where}: no runs in it`, REMAKE);
  return result;
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
