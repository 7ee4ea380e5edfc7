/**
 * A thread that replays some of the runs, so that the main thread can answer Ctrl-C and show progress. It loads its code
 * at once, models when it is told which, and waits for its work, one piece after the other.
 */

import { appendFileSync, writeFileSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { ConfigurationError } from '../replay/configuration-error.ts';
import { replay } from '../replay/engine.ts';
import { type EventLine, InvariantError, type LaneResult, type LaneSpec } from '../replay/lane.ts';
import type { ModelDefinition, ModelHooks } from '../replay/model.ts';
import { isModulePath, loadModel } from '../replay/registry.ts';
import type { Found, Observer, Question } from '../report/explain/observe.ts';
import type { IntervalSamples } from '../report/interval.ts';
import { DamagedTraceError } from '../trace/arrow/chunks.ts';
import { openSharedTrace, type SharedTrace } from './shared-trace.ts';

/** A run in a form that crosses threads: the model by its reference. */
export type PlainLane = Omit<LaneSpec, 'model'> & { readonly reference: string };

export interface Work {
  readonly trace: SharedTrace;
  readonly lanes: readonly PlainLane[];
  /** Number of the first of these runs in the result. */
  readonly firstRun: number;
  readonly check: boolean;
  /** One temporary file a run, or null without `--events`. */
  readonly eventFiles: readonly string[] | null;
  /** Fold the events of so many records into samples; null = each event is a line. */
  readonly interval: number | null;
  /** What to gather from the events of each run, if anything. */
  readonly question: Question | null;
}

/** What a thread is told. */
export type Order =
  /** Models that it will need, by reference. */
  { readonly kind: 'load'; readonly references: readonly string[] } | { readonly kind: 'replay'; readonly work: Work };

export type Report =
  | { readonly kind: 'progress'; readonly records: number }
  | Done
  | { readonly kind: 'failed'; readonly failure: Failure };

export interface Done {
  readonly kind: 'done';
  readonly results: readonly LaneResult[];
  readonly found: readonly Found[];
}

/** An error in a form that crosses threads. */
export interface Failure {
  readonly type: 'configuration' | 'invariant' | 'damage' | 'system' | 'other';
  readonly message: string;
  readonly stack: string | undefined;
  readonly advice?: string;
  readonly code?: string;
  /** Of a compiled trace that cannot be read to its end. */
  readonly file?: string;
  readonly invariant?: { readonly run: number; readonly record: number; readonly invariant: string };
}

const EVENT_BUFFER_BYTES = 1 << 16;
const PROGRESS_MS = 100;

async function work({ trace, lanes, firstRun, check, eventFiles, interval, question }: Work): Promise<Report> {
  const specs = await Promise.all(
    lanes.map(async ({ reference, ...spec }): Promise<LaneSpec> => ({ ...spec, model: await model(reference) })),
  );
  const events = eventFiles === null ? null : await EventFiles.open(eventFiles, firstRun, interval);
  const observers = question === null ? null : await observersOf(question, trace, lanes);
  let lastReport = 0;
  const results = replay(openSharedTrace(trace), specs, {
    check,
    onProgress: (records) => {
      const now = performance.now();
      if (now - lastReport < PROGRESS_MS) return;
      lastReport = now;
      post({ kind: 'progress', records });
    },
    ...(events === null && observers === null
      ? {}
      : {
          onEvent: (run, event) => {
            events?.add(run, event);
            observers?.[run].add(event);
          },
          ...(observers === null ? {} : { costsOf: (run: number) => observers[run] }),
        }),
  });
  events?.flush();
  return { kind: 'done', results, found: observers?.map((each) => each.found()) ?? [] };
}

/** Most runs have none, and need not load what observes. */
async function observersOf(question: Question, trace: SharedTrace, lanes: Work['lanes']): Promise<Observer[]> {
  const { observer } = await import('../report/explain/observe.ts');
  return lanes.map(({ platform }) => observer(question, trace, platform));
}

async function model(reference: string): Promise<ModelDefinition> {
  const definition = await loadModel(reference);
  return isModulePath(reference) ? blamed(definition, reference) : definition;
}

/** A user's model whose errors name its file: they are not ours. */
function blamed(definition: ModelDefinition, path: string): ModelDefinition {
  const guard =
    <A extends unknown[], R>(hook: string, call: (...args: A) => R) =>
    (...args: A): R => {
      try {
        return call(...args);
      } catch (error) {
        if (error instanceof InvariantError) throw error;
        const text = error instanceof Error ? error.message : String(error);
        throw new ConfigurationError(`${path}: ${hook} threw: ${text}`, 'mend the model, or set DEBUG=1 to see where', {
          cause: error,
        });
      }
    };
  return {
    ...definition,
    create: (core, parameters, preset) => {
      const hooks = guard('create', () => definition.create(core, parameters, preset))();
      const guarded: Record<string, unknown> = {};
      for (const name of hookNames(hooks)) {
        const call = hooks[name] as (...args: unknown[]) => unknown;
        guarded[name] = guard(name, call.bind(hooks));
      }
      return guarded as ModelHooks;
    },
  };
}

/** Of a plain object or of a class. */
function hookNames(hooks: ModelHooks): (keyof ModelHooks)[] {
  const names = new Set<string>();
  for (let o: object | null = hooks; o !== null && o !== Object.prototype; o = Object.getPrototypeOf(o)) {
    for (const name of Object.getOwnPropertyNames(o)) names.add(name);
  }
  names.delete('constructor');
  return [...names].filter((name) => typeof hooks[name as keyof ModelHooks] === 'function') as (keyof ModelHooks)[];
}

/** Lines of each run in a file of its own: runs of one pass come interleaved. */
class EventFiles {
  private readonly buffers: string[];
  private samples: readonly IntervalSamples[] | null = null;

  private constructor(
    private readonly paths: readonly string[],
    private readonly firstRun: number,
  ) {
    this.buffers = paths.map(() => '');
  }

  static async open(paths: readonly string[], firstRun: number, interval: number | null): Promise<EventFiles> {
    const files = new EventFiles(paths, firstRun);
    if (interval !== null) {
      const { IntervalSamples } = await import('../report/interval.ts');
      files.samples = paths.map((_, run) => new IntervalSamples(interval, (line) => files.write(run, line)));
    }
    for (const path of paths) writeFileSync(path, '');
    return files;
  }

  add(run: number, event: EventLine): void {
    if (this.samples === null) this.write(run, event);
    else this.samples[run].add(event);
  }

  private write(run: number, event: EventLine): void {
    this.buffers[run] += `${JSON.stringify({ run: this.firstRun + run, ...event })}\n`;
    if (this.buffers[run].length >= EVENT_BUFFER_BYTES) this.flushRun(run);
  }

  flush(): void {
    for (const samples of this.samples ?? []) samples.flush();
    for (let run = 0; run < this.buffers.length; run++) this.flushRun(run);
  }

  /** Opened and closed each time: there may be more runs than files that a process may hold open. */
  private flushRun(run: number): void {
    appendFileSync(this.paths[run], this.buffers[run]);
    this.buffers[run] = '';
  }
}

function failureOf(error: unknown, firstRun: number): Failure {
  if (!(error instanceof Error)) return { type: 'other', message: String(error), stack: undefined };
  const { message } = error;
  const stack = error.cause instanceof Error ? error.cause.stack : error.stack;
  if (error instanceof ConfigurationError) return { type: 'configuration', message, stack, advice: error.advice };
  if (error instanceof DamagedTraceError) return { type: 'damage', message, stack, file: error.file };
  if (error instanceof InvariantError) {
    return {
      type: 'invariant',
      message,
      stack,
      invariant: { run: firstRun + error.run, record: error.record, invariant: error.invariant },
    };
  }
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined ? { type: 'other', message, stack } : { type: 'system', message, stack, code };
}

function post(report: Report): void {
  parentPort!.postMessage(report);
}

/** Models that were ordered ahead of their work. */
let loading: Promise<unknown> = Promise.resolve();

async function replayed(given: Work): Promise<Report> {
  await loading;
  try {
    return await work(given);
  } catch (error) {
    return { kind: 'failed', failure: failureOf(error, given.firstRun) };
  }
}

parentPort!.on('message', async (order: Order) => {
  if (order.kind === 'replay') post(await replayed(order.work));
  // Whoever needs a model that does not load will be told why.
  else loading = Promise.allSettled(order.references.map(loadModel));
});
