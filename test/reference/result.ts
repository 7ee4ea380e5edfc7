/** The result of a finished reference run. */
import type { LaneResult } from '../../src/replay/lane.ts';
import { METRIC_NAMES, type MetricName } from '../../src/replay/metrics.ts';
import type { Machine } from './machine.ts';

export function laneResult(m: Machine): LaneResult {
  const { trace, spec } = m;
  const { platform } = spec;
  const get = (name: MetricName): number => m.ledger.get(name)!;
  const set = (name: MetricName, value: number | null): void => {
    metrics[name] = value;
  };
  const metrics: Record<string, number | null> = Object.fromEntries(m.ledger);

  set('memory.device.peakAllocatedBytes', Math.max(0, ...m.peakAllocated.slice(1)));
  set('memory.device.peakResidentBytes', Math.max(0, ...m.peakResident.slice(1)));
  const moved = get('migration.h2d.bytes') + get('migration.d2h.bytes') + get('migration.d2d.bytes');
  set('efficiency.movedPerUsed', moved === 0 || trace.deviceLineBytes === 0 ? null : moved / trace.deviceLineBytes);

  const busiest = Math.max(
    ...trace.actors.map((_, actor) => {
      const bandwidth = actor === 0 ? platform.host.bytesPerNs : platform.device.bytesPerNs;
      return Math.round(trace.bytesByActor[actor] / bandwidth);
    }),
  );
  const ideal = Math.max(trace.durationNs, busiest);
  const remoteBytes = get('remote.device.bytes') + get('remote.host.bytes');
  const remoteNs = Math.round(remoteBytes / platform.remoteBytesPerNs);
  const total = ideal + (m.now - trace.startNs - trace.durationNs) + remoteNs;
  set('time.ideal.ns', ideal);
  set('time.total.ns', total);
  set('time.by.remote.ns', remoteNs);
  set('time.link.busy.ns', m.linkBusyNs + remoteNs);
  set('slowdown', ideal === 0 ? null : total / ideal);

  for (const name of spec.model.presets[spec.preset]?.absent ?? []) set(name, null);
  for (const [name, value] of m.own) metrics[`${spec.model.name}.${name}`] = value;
  const ordered = [
    ...METRIC_NAMES,
    ...Object.keys(metrics).filter((name) => !METRIC_NAMES.includes(name as MetricName)),
  ];
  return {
    parameters: { ...spec.parameters, ...m.resolved },
    effectiveCapacityBytes:
      spec.capacityBytes === null ? null : spec.capacityBytes.map((bytes, i) => (i === 0 ? bytes : m.capacity[i])),
    metrics: Object.fromEntries(ordered.map((name) => [name, metrics[name]])),
    warnings: [...m.warnings],
  };
}
