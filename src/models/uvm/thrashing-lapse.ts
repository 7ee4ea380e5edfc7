/** The time within which events of one page are consecutive: it tunes itself by votes (since 590.44). */

import type { ThrashingSettings } from './thrashing-state.ts';

/** Only an untouched lapse of 500 us tunes itself (UVM_PERF_THRASHING_LAPSE_USEC_DEFAULT). */
const DEFAULT_LAPSE_US = 500;
const LAPSE_MAX_NS = DEFAULT_LAPSE_US * 1000 * 1000;
const LAPSE_STEP_MAX_NS = ((DEFAULT_LAPSE_US * 1000) / 10) * 1000;
const LAPSE_MIN_NS = (DEFAULT_LAPSE_US / 100) * 1000;
export class Lapse {
  ns: number;
  readonly #adapts: boolean;
  readonly #voteLimit: number;
  #votes = 0;

  constructor(settings: ThrashingSettings) {
    this.ns = settings.lapseUs * 1000;
    this.#adapts = settings.adaptiveLapse && settings.lapseUs === DEFAULT_LAPSE_US;
    this.#voteLimit = settings.lapseVotes;
  }

  /** A signed vote is compared with an unsigned limit: one short gap already widens the window. As written. */
  adjust(gap: number): void {
    if (!this.#adapts) return;
    this.#votes = ((this.#votes + (gap < this.ns ? -1 : 1)) << 24) >> 24;
    const limit = this.#voteLimit;
    if ((this.#votes < 0 || this.#votes >= limit) && this.ns < LAPSE_MAX_NS) {
      this.ns += Math.min(Math.floor(this.ns / 8), LAPSE_STEP_MAX_NS);
    } else if (-this.#votes <= -limit && this.ns > LAPSE_MIN_NS) {
      this.ns -= Math.max(Math.floor(this.ns / 8), LAPSE_MIN_NS);
    } else {
      return;
    }
    this.#votes = Math.trunc(this.#votes / 2);
  }
}
