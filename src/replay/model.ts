/**
 * The boundary between the core (MMU, memory, links, clock, books) and a model (a driver).
 *
 * A model is called for what a real driver is called for - faults, allocations, hints, launches, notifier events,
 * timers - and acts only through `Core`. It never sees a hit. Locations and actors are small numbers: 0 is the CPU
 * (host memory), 1.. are devices. Pages are 4 KiB page numbers of the address space (plain numbers), blocks are
 * 2 MiB-aligned groups of 512 pages (`block = Math.floor(page / 512)`).
 */

import type { Platform } from '../platforms/platform.ts';
import type {
  AdviseEvent,
  Allocation,
  AllocEvent,
  CopyEvent,
  FreeEvent,
  InvalidateEvent,
  LaunchEvent,
  PrefetchEvent,
} from '../trace/compiled.ts';
import type { Access, FaultBuffer } from './faults.ts';
import type { PageMask } from './mask.ts';
import type { MetricName, MetricSpec, SpentOn, Trigger } from './metrics.ts';

export const HOST = 0;

/** Rights of one mapping. A mapping with `write` serves atomics too, unless the model declares `atomics`. */
export const RIGHTS = { none: 0, read: 1, write: 2, atomic: 3 } as const;
export type Rights = (typeof RIGHTS)[keyof typeof RIGHTS];

/** A contiguous live part of one allocation. `free` of a part shortens or splits it, as munmap does a VMA. */
export interface Vma {
  readonly allocation: Allocation;
  readonly firstPage: number;
  readonly lastPage: number;
}

export interface MoveOptions {
  /** Of the moved pages, those that the stack brought on its own guess: booked under `speculation`, copied apart. */
  readonly speculative?: PageMask;
  /** The source keeps its copy (read duplication). Default: every other location loses the page. */
  readonly keepSource?: boolean;
  /** Largest copy operation in pages; a contiguous run is cut into pieces of this length. Default 512. */
  readonly pagesPerCopy?: number;
  /** Device to device through host memory: booked and timed as d2h plus h2d. */
  readonly staged?: boolean;
  /**
   * `wait` (default): the clock moves past the copy. `queue`: the copy occupies its link from when the link is free, the
   * clock stays; `drain` (and the end of the hook) waits. `none`: the link is booked busy but the model accounts for
   * the time itself with `spend`.
   */
  readonly timing?: 'wait' | 'queue' | 'none';
}

/**
 * The services of the core for one run. Masks given are never kept or changed, masks asked for are filled in.
 * All durations are rounded to whole nanoseconds.
 */
export interface Core {
  readonly platform: Platform;
  /** Names by actor index; `actors[0]` is `cpu`. */
  readonly actors: readonly string[];
  /** Most touches that may wait on one device. */
  readonly inFlight: number;
  /** Usable bytes by actor index as asked for; Infinity = unlimited (and for the host). */
  readonly capacityBytes: readonly number[];
  /** Settings of Linux core MM (`--set host.NAME`). */
  readonly host: { readonly pageBytes: number; readonly zeroPage: boolean };

  // --- clock -----------------------------------------------------------------------------------------------------
  now(): number;
  /**
   * Driver work: moves the clock, except on a platform where nothing takes time. Who waits for it is up to the hook that
   * is running (see ModelHooks); `cause` is where it is booked then (docs/replay.md, Time by cause). `times`: that often.
   */
  spend(ns: number, cause: SpentOn, times?: number): void;
  /** Nothing happens until `timeNs` (a period that must pass, not work: it passes on every platform). Cause `wait`. */
  waitUntil(timeNs: number): void;
  /** Waits for all queued copies. */
  drain(): void;
  /** Stops an actor for `ns` beyond what the running hook costs it (a queue taken off the hardware). */
  stall(actor: number, ns: number, cause: SpentOn): void;
  /** From here to `endMakingRoom` all time has the cause `eviction`. May nest; a hook ends outside it. */
  beginMakingRoom(): void;
  endMakingRoom(): void;
  /** `wake(token)` is called at `timeNs`, before any record issued at or after that time. */
  wakeAt(timeNs: number, token: number): void;
  /** Drops all wake-ups with this token. */
  cancelWake(token: number): void;

  // --- what is where ---------------------------------------------------------------------------------------------
  vmaAt(page: number): Vma | null;
  /** Live VMAs that meet first..last, by address. */
  vmasIn(firstPage: number, lastPage: number): readonly Vma[];
  /** Bit L set: the page is resident at location L. 0 = exists nowhere. */
  residence(page: number): number;
  mapping(actor: number, page: number): Rights;
  residentMask(location: number, block: number, out: PageMask): PageMask;
  /** Pages that `actor` has mapped with at least `rights` (default read). */
  mappedMask(actor: number, block: number, out: PageMask, rights?: Rights): PageMask;
  /** Pages that were brought to `device` by speculation and not touched by it since. */
  untouchedSpeculationMask(device: number, block: number, out: PageMask): PageMask;
  residentBytes(location: number): number;

  // --- data ------------------------------------------------------------------------------------------------------
  /**
   * Moves those pages of `mask` that exist elsewhere to `to`; pages that are there already only lose their other copies
   * (unless `keepSource`); pages that exist nowhere are left alone. A page with several copies is read from the host,
   * else from the lowest device. One copy operation per contiguous run of pages with one source and one trigger (cut
   * at `pagesPerCopy`), ascending: `copyNs` of the link each. Mappings are not touched: unmap first what must go.
   * A copy with trigger `eviction` marks its pages for `thrash.pages`. Returns the pages copied.
   */
  move(block: number, mask: PageMask, to: number, trigger: Trigger, options?: MoveOptions): number;
  /** Zero-fills those pages of `mask` that exist nowhere at `at`, at the speed of that memory. Returns how many. */
  populate(block: number, mask: PageMask, at: number, options?: Pick<MoveOptions, 'timing'>): number;
  /** Forgets the pages' data at `at` (default: everywhere) without a copy. */
  discard(block: number, mask: PageMask, at?: number): void;
  /** An explicit copy that changes no residence (`copy` with device or pinned memory): booked under `copy`. */
  transfer(from: number, to: number, bytes: number): void;
  /** What follows is one migration: `migration.operations` counts it once if it moves or populates anything. */
  beginMigration(): void;

  // --- page tables -----------------------------------------------------------------------------------------------
  /** Gives `actor` these rights on the pages, whatever it had. `entries` = page-table entries written (devices only). */
  map(actor: number, block: number, mask: PageMask, rights: Rights, entries: number): void;
  /** `map` of one page with one entry, for stacks that place single pages. */
  mapPage(actor: number, page: number, rights: Rights): void;
  /**
   * Serves faults of `device` whose pages want nothing but a page-table entry that mirrors the host's: maps each page for
   * `device` as the host has it mapped, with one entry, and marks the fault served. `faults` is what `deviceFaults` was
   * given. Only reads and writes that the host's mapping allows, and of pages that `device` neither maps nor holds; of
   * several faults of a page the one that comes first by strength of the access and age, or none. Gives how many were
   * served, maybe 0: the others take the ordinary way, which would do the same with these.
   */
  mirrorFaults(device: number, faults: FaultBuffer): number;
  /**
   * Takes all rights on the pages. `calls` = contiguous ranges removed (`unmap.*.operations`); default: runs of pages in
   * the mask that were mapped.
   */
  unmap(actor: number, block: number, mask: PageMask, calls?: number): void;
  /** Counts a device TLB flush and spends the platform's time for it. Cause `mapping`. */
  tlbInvalidate(device: number): void;
  /** Spends the platform's time of one CPU TLB shootdown. Cause `mapping`. */
  hostShootdown(): void;

  // --- device memory ---------------------------------------------------------------------------------------------
  /** Takes memory. False (and nothing taken) when it does not fit. */
  reserve(device: number, bytes: number): boolean;
  release(device: number, bytes: number): void;
  allocatedBytes(device: number): number;
  /** What the stack really uses of the capacity, when it rounds (`effectiveCapacityBytes`). Call it from `create`. */
  setEffectiveCapacity(device: number, bytes: number): void;
  effectiveCapacity(device: number): number;
  /** Peak of the stack's own bookkeeping: `bytes` is the present total. */
  metadataBytes(bytes: number): void;
  /** Books one victim of `sizeBytes` that holds `residentPages`; the write-back itself is a `move` with trigger `eviction`. */
  evicted(device: number, firstPage: number, sizeBytes: number, residentPages: number): void;

  // --- access counters -------------------------------------------------------------------------------------------
  /**
   * Counts touches of `device` to remote pages of `block` from now on; at the `threshold`-th the hook `counter` is
   * called (after that touch) and counting stops until armed again.
   */
  armCounter(device: number, block: number, threshold: number): void;
  disarmCounter(device: number, block: number): void;

  // --- books -----------------------------------------------------------------------------------------------------
  /** Adds to a metric that the model owns: services, roundTrips, notifier.invalidations, faults... see `MODEL_COUNTED`. */
  count(metric: (typeof MODEL_COUNTED)[number], n?: number): void;
  /** Adds to a metric that the model declared (without its `MODEL.` prefix). */
  countOwn(name: string, n?: number): void;
  /** The value used where a parameter's default means "worked out"; stands in the result's `parameters`. */
  resolved(parameter: string, value: ParameterValue): void;
  /** Each distinct text stands once in the run's warnings. */
  warn(text: string): void;
  /** A line of the event stream for what the core does not emit by itself (`pin`, `unpin`, `counter`, `error`). */
  note(kind: 'pin' | 'unpin' | 'counter' | 'error', actor: number, page: number, sizeBytes: number): void;
}

/** Metrics that models count through `core.count`; the core counts every other one by itself. */
export const MODEL_COUNTED = [
  'services',
  'roundTrips',
  'notifier.invalidations',
  'unmap.host.operations',
  'unmap.device.operations',
  'tlb.invalidations',
  'map.operations',
] as const satisfies readonly MetricName[];

export type HintOutcome = 'applied' | 'ignored' | 'rejected';

/**
 * What a driver is called for. All optional. The time that a hook spends delays: `deviceFaults` the device,
 * `hostFault` the CPU, the record hooks (`alloc`..`invalidate`) the record's actor, `wake` and `counter` nobody.
 */
export interface ModelHooks {
  /**
   * Faults of one device were handed over. Called again until the buffer is empty but for deferred entries. After each
   * call the touches of marked entries are tried again: possible = done and counted; impossible = raised again at the
   * end of the buffer. Each call that marks an entry counts one batch, or as many as `faults.fetches` says.
   */
  deviceFaults?(device: number, faults: FaultBuffer): void;
  /**
   * The CPU touched a page that it has not mapped with the needed rights. Return `retry` to have the touch tried again
   * (the normal case: it should be possible now; if not, that is another CPU fault), `failed` for SIGBUS/out of memory.
   * Default: fails.
   */
  hostFault?(page: number, access: Access, record: number): 'retry' | 'failed';
  alloc?(vma: Vma, event: AllocEvent): void;
  /** `pieces`: what is about to go, by address. Afterwards the core forgets data and mappings left there, uncounted, in blocks without a live allocation. */
  free?(pieces: readonly Vma[], event: FreeEvent): void;
  prefetch?(event: PrefetchEvent): HintOutcome;
  advise?(event: AdviseEvent): HintOutcome;
  /** Default: the actor reads the source and writes the destination by ordinary touches. */
  copy?(event: CopyEvent): void;
  launch?(event: LaunchEvent): void;
  sync?(device: number): void;
  /** Default: every device mapping in the range is dropped. */
  invalidate?(event: InvalidateEvent): void;
  wake?(token: number): void;
  /** `page` is the one whose touch reached the threshold. */
  counter?(device: number, block: number, page: number): void;
  /** End of the trace, after the last fault was served. */
  finish?(): void;
}

export type ParameterValue = number | boolean | string | null;

export interface ParameterSpec {
  readonly type: 'integer' | 'number' | 'boolean' | 'string';
  /** null = unset; the doc says what happens then. */
  readonly default: ParameterValue;
  readonly values?: readonly ParameterValue[];
  readonly min?: number;
  readonly max?: number;
  readonly unit?: string;
  readonly doc: string;
  /** Where the default comes from; begins with `assumed` where nobody published it. */
  readonly source: string;
}

export interface Preset {
  readonly title: string;
  /** Parameters that differ from their defaults. */
  readonly parameters?: Readonly<Record<string, ParameterValue>>;
  /** Metrics that have no meaning here: reported as null. */
  readonly absent?: readonly MetricName[];
}

export interface ModelDefinition {
  /** File or folder name in `src/models/`. */
  readonly name: string;
  readonly title: string;
  /** The mechanism in about five lines. */
  readonly summary: readonly string[];
  readonly sources: readonly string[];
  /** Place among the models that run by default; absent = only on request. */
  readonly defaultOrder?: number;
  /** The first is the default. */
  readonly presets: Readonly<Record<string, Preset>>;
  readonly parameters: Readonly<Record<string, ParameterSpec>>;
  /** Metrics of its own, reported as `MODEL.name`. */
  readonly metrics?: Readonly<Record<string, MetricSpec>>;
  /** Wants atomics told apart: a mapping serves them only with RIGHTS.atomic. */
  readonly atomics?: boolean;
  create(core: Core, parameters: Readonly<Record<string, ParameterValue>>, preset: string): ModelHooks;
}

/** Identity; gives a model module its type. */
export function defineModel(definition: ModelDefinition): ModelDefinition {
  return definition;
}
