import type { CompiledTrace } from '../trace/compiled.ts';
import { compileTraceFile } from '../trace/index.ts';
import type { Io } from './io.ts';
import { startProgress } from './progress.ts';

export async function readTrace(
  io: Io,
  path: string,
  format: string | undefined,
  quiet: boolean,
): Promise<CompiledTrace> {
  const progress = startProgress(io, quiet, `reading ${path}`, 'bytes');
  try {
    return await compileTraceFile(path, {
      ...(format === undefined ? {} : { format }),
      onProgress: ({ bytes, totalBytes }) => progress.update(bytes, totalBytes ?? undefined),
    });
  } finally {
    progress.stop();
  }
}
