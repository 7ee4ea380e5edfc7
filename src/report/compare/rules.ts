/** How much worse which metric may get, by model and trace; and the file that says so. */

import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import type { Tolerance } from './verdict.ts';

export const CONFIG_NAME = 'gmem-eval.yaml';

export interface Rule {
  readonly metrics: readonly string[];
  /** `NAME` or `NAME:PRESET`; null = every one. */
  readonly model: string | null;
  /** Base name of the trace; null = every one. */
  readonly trace: string | null;
  readonly tolerance: Tolerance;
  /** The tolerance as written. */
  readonly text: string;
  /** FILE:LINE. */
  readonly where: string;
}

/** The nearest file of that name in `folder` or above it, as seen from there; null when there is none. */
export function findConfig(folder: string): string | null {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const file = join(at, CONFIG_NAME);
    if (existsSync(file)) return relative(folder, file);
    if (dirname(at) === at) return null;
  }
}

export interface Subject {
  readonly metric: string;
  readonly model: string;
  readonly preset: string | null;
  readonly trace: string;
}

/** The last rule that fits. */
export function ruleFor(rules: readonly Rule[], { metric, model, preset, trace }: Subject): Rule | null {
  return (
    rules.findLast(
      (rule) =>
        rule.metrics.some((pattern) => fits(pattern, metric)) &&
        (rule.model === null || fits(rule.model, rule.model.includes(':') ? `${model}:${preset ?? ''}` : model)) &&
        (rule.trace === null || fits(rule.trace, trace)),
    ) ?? null
  );
}

/** `*` stands for any characters. */
export function fits(pattern: string, text: string): boolean {
  const parts = pattern.split('*');
  if (parts.length === 1) return pattern === text;
  const [first, last] = [parts[0], parts.at(-1)!];
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  let from = first.length;
  for (const part of parts.slice(1, -1)) {
    const at = text.indexOf(part, from);
    if (at < 0) return false;
    from = at + part.length;
  }
  return from <= text.length - last.length;
}
