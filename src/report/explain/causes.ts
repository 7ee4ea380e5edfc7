import { CAUSES, type Cause } from '../../replay/metrics.ts';

/** Stalls and remote accesses of a run by cause: its metrics `time.by.CAUSE.ns`. */
export function causesOf(metrics: Readonly<Record<string, number | null>>): Record<Cause, number> {
  return Object.fromEntries(CAUSES.map((cause) => [cause, metrics[`time.by.${cause}.ns`] ?? 0])) as Record<
    Cause,
    number
  >;
}
