/** A trace format: one file in `formats/`, and nothing else names it. */

import { readdir } from 'node:fs/promises';
import { codeUrl } from '../code.ts';
import type { TraceCompiler } from './compiler.ts';
import type { TraceSource } from './source.ts';

export interface TraceFormat {
  readonly name: string;
  readonly title: string;
  /** Whether a file that begins so is of this format. */
  detect(head: Buffer): boolean;
  /** Hands every record of the source to the compiler. */
  read(source: TraceSource, into: TraceCompiler): Promise<void>;
}

/** Read when no format recognises the content: its messages say what a trace looks like. */
const FALLBACK = 'csv';

let formats: Promise<readonly TraceFormat[]> | null = null;

/** All formats, by name. */
export function traceFormats(): Promise<readonly TraceFormat[]> {
  formats ??= loadFormats();
  return formats;
}

async function loadFormats(): Promise<readonly TraceFormat[]> {
  const folder = codeUrl('./trace/formats/');
  const names = (await readdir(folder)).filter((name) => /(?<!\.d)\.(ts|js)$/.test(name)).sort();
  const modules = await Promise.all(names.map((name) => import(new URL(name, folder).href)));
  return modules.map((module) => module.format as TraceFormat);
}

export async function detectFormat(head: Buffer): Promise<TraceFormat> {
  const all = await traceFormats();
  return all.find((format) => format.detect(head)) ?? all.find((format) => format.name === FALLBACK)!;
}

export async function formatNamed(name: string): Promise<TraceFormat | null> {
  return (await traceFormats()).find((format) => format.name === name) ?? null;
}
