/** Replays planned runs in worker threads; results and events do not depend on how many. */

import { closeSync, openSync, readSync } from 'node:fs';
import { ConfigurationError } from '../replay/configuration-error.ts';
import { InvariantError, type LaneResult } from '../replay/lane.ts';
import type { Plan, PlannedRun } from '../replay/plan.ts';
import type { Found, Question } from '../report/explain/observe.ts';
import { DamagedTraceError } from '../trace/arrow/chunks.ts';
import type { CompiledTrace } from '../trace/compiled.ts';
import { OutputError } from './io.ts';
import { type OutputFile, removeTemporary } from './output-file.ts';
import { type ReplayThread, ReplayThreads, WorkFailed } from './replay-threads.ts';
import type { Done, Failure, PlainLane, Work } from './replay-worker.ts';
import { shareTrace } from './shared-trace.ts';

/**
 * Where there are several threads, each takes another share when it is done with one: stacks take times of their own.
 * Smaller shares would be done more evenly, but each walks over the whole trace.
 */
const SHARES_A_THREAD = 2;

export interface ReplayRunsOptions {
  readonly check: boolean;
  readonly jobs: number;
  readonly events: OutputFile | null;
  /** With `events`: fold those of so many records into samples. */
  readonly interval?: number | null;
  /** Records done, the mean of all shares of the runs. */
  readonly onProgress: (records: number) => void;
  /** Threads that were started ahead; more are started where these are too few. */
  readonly threads?: ReplayThreads;
}

/** Lets threads load what the runs of a plan need, each the models of its first share, while the trace is read. */
export function loadModels(threads: ReplayThreads, plan: Plan, jobs: number): void {
  const references = plan.choices.flatMap(({ reference }) => plan.sizes.map(() => reference));
  const first = sharesOf(references.length, jobs).slice(0, jobs);
  threads.load(first.map(([from, end]) => [...new Set(references.slice(from, end))]));
}

/** A run in a form that crosses threads. */
function plainLane({ choice, spec }: PlannedRun): PlainLane {
  const { model: _model, ...plain } = spec;
  return { ...plain, reference: choice.reference };
}

export async function replayRuns(
  trace: CompiledTrace,
  runs: readonly PlannedRun[],
  options: ReplayRunsOptions,
): Promise<LaneResult[]> {
  return (await replayObserved(trace, runs, options, null)).lanes;
}

/** With the answers to a question about the events of each run. */
export async function replayObserved(
  trace: CompiledTrace,
  runs: readonly PlannedRun[],
  { check, jobs, events, interval = null, onProgress, threads = new ReplayThreads(0) }: ReplayRunsOptions,
  question: Question | null,
): Promise<{ readonly lanes: LaneResult[]; readonly found: Found[] }> {
  const shared = shareTrace(trace);
  const eventFiles = events === null ? null : runs.map(() => events.scratchFile());
  const shares = sharesOf(runs.length, jobs);
  const records = shares.map(() => 0);
  const progress = (share: number, done: number): void => {
    records[share] = done;
    onProgress(Math.floor(records.reduce((sum, n) => sum + n, 0) / shares.length));
  };
  const results: Done[] = [];
  let next = 0;
  const workOn = async (worker: ReplayThread): Promise<void> => {
    for (let share = next++; share < shares.length; share = next++) {
      const [first, end] = shares[share];
      const work: Work = {
        trace: shared,
        lanes: runs.slice(first, end).map(plainLane),
        firstRun: first,
        check,
        eventFiles: eventFiles?.slice(first, end) ?? null,
        interval,
        question,
      };
      results[share] = await worker.replay(work, (done) => progress(share, done));
      progress(share, trace.records);
    }
  };
  const workers: ReplayThread[] = [];
  let finished = false;
  try {
    while (workers.length < Math.min(jobs, shares.length)) workers.push(threads.take());
    await Promise.all(workers.map(workOn));
    if (events !== null) for (const file of eventFiles!) append(file, events);
    finished = true;
    return { lanes: results.flatMap((done) => done.results), found: results.flatMap((done) => done.found) };
  } catch (error) {
    next = shares.length;
    throw error instanceof WorkFailed ? errorOf(error.failure, events) : error;
  } finally {
    const stopped = Promise.all(workers.map((worker) => worker.stop()));
    // They may still write into the files that go now; not so when they have said that they are done.
    if (!finished) await stopped;
    for (const file of eventFiles ?? []) removeTemporary(file);
  }
}

/** Neighbouring runs together, shares of equal size within one: [first, end) each. */
function sharesOf(runs: number, jobs: number): [number, number][] {
  const shares = Math.max(1, Math.min(jobs > 1 ? jobs * SHARES_A_THREAD : 1, runs));
  return Array.from({ length: shares }, (_, i) => [
    Math.floor((i * runs) / shares),
    Math.floor(((i + 1) * runs) / shares),
  ]);
}

function errorOf(failure: Failure, events: OutputFile | null): Error {
  const error = withStack(failure);
  if (failure.type === 'configuration')
    return new ConfigurationError(failure.message, failure.advice!, { cause: error });
  if (failure.type === 'damage') {
    const rebuilt = new DamagedTraceError(failure.file!, null, failure.message.slice(failure.file!.length + 2));
    if (failure.stack !== undefined) rebuilt.stack = failure.stack;
    return rebuilt;
  }
  if (failure.type === 'invariant') {
    const { run, record, invariant } = failure.invariant!;
    const detail = failure.message.slice(failure.message.indexOf(`${invariant}: `) + invariant.length + 2);
    const rebuilt = new InvariantError(run, record, invariant, detail);
    if (failure.stack !== undefined) rebuilt.stack = failure.stack;
    return rebuilt;
  }
  if (failure.type === 'system' && events !== null) return new OutputError(events.path, error);
  return error;
}

function withStack(failure: Failure): Error {
  const error = Object.assign(new Error(failure.message), { code: failure.code });
  if (failure.stack !== undefined) error.stack = failure.stack;
  return error;
}

function append(file: string, target: OutputFile): void {
  const descriptor = openSync(file, 'r');
  try {
    const buffer = Buffer.allocUnsafe(1 << 20);
    for (let n = readSync(descriptor, buffer); n > 0; n = readSync(descriptor, buffer))
      target.write(buffer.subarray(0, n));
  } finally {
    closeSync(descriptor);
  }
}
