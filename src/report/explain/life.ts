/** The life of one page in one run, and where the lives of a page in several stacks part. */

import type { EventLine } from '../../replay/lane.ts';
import { spanOf } from './span.ts';

/** A page that is fought over may have as many lines as the trace has records; more than this nobody reads. */
const MOST_LINES = 10_000;

export interface Life {
  /** In the order of their times; of one time, as they happened. */
  readonly lines: readonly EventLine[];
  /** Lines after these that were not kept. */
  readonly left: number;
}

export class LifeObserver {
  private readonly lines: EventLine[] = [];
  private left = 0;

  constructor(private readonly page: number) {}

  add(line: EventLine): void {
    const span = spanOf(line);
    if (span === null || this.page < span.firstPage || this.page > span.lastPage) return;
    if (this.lines.length < MOST_LINES) this.lines.push(line);
    else this.left++;
  }

  /** A `fault` line comes after what was done for it but bears the time when it was raised: it goes first. */
  found(): Life {
    return { lines: this.lines.sort((a, b) => a.timeNs - b.timeNs || a.seq - b.seq), left: this.left };
  }
}

/** What stacks have in common or not: times, sizes and numbers are their own. */
export function whatOf({ kind, actor, from, to, trigger }: EventLine): string {
  const where = from !== null && to !== null ? `${from} to ${to}` : (to ?? actor);
  return `${kind} ${where}${trigger === null ? '' : ` (${trigger})`}`;
}

/** One sentence on the first line that is not alike in all stacks. */
export function parting(stacks: readonly { readonly stack: string; readonly life: Life }[]): string {
  if (stacks.length < 2) return 'One stack alone: nothing to compare it with.';
  const longest = Math.max(...stacks.map(({ life }) => life.lines.length));
  for (let i = 0; i < longest; i++) {
    const groups = new Map<string, { stacks: string[]; records: Set<number> }>();
    for (const { stack, life } of stacks) {
      const line = life.lines[i];
      const what = line === undefined ? 'nothing more' : whatOf(line);
      const group = groups.get(what) ?? { stacks: [], records: new Set() };
      group.stacks.push(stack);
      if (line !== undefined) group.records.add(line.record);
      groups.set(what, group);
    }
    if (groups.size === 1) continue;
    const parts = [...groups].map(([what, group]) => {
      const records = [...group.records];
      const at = records.length === 0 ? '' : ` at record ${records.join(', ')}`;
      return `${group.stacks.join(', ')}: ${what}${at}`;
    });
    return `The stacks part at line ${i + 1} of the page's life: ${parts.join('; ')}.`;
  }
  return 'All stacks do the same with this page.';
}
