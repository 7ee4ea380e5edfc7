/**
 * The loops of the hit path, over the rows `from` to `to` of the columns at hand. Each asks the least of a row: many rows
 * are then under way in the processor at once, and their waiting for memory overlaps.
 */
export interface Kernel {
  /** Gives the first row, or `to`, whose word does not say that no run cares; notes which actors the ones before have. */
  settledRows(allLanes: number, from: number, to: number): number;
  /**
   * While some run has access counters armed: counts down, by group, how many touches may pass before one can be due.
   * Gives the row that may be that one, which is not counted, or `to`.
   */
  watchRows(from: number, to: number): number;
  /** Counts the touches of each page. */
  countRows(from: number, to: number): void;
  /** Sums up by page what the bytes of the rows are beyond `unit`. */
  countBytes(unit: number, from: number, to: number): void;
}
