/** Kinds of rows, op and actor in one: numbered by first use, so that those of most traces need few bits. */

/** A kind: op, possibly with `CONTINUES`, and actor by order of appearance << this. */
export const KIND_ACTOR_SHIFT = 8;

export class RowKinds {
  /** By kind its number + 1; 0 = none yet. */
  readonly #numbers = new Uint16Array(2 ** 16);
  readonly #kinds: number[] = [];

  numberOf(op: number, actor: number): number {
    const kind = op | (actor << KIND_ACTOR_SHIFT);
    if (this.#numbers[kind] === 0) this.#numbers[kind] = this.#kinds.push(kind);
    return this.#numbers[kind] - 1;
  }

  /** All kinds, by number. */
  finish(): Uint16Array {
    return Uint16Array.from(this.#kinds);
  }
}
