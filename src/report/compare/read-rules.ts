/** Reads `gmem-eval.yaml`. Apart from the rules themselves, since few runs need a YAML reader. */

import { readFileSync } from 'node:fs';
import { type Document, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { ConfigurationError, didYouMean } from '../../replay/configuration-error.ts';
import { fits, type Rule } from './rules.ts';
import type { Tolerance } from './verdict.ts';

/** What rules may name. */
export interface Known {
  readonly metrics: readonly string[];
  readonly models: readonly string[];
}

const EXAMPLE = 'a rule is for example { metric: time.*, model: NAME, trace: cyclic.csv, tolerance: 1% }';

const configSchema = z.strictObject({
  compare: z
    .strictObject({
      rules: z
        .array(
          z.strictObject({
            metric: z.union([z.string(), z.array(z.string()).min(1)]),
            model: z.string().optional(),
            trace: z.string().optional(),
            tolerance: z.union([z.number().nonnegative(), z.string()]),
          }),
        )
        .optional(),
    })
    .nullish(),
});

export function readRules(file: string, known: Known): Rule[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigurationError(`${file}: cannot read the rules: ${(error as Error).message}`, 'check --config', {
      cause: error,
    });
  }
  return parseRules(file, text, known);
}

export function parseRules(file: string, text: string, known: Known): Rule[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const wrong = [...document.errors, ...document.warnings][0];
  if (wrong !== undefined) {
    throw new ConfigurationError(
      `${file}:${lines.linePos(wrong.pos[0]).line}: not YAML: ${wrong.message}`,
      'mend that line',
    );
  }
  const lineOf = (path: readonly PropertyKey[]): number => lines.linePos(offsetOf(document, path)).line;
  const parsed = configSchema.safeParse(plain(file, document) ?? {});
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const path = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0]] : issue.path;
    const name = issue.path.join('.');
    throw new ConfigurationError(`${file}:${lineOf(path)}: ${name === '' ? '' : `${name}: `}${issue.message}`, EXAMPLE);
  }
  return (parsed.data.compare?.rules ?? []).map((rule, i) => {
    const at = (key: string): string => `${file}:${lineOf(['compare', 'rules', i, key])}`;
    const metrics = typeof rule.metric === 'string' ? [rule.metric] : rule.metric;
    for (const name of metrics) mustBeKnown(at('metric'), 'metric', name, known.metrics);
    if (rule.model !== undefined) mustBeKnown(at('model'), 'model', rule.model.split(':')[0], known.models);
    return {
      metrics,
      model: rule.model ?? null,
      trace: rule.trace ?? null,
      tolerance: toleranceOf(at('tolerance'), String(rule.tolerance)),
      text: String(rule.tolerance),
      where: `${file}:${lineOf(['compare', 'rules', i])}`,
    };
  });
}

/** Aliases may not blow up what is parsed. */
function plain(file: string, document: Document.Parsed): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw new ConfigurationError(`${file}: ${(error as Error).message}`, 'write the rules without aliases');
  }
}

/** Where the node at `path`, or the nearest one around it, begins. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  for (let depth = path.length; depth > 0; depth--) {
    const node = document.getIn(path.slice(0, depth), true) as { range?: [number, number, number] } | undefined;
    if (node?.range) return node.range[0];
  }
  return document.contents?.range?.[0] ?? 0;
}

function mustBeKnown(where: string, what: string, name: string, known: readonly string[]): void {
  if (known.some((candidate) => fits(name, candidate))) return;
  throw new ConfigurationError(
    `${where}: no ${what} "${name}"`,
    `${didYouMean(name, known)}\`gmem-eval ${what}s\` lists them; * stands for any characters`,
  );
}

function toleranceOf(where: string, text: string): Tolerance {
  if (text === 'any') return { kind: 'any' };
  const match = /^(\d+(?:\.\d+)?(?:e\d+)?)\s*(%?)$/.exec(text);
  if (match === null) {
    throw new ConfigurationError(
      `${where}: "${text}" is not a tolerance`,
      "give an amount in the metric's unit (16), a share of the base value (0.5%), or any",
    );
  }
  const amount = Number(match[1]);
  return match[2] === '%' ? { kind: 'percent', percent: amount } : { kind: 'absolute', amount };
}
