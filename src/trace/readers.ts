/** Where the bytes of a trace come from: a file, or standard input whatever that is. Each fills buffers that it is given. */

import { fstatSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';

const STDIN = 0;
/** What a system gives of a pipe at once, as a rule. */
const PIPE_BYTES = 64 * 1024;
const READS_A_TURN = 16;

export interface Reader {
  /** Of a file; null = not known. */
  readonly totalBytes: number | null;
  /** Bytes read into the buffer, from its beginning; 0 = there are no more. `again`: the next call gives the same buffer. */
  read(buffer: Buffer, again: boolean): Promise<number>;
  close(): Promise<void>;
}

/** Null for a directory. */
export async function openReader(path: string): Promise<Reader | null> {
  const handle = await open(path);
  const stat = await handle.stat();
  if (stat.isFile()) return fileReader(handle.fd, stat.size, () => handle.close());
  if (!stat.isDirectory()) return deviceReader(handle);
  await handle.close();
  return null;
}

/**
 * A file is read at once, in this thread: to have another one read it costs more than to read. Now and then whatever else
 * waits for the thread gets its turn.
 */
function fileReader(fd: number, totalBytes: number | null, close: () => Promise<void>): Reader {
  let reads = 0;
  return {
    totalBytes,
    read: async (buffer) => {
      if (++reads % READS_A_TURN === 0) await setImmediate();
      return readSync(fd, buffer, 0, buffer.length, null);
    },
    close,
  };
}

/** What may keep a reader waiting: a pipe that has a name, a terminal. */
function deviceReader(handle: FileHandle): Reader {
  return {
    totalBytes: null,
    read: async (buffer) => (await handle.read(buffer, 0, buffer.length, null)).bytesRead,
    close: () => handle.close(),
  };
}

/** Null where only the stream will do: at a terminal, or for a kind that is not known. */
export function stdinReader(): Reader | null {
  const stat = fstatSync(STDIN);
  if (stat.isFIFO() || stat.isSocket()) return new PipeReader(STDIN);
  // Of a directory the read says what is wrong.
  return stat.isFile() || stat.isDirectory() ? fileReader(STDIN, null, async () => {}) : null;
}

/**
 * A pipe, read straight into the buffer given. A thread that waits in `read` would do the same, but a process cannot end
 * before such a thread comes back; and a stream makes a buffer for each piece, which costs more than to decode it.
 */
export class PipeReader implements Reader {
  readonly totalBytes = null;
  readonly #socket: Socket;
  /** The pipe is read into this one, unless the buffer of the next call is known: it is asked for beforehand. */
  readonly #own = Buffer.allocUnsafeSlow(PIPE_BYTES);
  #known: Buffer | null = null;
  #wanted: Buffer | null = null;
  /** What came before anybody wanted it: a socket begins to read by itself. */
  #early: Uint8Array | null = null;
  #resolve: ((bytes: number) => void) | null = null;
  #reject: ((error: Error) => void) | null = null;
  #failed: Error | null = null;
  #ended = false;

  constructor(fd: number) {
    const onread = {
      buffer: () => this.#known ?? this.#own,
      callback: (bytes: number, from: Uint8Array) => {
        this.#take(bytes, from);
        // No more until somebody wants it.
        return false;
      },
    };
    // The types of Node 20 know `onread` where sockets connect, but not here.
    this.#socket = new Socket({ fd, readable: true, writable: false, onread } as never);
    this.#socket.on('end', () => {
      this.#ended = true;
      this.#resolve?.(0);
    });
    this.#socket.on('error', (error) => {
      this.#failed = error;
      this.#reject?.(error);
    });
  }

  #take(bytes: number, from: Uint8Array): void {
    const to = this.#wanted;
    if (to === null) {
      this.#early = from.slice(0, bytes);
      return;
    }
    if (from !== to) to.set(from.subarray(0, bytes));
    this.#wanted = null;
    this.#resolve!(bytes);
  }

  read(buffer: Buffer, again: boolean): Promise<number> {
    const early = this.#early;
    if (early !== null) {
      this.#early = null;
      buffer.set(early);
      return Promise.resolve(early.length);
    }
    if (this.#ended) return Promise.resolve(0);
    if (this.#failed !== null) return Promise.reject(this.#failed);
    this.#wanted = buffer;
    this.#known = again ? buffer : null;
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#socket.resume();
    });
  }

  async close(): Promise<void> {
    this.#socket.destroy();
  }
}
