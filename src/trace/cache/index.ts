/** Reading a trace through the cache: an unchanged trace is compiled once, by its content. */

import { closeSync, existsSync, openSync, renameSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import { chunkFileOf, DamagedTraceError } from '../arrow/chunks.ts';
import { closeCompiled, isCompiledFile, openCompiled } from '../arrow/read.ts';
import { writeCompiled } from '../arrow/write.ts';
import type { CompiledTrace } from '../compiled.ts';
import { TraceError } from '../errors.ts';
import { compileTraceFile, type OpenOptions } from '../index.ts';
import { entryFile, makeFolder, markUse, prune, remove, temporaryFor } from './folder.ts';
import { contentHash, entryKey, type FileState, fileState, sameState, worthCaching } from './identity.ts';
import type { CacheSettings } from './settings.ts';

export { type CacheSettings, cacheSettings } from './settings.ts';

export interface ReadOptions extends OpenOptions {
  /** Null: no cache. */
  readonly cache: CacheSettings | null;
  /** False: an entry that is there is used, and none is made. */
  readonly keep?: boolean;
  readonly onWarning: (text: string) => void;
}

/** Where a trace was read from: `text` that was compiled, a `compiled` file, or the `cache`. */
export type Origin = 'text' | 'compiled' | 'cache';

/** A disk that damages every entry must not keep us for ever. */
const ATTEMPTS = 2;

interface Opened {
  /** Null when it was handed over. */
  trace: CompiledTrace | null;
  readonly origin: Origin;
  /** The file of the cache that holds the rows, if one does. */
  readonly entry: string | null;
  /** The trace must not be used any more. */
  readonly release: () => void;
}

/** `entry` is the file of the cache that holds the rows, or null. */
export type Use<T> = (trace: CompiledTrace, origin: Origin, entry: string | null) => Promise<T>;

/**
 * Calls `use` with the trace. Rows of a cache entry are checked as they are read: if one turns out to be damaged, the
 * entry is made again with a warning, and `use` starts over with it.
 */
export async function withTraceFile<T>(path: string, options: ReadOptions, use: Use<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const opened = await open(path, attempt <= ATTEMPTS ? options : { ...options, cache: null });
    try {
      return await handOver(opened, use);
    } catch (error) {
      if (opened.entry === null || !isDamage(error, opened.entry)) throw error;
      discard(opened.entry, error, options);
    } finally {
      opened.release();
    }
  }
}

/** Keeps no hold of the trace: columns in memory can go as soon as `use` has no need of them. */
function handOver<T>(opened: Opened, use: Use<T>): Promise<T> {
  const trace = opened.trace!;
  opened.trace = null;
  return use(trace, opened.origin, opened.entry);
}

function isDamage(error: unknown, entry: string): error is DamagedTraceError {
  return error instanceof DamagedTraceError && error.file === entry;
}

function discard(entry: string, error: TraceError, { onWarning }: ReadOptions): void {
  onWarning(`cache entry ${error.message.replace(/; compile the trace again$/, '')}: it is made again`);
  remove(entry);
}

async function open(path: string, options: ReadOptions): Promise<Opened> {
  const { cache } = options;
  if (cache === null || path === '-' || !worthCaching(path) || isCompiledFile(path)) {
    return inPlace(await compileTraceFile(path, options));
  }
  const known = await identify(path, cache, options.format);
  if (known === null) return inPlace(await compileTraceFile(path, options));
  const { state, entry } = known;
  const found = openEntry(entry, path, options);
  if (found !== null) return { ...found, origin: 'cache' };
  const trace = await compileTraceFile(path, options);
  // A file that changed meanwhile is not what was hashed.
  if (options.keep !== false && isUnchanged(path, state) && (await store(trace, entry, cache, options))) {
    const kept = openEntry(entry, path, options);
    if (kept !== null) return { ...kept, origin: 'text' };
  }
  return inPlace(trace);
}

/** Null when the file cannot be read: whoever reads the trace will say why. */
async function identify(
  path: string,
  { folder }: CacheSettings,
  format: string | undefined,
): Promise<{ state: FileState; entry: string } | null> {
  try {
    const state = fileState(path);
    return { state, entry: entryFile(folder, entryKey(await contentHash(path, state, folder), format)) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return null;
  }
}

function inPlace(trace: CompiledTrace): Opened {
  return chunkFileOf(trace) === null
    ? { trace, origin: 'text', entry: null, release: NOTHING }
    : { trace, origin: 'compiled', entry: null, release: closing(trace) };
}

/** What is in memory needs no end, and must not be held by one. */
const NOTHING = (): void => {};

function closing(trace: CompiledTrace): () => void {
  return () => closeCompiled(trace);
}

function isUnchanged(path: string, state: FileState): boolean {
  try {
    return sameState(fileState(path), state);
  } catch {
    return false;
  }
}

/** Null where there is none, or none that can be read: it is removed then. */
function openEntry(entry: string, path: string, options: ReadOptions): Omit<Opened, 'origin'> | null {
  if (!existsSync(entry)) return null;
  const unmark = markUse(entry);
  try {
    const stored = openCompiled(entry);
    // The same content may have had another name.
    const trace = { ...stored, name: basename(path) };
    const release = () => {
      closeCompiled(trace);
      unmark();
    };
    return { trace, entry, release };
  } catch (error) {
    unmark();
    if (error instanceof TraceError) discard(entry, error, options);
    else if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return null;
  }
}

/** Whether it is there now. Larger than the whole cache may be: never. */
async function store(
  trace: CompiledTrace,
  entry: string,
  { folder, limitBytes }: CacheSettings,
  { onWarning }: ReadOptions,
): Promise<boolean> {
  const temporary = temporaryFor(entry);
  let descriptor = -1;
  try {
    makeFolder(folder);
    descriptor = openSync(temporary, 'wx');
    let bytes = 0;
    const whole = await writeCompiled(trace, (piece) => {
      bytes += piece.length;
      if (bytes > limitBytes) return false;
      for (let done = 0; done < piece.length; ) done += writeSync(descriptor, piece, done);
      return true;
    });
    closeSync(descriptor);
    descriptor = -1;
    if (!whole) return false;
    renameSync(temporary, entry);
    prune(folder, limitBytes);
    return true;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    onWarning(
      `the cache folder ${folder} cannot be written (${message}); choose one with GMEM_EVAL_CACHE, or give --no-cache`,
    );
    return false;
  } finally {
    if (descriptor >= 0) closeSync(descriptor);
    remove(temporary);
  }
}
