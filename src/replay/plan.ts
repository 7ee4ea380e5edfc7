/** From what was asked for to the list of runs: models as asked, then memory sizes as asked. */

import type { Platform } from '../platforms/platform.ts';
import { DEFAULT_PLATFORM, loadPlatform } from '../platforms/registry.ts';
import type { CompiledTrace } from '../trace/compiled.ts';
import { ConfigurationError, didYouMean } from './configuration-error.ts';
import type { LaneSpec } from './lane.ts';
import { BLOCK_BYTES, PAGE_BYTES } from './mask.ts';
import type { ModelDefinition, ParameterValue } from './model.ts';
import { type HostSettings, parseSetting, resolveHost, resolveParameters } from './parameters.ts';
import { allModels, defaultModels, loadModel } from './registry.ts';
import { parseSize } from './sizes.ts';

export interface RunOptions {
  /** `NAME[:PRESET]`, paths of modules, `all`, or definitions. Default: the models that declare themselves default. */
  readonly models?: readonly (string | ModelDefinition)[];
  /** `MODEL.PARAM=VALUE`. */
  readonly set?: readonly string[];
  /** A name, the path of a JSON file, or a profile. */
  readonly platform?: string | Platform;
  /** Footprint / memory, one run a ratio; `none` = a run without a limit. */
  readonly oversub?: readonly (number | string)[];
  /** Sizes, one run each: `16GiB`, or `gpu0=16GiB/gpu1=64GiB`. */
  readonly deviceMemory?: readonly (number | string)[];
  readonly inFlight?: number;
}

export interface ModelChoice {
  readonly model: ModelDefinition;
  /** How a worker loads it again: name or path. */
  readonly reference: string;
  readonly preset: string;
  readonly parameters: Readonly<Record<string, ParameterValue>>;
}

export type MemorySize =
  | { readonly kind: 'unlimited' }
  | { readonly kind: 'oversubscribed'; readonly ratio: number }
  | {
      readonly kind: 'bytes';
      readonly text: string;
      readonly all: number | null;
      readonly byDevice: ReadonlyMap<string, number>;
    };

export interface Plan {
  readonly choices: readonly ModelChoice[];
  readonly sizes: readonly MemorySize[];
  readonly platform: Platform;
  readonly inFlight: number;
  readonly host: HostSettings;
  /** As given, for the manifest. */
  readonly set: readonly string[];
}

export interface PlannedRun {
  readonly choice: ModelChoice;
  readonly oversubscription: number | null;
  readonly spec: LaneSpec;
}

/** Everything that can be settled, and found wrong, before the trace is read. */
export async function planRuns(options: RunOptions): Promise<Plan> {
  if (options.oversub !== undefined && options.deviceMemory !== undefined) {
    throw new ConfigurationError('--oversub and --device-memory contradict each other', 'give one of the two');
  }
  const settings = (options.set ?? []).map(parseSetting);
  const sizes = sizesOf(options);
  const platform =
    typeof options.platform === 'object' ? options.platform : await loadPlatform(options.platform ?? DEFAULT_PLATFORM);
  const inFlight = options.inFlight ?? platform.inFlight;
  if (!Number.isSafeInteger(inFlight) || inFlight < 1) {
    throw new ConfigurationError(
      `--in-flight ${inFlight}: not a whole number of at least 1`,
      '1 lets faults wait one at a time',
    );
  }
  const asked = await chooseModels(options.models);
  const owners = ['host', ...asked.map((c) => c.model.name)];
  for (const setting of settings) {
    if (owners.includes(setting.owner)) continue;
    throw new ConfigurationError(
      `--set ${setting.text}: no model "${setting.owner}" among those that run`,
      `${didYouMean(setting.owner, owners)}settable here are ${[...new Set(owners)].join(', ')}`,
    );
  }
  return {
    choices: asked.map((c) => ({ ...c, parameters: resolveParameters(c.model, c.preset, settings) })),
    sizes,
    platform,
    inFlight,
    host: resolveHost(settings),
    set: settings.map((s) => s.text),
  };
}

async function chooseModels(asked: RunOptions['models']): Promise<Omit<ModelChoice, 'parameters'>[]> {
  const byDefault = (model: ModelDefinition) => ({
    model,
    reference: model.name,
    preset: Object.keys(model.presets)[0],
  });
  if (asked === undefined) return (await defaultModels()).map(byDefault);
  const choices: Omit<ModelChoice, 'parameters'>[] = [];
  for (const item of asked) {
    if (typeof item !== 'string') choices.push(byDefault(item));
    else if (item === 'all') choices.push(...(await allModels()).map(byDefault));
    else choices.push(await chooseModel(item));
  }
  if (choices.length === 0) throw new ConfigurationError('--models: empty list', 'name at least one model, or "all"');
  const seen = new Set<string>();
  for (const { model, preset } of choices) {
    const key = `${model.name}:${preset}`;
    if (seen.has(key))
      throw new ConfigurationError(`--models: ${key} stands twice in the list`, 'name each model and preset once');
    seen.add(key);
  }
  return choices;
}

async function chooseModel(item: string): Promise<Omit<ModelChoice, 'parameters'>> {
  if (item === '') throw new ConfigurationError('--models: empty name in the list', 'separate names by single commas');
  const [, reference, presetAsked] = /^(.*?)(?::([^:/\\]*))?$/s.exec(item) as unknown as [string, string, string?];
  const model = await loadModel(reference);
  const presets = Object.keys(model.presets);
  const preset = presetAsked ?? presets[0];
  if (!Object.hasOwn(model.presets, preset)) {
    throw new ConfigurationError(
      `--models ${item}: ${model.name} has no preset "${preset}"`,
      `${didYouMean(preset, presets)}known are ${presets.join(', ')}`,
    );
  }
  return { model, reference, preset };
}

function sizesOf(options: RunOptions): MemorySize[] {
  if (options.oversub !== undefined) return options.oversub.map(ratioOf);
  if (options.deviceMemory !== undefined) return options.deviceMemory.map(deviceMemoryOf);
  return [{ kind: 'unlimited' }];
}

function ratioOf(given: number | string): MemorySize {
  if (given === 'none') return { kind: 'unlimited' };
  const ratio = typeof given === 'string' && !/^\d+(?:\.\d*)?$|^\.\d+$/.test(given) ? Number.NaN : Number(given);
  if (!(ratio > 0 && ratio < 1e9)) {
    throw new ConfigurationError(
      `--oversub ${given}: not a ratio`,
      'give footprint / memory as a positive number (1.25 leaves room for four fifths of the footprint), or none',
    );
  }
  return { kind: 'oversubscribed', ratio };
}

function deviceMemoryOf(given: number | string): MemorySize {
  const text = String(given);
  if (!text.includes('=')) return { kind: 'bytes', text, all: memoryBytes(text, text), byDevice: new Map() };
  const byDevice = new Map<string, number>();
  for (const part of text.split('/')) {
    const match = /^([a-z]+\d+)=(.*)$/.exec(part);
    if (match === null) {
      throw new ConfigurationError(
        `--device-memory ${text}: "${part}" is not DEVICE=SIZE`,
        'write for example --device-memory gpu0=16GiB/gpu1=64GiB',
      );
    }
    if (byDevice.has(match[1])) {
      throw new ConfigurationError(`--device-memory ${text}: ${match[1]} stands twice`, 'give one size a device');
    }
    byDevice.set(match[1], memoryBytes(match[2], text));
  }
  return { kind: 'bytes', text, all: null, byDevice };
}

function memoryBytes(text: string, whole: string): number {
  const bytes = parseSize(text);
  if (bytes === null) {
    throw new ConfigurationError(
      `--device-memory ${whole}: "${text}" is not a size`,
      'give whole bytes or a number with K, M, G or T (KiB, MiB, GiB, TiB), powers of two',
    );
  }
  if (bytes < PAGE_BYTES) {
    throw new ConfigurationError(`--device-memory ${whole}: less than one page`, `give at least ${PAGE_BYTES} bytes`);
  }
  return bytes;
}

/** The runs, now that the trace and so its devices and footprint are known. */
export function runsOf(plan: Plan, trace: CompiledTrace): PlannedRun[] {
  return plan.choices.flatMap((choice) =>
    plan.sizes.map((size) => ({
      choice,
      oversubscription: size.kind === 'oversubscribed' ? size.ratio : null,
      spec: {
        model: choice.model,
        preset: choice.preset,
        parameters: choice.parameters,
        platform: plan.platform,
        capacityBytes: capacities(size, trace),
        inFlight: plan.inFlight,
        host: plan.host,
      },
    })),
  );
}

function capacities(size: MemorySize, trace: CompiledTrace): number[] | null {
  if (size.kind === 'unlimited') return null;
  const devices = trace.actors.slice(1);
  if (size.kind === 'oversubscribed') {
    // At least one block; an exact ratio such as 1 must not lose a block to rounding of the quotient.
    const bytes = devices.map((_, i) => {
      const blocks = Math.floor(trace.livePeakBytes[i + 1] / BLOCK_BYTES / size.ratio + 1e-9);
      return Math.max(1, blocks) * BLOCK_BYTES;
    });
    return [Number.POSITIVE_INFINITY, ...bytes];
  }
  for (const name of size.byDevice.keys()) {
    if (!devices.includes(name)) {
      throw new ConfigurationError(
        `--device-memory ${size.text}: the trace has no device "${name}"`,
        devices.length === 0
          ? 'it has no device at all'
          : `${didYouMean(name, devices)}its devices are ${devices.join(', ')}`,
      );
    }
  }
  return [
    Number.POSITIVE_INFINITY,
    ...devices.map((name) => {
      const bytes = size.all ?? size.byDevice.get(name);
      if (bytes === undefined) {
        throw new ConfigurationError(
          `--device-memory ${size.text}: no size for ${name}`,
          `name every device of the trace: ${devices.join(', ')}`,
        );
      }
      return bytes;
    }),
  ];
}
