/** Files that exist whole or not at all: written under a temporary name beside the target, then renamed. */

import { closeSync, existsSync, openSync, realpathSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { OutputError } from './io.ts';

const temporaries = new Set<string>();

/** Removes what an interrupted run has left. Synchronous: it is called from a signal handler. */
export function removeTemporaries(): void {
  for (const path of temporaries) rmSync(path, { force: true });
  temporaries.clear();
}

let serial = 0;

/** A name for a file that is removed on interruption. */
function temporaryIn(folder: string, name: string): string {
  const path = join(folder, `.${name}.${process.pid}.${serial++}.tmp`);
  temporaries.add(path);
  return path;
}

export function removeTemporary(path: string): void {
  rmSync(path, { force: true });
  temporaries.delete(path);
}

export class OutputFile {
  private readonly target: string;
  /** Null where the target is no regular file (`/dev/stderr`, a pipe): written in place. */
  private readonly temporary: string | null;
  private descriptor: number;

  /** Opened at once, so that what cannot be written is known before the work is done. */
  constructor(readonly path: string) {
    try {
      this.target = existsSync(path) ? realpathSync(path) : path;
      const inPlace = existsSync(this.target) && !statSync(this.target).isFile();
      this.temporary = inPlace ? null : temporaryIn(dirname(this.target), basename(this.target));
      this.descriptor = openSync(this.temporary ?? this.target, 'w');
    } catch (error) {
      throw new OutputError(path, error as Error);
    }
  }

  /** A name for a part of it that is made apart, on the same disk where that can be. */
  scratchFile(): string {
    return temporaryIn(this.temporary === null ? tmpdir() : dirname(this.target), basename(this.target));
  }

  write(data: string | Uint8Array): void {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.descriptor, bytes, done);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EPIPE') return;
      throw new OutputError(this.path, error as Error);
    }
  }

  commit(): void {
    try {
      closeSync(this.descriptor);
      this.descriptor = -1;
      if (this.temporary === null) return;
      renameSync(this.temporary, this.target);
      temporaries.delete(this.temporary);
    } catch (error) {
      throw new OutputError(this.path, error as Error);
    }
  }

  /** After an error; nothing after `commit`. */
  discard(): void {
    if (this.descriptor >= 0) closeSync(this.descriptor);
    this.descriptor = -1;
    if (this.temporary !== null) removeTemporary(this.temporary);
  }
}
