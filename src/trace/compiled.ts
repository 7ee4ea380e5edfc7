/**
 * A compiled trace: what the reader makes of a text trace and what the engine walks.
 *
 * A record becomes one or more *rows*. A row of an access lies inside one 2 MiB block (a larger access is cut at block
 * borders, `CONTINUES` marks the pieces after the first); its pages have consecutive *page ids*. Ids are dense over
 * touched pages. All other records are one row that points into `events`.
 */

import type { Arena } from './kernel/arena.ts';

export const OP = {
  read: 0,
  write: 1,
  atomic: 2,
  alloc: 3,
  free: 4,
  prefetch: 5,
  advise: 6,
  copy: 7,
  launch: 8,
  sync: 9,
  invalidate: 10,
} as const;
export type OpName = keyof typeof OP;
export const OP_NAMES = Object.keys(OP) as OpName[];
/** Ops up to this one are accesses. */
export const LAST_ACCESS = OP.atomic;
/** Set in `op` of the second and later rows of one access record. */
export const CONTINUES = 0x80;

/** `code` of a row that has no dispatch byte. */
export const NO_CODE = 255;
/** Dispatch bytes are below this. */
export const CODES = 250;

/** The dispatch byte of a row: actor and op in one, for the first row of an access if it touches exactly one page. */
export function dispatchCode(op: number, actor: number, pages: number): number {
  const code = actor * (LAST_ACCESS + 1) + op;
  return pages === 1 && op <= LAST_ACCESS && code < CODES ? code : NO_CODE;
}

export type AllocationKind = 'managed' | 'system' | 'device' | 'pinned' | 'file';

/** One `alloc` record (or one inferred allocation). Pages are 4 KiB page numbers of the address space. */
export interface Allocation {
  readonly id: number;
  readonly name: string;
  readonly kind: AllocationKind;
  /** `heap` and `stack` mark the initial heap and stack of a process; `map` is any other mapping. */
  readonly vma: 'map' | 'heap' | 'stack';
  /** Actor index of the record: owner of `kind=device` memory. */
  readonly actor: number;
  readonly firstPage: number;
  readonly lastPage: number;
  readonly sizeBytes: number;
  /** Data row of the `alloc`, counted from 0; -1 when inferred. */
  readonly record: number;
}

export type InvalidateSort = 'numa' | 'compaction' | 'mprotect' | 'fork' | 'hostio';

interface EventBase {
  readonly actor: number;
  readonly record: number;
  /** Pages first..last that the record covers; 0..-1 for `launch` and `sync`. */
  readonly firstPage: number;
  readonly lastPage: number;
  /** Byte offset of the record in its first page, and its length: hints may be unaligned. */
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}
export interface AllocEvent extends EventBase {
  readonly op: 'alloc';
  readonly allocation: number;
}
export interface FreeEvent extends EventBase {
  readonly op: 'free';
}
export interface PrefetchEvent extends EventBase {
  readonly op: 'prefetch';
  /** Actor index to move to; 0 = CPU. */
  readonly target: number;
}
export interface AdviseEvent extends EventBase {
  readonly op: 'advise';
  /** `preferred`, `accessed_by`, `read_mostly`, `dontneed`, `pin`, `unpin`, or `attr`. */
  readonly advice: string;
  readonly unset: boolean;
  /** Actor index named by the hint, -1 without one. */
  readonly target: number;
  /** Of `attr:NAME[=VALUE]`; null otherwise. */
  readonly attribute: string | null;
  readonly value: string | null;
}
export interface CopyEvent extends EventBase {
  readonly op: 'copy';
  /** The source range; the base range is the destination. */
  readonly sourceFirstPage: number;
  readonly sourceLastPage: number;
  readonly sourceOffsetBytes: number;
}
export interface LaunchEvent extends EventBase {
  readonly op: 'launch';
  /** Ids of the allocations that the launched work touches: up to the next CPU record, or launch on or sync of the device. */
  readonly allocations: readonly number[];
}
export interface SyncEvent extends EventBase {
  readonly op: 'sync';
}
export interface InvalidateEvent extends EventBase {
  readonly op: 'invalidate';
  readonly sort: InvalidateSort;
}
export type TraceEvent =
  | AllocEvent
  | FreeEvent
  | PrefetchEvent
  | AdviseEvent
  | CopyEvent
  | LaunchEvent
  | SyncEvent
  | InvalidateEvent;

/** Rows in columns. All columns have at least `rows` entries. */
export interface TraceChunk {
  readonly rows: number;
  /** Data row of the trace, counted from 0. */
  readonly record: Uint32Array;
  /** `OP` code, possibly with `CONTINUES`. */
  readonly op: Uint8Array;
  readonly actor: Uint8Array;
  /** `dispatchCode` of the row: actor x 3 + op, or `NO_CODE`. */
  readonly code: Uint8Array;
  readonly timeNs: Float64Array;
  /** Page id of the first page touched; for other ops the index into `events`. */
  readonly page: Int32Array;
  /** Pages touched in this row, 1..512; 0 for other ops. */
  readonly pages: Uint16Array;
  /** Byte offset in the first page, and bytes touched by this row. */
  readonly offset: Uint16Array;
  readonly bytes: Uint32Array;
  /** Dense index over (actor, thread) pairs, -1 without one; null when the trace has no `thread` column. */
  readonly thread: Int32Array | null;
  /** Where the columns lie, if it is an arena that whoever walks the rows has given. */
  readonly arena?: Arena;
}

/**
 * Touched 2 MiB blocks, one entry a *life*: from the first `alloc` in the block until no live allocation is left in it.
 * A life owns the page ids firstId .. firstId + popcount(touched) - 1 in address order; ids and slots of ended lives
 * are used again.
 */
export interface BlockLives {
  readonly count: number;
  /** Block number = address / 2 MiB. */
  readonly block: Float64Array;
  readonly slot: Int32Array;
  readonly firstId: Int32Array;
  /** Sixteen words a life: which of its 512 pages the trace touches. */
  readonly touched: Int32Array;
  /** Index into `events` of the `alloc` that begins the life, -1 = from the start; of the `free` that ends it, -1 = never. */
  readonly beginEvent: Int32Array;
  readonly endEvent: Int32Array;
}

export interface CompiledTrace {
  /** Base name of the file, `-` for standard input. */
  readonly name: string;
  /** Of the uncompressed bytes, hex. */
  readonly sha256: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Index 0 is always `cpu`; then every device that acts or is named by a hint, by letters then number. */
  readonly actors: readonly string[];
  /** Which actors have records of their own (for the result's `trace.actors`). */
  readonly actorHasRecords: readonly boolean[];
  readonly records: number;
  /** Per op code: number of records. Per actor: access records, touches, bytes. */
  readonly recordsByOp: Float64Array;
  readonly accessesByActor: Float64Array;
  readonly touchesByActor: Float64Array;
  readonly bytesByActor: Float64Array;
  /** Distinct pages touched x 4 KiB (a page of a new allocation at an old address counts again). */
  readonly footprintBytes: number;
  /** Distinct 64-byte lines touched by devices x 64. */
  readonly deviceLineBytes: number;
  /** Per actor index: peak over time of the live 2 MiB blocks that this actor touches, in bytes. 0 for the CPU. */
  readonly livePeakBytes: Float64Array;
  readonly startNs: number;
  /** Last record's time less the first's. */
  readonly durationNs: number;
  /** Changes of the acting side between consecutive access records (cpu to a device, device to device or back). */
  readonly handOvers: number;
  readonly hasTime: boolean;
  readonly hasAtomics: boolean;
  readonly threads: number;
  readonly inferredAllocations: boolean;
  readonly allocations: readonly Allocation[];
  readonly events: readonly TraceEvent[];
  readonly lives: BlockLives;
  /** Page ids and slots ever needed at once. */
  readonly pageIds: number;
  readonly slots: number;
  readonly warnings: readonly string[];
  /**
   * From the first row on, each time it is called. Columns are overwritten by the chunk after the next. An arena that is
   * given, to one walk and no other, gets the columns of a trace that has to make them.
   */
  chunks(arena?: Arena): Iterable<TraceChunk>;
}
