/** Actors by order of appearance while a trace is read; their final order is by letters, then number. */

import { ACTOR_PATTERN } from './arguments.ts';
import { quoted } from './errors.ts';

const MOST_ACTORS = 256;
/** Threads below it stand in `knownThreads`. */
export const KNOWN_THREADS = 256;

export class ActorTable {
  readonly names: string[] = [];
  readonly #index = new Map<string, number>();
  readonly #threads: Map<number, number>[] = [];
  threads = 0;
  /** Dense number of each actor's threads below `KNOWN_THREADS`; -1 before their first record. */
  readonly knownThreads: Int32Array;

  constructor(knownThreads: Int32Array) {
    this.knownThreads = knownThreads.fill(-1);
  }

  /** -1 when there is none of that name. */
  find(name: string): number {
    return this.#index.get(name) ?? -1;
  }

  /** Why a name cannot be that of an actor. */
  problem(name: string): string | null {
    if (!ACTOR_PATTERN.test(name))
      return `unknown actor ${quoted(name)}: use cpu, or letters and a number such as gpu0`;
    if (this.names.length === MOST_ACTORS) return `actor ${quoted(name)} is one too many: at most 255 devices`;
    return null;
  }

  add(name: string): number {
    const index = this.names.length;
    this.names.push(name);
    this.#threads.push(new Map());
    this.#index.set(name, index);
    return index;
  }

  /** Dense number of an actor's thread. */
  thread(actor: number, thread: number): number {
    const known = this.#threads[actor].get(thread);
    if (known !== undefined) return known;
    this.#threads[actor].set(thread, this.threads);
    if (thread >= 0 && thread < KNOWN_THREADS) this.knownThreads[actor * KNOWN_THREADS + thread] = this.threads;
    return this.threads++;
  }

  /** For each actor by order of appearance its final index: `cpu`, then by letters, then by number. */
  finalOrder(): Uint8Array {
    const order = this.names.map((_, i) => i);
    order.sort((a, b) => (a === 0 ? -1 : b === 0 ? 1 : compareDevices(this.names[a], this.names[b])));
    const final = new Uint8Array(this.names.length);
    for (const [index, actor] of order.entries()) final[actor] = index;
    return final;
  }
}

function compareDevices(a: string, b: string): number {
  const [lettersA, numberA] = split(a);
  const [lettersB, numberB] = split(b);
  if (lettersA !== lettersB) return lettersA < lettersB ? -1 : 1;
  if (numberA.length !== numberB.length) return numberA.length - numberB.length;
  if (numberA !== numberB) return numberA < numberB ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

function split(name: string): [letters: string, number: string] {
  const letters = name.replace(/[0-9]+$/, '');
  return [letters, name.slice(letters.length).replace(/^0+(?=.)/, '')];
}
