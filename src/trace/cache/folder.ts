/**
 * The files of the cache folder. `KEY.arrow` is an entry; `KEY.PID.N.use` says that a process has it open;
 * `*.tmp` is being written; `HASH.note` remembers the hash of a trace file. Nothing else there is ever touched.
 */

import { mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ENTRY = /^([0-9a-f]{64})\.arrow$/;
const USE = /^([0-9a-f]{64})\.(\d+)\.\d+\.use$/;
const TEMPORARY = /^[0-9a-f]{64}\.(?:arrow|note)\.\d+\.\d+\.tmp$/;
const NOTE = /^[0-9a-f]{64}\.note$/;

/** A file that is still being written is younger. */
const ABANDONED_MS = 3_600_000;
const MOST_NOTES = 1000;

export function entryFile(folder: string, key: string): string {
  return join(folder, `${key}.arrow`);
}

export function noteFile(folder: string, hash: string): string {
  return join(folder, `${hash}.note`);
}

let serial = 0;

/** To be renamed to `target` when it is whole: who reads meanwhile sees the file of before, or none. */
export function temporaryFor(target: string): string {
  return `${target}.${process.pid}.${serial++}.tmp`;
}

/** The folder is made when needed. */
export function makeFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
}

/** A small file, whole or not at all; a folder that cannot be written does without. */
export function writeWhole(path: string, text: string): void {
  const temporary = temporaryFor(path);
  try {
    makeFolder(join(path, '..'));
    writeFileSync(temporary, text);
    renameSync(temporary, path);
  } catch {
    remove(temporary);
  }
}

/** Gone is gone, whoever did it; what cannot be removed stays. */
export function remove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {}
}

const marks = new Set<string>();
let cleansUp = false;

/** Says that this process has the entry open, and that it is the one used last. Gives what ends it. */
export function markUse(entry: string): () => void {
  const mark = `${entry.slice(0, -'.arrow'.length)}.${process.pid}.${serial++}.use`;
  const now = new Date();
  try {
    utimesSync(entry, now, now);
    writeFileSync(mark, '');
  } catch {
    // A folder that may only be read: nothing is removed from it either.
    return () => {};
  }
  if (!cleansUp) process.once('exit', removeMarks);
  cleansUp = true;
  marks.add(mark);
  return () => {
    remove(mark);
    marks.delete(mark);
  };
}

function removeMarks(): void {
  for (const mark of marks) remove(mark);
}

/** Removes the entries used longest ago until the rest fits; never one in use. */
export function prune(folder: string, limitBytes: number): void {
  const names = readdirSync(folder);
  const inUse = new Set<string>();
  for (const name of names) {
    const use = USE.exec(name);
    if (use === null) continue;
    if (isRunning(Number(use[2]))) inUse.add(use[1]);
    else remove(join(folder, name));
  }
  for (const { path, mtimeMs } of filesLike(TEMPORARY, folder, names)) {
    if (Date.now() - mtimeMs > ABANDONED_MS) remove(path);
  }
  for (const { path } of filesLike(NOTE, folder, names).slice(MOST_NOTES)) remove(path);
  const entries = filesLike(ENTRY, folder, names).map((each) => ({ ...each, used: inUse.has(each.name.slice(0, 64)) }));
  // Those in use take their place first, and stay even if they are too many.
  let total = entries.reduce((sum, { size, used }) => (used ? sum + size : sum), 0);
  for (const { path, size, used } of entries) {
    if (used) continue;
    if (total + size > limitBytes) remove(path);
    else total += size;
  }
}

interface Found {
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;
}

/** Used last first. */
function filesLike(pattern: RegExp, folder: string, names: readonly string[]): Found[] {
  return names
    .filter((name) => pattern.test(name))
    .flatMap((name): Found[] => {
      const path = join(folder, name);
      const stat = statSync(path, { throwIfNoEntry: false });
      return stat === undefined ? [] : [{ name, path, size: stat.size, mtimeMs: stat.mtimeMs }];
    })
    .sort((a, b) => b.mtimeMs - a.mtimeMs);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
