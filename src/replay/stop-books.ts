/**
 * What the stops of a run were for: each nanosecond that stops an actor has one cause (docs/replay.md, Time by cause).
 * Time that passes while nobody is stopped is taken in as well and forgotten when the next stop begins.
 */
import { BY_CAUSE, SPENT_ON, type SpentOn } from './metrics.ts';

const INDEX = Object.fromEntries(SPENT_ON.map((cause, i) => [cause, i])) as Readonly<Record<SpentOn, number>>;
const LEDGER = SPENT_ON.map((cause) => BY_CAUSE[cause]);

export class StopBooks {
  /** By cause: time passed since the present stop began. */
  private readonly passedNs = new Float64Array(SPENT_ON.length);
  /** Brackets of `beginMakingRoom` that are open. */
  rooms = 0;

  constructor(private readonly books: Float64Array) {}

  get makingRoom(): boolean {
    return this.rooms > 0;
  }

  begin(): void {
    const { passedNs } = this;
    for (let i = 0; i < passedNs.length; i++) passedNs[i] = 0;
  }

  pass(ns: number, cause: SpentOn): void {
    this.passedNs[this.rooms > 0 ? INDEX.eviction : INDEX[cause]] += ns;
  }

  /** The present stop is over: its time is somebody's. */
  end(): void {
    const { books, passedNs } = this;
    for (let i = 0; i < passedNs.length; i++) books[LEDGER[i]] += passedNs[i];
  }

  /** A stop of one cause that the clock has no part in. */
  book(ns: number, cause: SpentOn): void {
    this.books[LEDGER[this.rooms > 0 ? INDEX.eviction : INDEX[cause]]] += ns;
  }
}
