import { cacheSettings, type Origin, withTraceFile } from '../trace/cache/index.ts';
import type { CompiledTrace } from '../trace/compiled.ts';
import { compileLater } from './compile-later.ts';
import type { Io } from './io.ts';
import { startProgress } from './progress.ts';
import { warn } from './warn.ts';

/** What every command that reads a trace takes. */
export interface TraceOptions {
  readonly traceFormat?: string;
  /** False with `--no-cache`. */
  readonly cache?: boolean;
  readonly quiet?: true;
}

export interface ReadFrom {
  readonly origin: Origin;
  /** File of the cache that holds the rows, if one does. */
  readonly entry: string | null;
}

/**
 * Reads a trace, through the cache, and calls `use` with it: a second time, when the cache entry turns out to be
 * damaged on the way. The trace is not to be used afterwards.
 */
export async function withTrace<T>(
  io: Io,
  path: string,
  options: TraceOptions & { readonly keep?: boolean },
  use: (trace: CompiledTrace, from: ReadFrom) => Promise<T>,
): Promise<T> {
  compileLater('reading');
  const quiet = options.quiet === true;
  const cache = options.cache === false ? null : cacheSettings(io.env);
  let progress = startProgress(io, quiet, `reading ${path}`, 'bytes');
  const read = {
    ...(options.traceFormat === undefined ? {} : { format: options.traceFormat }),
    onProgress: (read: { bytes: number; totalBytes: number | null }) =>
      progress.update(read.bytes, read.totalBytes ?? undefined),
    cache,
    ...(options.keep === undefined ? {} : { keep: options.keep }),
    onWarning: (text: string) => {
      progress.stop();
      if (!quiet) warn(io, text);
      progress = startProgress(io, quiet, `reading ${path}`, 'bytes');
    },
  };
  try {
    return await withTraceFile(path, read, (trace, origin, entry) => {
      progress.stop();
      return use(trace, { origin, entry });
    });
  } finally {
    progress.stop();
  }
}
