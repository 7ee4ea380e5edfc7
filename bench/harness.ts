/**
 * What benchmarks share. A benchmark is a file of this folder that exports `benchmark`; what it measures are functions in
 * its `tasks`, each run in a process of its own from built code, since that is what users run. Every figure is a ratio
 * of contestants that took turns: the machine may be busy, and a process may be unlucky with the optimiser.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Figure } from '../src/figures/figure.ts';
import type { Table } from './table.ts';

/** What a task measured. The child adds `peakRssBytes`. */
export type Sample = Readonly<Record<string, number>>;

/** Runs in the child; `argument` has gone through JSON. */
export type Task = (argument: never) => Sample | Promise<Sample>;

export interface Context {
  /** Smaller sizes, to see that everything runs: the numbers mean little. */
  readonly quick: boolean;
  /** Process launches of each contestant. */
  readonly rounds: number;
  /** Temporary files of this run of the benchmarks. */
  readonly folder: string;
  /** Where the built code lies: `src` and `bench` as JavaScript. */
  readonly build: string;
}

export interface Outcome {
  readonly tables: readonly Table[];
  /** By file name without suffix, for docs/performance. */
  readonly figures?: Readonly<Record<string, Figure>>;
}

export interface Benchmark {
  readonly title: string;
  run(context: Context): Promise<Outcome>;
}

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const HELPERS = ['bench', 'harness', 'table', 'child', 'traces', 'cli', 'document'];

/** Every benchmark is a file of this folder. */
export function benchmarkNames(): string[] {
  return readdirSync(join(ROOT, 'bench'))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.slice(0, -'.ts'.length))
    .filter((name) => !HELPERS.includes(name))
    .sort();
}

/** Builds a private copy, which work on the sources meanwhile does not change. */
export async function prepare(quick: boolean): Promise<Context> {
  const folder = mkdtempSync(join(tmpdir(), 'gmem-bench-'));
  const build = join(folder, 'build');
  mkdirSync(build);
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  copyFileSync(join(ROOT, 'package.json'), join(build, 'package.json'));
  symlinkSync(join(ROOT, 'node_modules'), join(build, 'node_modules'));
  // Not for the processes that are measured, which have this module as well.
  const { joinModules } = await import('../scripts/build/join.ts');
  await joinModules(
    build,
    ['child', 'cli', ...benchmarkNames()].map((name) => `bench/${name}.ts`),
  );
  return { quick, rounds: quick ? 2 : 5, folder, build };
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill();
});

/** One task of a benchmark in a process of its own. */
export async function launch(
  context: Context,
  name: string,
  task: string,
  argument: unknown,
  nodeFlags: readonly string[] = [],
): Promise<Sample> {
  const child = join(context.build, 'bench/child.js');
  const text = await output(process.execPath, [...nodeFlags, child, name, task, JSON.stringify(argument)], {
    // What users have cached neither helps nor suffers.
    GMEM_EVAL_CACHE: join(context.folder, 'cache'),
  });
  return JSON.parse(text.slice(text.lastIndexOf('\n', text.length - 2) + 1)) as Sample;
}

/** The command line as built, with the wall time that its user waits and all CPU time of its threads. */
export function launchCli(context: Context, args: readonly string[]): Promise<Sample> {
  return launch(context, 'cli', 'run', args);
}

/** Standard output of a program that must end well. */
export function output(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } });
    running.add(child);
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      running.delete(child);
      if (code === 0) resolve(text);
      else reject(new Error(`${command} ${args.join(' ')}: ended with ${signal ?? code}`));
    });
  });
}

/** Each round launches every contestant once, beginning with another one each time. */
export async function interleaved<Name extends string>(
  context: Context,
  contestants: Readonly<Record<Name, () => Promise<Sample>>>,
  rounds = context.rounds,
): Promise<Record<Name, Sample[]>> {
  const names = Object.keys(contestants) as Name[];
  const samples = Object.fromEntries(names.map((name) => [name, [] as Sample[]])) as Record<Name, Sample[]>;
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + round) % names.length];
      process.stderr.write(`  round ${round + 1}/${rounds}: ${name}\n`);
      samples[name].push(await contestants[name]());
    }
  }
  return samples;
}

/** CPU seconds of this process, all its threads, since `begin`. */
export function cpuSeconds(begin?: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1e6;
}

/** The C compiler at hand, or null. */
export function compiler(): string | null {
  for (const name of ['cc', 'gcc', 'clang']) {
    try {
      execFileSync(name, ['--version'], { stdio: 'ignore' });
      return name;
    } catch {
      // Try the next one.
    }
  }
  return null;
}
