/** Where the lives of a page in several stacks part. */

import { type Life, whatOf } from './life.ts';

export interface StackLife {
  readonly stack: string;
  readonly life: Pick<Life, 'lines'>;
}

/** Stacks that did the same up to here and do different things now. */
export interface Parting {
  /** Of the page's life, from 1. */
  readonly line: number;
  readonly groups: readonly {
    readonly stacks: readonly string[];
    /** null: nothing more. */
    readonly what: string | null;
    /** Records that made them do it. */
    readonly records: readonly number[];
  }[];
}

/** The first parting of all, then those of the groups that it leaves, until each stack is alone or alike to the end. */
export function partings(stacks: readonly StackLife[], from = 0): Parting[] {
  if (stacks.length < 2) return [];
  const longest = Math.max(...stacks.map(({ life }) => life.lines.length));
  for (let i = from; i < longest; i++) {
    const groups = new Map<string | null, StackLife[]>();
    for (const each of stacks) {
      const line = each.life.lines[i];
      const what = line === undefined ? null : whatOf(line);
      const group = groups.get(what);
      if (group === undefined) groups.set(what, [each]);
      else group.push(each);
    }
    if (groups.size === 1) continue;
    const here: Parting = {
      line: i + 1,
      groups: [...groups].map(([what, group]) => ({
        stacks: group.map(({ stack }) => stack),
        what,
        records: [...new Set(group.flatMap(({ life }) => life.lines[i]?.record ?? []))],
      })),
    };
    return [here, ...[...groups.values()].flatMap((group) => partings(group, i + 1))];
  }
  return [];
}

/** One sentence each, the first for all stacks. */
export function partingTexts(stacks: readonly StackLife[]): string[] {
  if (stacks.length < 2) return ['One stack alone: nothing to compare it with.'];
  const found = partings(stacks);
  if (found.length === 0) return ['All stacks do the same with this page.'];
  return found.map(({ line, groups }, i) => {
    const parts = groups.map(({ stacks: names, what, records }) => {
      const at = records.length === 0 ? '' : ` at record ${records.map((n) => (n < 0 ? 'none' : n)).join(', ')}`;
      return `${names.join(', ')}: ${what ?? 'nothing more'}${at}`;
    });
    const who = i === 0 ? 'The stacks' : groups.flatMap((group) => group.stacks).join(', ');
    return `${who} part at line ${line} of the page's life: ${parts.join('; ')}.`;
  });
}
