/** The `arg` column of `alloc` and `advise`. Functions return the message of what is wrong as a string. */

import type { AllocationKind, InvalidateSort } from './compiled.ts';
import { quoted } from './errors.ts';

export const ALLOCATION_KINDS: readonly AllocationKind[] = ['managed', 'system', 'device', 'pinned', 'file'];
export const INVALIDATE_SORTS: readonly InvalidateSort[] = ['numa', 'compaction', 'mprotect', 'fork', 'hostio'];
const VMA_SORTS = ['heap', 'stack'] as const;

export const ACTOR_PATTERN = /^(cpu|[A-Za-z]+[0-9]+)$/;

export interface AllocArgument {
  readonly name: string | null;
  readonly kind: AllocationKind;
  readonly vma: 'map' | 'heap' | 'stack';
}

/** `NAME[;kind=...][;vma=...]`; NAME may be left out. */
export function parseAlloc(arg: string): AllocArgument | string {
  let name: string | null = null;
  let kind: AllocationKind | null = null;
  let vma: 'heap' | 'stack' | null = null;
  const parts = arg.split(';').map((part) => part.trim());
  for (const [i, part] of parts.entries()) {
    const equals = part.indexOf('=');
    if (i === 0 && equals < 0) {
      if (part !== '') name = part;
      continue;
    }
    const key = part.slice(0, equals);
    const value = part.slice(equals + 1);
    if (key === 'kind') {
      if (kind !== null) return 'kind is given twice';
      kind = ALLOCATION_KINDS.find((k) => k === value) ?? null;
      if (kind === null) return `unknown kind ${quoted(value)}: use ${ALLOCATION_KINDS.join(', ')}`;
    } else if (key === 'vma') {
      if (vma !== null) return 'vma is given twice';
      vma = VMA_SORTS.find((v) => v === value) ?? null;
      if (vma === null) return `unknown vma ${quoted(value)}: use ${VMA_SORTS.join(' or ')}`;
    } else return `cannot read ${quoted(part)} in arg ${quoted(arg)}: use NAME[;kind=KIND][;vma=heap|stack]`;
  }
  return { name, kind: kind ?? 'managed', vma: vma ?? 'map' };
}

export interface AdviseArgument {
  readonly advice: string;
  readonly unset: boolean;
  readonly actor: string | null;
  readonly attribute: string | null;
  readonly value: string | null;
}

/** Hints that name an actor, and whether taking the hint back names one too. */
const WITH_ACTOR = new Set(['preferred', 'accessed_by', 'pin']);
const WITHOUT = new Set(['read_mostly', 'dontneed', 'unpin']);

/** A word that is not known here is passed on as it stands: models count it as ignored. */
export function parseAdvise(arg: string): AdviseArgument | string {
  const unset = arg.startsWith('unset:');
  const hint = unset ? arg.slice('unset:'.length) : arg;
  const colon = hint.indexOf(':');
  const advice = colon < 0 ? hint : hint.slice(0, colon);
  const rest = colon < 0 ? null : hint.slice(colon + 1);
  if (advice === '') return `cannot read the hint ${quoted(arg)}: it names nothing`;
  if (advice === 'attr') return parseAttribute(arg, rest ?? '', unset);
  if (WITH_ACTOR.has(advice)) {
    if (rest === null && unset) return { advice, unset, actor: null, attribute: null, value: null };
    if (rest === null || !ACTOR_PATTERN.test(rest)) return `the hint ${quoted(arg)} needs an actor: ${advice}:gpu0`;
    return { advice, unset, actor: rest, attribute: null, value: null };
  }
  if (WITHOUT.has(advice) && rest !== null) return `the hint ${quoted(arg)} takes no value: use ${advice}`;
  return { advice, unset, actor: null, attribute: null, value: rest };
}

/** `attr:NAME[=VALUE][@ACTOR]` */
function parseAttribute(arg: string, text: string, unset: boolean): AdviseArgument | string {
  const at = text.lastIndexOf('@');
  const actor = at < 0 ? null : text.slice(at + 1);
  if (actor !== null && !ACTOR_PATTERN.test(actor)) return `the hint ${quoted(arg)} needs an actor after "@": @gpu0`;
  const body = at < 0 ? text : text.slice(0, at);
  const equals = body.indexOf('=');
  const attribute = equals < 0 ? body : body.slice(0, equals);
  if (attribute === '') return `the hint ${quoted(arg)} names no attribute: use attr:NAME[=VALUE][@ACTOR]`;
  return { advice: 'attr', unset, actor, attribute, value: equals < 0 ? null : body.slice(equals + 1) };
}
