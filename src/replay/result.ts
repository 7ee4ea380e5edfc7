/** What a finished run reports: the books, completed by what follows from the trace. */
import type { CompiledTrace } from '../trace/compiled.ts';
import type { LaneResult } from './lane.ts';
import type { LaneRun } from './lane-run.ts';
import { M, METRIC_NAMES, type MetricName } from './metrics.ts';
import { HOST } from './model.ts';

export function laneResult(trace: CompiledTrace, lane: LaneRun): LaneResult {
  const { machine, spec } = lane;
  const books = machine.books;
  const devices = (column: ArrayLike<number>): number[] => Array.from(column).slice(1);
  const sum = (values: number[]): number => values.reduce((a, b) => a + b, 0);

  books[M['accesses.device']] = sum(devices(trace.accessesByActor));
  books[M['accesses.host']] = trace.accessesByActor[HOST];
  books[M['touches.device']] = sum(devices(trace.touchesByActor));
  books[M['touches.host']] = trace.touchesByActor[HOST];
  books[M['memory.device.peakAllocatedBytes']] = Math.max(0, ...devices(machine.memory.peakAllocated));
  books[M['memory.device.peakResidentBytes']] = Math.max(0, ...devices(machine.pages.peakResidentPages)) * 4096;

  const idealNs = idealTimeNs(trace, lane);
  const remoteBytes = books[M['remote.device.bytes']] + books[M['remote.host.bytes']];
  const remoteNs = Math.round(remoteBytes / machine.platform.remoteBytesPerNs);
  const delayNs = machine.clockNs - trace.startNs - trace.durationNs;
  books[M['time.ideal.ns']] = idealNs;
  books[M['time.total.ns']] = idealNs + delayNs + remoteNs;
  books[M['time.by.remote.ns']] = remoteNs;
  books[M['time.link.busy.ns']] += remoteNs;

  const moved = books[M['migration.h2d.bytes']] + books[M['migration.d2h.bytes']] + books[M['migration.d2d.bytes']];
  const metrics: Record<string, number | null> = {};
  const absent = new Set<MetricName>(spec.model.presets[spec.preset].absent ?? []);
  for (const name of METRIC_NAMES) metrics[name] = absent.has(name) ? null : books[M[name]];
  metrics['efficiency.movedPerUsed'] = moved > 0 && trace.deviceLineBytes > 0 ? moved / trace.deviceLineBytes : null;
  metrics.slowdown = idealNs > 0 ? books[M['time.total.ns']] / idealNs : null;
  for (const name of Object.keys(spec.model.metrics ?? {})) {
    metrics[`${spec.model.name}.${name}`] = machine.ownBooks[name] ?? 0;
  }
  return {
    parameters: machine.parameters,
    effectiveCapacityBytes: spec.capacityBytes === null ? null : [...machine.memory.effective],
    metrics,
    warnings: machine.warnings,
  };
}

function idealTimeNs(trace: CompiledTrace, lane: LaneRun): number {
  const { host, device } = lane.machine.platform;
  let ideal = trace.durationNs;
  for (let a = 0; a < trace.actors.length; a++) {
    const speed = a === HOST ? host.bytesPerNs : device.bytesPerNs;
    ideal = Math.max(ideal, Math.round(trace.bytesByActor[a] / speed));
  }
  return ideal;
}
