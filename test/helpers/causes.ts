/** The time of a run by cause, as one object to compare. */
import type { LaneResult } from '../../src/replay/lane.ts';
import { CAUSES, type Cause } from '../../src/replay/metrics.ts';

export function causesOf({ metrics }: Pick<LaneResult, 'metrics'>): Record<Cause, number | null> {
  return Object.fromEntries(CAUSES.map((cause) => [cause, metrics[`time.by.${cause}.ns`]])) as Record<
    Cause,
    number | null
  >;
}

/** Those causes given, the others 0. */
export function only(some: Partial<Record<Cause, number>>): Record<Cause, number> {
  return { faultService: 0, transfer: 0, mapping: 0, remote: 0, eviction: 0, wait: 0, ...some };
}
