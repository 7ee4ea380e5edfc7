/** Rows of text or objects as records, events and allocations of a trace. */
import {
  type Allocation,
  type AllocationKind,
  type InvalidateSort,
  LAST_ACCESS,
  OP,
  type OpName,
  type TraceEvent,
} from '../../src/trace/compiled.ts';

export const PAGE = 4096;
export const BLOCK_PAGES = 512;

export interface RecordObject {
  readonly timeNs?: number;
  readonly actor: string;
  /** Op name of the contract; `r`, `w`, `a` for short. */
  readonly op: string;
  readonly addr?: number;
  readonly size?: number;
  readonly thread?: number;
  readonly arg?: string;
}

/** `TIME ACTOR OP [ADDR SIZE] [ARG] [t=THREAD]`, sizes as bytes or with K, M, G: `0 cpu alloc 0x200000 2M a`. */
export type RecordRow = string | RecordObject;

export interface Parsed {
  record: number;
  timeNs: number;
  actor: string;
  op: OpName;
  addr: number;
  size: number;
  thread: number | null;
  arg: string;
}

/** Pages that a record covers: whole pages around its bytes. */
interface Span {
  firstPage: number;
  lastPage: number;
  offset: number;
}

export function parseSize(text: string): number {
  const match = /^(0x[0-9a-f]+|\d+)([KMG]?)$/i.exec(text);
  if (!match) throw new Error(`bad size ${text}`);
  return (
    Number(match[1]) * { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }[match[2].toUpperCase() as '' | 'K' | 'M' | 'G']
  );
}

export function parseRow(row: RecordRow, record: number): Parsed {
  let fields: RecordObject;
  if (typeof row === 'string') {
    const words = row.trim().split(/\s+/);
    const threadWord = words.find((w) => /^t=\d+$/.test(w));
    const [time, actor, op, addr, size, arg] = words.filter((w) => w !== threadWord);
    fields = {
      timeNs: Number(time),
      actor,
      op,
      addr: addr === undefined ? 0 : Number(addr),
      size: size === undefined ? 0 : parseSize(size),
      thread: threadWord === undefined ? undefined : Number(threadWord.slice(2)),
      arg: arg ?? '',
    };
  } else fields = row;
  const op = ({ r: 'read', w: 'write', a: 'atomic' }[fields.op] ?? fields.op) as OpName;
  if (OP[op] === undefined) throw new Error(`row ${record}: unknown op ${fields.op}`);
  const timeNs = fields.timeNs ?? 0;
  const { addr = 0, size = 0 } = fields;
  if (!Number.isSafeInteger(timeNs) || !Number.isSafeInteger(addr) || !Number.isSafeInteger(size)) {
    throw new Error(`row ${record}: bad number in ${JSON.stringify(row)}`);
  }
  const needsRange = op !== 'launch' && op !== 'sync';
  if (needsRange && size < 1) throw new Error(`row ${record}: ${op} needs an address and a size`);
  return { record, timeNs, actor: fields.actor, op, addr, size, thread: fields.thread ?? null, arg: fields.arg ?? '' };
}

export function spanOf(addr: number, size: number): Span {
  return { firstPage: Math.floor(addr / PAGE), lastPage: Math.floor((addr + size - 1) / PAGE), offset: addr % PAGE };
}

export const isAccess = (op: OpName): boolean => OP[op] <= LAST_ACCESS;
export const blockOf = (page: number): number => Math.floor(page / BLOCK_PAGES);

/** The actor that a hint names, or null. */
function hintTarget(row: Parsed): string | null {
  if (row.op === 'prefetch') return row.arg;
  if (row.op !== 'advise') return null;
  const word = row.arg.startsWith('unset:') ? row.arg.slice(6) : row.arg;
  const attribute = /^attr:.*@(\w+)$/.exec(word);
  if (attribute) return attribute[1];
  return /^(?:preferred|accessed_by|pin):(\w+)$/.exec(word)?.[1] ?? null;
}

export function actorNames(rows: readonly Parsed[], more: readonly string[]): string[] {
  const names = new Set([...rows.map((r) => r.actor), ...rows.map(hintTarget).filter((t) => t !== null), ...more]);
  names.delete('cpu');
  const split = (name: string): [string, number] => {
    const match = /^([a-z]+)(\d+)$/.exec(name);
    if (!match) throw new Error(`bad actor ${name}`);
    return [match[1], Number(match[2])];
  };
  const byName = (a: string, b: string): number => {
    const [wordA, numberA] = split(a);
    const [wordB, numberB] = split(b);
    return wordA === wordB ? numberA - numberB : wordA < wordB ? -1 : 1;
  };
  return ['cpu', ...[...names].sort(byName)];
}

export function makeEvent(
  row: Parsed,
  actors: readonly string[],
  allocation: number,
  launched: readonly number[],
): TraceEvent {
  const { record, op, arg, size } = row;
  const span = op === 'launch' || op === 'sync' ? { firstPage: 0, lastPage: -1, offset: 0 } : spanOf(row.addr, size);
  const base = {
    actor: actors.indexOf(row.actor),
    record,
    firstPage: span.firstPage,
    lastPage: span.lastPage,
    offsetBytes: span.offset,
    sizeBytes: op === 'launch' || op === 'sync' ? 0 : size,
  };
  const targetName = hintTarget(row);
  const target = targetName === null ? -1 : actors.indexOf(targetName);
  if (op === 'alloc') return { op, ...base, allocation };
  if (op === 'prefetch') return { op, ...base, target };
  if (op === 'launch') return { op, ...base, allocations: launched };
  if (op === 'invalidate') return { op, ...base, sort: arg as InvalidateSort };
  if (op === 'copy') {
    const source = spanOf(Number(arg), size);
    return {
      op,
      ...base,
      sourceFirstPage: source.firstPage,
      sourceLastPage: source.lastPage,
      sourceOffsetBytes: source.offset,
    };
  }
  if (op === 'advise') {
    const unset = arg.startsWith('unset:');
    const word = (unset ? arg.slice(6) : arg).replace(/@\w+$/, '');
    if (!word.startsWith('attr:')) {
      return { op, ...base, advice: word.split(':')[0], unset, target, attribute: null, value: null };
    }
    const [attribute, value = null] = word.slice(5).split('=');
    return { op, ...base, advice: 'attr', unset, target, attribute, value };
  }
  if (op === 'free' || op === 'sync') return { op, ...base } as TraceEvent;
  throw new Error(`not an event: ${op}`);
}

export function makeAllocation(id: number, row: Parsed, actors: readonly string[]): Allocation {
  const [name = '', ...options] = row.arg.split(';');
  const option = (key: string, otherwise: string): string =>
    options.find((o) => o.startsWith(`${key}=`))?.slice(key.length + 1) ?? otherwise;
  const span = spanOf(row.addr, row.size);
  return {
    id,
    name,
    kind: option('kind', 'managed') as AllocationKind,
    vma: option('vma', 'map') as Allocation['vma'],
    actor: actors.indexOf(row.actor),
    firstPage: span.firstPage,
    lastPage: span.lastPage,
    sizeBytes: row.size,
    record: row.record,
  };
}

/** Page ranges that a record touches: its own, for a copy the source and then the destination. */
export function touchedSpans(row: Parsed): { addr: number; size: number }[] {
  if (isAccess(row.op)) return [row];
  return row.op === 'copy' ? [{ addr: Number(row.arg), size: row.size }, row] : [];
}
