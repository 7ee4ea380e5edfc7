/** Reading and compiling traces. */

import { basename } from 'node:path';
import { isCompiledFile, openCompiled } from './arrow/read.ts';
import { spoolCompiled } from './arrow/spool.ts';
import type { CompiledTrace } from './compiled.ts';
import { TraceCompiler } from './compiler.ts';
import { TraceError } from './errors.ts';
import { finishTrace } from './finish.ts';
import { detectFormat, formatNamed, type TraceFormat, traceFormats } from './format.ts';
import { openSource, type Progress, sourceOfText, type TraceSource } from './source.ts';

export { closeCompiled } from './arrow/read.ts';
export { TraceError } from './errors.ts';
export { type TraceFormat, traceFormats } from './format.ts';
export { type TraceInfo, traceInfo } from './info.ts';
export type { Progress } from './source.ts';

export interface OpenOptions {
  /** Name of a trace format; default: found from the content. */
  readonly format?: string;
  readonly onProgress?: (progress: Progress) => void;
}

/** A trace whose format is known and whose records are still to be read. */
export interface OpenedTrace {
  readonly name: string;
  readonly format: TraceFormat;
  readonly source: TraceSource;
}

/** `-` is standard input. */
export async function openTrace(path: string, options: OpenOptions = {}): Promise<OpenedTrace> {
  const source = await openSource(path, options.onProgress);
  const name = path === '-' ? path : basename(path);
  return { name, source, format: await chooseFormat(source, options.format) };
}

async function chooseFormat(source: TraceSource, name: string | undefined): Promise<TraceFormat> {
  if (name !== undefined && source.compiled) failOnFormat(source.file, name);
  if (name === undefined) return detectFormat(source.head);
  const format = await formatNamed(name);
  if (format !== null) return format;
  const known = (await traceFormats()).map((f) => f.name).join(', ');
  throw new TraceError(source.file, null, `unknown trace format ${JSON.stringify(name)}: use ${known}`);
}

export async function compileTrace({ name, format, source }: OpenedTrace): Promise<CompiledTrace> {
  if (source.compiled) return spoolCompiled(source);
  const compiler = new TraceCompiler(source.file);
  await format.read(source, compiler);
  return finishTrace(compiler, name, source.sha256());
}

/** A trace file of any kind; the rows of a compiled one stay in the file. */
export async function compileTraceFile(path: string, options: OpenOptions = {}): Promise<CompiledTrace> {
  if (path === '-' || !isCompiledFile(path)) return compileTrace(await openTrace(path, options));
  if (options.format !== undefined) failOnFormat(path, options.format);
  return openCompiled(path);
}

function failOnFormat(file: string, format: string): never {
  const message = `is a compiled trace, not text of the format ${JSON.stringify(format)}; leave --trace-format out`;
  throw new TraceError(file, null, message);
}

/** For tests and the library: a whole trace as text (or bytes, gzip too). */
export async function compileTraceText(text: string | Uint8Array, name = 'trace.csv'): Promise<CompiledTrace> {
  const source = await sourceOfText(text, name);
  return compileTrace({ name: basename(name), source, format: await chooseFormat(source, undefined) });
}
