/**
 * A large gzip trace is unpacked and hashed in a thread of its own. Memory goes back and forth between the threads, so
 * that nothing is copied here, and neither thread gets far ahead of the other.
 */

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';

/** Unpacked bytes that change threads at a time, and how many such pieces there are. */
export const UNPACKED_BYTES = 512 * 1024;
const PIECES = 6;
/** Behind each piece: a reader of lines may look ahead of their end. */
const BEYOND = 128;

export type ToUnpacking =
  | { readonly kind: 'packed'; readonly bytes: Uint8Array }
  | { readonly kind: 'end' }
  | { readonly kind: 'free'; readonly memory: ArrayBuffer };

export type FromUnpacking =
  | { readonly kind: 'taken' }
  | { readonly kind: 'unpacked'; readonly memory: ArrayBuffer; readonly length: number }
  | { readonly kind: 'done'; readonly sha256: string }
  | { readonly kind: 'failed'; readonly code: string | undefined; readonly message: string };

export interface Unpacking {
  /** Each chunk is the reader's until it asks for the next. */
  chunks(): AsyncGenerator<Buffer>;
  /** Of all that was unpacked; valid when `chunks` has ended. */
  sha256(): string;
}

export function unpackInThread(packed: AsyncIterable<Buffer>): Unpacking {
  let sha256 = '';
  return {
    async *chunks() {
      const thread = new Thread();
      try {
        thread.feed(packed);
        for (;;) {
          const message = await thread.next();
          if (message.kind === 'done') {
            sha256 = message.sha256;
            return;
          }
          yield Buffer.from(message.memory, 0, message.length);
          thread.free(message.memory);
        }
      } finally {
        await thread.end();
      }
    },
    sha256: () => sha256,
  };
}

type Answer = Exclude<FromUnpacking, { kind: 'taken' } | { kind: 'failed' }>;

class Thread {
  readonly #worker = startWorker();
  readonly #answers: Answer[] = [];
  #error: unknown = null;
  #ended = false;
  #onAnswer = () => {};
  #onTaken = () => {};

  constructor() {
    this.#worker.on('message', (message: FromUnpacking) => {
      if (message.kind === 'taken') this.#onTaken();
      else if (message.kind === 'failed') {
        this.#fail(Object.assign(new Error(message.message), { code: message.code }));
      } else {
        this.#answers.push(message);
        this.#onAnswer();
      }
    });
    this.#worker.on('error', (error) => this.#fail(error));
    // A trace that nobody reads on must not keep the program alive.
    this.#worker.unref();
    for (let i = 0; i < PIECES; i++) this.free(new ArrayBuffer(UNPACKED_BYTES + BEYOND));
  }

  /** Hands all packed bytes over, one piece at a time. */
  async feed(packed: AsyncIterable<Buffer>): Promise<void> {
    try {
      for await (const bytes of packed) {
        const taken = new Promise<void>((resolve) => {
          this.#onTaken = resolve;
        });
        this.#send({ kind: 'packed', bytes });
        await taken;
        if (this.#ended) return;
      }
      this.#send({ kind: 'end' });
    } catch (error) {
      this.#fail(error);
    }
  }

  async next(): Promise<Answer> {
    this.#worker.ref();
    while (this.#answers.length === 0 && this.#error === null) {
      await new Promise<void>((resolve) => {
        this.#onAnswer = resolve;
      });
    }
    this.#worker.unref();
    const answer = this.#answers.shift();
    if (answer === undefined) throw this.#error;
    return answer;
  }

  free(memory: ArrayBuffer): void {
    this.#worker.postMessage({ kind: 'free', memory } satisfies ToUnpacking, [memory]);
  }

  async end(): Promise<void> {
    this.#ended = true;
    this.#onTaken();
    await this.#worker.terminate();
  }

  #send(message: ToUnpacking): void {
    this.#worker.postMessage(message);
  }

  #fail(error: unknown): void {
    this.#error ??= error;
    this.#onTaken();
    this.#onAnswer();
  }
}

function startWorker(): Worker {
  const here = import.meta.url;
  if (!here.endsWith('.ts')) return new Worker(new URL('./unpack-worker.js', here));
  // Run from source (tests, scripts): Node 20 cannot load TypeScript by itself.
  const loader = pathToFileURL(createRequire(here).resolve('tsx/esm/api')).href.replace(/cjs$/, 'mjs');
  const script = new URL('./unpack-worker.ts', here).href;
  return new Worker(`import('${loader}').then((tsx) => { tsx.register(); return import('${script}'); })`, {
    eval: true,
  });
}
