/** The loops of the hit path. `from` and `to` count in the columns at hand; each gives the first row it did not pass. */
export interface Kernel {
  /** Rows of actors whose touches are not counted: passes those whose word says that no run cares. */
  settledRows(allLanes: number, from: number, to: number): number;
  /** The same for actors whose touches are counted. */
  countedRows(allLanes: number, from: number, to: number): number;
  /**
   * The same while some run has access counters armed: how many touches may pass before one can be due is counted down
   * by group. The row that may be that one is left to the caller.
   */
  watchedRows(allLanes: number, from: number, to: number): number;
}
