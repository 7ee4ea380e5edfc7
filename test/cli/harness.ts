/** Runs the command line inside the test, or as a process of its own. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import type { Io } from '../../src/cli/io.ts';
import { main } from '../../src/cli/main.ts';

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** No test may write into the cache of whoever runs it; `vitest.config.ts` says the same to processes. */
const NO_CACHE = { GMEM_EVAL_CACHE_SIZE: '0' };

/** `terminal`: both outputs say that they are one. */
export async function gmemEval(args: readonly string[], env: Io['env'] = {}, terminal = false): Promise<Outcome> {
  const stdout = new Screen(terminal);
  const stderr = new Screen(terminal);
  const status = await main(args, { stdout, stderr, env: { ...NO_CACHE, ...env } });
  return { status, stdout: stdout.text, stderr: stderr.text };
}

class Screen {
  text = '';
  constructor(readonly isTTY: boolean) {}
  write(text: string, done?: () => void): boolean {
    this.text += text;
    done?.();
    return true;
  }
  // What a spinner asks of a terminal.
  cursorTo(): void {}
  clearLine(): void {}
  moveCursor(): void {}
}

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const ENTRY = fileURLToPath(new URL('./fixtures/entry.mts', import.meta.url));

/** The same program as `bin/gmem-eval.js`, from source. */
export function start(
  args: readonly string[],
  stdio: ('pipe' | 'ignore' | number)[],
  env: Io['env'] = {},
): ChildProcess {
  return spawn(process.execPath, ['--import', 'tsx', ENTRY, ...args], {
    cwd: ROOT,
    stdio,
    env: { ...process.env, ...env },
  });
}

export async function finished(child: ChildProcess): Promise<Outcome & { readonly signal: string | null }> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (data) => (stdout += data));
  child.stderr?.on('data', (data) => (stderr += data));
  return new Promise((resolve) => {
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
}

/** A folder for one test file. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gmem-eval-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export const TOY = fileURLToPath(new URL('./fixtures/toy.js', import.meta.url));

/** Two pages: written by the CPU, one read by a device, both written by it. */
export const TINY = `# title: tiny
time_ns,actor,op,addr,size,arg
0,cpu,alloc,0x200000,8192,a
100,cpu,write,0x200000,8192,
200,gpu0,read,0x200000,4096,
300,gpu0,write,0x200000,8192,
`;
