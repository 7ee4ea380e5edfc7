/** Runs a model over a few rows through both engines and holds them to each other. */

import { expect } from 'vitest';
import type { Platform } from '../../src/platforms/platform.ts';
import { replay } from '../../src/replay/engine.ts';
import type { MemoryOptions } from '../../src/replay/kernel/memory.ts';
import type { EventLine, LaneResult, LaneSpec } from '../../src/replay/lane.ts';
import type { ModelDefinition, ParameterValue } from '../../src/replay/model.ts';
import type { CompiledTrace } from '../../src/trace/compiled.ts';
import { replayReference } from '../reference/engine.ts';
import { type CompileOptions, compileRecords, parseSize, type RecordRow } from './mini-trace.ts';
import { unitPlatform } from './platforms.ts';

export interface RunModelOptions extends CompileOptions {
  readonly preset?: string;
  readonly set?: Readonly<Record<string, ParameterValue>>;
  /** Default: `unitPlatform`, where nothing takes time. */
  readonly platform?: Platform;
  /** Bytes (or `4M`) of every device, or by actor name; absent or null = unlimited. */
  readonly capacity?: number | string | Readonly<Record<string, number | string>> | null;
  /** Default: the platform's. */
  readonly inFlight?: number;
  readonly host?: Partial<LaneSpec['host']>;
  /** Default `both`: the two must agree in every metric and event. */
  readonly engine?: 'both' | 'reference' | 'fast';
  /** Invariants; on unless told otherwise. */
  readonly check?: boolean;
}

export interface ModelRun extends LaneResult {
  readonly events: EventLine[];
  readonly trace: CompiledTrace;
}

/** Defaults, then what the preset changes, then what is set. */
export function resolveParameters(
  model: ModelDefinition,
  preset: string,
  set: Readonly<Record<string, ParameterValue>> = {},
): Record<string, ParameterValue> {
  const chosen = model.presets[preset];
  if (!chosen) throw new Error(`${model.name} has no preset ${preset}`);
  const defaults = Object.entries(model.parameters).map(([key, spec]) => [key, spec.default]);
  for (const key of [...Object.keys(chosen.parameters ?? {}), ...Object.keys(set)]) {
    if (!(key in model.parameters)) throw new Error(`${model.name} has no parameter ${key}`);
  }
  return { ...Object.fromEntries(defaults), ...chosen.parameters, ...set };
}

export function laneSpec(model: ModelDefinition, trace: CompiledTrace, options: RunModelOptions = {}): LaneSpec {
  const preset = options.preset ?? Object.keys(model.presets)[0];
  const platform = options.platform ?? unitPlatform;
  const { capacity = null } = options;
  const bytes = (size: number | string): number => (typeof size === 'string' ? parseSize(size) : size);
  const ofActor = (name: string): number => {
    if (capacity === null) return Infinity;
    if (typeof capacity !== 'object') return bytes(capacity);
    if (!(name in capacity)) throw new Error(`no capacity for ${name}`);
    return bytes(capacity[name]);
  };
  return {
    model,
    preset,
    parameters: resolveParameters(model, preset, options.set),
    platform,
    capacityBytes:
      capacity === null ? null : trace.actors.map((name, actor) => (actor === 0 ? Infinity : ofActor(name))),
    inFlight: options.inFlight ?? platform.inFlight,
    host: { pageBytes: 4096, zeroPage: false, ...options.host },
  };
}

/** The fast engine, several runs in one pass, with the events of each. */
export function replayFast(
  trace: CompiledTrace,
  specs: readonly LaneSpec[],
  check = true,
  memory?: MemoryOptions,
): { result: LaneResult; events: EventLine[] }[] {
  const events: EventLine[][] = specs.map(() => []);
  const results = replay(trace, specs, { check, memory, onEvent: (run, event) => events[run].push(event) });
  return results.map((result, run) => ({ result, events: events[run] }));
}

/** The same when nobody listens, which opens quicker ways: what `replayFast` gave has to come out again. */
export function expectSameQuietly(
  trace: CompiledTrace,
  specs: readonly LaneSpec[],
  runs: readonly { readonly result: LaneResult }[],
  check = true,
  memory?: MemoryOptions,
): void {
  const quiet = replay(trace, specs, { check, memory });
  const heard = runs.map(({ result }) => result);
  if (JSON.stringify(quiet) !== JSON.stringify(heard)) expect(quiet, 'results without events').toEqual(heard);
}

export function runModel(model: ModelDefinition, rows: readonly RecordRow[], options: RunModelOptions = {}): ModelRun {
  const trace = compileRecords(rows, options);
  return runTrace(model, trace, options);
}

/** As `runModel`, on a trace that is compiled already. */
export function runTrace(model: ModelDefinition, trace: CompiledTrace, options: RunModelOptions = {}): ModelRun {
  const spec = laneSpec(model, trace, options);
  const { engine = 'both', check = true } = options;
  if (engine === 'fast') {
    const [run] = replayFast(trace, [spec], check);
    return { ...run.result, events: run.events, trace };
  }
  const reference = replayReference(trace, spec, { check });
  if (engine === 'both') {
    const [fast] = replayFast(trace, [spec], check);
    expectSameQuietly(trace, [spec], [fast], check);
    // Comparing texts is quick; where they differ, the slow comparison says what.
    if (JSON.stringify(fast) !== JSON.stringify(reference)) {
      expect(fast.events, 'events of the fast engine and of the reference').toEqual(reference.events);
      expect(fast.result, 'result of the fast engine and of the reference').toEqual(reference.result);
      expect(JSON.stringify(fast)).toBe(JSON.stringify(reference));
    }
  }
  return { ...reference.result, events: reference.events, trace };
}
