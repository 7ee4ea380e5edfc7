/**
 * The threads that replay. They may be started before there is anything to replay, or before it is known what will be: a
 * thread takes a while to load its code, which it can do while the main thread loads its own and reads the trace.
 */

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { codeUrl, RUNS_FROM_SOURCE } from '../code.ts';
import { compileLater } from './compile-later.ts';
import type { Done, Failure, Order, Report, Work } from './replay-worker.ts';

/** A failure of the work itself, as the thread has told it. */
export class WorkFailed extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message);
  }
}

interface Waiting {
  readonly resolve: (done: Done) => void;
  readonly reject: (error: Error) => void;
  readonly onProgress: (records: number) => void;
}

export class ReplayThread {
  private readonly worker: Worker;
  private waiting: Waiting | null = null;
  /** Why it is no longer there; it may end before anybody has asked anything of it. */
  private lost: Error | null = null;

  constructor() {
    this.worker = startWorker();
    this.worker.on('message', (report: Report) => this.hear(report));
    this.worker.on('error', (error) => this.lose(error));
    this.worker.on('exit', (code) => this.lose(new Error(`a replay thread ended early (status ${code})`)));
  }

  /** Models that it will need. */
  load(references: readonly string[]): void {
    if (this.lost === null) this.order({ kind: 'load', references });
  }

  /** One piece of work at a time. */
  replay(work: Work, onProgress: (records: number) => void): Promise<Done> {
    compileLater('replaying');
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject, onProgress };
      if (this.lost !== null) reject(this.lost);
      else this.order({ kind: 'replay', work });
    });
  }

  private order(order: Order): void {
    this.worker.postMessage(order);
  }

  private hear(report: Report): void {
    if (report.kind === 'progress') this.waiting?.onProgress(report.records);
    else if (report.kind === 'done') this.waiting?.resolve(report);
    else this.waiting?.reject(new WorkFailed(report.failure));
  }

  private lose(error: Error): void {
    this.lost ??= error;
    this.waiting?.reject(this.lost);
  }

  async stop(): Promise<void> {
    await this.worker.terminate();
  }
}

/** Threads that are started and not in use. */
export class ReplayThreads {
  private readonly ready: ReplayThread[];

  constructor(threads: number) {
    this.ready = Array.from({ length: threads }, () => new ReplayThread());
  }

  /** One for each list of model references, which it loads; more are started where these are too few. */
  load(lists: readonly (readonly string[])[]): void {
    while (this.ready.length < lists.length) this.ready.push(new ReplayThread());
    for (const [i, references] of lists.entries()) this.ready[i].load(references);
  }

  /** The next that is ready, or a new one. Who takes it stops it. */
  take(): ReplayThread {
    return this.ready.shift() ?? new ReplayThread();
  }

  async stop(): Promise<void> {
    await Promise.all(this.ready.splice(0).map((thread) => thread.stop()));
  }
}

/** Starts a thread before `use` knows what it is for, and stops all that nobody took when `use` has ended. */
export async function withThreads(use: (threads: ReplayThreads) => Promise<void>): Promise<void> {
  const threads = new ReplayThreads(1);
  try {
    await use(threads);
  } finally {
    await threads.stop();
  }
}

function startWorker(): Worker {
  const script = codeUrl('./cli/replay-worker.ts');
  if (!RUNS_FROM_SOURCE) return new Worker(script);
  // Run from source (tests, scripts): Node 20 cannot load TypeScript by itself.
  const loader = pathToFileURL(createRequire(script).resolve('tsx/esm/api')).href.replace(/cjs$/, 'mjs');
  return new Worker(`import('${loader}').then((tsx) => { tsx.register(); return import('${script.href}'); })`, {
    eval: true,
  });
}
