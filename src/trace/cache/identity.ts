/** What a trace file is known by: the SHA-256 of its bytes as stored, and of the program that compiles it. */

import { createHash } from 'node:crypto';
import { createReadStream, readdirSync, readFileSync, realpathSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { codeUrl, RUNS_FROM_SOURCE } from '../../code.ts';
import { FORMAT_VERSION } from '../arrow/layout.ts';
import { noteFile, writeWhole } from './folder.ts';

const PIECE_BYTES = 1024 * 1024;

/** Differs whenever the file was written, renamed over or changed in any other way. */
export interface FileState {
  readonly size: string;
  readonly mtimeNs: string;
  readonly ctimeNs: string;
  readonly ino: string;
  readonly dev: string;
}

export function fileState(path: string): FileState {
  const { size, mtimeNs, ctimeNs, ino, dev } = statSync(path, { bigint: true });
  return { size: `${size}`, mtimeNs: `${mtimeNs}`, ctimeNs: `${ctimeNs}`, ino: `${ino}`, dev: `${dev}` };
}

export function sameState(a: FileState, b: FileState): boolean {
  return (Object.keys(a) as (keyof FileState)[]).every((key) => a[key] === b[key]);
}

interface Note {
  readonly state: FileState;
  readonly sha256: string;
}

/**
 * Clocks of file systems are coarse: a file written again at once may look the same. So a note is only made of a file
 * that has not changed for this long.
 */
const SETTLED_NS = 2_000_000_000n;

/** The hash is noted in the folder with the state of the file, so that an unchanged file is not read again. */
export async function contentHash(path: string, state: FileState, folder: string): Promise<string> {
  const note = noteFile(folder, createHash('sha256').update(realpathSync(path)).digest('hex'));
  const noted = readNote(note);
  if (noted !== null && sameState(noted.state, state)) return noted.sha256;
  const began = BigInt(Date.now()) * 1_000_000n;
  const sha256 = await hashOf(path);
  if (began - BigInt(state.ctimeNs) > SETTLED_NS) writeWhole(note, JSON.stringify({ state, sha256 } satisfies Note));
  return sha256;
}

function readNote(path: string): Note | null {
  try {
    const note = JSON.parse(readFileSync(path, 'utf8')) as Note;
    return /^[0-9a-f]{64}$/.test(note.sha256) ? note : null;
  } catch {
    return null;
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: PIECE_BYTES })) hash.update(piece as Buffer);
  return hash.digest('hex');
}

/** Name of the entry of a content read as `format`, by this program. */
export function entryKey(sha256: string, format: string | undefined): string {
  return createHash('sha256')
    .update([sha256, format ?? '', String(FORMAT_VERSION), readerHash()].join('\n'))
    .digest('hex');
}

let ofReader: string | null = null;

/** Of the files that read traces, or of all that were built: an entry made by other rules is never found. */
function readerHash(): string {
  ofReader ??= codeHash(fileURLToPath(codeUrl(RUNS_FROM_SOURCE ? './trace/' : './')));
  return ofReader;
}

/** Of the names and texts of all modules in a folder. */
export function codeHash(folder: string): string {
  const hash = createHash('sha256');
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /(?<!\.d)\.[jt]s$/.test(name),
  );
  for (const name of names.sort()) hash.update(name).update(readFileSync(join(folder, name)));
  return hash.digest('hex');
}

/** Below this many bytes as stored, a trace is read in less time than anybody notices, and is not cached. */
export const CACHED_FROM_BYTES = 1024 * 1024;

export function worthCaching(path: string): boolean {
  let stat: Stats;
  try {
    stat = statSync(path);
  } catch {
    // Whoever reads the trace will say what is wrong with the path.
    return false;
  }
  return stat.isFile() && stat.size >= CACHED_FROM_BYTES;
}
