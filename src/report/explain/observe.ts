/** What is asked of the event stream while it passes: only the answer is kept, never the stream. */

import type { EventLine } from '../../replay/lane.ts';
import type { CompiledTrace } from '../../trace/compiled.ts';
import { type Life, LifeObserver } from './life.ts';
import { type Tally, TallyObserver } from './tally.ts';

export type Question = { readonly kind: 'life'; readonly page: number } | { readonly kind: 'tally' };
export type Found = Life | Tally;

/** Of one run. */
export interface Observer {
  add(line: EventLine): void;
  found(): Found;
}

export function observer(question: Question, trace: Pick<CompiledTrace, 'allocations'>): Observer {
  return question.kind === 'life' ? new LifeObserver(question.page) : new TallyObserver(trace.allocations);
}
