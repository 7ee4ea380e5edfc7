/** The JSON Schemas that `schema/` publishes. */

import { z } from 'zod';
import { profileSchema } from '../platforms/profile-schema.ts';
import { comparisonSchema } from './compare/comparison.ts';
import { explainPageSchema, explainTopSchema } from './explain/schema.ts';
import { resultSchema } from './result-schema.ts';

/** Text of each file by its name. */
export function schemas(): Record<string, string> {
  const text = (title: string, schema: z.ZodType): string =>
    `${JSON.stringify({ title, ...z.toJSONSchema(schema) }, null, 2)}\n`;
  return {
    'result.schema.json': text('Result of gmem-eval run', resultSchema),
    'comparison.schema.json': text('Comparison of gmem-eval compare', comparisonSchema),
    'explain-page.schema.json': text('Answer of gmem-eval explain --page', explainPageSchema),
    'explain-top.schema.json': text('Answer of gmem-eval explain --top', explainTopSchema),
    'platform.schema.json': text('Machine profile of gmem-eval', profileSchema),
  };
}
