/** A compiled trace that comes through a pipe: put into a temporary file, because it is read at random and repeatedly. */

import { rmSync } from 'node:fs';
import { mkdtemp, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CompiledTrace } from '../compiled.ts';
import { TraceError } from '../errors.ts';
import type { TraceSource } from '../source.ts';
import { openCompiled } from './read.ts';

/** The file is gone from its folder at once; it lives as long as it is open. */
export async function spoolCompiled(source: TraceSource): Promise<CompiledTrace> {
  const folder = await mkdtemp(join(tmpdir(), 'gmem-eval-'));
  try {
    const path = join(folder, 'trace.arrow');
    await copyTo(path, source);
    return openCompiled(path, source.file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function copyTo(path: string, source: TraceSource): Promise<void> {
  const file = await open(path, 'w');
  try {
    for await (const piece of source.bytes()) await file.writeFile(piece);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof TraceError || code === undefined) throw error;
    throw new TraceError(source.file, null, `cannot be put into a temporary file (${code}); give it as a file`);
  } finally {
    await file.close();
  }
}
