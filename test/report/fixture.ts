/** A small result, made by hand. */
import { METRIC_NAMES } from '../../src/replay/metrics.ts';
import type { Result, RunResult } from '../../src/report/result.ts';

const MIB = 2 ** 20;

export function run(
  model: string,
  values: Record<string, number | null> = {},
  more: Partial<RunResult> = {},
): RunResult {
  const metrics = Object.fromEntries(METRIC_NAMES.map((name) => [name, 0]));
  return {
    model,
    preset: null,
    parameters: {},
    oversubscription: null,
    capacityBytes: null,
    effectiveCapacityBytes: null,
    metrics: { ...metrics, slowdown: null, ...values } as RunResult['metrics'],
    warnings: [],
    ...more,
  };
}

/** A run in `mib` MiB, of which the stack uses `used`. */
export function limited(model: string, ratio: number | null, mib: number, used = mib): RunResult {
  return run(
    model,
    { 'faults.device': mib },
    {
      oversubscription: ratio,
      capacityBytes: { gpu0: mib * MIB },
      effectiveCapacityBytes: { gpu0: used * MIB },
    },
  );
}

export function resultOf(runs: RunResult[], metadata: Record<string, string> = {}): Result {
  return {
    schema: 'gmem-eval/result@1',
    manifest: {
      tool: { name: 'gmem-eval', version: '1.2.3' },
      options: {
        models: [],
        set: [],
        platform: 'unit',
        oversub: null,
        deviceMemory: null,
        inFlight: 256,
        host: { page: 4096, zeroPage: false },
        check: false,
      },
      platform: {
        name: 'unit',
        title: 'Round numbers',
        inFlight: 256,
        faultLatencyNs: 0,
        link: {
          h2d: { copyOverheadNs: 0, bytesPerNs: null },
          d2h: { copyOverheadNs: 0, bytesPerNs: null },
          d2d: { copyOverheadNs: 0, bytesPerNs: null },
        },
        host: { bytesPerNs: null, zeroBytesPerNs: null, faultNs: 0, tlbShootdownNs: 0 },
        device: { memoryBytes: null, bytesPerNs: null, zeroBytesPerNs: null, tlbInvalidateNs: 0 },
        remoteBytesPerNs: null,
        topology: { coherent: false, ats: false, peer: 'none' },
        sources: {},
      },
      trace: {
        name: 'hand.csv',
        sha256: '0'.repeat(64),
        metadata,
        hasTime: true,
        livePeakBytes: { gpu0: 10 * MIB },
        warnings: [],
      },
      seed: 0,
      models: [],
    },
    trace: {
      records: 1234,
      accesses: 1200,
      touches: 1300,
      footprintBytes: 10 * MIB,
      actors: ['cpu', 'gpu0'],
      allocations: 2,
      durationNs: 5000,
      inferredAllocations: false,
    },
    runs,
  };
}
