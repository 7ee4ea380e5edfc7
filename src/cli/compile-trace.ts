/** `trace compile`: the compiled form of a trace as a file of its own. */

import { realpathSync, statSync } from 'node:fs';
import { ConfigurationError } from '../replay/configuration-error.ts';
import { writeCompiled } from '../trace/arrow/write.ts';
import type { CompiledTrace } from '../trace/compiled.ts';
import { TraceError } from '../trace/index.ts';
import type { Io } from './io.ts';
import { OutputFile } from './output-file.ts';
import { type TraceOptions, withTrace } from './read-trace.ts';
import { warn } from './warn.ts';

export async function compileToFile(io: Io, path: string, options: TraceOptions & { out: string }): Promise<void> {
  const { out } = options;
  if (out === '' || out === '-') {
    throw new ConfigurationError(`--out ${out || "''"}: not a file`, 'name the file to write: -o NAME.arrow');
  }
  if (path !== '-' && isSameFile(path, out)) {
    throw new ConfigurationError(`--out ${out} is the trace itself`, 'give the compiled trace a name of its own');
  }
  // Opened at once, so that what cannot be written is known before the work is done.
  let opened: OutputFile | null = new OutputFile(out);
  try {
    await withTrace(io, path, { ...options, keep: false }, async (trace, { origin }) => {
      if (origin === 'compiled') {
        throw new TraceError(path === '-' ? '<stdin>' : path, null, 'is compiled already; use it as it is');
      }
      const file = opened ?? new OutputFile(out);
      opened = null;
      await write(trace, file);
      if (!options.quiet) for (const text of trace.warnings) warn(io, text);
    });
  } finally {
    opened?.discard();
  }
}

async function write(trace: CompiledTrace, file: OutputFile): Promise<void> {
  try {
    await writeCompiled(trace, (piece) => {
      file.write(piece);
      return true;
    });
    file.commit();
  } finally {
    file.discard();
  }
}

function isSameFile(a: string, b: string): boolean {
  try {
    const [first, second] = [statSync(a), statSync(b)];
    return (
      realpathSync(a) === realpathSync(b) || (first.ino !== 0 && first.ino === second.ino && first.dev === second.dev)
    );
  } catch {
    // One of them is not there: not the same.
    return false;
  }
}
