/** What a claim is: who said what, which runs can tell, and a predicate over their numbers. */
import type { Experiment, Runs } from './experiment.ts';

export type Outcome = 'confirmed' | 'refuted' | 'mixed';

export interface Verdict {
  readonly outcome: Outcome;
  /** Built from the numbers, never typed in. */
  readonly sentence: string;
}

export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface Claim<Numbers> {
  readonly id: string;
  readonly title: string;
  /** In our words. */
  readonly claim: string;
  /** Who, when, where. */
  readonly source: string;
  /** What the traces do, and which numbers make the verdict what. */
  readonly test: string;
  readonly experiments: readonly Experiment[];
  measure(runs: Runs): Numbers;
  judge(numbers: Numbers): Verdict;
  tables(runs: Runs): readonly Table[];
  /** What would change the verdict. */
  readonly changes: string;
  /** What the models cannot show. */
  readonly limits: string;
}

/** A claim whose numbers are its own business. */
export interface AnyClaim extends Omit<Claim<unknown>, 'measure' | 'judge'> {
  verdict(runs: Runs): Verdict;
}

export function anyClaim<Numbers>(claim: Claim<Numbers>): AnyClaim {
  const { measure: _measure, judge: _judge, ...rest } = claim;
  return { ...rest, verdict: (runs) => claim.judge(claim.measure(runs)) };
}

/** `confirmed` when all hold, `refuted` when none does. */
export function outcomeOf(holds: readonly boolean[]): Outcome {
  if (holds.every(Boolean)) return 'confirmed';
  return holds.some(Boolean) ? 'mixed' : 'refuted';
}
