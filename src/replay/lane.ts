/** What one run is, and what it gives. */

import type { Platform } from '../platforms/platform.ts';
import type { MemoryOptions } from './kernel/memory.ts';
import type { MetricName } from './metrics.ts';
import type { ModelDefinition, ParameterValue } from './model.ts';

/** One run: one model with one configuration and one memory size. */
export interface LaneSpec {
  readonly model: ModelDefinition;
  readonly preset: string;
  /** All parameters of the model, resolved. */
  readonly parameters: Readonly<Record<string, ParameterValue>>;
  readonly platform: Platform;
  /** By actor index (index 0 unused); null = unlimited. */
  readonly capacityBytes: readonly number[] | null;
  readonly inFlight: number;
  readonly host: { readonly pageBytes: number; readonly zeroPage: boolean };
}

export interface LaneResult {
  /** The parameters as used (`core.resolved` applied). */
  readonly parameters: Readonly<Record<string, ParameterValue>>;
  /** By actor index; null = unlimited. */
  readonly effectiveCapacityBytes: readonly number[] | null;
  /** Every metric of the dictionary, then the model's own as `MODEL.name`; null where the preset has no such notion. */
  readonly metrics: Readonly<Record<MetricName | string, number | null>>;
  readonly warnings: readonly string[];
}

/** One line of `--events`, without the run's number. */
export interface EventLine {
  readonly seq: number;
  readonly timeNs: number;
  readonly durationNs: number;
  readonly kind: string;
  readonly actor: string;
  readonly trigger: string | null;
  readonly from: string | null;
  readonly to: string | null;
  readonly addr: string | null;
  readonly size: number;
  readonly batch: number | null;
  readonly record: number;
}

/** A stretch of time in which an actor stood still, as `time.stall.*.ns` counts it. */
export interface Stop {
  readonly actor: string;
  /**
   * `handOver`: a device, until its pending faults were served; `putOff`: a device, for faults that were put off;
   * `hostFault`: the CPU; `record`: whoever issued a record that is no access; `model`: whom the stack stopped.
   */
  readonly kind: 'handOver' | 'putOff' | 'hostFault' | 'record' | 'model';
  /** When it ended, and how long it was. */
  readonly endNs: number;
  readonly ns: number;
  /** What was done meanwhile: the events from this `seq` on. */
  readonly firstSeq: number;
  /** The record being issued. */
  readonly record: number;
}

/** Told, between the events, where time went; the stops of a run add up to its stall times. */
export interface CostListener {
  readonly stop: (stop: Stop) => void;
  /** More (or, where a count had run ahead, fewer) bytes of this page went over a link without migration. */
  readonly remote: (page: number, bytes: number) => void;
}

export interface ReplayOptions {
  /** Check the invariants all along; a broken one throws `InvariantError`. */
  readonly check?: boolean;
  /** Called with each event of lane `run`. */
  readonly onEvent?: (run: number, event: EventLine) => void;
  /** Who is told of the costs of lane `run`; wants `onEvent` too. */
  readonly costsOf?: (run: number) => CostListener;
  /** Called now and then with the records done. */
  readonly onProgress?: (records: number) => void;
  /** Which kernel the hit path takes; without it WebAssembly where it can be had. Results are the same. */
  readonly memory?: MemoryOptions;
}

/** The simulation contradicted itself: our bug, exit status 3. */
export class InvariantError extends Error {
  override name = 'InvariantError';
  constructor(
    readonly run: number,
    readonly record: number,
    readonly invariant: string,
    detail: string,
  ) {
    super(`invariant broken in run ${run} at record ${record}: ${invariant}: ${detail}`);
  }
}
