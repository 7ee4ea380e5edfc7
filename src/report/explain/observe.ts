/** What is asked of a run while it goes on: only the answer is kept, never the event stream. */

import type { CostListener, EventLine } from '../../replay/lane.ts';
import type { CompiledTrace } from '../../trace/compiled.ts';
import { type Life, LifeObserver } from './life.ts';
import { type Tally, TallyObserver } from './tally.ts';

export type Question =
  | { readonly kind: 'life'; readonly page: number }
  | { readonly kind: 'tally'; readonly top: number };
export type Found = Life | Tally;

/** Of one run. */
export interface Observer extends CostListener {
  add(line: EventLine): void;
  found(): Found;
}

export function observer(
  question: Question,
  trace: Pick<CompiledTrace, 'allocations'>,
  { remoteBytesPerNs }: { readonly remoteBytesPerNs: number },
): Observer {
  return question.kind === 'life'
    ? new LifeObserver(question.page, remoteBytesPerNs)
    : new TallyObserver(trace.allocations, remoteBytesPerNs, question.top);
}
