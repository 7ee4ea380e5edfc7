/**
 * The loops of the hit path, over the rows `from` to `to` of columns whose row 0 is at these addresses: `code`, the
 * dispatch bytes; `page`, the page ids; `bytes`, the bytes touched. A loop asks little of a row: many rows are then under
 * way in the processor at once, and their waiting for memory overlaps.
 */
export interface Kernel {
  /** Gives the first row, or `to`, whose word does not say that no run cares; notes which actors the ones before have. */
  settledRows(allLanes: number, code: number, page: number, from: number, to: number): number;
  /** The same, and counts the touches of each page in the rows before. */
  countedRows(allLanes: number, code: number, page: number, from: number, to: number): number;
  /**
   * The same while some run has access counters armed: counts down, by group, how many touches may pass before one can be
   * due. Stops at the row that may be that one, too, which is not counted.
   */
  watchedRows(allLanes: number, code: number, page: number, from: number, to: number): number;
  /** Sums up by page what the bytes of the rows are beyond `unit`. */
  countBytes(unit: number, code: number, page: number, bytes: number, from: number, to: number): void;
  /** Not 0 = some of the rows touch other than `unit` bytes. */
  unlikeRows(unit: number, bytes: number, from: number, to: number): number;
}

/** Loops over touches that fault, in WebAssembly only: `frame` is the address of a `FaultFrame`. */
export interface FaultKernel {
  /** Takes rows from..end-1 as `FaultRun` does; gives the first one that it does not take. There is a row at `end`. */
  raiseRows(frame: number, from: number, end: number): number;
  /** Takes faults from..last as `ServedRun` does; gives the first one that it does not take. */
  completeTouches(frame: number, from: number, last: number): number;
  /** `Core.mirrorFaults` of all that are pending. */
  mirrorFaults(frame: number): number;
}
