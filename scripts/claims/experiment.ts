/** The runs behind a claim: how they are made, found again, and repeated by hand. */
import { fileURLToPath } from 'node:url';
import { type CompiledTrace, compileTrace, type RunResult, replay } from '../../src/index.ts';

const TRACES = new URL('../../traces/claims/', import.meta.url);

export interface Experiment {
  /** Unique within its claim. */
  readonly key: string;
  /** File in `traces/claims`, without `.csv`. */
  readonly trace: string;
  /** Default: the four default stacks. */
  readonly models?: readonly string[];
  readonly set?: readonly string[];
  readonly platform?: string;
  readonly oversub?: readonly number[];
  readonly inFlight?: number;
}

export type Metrics = Readonly<Record<string, number | null>>;

/** Finds runs again: by the experiment's key, the stack as asked for (`uvm`, `hmm:nouveau`), the oversubscription. */
export interface Runs {
  get(key: string, stack: string, oversubscription?: number): Metrics;
}

export async function runExperiments(experiments: readonly Experiment[]): Promise<Runs> {
  const found = new Map<string, readonly RunResult[]>();
  const traces = new Map<string, CompiledTrace>();
  for (const { key, trace: name, ...options } of experiments) {
    if (found.has(key)) throw new Error(`experiment ${key} stands twice`);
    const trace = traces.get(name) ?? (await compileTrace(fileURLToPath(new URL(`${name}.csv`, TRACES))));
    traces.set(name, trace);
    found.set(key, (await replay(trace, options)).runs);
  }
  return {
    get(key, stack, oversubscription) {
      const [model, preset] = stack.split(':');
      const run = found
        .get(key)
        ?.find(
          (r) =>
            r.model === model &&
            (preset === undefined || r.preset === preset) &&
            (oversubscription === undefined || r.oversubscription === oversubscription),
        );
      if (run === undefined) throw new Error(`no run of ${stack} ${oversubscription ?? ''} in experiment ${key}`);
      return run.metrics;
    },
  };
}

/** Command lines that repeat the experiments; those that differ in the trace only share one loop. */
export function commandsOf(experiments: readonly Experiment[]): string[] {
  const traces = new Map<string, string[]>();
  for (const experiment of experiments) {
    const options = optionsOf(experiment);
    traces.set(options, [...(traces.get(options) ?? []), experiment.trace]);
  }
  return [...traces].map(([options, names]) =>
    names.length === 1
      ? `gmem-eval run traces/claims/${names[0]}.csv${options}`
      : `for t in ${names.join(' ')}; do gmem-eval run traces/claims/$t.csv${options}; done`,
  );
}

function optionsOf({ models, set, platform, oversub, inFlight }: Experiment): string {
  let text = '';
  if (models !== undefined) text += ` -m ${models.join(',')}`;
  for (const setting of set ?? []) text += ` --set ${setting}`;
  if (platform !== undefined) text += ` --platform ${platform}`;
  if (oversub !== undefined) text += ` --oversub ${oversub.join(',')}`;
  if (inFlight !== undefined) text += ` --in-flight ${inFlight}`;
  return text;
}
