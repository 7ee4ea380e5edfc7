/**
 * Running counts of a pass: how often each actor has touched each page, and how many bytes, in all runs alike. They begin
 * when some run maps memory remotely, and lie in the memory that the loops in WebAssembly work on.
 */
import { CARRIED_AT, HIGH_COUNT, HIGH_SUM } from './kernel/layout.ts';
import type { PassMemory } from './kernel/memory.ts';

export class RunningCounts {
  /**
   * Counts of (actor, id), by actor where they begin; -1 = not counted. A low count is a byte, so that those of many pages
   * fit into a cache; what it cannot hold goes over into the high one, a word.
   */
  private readonly lowBase: Int32Array;
  private readonly highBase: Int32Array;
  /**
   * Sums of bytes of (actor, id) beyond `unitBytes` for each touch; likewise, but a low sum is a half word with a sign.
   * In most traces nearly all touches have as many bytes, and nothing is summed up.
   */
  private readonly lowSumBase: Int32Array;
  private readonly highSumBase: Int32Array;
  unitBytes = 0;
  /** Are there sums? Until then the unit is a guess. */
  summing = false;
  /** Where rows of actors that nobody counts may count: a row of the hit path does so without asking. */
  private spareCounts = -1;

  constructor(
    private readonly memory: PassMemory,
    private readonly actors: number,
    private readonly ids: number,
    /** Called when something is counted, or summed up, that was not. */
    private readonly onChange: () => void,
  ) {
    this.lowBase = new Int32Array(actors).fill(-1);
    this.highBase = new Int32Array(actors).fill(-1);
    this.lowSumBase = new Int32Array(actors).fill(-1);
    this.highSumBase = new Int32Array(actors).fill(-1);
  }

  has(actor: number): boolean {
    return this.lowBase[actor] >= 0;
  }

  /** Are the touches of some actor counted? */
  get any(): boolean {
    return this.spareCounts >= 0;
  }

  /** From now on the touches of this actor are counted. */
  start(actor: number): void {
    if (this.has(actor)) return;
    // What spare counts hold is for nobody: low and high ones may share the place.
    if (!this.any) this.spareCounts = this.memory.take(this.ids);
    this.lowBase[actor] = this.memory.take(Math.ceil(this.ids / 4));
    this.highBase[actor] = this.memory.take(this.ids);
    this.onChange();
  }

  /**
   * A touch by an actor whose touches are counted. Before anything else becomes of it: what a run then takes from the
   * running counts, at whatever moment, has the touch in it.
   */
  count(actor: number, id: number, bytes: number): void {
    const { memory } = this;
    const low = 4 * this.lowBase[actor] + id;
    memory.bytes[low]++;
    if (memory.bytes[low] === 0) {
      memory.words[this.highBase[actor] + id]++;
      memory.words[CARRIED_AT] = 1;
    }
    if (bytes === this.unitBytes) return;
    // A guess: that of the first touch needs no sum.
    if (this.unitBytes === 0) this.unitBytes = bytes;
    else this.addBeyond(actor, id, bytes - this.unitBytes);
  }

  private addBeyond(actor: number, id: number, bytes: number): void {
    if (this.lowSumBase[actor] < 0) this.sumBytesOf(actor);
    const { halves, words } = this.memory;
    const low = 2 * this.lowSumBase[actor] + id;
    const sum = halves[low] + bytes;
    halves[low] = sum;
    // Memory that nobody writes to costs nothing.
    if (halves[low] !== sum) words[this.highSumBase[actor] + id] += (sum - halves[low]) / HIGH_SUM;
  }

  /** Some row touches other than `unitBytes`: sums of bytes are wanted of every actor that is counted. */
  sumBytes(): void {
    for (let a = 0; a < this.actors; a++) if (this.has(a) && this.lowSumBase[a] < 0) this.sumBytesOf(a);
  }

  private sumBytesOf(actor: number): void {
    this.summing = true;
    this.lowSumBase[actor] = this.memory.take(Math.ceil(this.ids / 2));
    this.highSumBase[actor] = this.memory.take(this.ids);
    this.onChange();
  }

  /** From now on a touch is expected to have so many bytes. What was counted before comes to the same. */
  expectBytes(unit: number): void {
    const before = this.unitBytes;
    for (let a = 0; a < this.actors; a++) {
      for (let id = 0; this.has(a) && id < this.ids; id++) {
        const touches = this.touchesOf(a, id);
        if (touches !== 0) this.addBeyond(a, id, touches * (before - unit));
      }
    }
    this.unitBytes = unit;
  }

  touchesOf(actor: number, id: number): number {
    const { memory } = this;
    const low = memory.bytes[4 * this.lowBase[actor] + id];
    return memory.words[CARRIED_AT] === 0 ? low : low + HIGH_COUNT * memory.words[this.highBase[actor] + id];
  }

  bytesOf(actor: number, id: number): number {
    return this.bytesOfTouches(actor, id, this.touchesOf(actor, id));
  }

  /** `bytesOf`, where `touchesOf` is known. */
  bytesOfTouches(actor: number, id: number, touches: number): number {
    const bytes = this.unitBytes * touches;
    if (this.lowSumBase[actor] < 0) return bytes;
    const { halves, words } = this.memory;
    return bytes + halves[2 * this.lowSumBase[actor] + id] + HIGH_SUM * words[this.highSumBase[actor] + id];
  }

  // --- where things are, in words ----------------------------------------------------------------------------------
  lowBaseOf(actor: number): number {
    return this.has(actor) ? this.lowBase[actor] : this.spareCounts;
  }

  highBaseOf(actor: number): number {
    return this.has(actor) ? this.highBase[actor] : this.spareCounts;
  }

  /** -1 = nothing is summed up. */
  lowSumBaseOf(actor: number): number {
    return this.lowSumBase[actor];
  }

  highSumBaseOf(actor: number): number {
    return this.highSumBase[actor];
  }
}
