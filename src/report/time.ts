import { type Case, metricOf } from './cases.ts';

/**
 * Time of remote accesses, as `time.total.ns` counts it (docs/replay.md, Time of the run): bytes over a link without
 * migration at the speed of single accesses.
 */
export function remoteNs(c: Case): number | null {
  const device = metricOf(c, 'remote.device.bytes');
  const host = metricOf(c, 'remote.host.bytes');
  if (device === null && host === null) return null;
  const speed = c.result.manifest.platform.remoteBytesPerNs;
  return speed === null ? 0 : Math.round(((device ?? 0) + (host ?? 0)) / speed);
}
