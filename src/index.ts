/** The library: what the command line does, as functions and plain data. */

import { replay as replayLanes } from './replay/engine.ts';
import type { EventLine } from './replay/lane.ts';
import { planRuns, type RunOptions, runsOf } from './replay/plan.ts';
import { buildResult, type Result } from './report/result.ts';
import { toolVersion } from './report/version.ts';
import type { CompiledTrace } from './trace/compiled.ts';
import { compileTraceFile, type OpenOptions } from './trace/index.ts';

export type { Platform } from './platforms/platform.ts';
export { loadPlatform, platformNames } from './platforms/registry.ts';
export { ConfigurationError } from './replay/configuration-error.ts';
export { ACCESS, type Access, FaultBuffer, OUTCOME, type Outcome } from './replay/faults.ts';
export { type EventLine, InvariantError } from './replay/lane.ts';
export * from './replay/mask.ts';
export { METRIC_NAMES, METRICS, type MetricName, type MetricSpec, TRIGGERS, type Trigger } from './replay/metrics.ts';
export * from './replay/model.ts';
export type { RunOptions } from './replay/plan.ts';
export { allModels, loadModel } from './replay/registry.ts';
export type { Result, RunResult } from './report/result.ts';
export { resultSchema } from './report/result-schema.ts';
export type * from './trace/compiled.ts';
export { compileTraceText, TraceError, type TraceInfo, traceInfo } from './trace/index.ts';

export interface ReplayOptions extends RunOptions {
  /** Check the invariants all along; a broken one throws `InvariantError`. */
  readonly check?: boolean;
  /** Called with each event; `run` counts in the order of the result. Runs of one pass come interleaved. */
  readonly onEvent?: (run: number, event: EventLine) => void;
}

/** Reads a trace file (plain or gzip, `-` = standard input) once, for any number of replays. */
export function compileTrace(path: string, options: OpenOptions = {}): Promise<CompiledTrace> {
  return compileTraceFile(path, options);
}

/** The result that `gmem-eval run --format json` prints, for the same options. */
export async function replay(trace: CompiledTrace, options: ReplayOptions = {}): Promise<Result> {
  const { check = false, onEvent } = options;
  const plan = await planRuns(options);
  const runs = runsOf(plan, trace);
  const lanes = replayLanes(
    trace,
    runs.map((run) => run.spec),
    { check, ...(onEvent === undefined ? {} : { onEvent }) },
  );
  return buildResult(trace, plan, runs, lanes, { version: toolVersion(), check });
}
