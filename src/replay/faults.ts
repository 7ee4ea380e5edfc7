/** The pending faults of one device, as a driver sees its fault buffer. */

export const ACCESS = { read: 0, write: 1, atomic: 2 } as const;
export type Access = (typeof ACCESS)[keyof typeof ACCESS];

/** What became of one entry. `pending` = not fetched by the model in this call. */
export const OUTCOME = { pending: 0, served: 1, duplicate: 2, stale: 3, deferred: 4, failed: 5 } as const;
export type Outcome = (typeof OUTCOME)[keyof typeof OUTCOME];

/** The same for below: V8 reads an exported constant anew each time. */
const { served: SERVED, duplicate: DUPLICATE, stale: STALE, deferred: DEFERRED, failed: FAILED } = OUTCOME;

/** Buffer and offset of so many bytes, zero at first. */
export type RoomFor = (bytes: number) => [buffer: ArrayBuffer, offset: number];
const ORDINARY: RoomFor = (bytes) => [new ArrayBuffer(bytes), 0];

/**
 * Entries 0..count-1 in the order in which they were raised; columns are valid up to `count`. A waiting touch of a page
 * that is already pending is an entry of its own. The model marks every entry that it fetches with exactly one
 * outcome. What it leaves unmarked stays in the buffer, unless it called `flush()`: then entries whose touch has
 * become possible meanwhile leave uncounted and the others are raised again, in order.
 */
export class FaultBuffer {
  count = 0;
  page: Float64Array;
  access: Uint8Array;
  /** Data row of the trace that the touch belongs to, and first and last page of that whole record. */
  record: Float64Array;
  firstPage: Float64Array;
  lastPage: Float64Array;
  /** When the touch was raised (this time, if it was raised again), on the run's clock. */
  timeNs: Float64Array;
  /** Dense (actor, thread) index, -1 = independent. */
  thread: Int32Array;
  outcome: Uint8Array;
  /** For deferred entries: when to raise again. */
  wakeNs: Float64Array;
  flushed = false;
  /** How often the model fetched in this call (metric `batches`): more than 1 when it takes faults one by one. */
  fetches = 1;
  /** First and last entry marked in this call; `firstMarked` > `lastMarked` = none. */
  firstMarked = 0;
  lastMarked = -1;

  constructor(
    capacity = 256,
    /** Where columns are made. */
    protected readonly roomFor: RoomFor = ORDINARY,
  ) {
    this.page = new Float64Array(...roomFor(8 * capacity), capacity);
    this.access = new Uint8Array(...roomFor(capacity), capacity);
    this.record = new Float64Array(...roomFor(8 * capacity), capacity);
    this.firstPage = new Float64Array(...roomFor(8 * capacity), capacity);
    this.lastPage = new Float64Array(...roomFor(8 * capacity), capacity);
    this.timeNs = new Float64Array(...roomFor(8 * capacity), capacity);
    this.thread = new Int32Array(...roomFor(4 * capacity), capacity);
    this.outcome = new Uint8Array(...roomFor(capacity), capacity);
    this.wakeNs = new Float64Array(...roomFor(8 * capacity), capacity);
  }

  private mark(i: number, outcome: Outcome): void {
    this.outcome[i] = outcome;
    if (i < this.firstMarked) this.firstMarked = i;
    if (i > this.lastMarked) this.lastMarked = i;
  }

  /** The stack served this entry: its page should be usable now. */
  serve(i: number): void {
    this.mark(i, SERVED);
  }
  /** Merged with another entry of the same batch. */
  duplicate(i: number): void {
    this.mark(i, DUPLICATE);
  }
  /** Looked at and found valid already. */
  stale(i: number): void {
    this.mark(i, STALE);
  }
  /** Looked at and put off: the touch keeps waiting and is raised again at `wakeNs`. */
  defer(i: number, wakeNs: number): void {
    this.mark(i, DEFERRED);
    this.wakeNs[i] = wakeNs;
  }
  /** Fatal for this access: it has no effect, replay goes on. */
  fail(i: number): void {
    this.mark(i, FAILED);
  }
  flush(): void {
    this.flushed = true;
  }
}
