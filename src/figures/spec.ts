/** What is to be drawn: from the command line, or from a small YAML or JSON file. */

import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { ConfigurationError } from '../replay/configuration-error.ts';
import type { Case } from '../report/cases.ts';
import { LAYERS } from './heat.ts';
import { POINTS_PER } from './paper.ts';

const names = z.union([z.string(), z.array(z.string()).min(1)]).transform((v) => (typeof v === 'string' ? [v] : v));
const length = z.string().refine((text) => points(text) !== null, 'not a length such as 84mm, 3.3in or 240pt');

export const specSchema = z.strictObject({
  kind: z.string(),
  results: names.describe('result files, from the folder of the spec'),
  events: names.optional().describe('event files, one for each result'),
  models: names.optional().describe('only these stacks: model or model:preset'),
  sizes: z
    .union([z.string(), z.number(), z.array(z.union([z.string(), z.number()])).min(1)])
    .transform((v) => (Array.isArray(v) ? v : [v]).map((size) => (typeof size === 'number' ? `${size}x` : size)))
    .optional()
    .describe('only these memory sizes: 1.25 or 1.25x, 8 MiB, unlimited'),
  traces: names.optional().describe('only these traces, by name'),
  title: z.string().optional().describe('drawn above the figure; without one there is none'),
  width: length.optional(),
  height: length.optional(),
  font: length.optional().describe('size of text, 7pt by default'),
  scale: z.enum(['auto', 'linear', 'log']).optional(),
  layer: z.enum(LAYERS).optional().describe('what a heatmap shows'),
});

export type FigureSpec = z.infer<typeof specSchema>;

/** A length in points, or null when the text is none. */
export function points(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)(mm|cm|in|pt)$/.exec(text.trim());
  if (match === null) return null;
  const value = Number(match[1]) * POINTS_PER[match[2] as keyof typeof POINTS_PER];
  return value > 0 ? value : null;
}

/** Null when the file is no spec but a result: a spec is YAML, or JSON with a kind and no schema. */
export function parseSpec(path: string, text: string): FigureSpec | null {
  const value = /\.ya?ml$/i.test(path) ? yaml(path, text) : json(text);
  if (value === undefined) return null;
  const parsed = specSchema.safeParse(value);
  if (!parsed.success) {
    const [{ path: at, message }] = parsed.error.issues;
    throw new ConfigurationError(
      `${path}: ${at.join('.') || 'spec'}: ${message}`,
      `a figure spec has kind, results and, as you like, ${Object.keys(specSchema.shape).slice(2).join(', ')}`,
    );
  }
  const here = (file: string): string => resolve(dirname(path), file);
  const { results, events, ...rest } = parsed.data;
  return { ...rest, results: results.map(here), ...(events === undefined ? {} : { events: events.map(here) }) };
}

function yaml(path: string, text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new ConfigurationError(`${path}: not YAML: ${(error as Error).message.split('\n')[0]}`, 'mend the file', {
      cause: error,
    });
  }
}

/** Undefined for what the reader of results has more to say about. */
function json(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    const isSpec = value !== null && typeof value === 'object' && 'kind' in value && !('schema' in value);
    return isSpec ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Of the runs, those that the spec asks for. */
export function chosen(cases: readonly Case[], spec: Pick<FigureSpec, 'models' | 'sizes' | 'traces'>): Case[] {
  const { models, sizes, traces } = spec;
  const filters: [string, readonly string[] | undefined, (c: Case) => readonly string[]][] = [
    ['models', models, (c) => [c.run.model, `${c.run.model}:${c.run.preset}`, c.stack]],
    ['sizes', sizes, (c) => [c.size, c.size.replace(/x$/, '')]],
    [
      'traces',
      traces,
      (c) => [c.result.manifest.trace.name, c.result.manifest.trace.name.replace(/(\.csv)?(\.gz)?$/, '')],
    ],
  ];
  return filters.reduce(
    (left: Case[], [what, wanted, names]) => {
      if (wanted === undefined) return left;
      for (const name of wanted) {
        if (!left.some((c) => names(c).includes(name))) {
          const known = [...new Set(left.map((c) => names(c)[what === 'models' ? 2 : 0]))];
          throw new ConfigurationError(`${what}: no run of "${name}"`, `there are ${known.join(', ') || 'none'}`);
        }
      }
      return left.filter((c) => names(c).some((name) => wanted.includes(name)));
    },
    [...cases],
  );
}
