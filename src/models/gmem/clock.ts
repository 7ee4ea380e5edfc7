/**
 * Local time. Workers and faults of different pages run at once, so each task has a time of its own; the hooks spend what
 * passed for the one that ends last, by what it passed for.
 */
import type { SpentOn } from '../../replay/metrics.ts';
import type { Core } from '../../replay/model.ts';

const CAUSES: readonly SpentOn[] = ['faultService', 'mapping', 'transfer', 'eviction', 'wait'];
const INDEX = Object.fromEntries(CAUSES.map((cause, i) => [cause, i])) as Readonly<Record<SpentOn, number>>;

/** Where a task stands that is not running now. */
export interface TaskTime {
  ns: number;
  readonly byCause: Float64Array;
}

export class GmClock {
  /** Of the task that is running. */
  ns: number;
  /** What has passed since the hook began, by cause. */
  private readonly byCause = new Float64Array(CAUSES.length);
  private rooms = 0;

  constructor(private readonly core: Core) {
    this.ns = core.now();
  }

  get makingRoom(): boolean {
    return this.rooms > 0;
  }

  /** From here to `endMakingRoom` all that passes is for eviction. */
  beginMakingRoom(): void {
    this.rooms++;
  }

  endMakingRoom(): void {
    this.rooms--;
  }

  /** A task begins at a time of the core. */
  begin(ns: number): void {
    this.ns = ns;
    for (let i = 0; i < CAUSES.length; i++) this.byCause[i] = 0;
  }

  pass(ns: number, cause: SpentOn): void {
    this.ns += ns;
    this.byCause[this.rooms > 0 ? INDEX.eviction : INDEX[cause]] += ns;
  }

  passUntil(ns: number, cause: SpentOn): void {
    if (ns > this.ns) this.pass(ns - this.ns, cause);
  }

  save(into: TaskTime = { ns: 0, byCause: new Float64Array(CAUSES.length) }): TaskTime {
    into.ns = this.ns;
    for (let i = 0; i < CAUSES.length; i++) into.byCause[i] = this.byCause[i];
    return into;
  }

  resume(task: TaskTime): void {
    this.ns = task.ns;
    for (let i = 0; i < CAUSES.length; i++) this.byCause[i] = task.byCause[i];
  }

  /** The core's clock comes up to the local time. The sum is rounded once, whatever its parts. */
  spend(): void {
    const { core } = this;
    const totalNs = Math.round(Math.max(0, this.ns - core.now()));
    let passedNs = 0;
    let spentNs = 0;
    CAUSES.forEach((cause, i) => {
      passedNs += this.byCause[i];
      const untilNs = i === CAUSES.length - 1 ? totalNs : Math.min(totalNs, Math.round(passedNs));
      if (untilNs > spentNs) core.spend(untilNs - spentNs, cause);
      spentNs = Math.max(spentNs, untilNs);
    });
    this.begin(core.now());
  }
}
