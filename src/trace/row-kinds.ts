/** Kinds of rows, op and actor in one: numbered by first use, so that those of most traces need few bits. */

/** What a kind is: op, possibly with `CONTINUES`, and actor by order of appearance. Of a final one, the final actor. */
export function kindOf(op: number, actor: number): number {
  return op | (actor << 8);
}

export function opOf(kind: number): number {
  return kind & 255;
}

export function actorOf(kind: number): number {
  return (kind >> 8) & 255;
}

export class RowKinds {
  /** By kind its number + 1; 0 = none yet. */
  readonly #numbers = new Uint16Array(2 ** 16);
  readonly #kinds: number[] = [];

  numberOf(op: number, actor: number): number {
    const kind = kindOf(op, actor);
    if (this.#numbers[kind] === 0) this.#numbers[kind] = this.#kinds.push(kind);
    return this.#numbers[kind] - 1;
  }

  /** All kinds, by number. */
  finish(): Uint16Array {
    return Uint16Array.from(this.#kinds);
  }
}
