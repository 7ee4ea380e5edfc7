/** The metric dictionary: what every run reports, in the order in which reports list it. */

export type Direction = 'lower' | 'higher' | 'neutral';

export interface MetricSpec {
  /** `count`, `pages`, `bytes`, `ns` or `ratio`. */
  readonly unit: string;
  /** Which way is better; `neutral` follows from the trace or has no better side. */
  readonly direction: Direction;
  readonly definition: string;
}

export const TRIGGERS = [
  'deviceFault',
  'hostFault',
  'speculation',
  'hint',
  'eviction',
  'launch',
  'counter',
  'copy',
] as const;
export type Trigger = (typeof TRIGGERS)[number];

/** What stops an actor, or stretches its accesses: docs/replay.md, Time by cause. */
export const CAUSES = ['faultService', 'transfer', 'mapping', 'remote', 'eviction', 'wait'] as const;
export type Cause = (typeof CAUSES)[number];
/** Remote accesses do not stop anybody: their time is worked out at the end. */
export type SpentOn = Exclude<Cause, 'remote'>;
export const SPENT_ON = CAUSES.filter((cause): cause is SpentOn => cause !== 'remote');

const count = (direction: Direction, definition: string): MetricSpec => ({ unit: 'count', direction, definition });
const pages = (direction: Direction, definition: string): MetricSpec => ({ unit: 'pages', direction, definition });
const bytes = (direction: Direction, definition: string): MetricSpec => ({ unit: 'bytes', direction, definition });
const ns = (direction: Direction, definition: string): MetricSpec => ({ unit: 'ns', direction, definition });
const ratio = (direction: Direction, definition: string): MetricSpec => ({ unit: 'ratio', direction, definition });

const DICTIONARY = {
  'accesses.device': count('neutral', 'access records of devices'),
  'accesses.host': count('neutral', 'access records of the CPU'),
  'accesses.failed': count(
    'lower',
    'access records that had no effect: SIGBUS, fatal fault, out of memory, stuck; replay goes on',
  ),
  'touches.device': count('neutral', 'pages touched by device accesses, one a page and access'),
  'touches.host': count('neutral', 'pages touched by CPU accesses, one a page and access'),
  'faults.device': count('lower', 'distinct device faults that the stack had to serve'),
  'faults.deviceRaw': count('lower', 'fault entries fetched = faults.device + duplicate + stale + deferred'),
  'faults.duplicate': count('lower', 'fetched entries whose page was already in the same batch'),
  'faults.stale': count('lower', 'fetched entries whose page was found valid'),
  'faults.deferred': count('lower', 'fetched entries that were looked at and put off'),
  'faults.permission': count('lower', 'of faults.device: page mapped, permission missing'),
  'faults.host': count('lower', 'CPU faults: page absent from the CPU page table or permission missing'),
  'faults.host.firstTouch': count('lower', 'of faults.host: the page existed nowhere'),
  batches: count('lower', 'times pending device faults were fetched'),
  services: count('lower', 'blocks or ranges served for device faults; a restart after eviction counts once'),
  'migration.h2d.bytes': bytes('lower', 'bytes copied from host to devices'),
  'migration.h2d.pages': pages('lower', 'pages whose residence moved from host to a device with a copy'),
  'migration.d2h.bytes': bytes('lower', 'bytes copied from devices to host'),
  'migration.d2h.pages': pages('lower', 'pages whose residence moved from a device to host with a copy'),
  'migration.d2d.bytes': bytes('lower', 'bytes copied between devices'),
  'migration.d2d.pages': pages('lower', 'pages whose residence moved between devices with a copy'),
  'migration.operations': count('lower', 'migrations started that moved or populated at least one page'),
  'migration.by.deviceFault.bytes': bytes('lower', "bytes copied for device faults, the model's own granule"),
  'migration.by.hostFault.bytes': bytes('lower', "bytes copied for CPU faults, the model's own granule"),
  'migration.by.speculation.bytes': bytes('lower', "bytes copied beyond the faulted granule on the stack's own guess"),
  'migration.by.hint.bytes': bytes('lower', 'bytes copied because a hint asked for it'),
  'migration.by.eviction.bytes': bytes('lower', 'bytes written back to make room'),
  'migration.by.launch.bytes': bytes('lower', 'bytes copied because a kernel was launched'),
  'migration.by.counter.bytes': bytes('lower', 'bytes copied after an access-counter notification'),
  'migration.by.copy.bytes': bytes('lower', 'bytes copied by explicit copies'),
  'populate.device.pages': pages('neutral', 'pages that became resident on a device by zero-fill'),
  'populate.host.pages': pages('neutral', 'pages that became resident on the host by zero-fill'),
  'evictions.count': count('lower', "victims, in the stack's own unit"),
  'evictions.pages': pages('lower', 'resident pages that the victims held'),
  'evictions.bytes': bytes('lower', 'bytes written back by evictions'),
  'thrash.pages': pages('lower', 'pages brought back to a device that an eviction had taken them from, every time'),
  'remote.device.accesses': count('lower', 'device touches served over a link without migration'),
  'remote.device.bytes': bytes('lower', 'bytes of these'),
  'remote.host.accesses': count('lower', 'CPU touches served over a link without migration'),
  'remote.host.bytes': bytes('lower', 'bytes of these'),
  'map.operations': count('lower', 'device page-table entries written, of the size used'),
  'unmap.device.operations': count('lower', 'calls that removed a contiguous device range'),
  'unmap.host.operations': count('lower', 'calls that removed a contiguous CPU range'),
  'tlb.invalidations': count('lower', 'device TLB flushes'),
  'notifier.invalidations': count('lower', 'core-MM callbacks into the driver, or the hook that stands in their place'),
  roundTrips: count('lower', 'synchronous host-device exchanges, address negotiation included'),
  'hints.applied': count('neutral', 'hints acted on'),
  'hints.ignored': count('neutral', 'hints that the stack does not know'),
  'hints.rejected': count('neutral', 'hints that the stack knows and refused'),
  'memory.device.peakAllocatedBytes': bytes('lower', 'largest device: peak of memory taken, pages held free included'),
  'memory.device.peakResidentBytes': bytes('lower', 'largest device: peak of resident pages'),
  'memory.metadata.peakBytes': bytes('lower', "peak of the stack's own bookkeeping"),
  'speculation.pages': pages('lower', 'pages moved by speculation'),
  'speculation.used': pages('higher', 'of these: touched by the device before leaving'),
  'efficiency.movedPerUsed': ratio(
    'lower',
    'bytes moved / (distinct 64-byte lines touched by devices x 64); null when nothing moved',
  ),
  'time.ideal.ns': ns('neutral', 'max(trace duration, bytes / local bandwidth of the busiest actor)'),
  'time.total.ns': ns('lower', 'modelled time of the run'),
  'time.stall.device.ns': ns('lower', 'sum over devices of the time stopped for their faults and driver work'),
  'time.stall.host.ns': ns('lower', 'time the CPU was stopped for its faults and driver work'),
  'time.by.faultService.ns': ns(
    'neutral',
    'of the stops: fault latency, CPU traps, driver work of faults and calls. All time.by.* = time.stall.device.ns + time.stall.host.ns + time.by.remote.ns',
  ),
  'time.by.transfer.ns': ns('neutral', 'of the stops: copies, zero-fill and waiting for them, eviction apart'),
  'time.by.mapping.ns': ns(
    'neutral',
    'of the stops: page-table writes, TLB invalidations, CPU unmapping and shootdowns',
  ),
  'time.by.remote.ns': ns(
    'neutral',
    'bytes of remote accesses / speed of single accesses over the link; part of time.total.ns, of no stop',
  ),
  'time.by.eviction.ns': ns('neutral', 'of the stops: making room in device memory, its copies and mapping included'),
  'time.by.wait.ns': ns('neutral', 'of the stops: throttled, put off, or waiting for a given time or a lock'),
  'time.link.busy.ns': ns('lower', 'sum over links of the time they moved data'),
  slowdown: ratio('lower', 'time.total.ns / time.ideal.ns; null when the ideal is 0'),
} as const satisfies Record<string, MetricSpec>;

export type MetricName = keyof typeof DICTIONARY;
export const METRICS: Readonly<Record<MetricName, MetricSpec>> = DICTIONARY;
export const METRIC_NAMES = Object.keys(DICTIONARY) as MetricName[];
export const METRIC_COUNT = METRIC_NAMES.length;

/** Index of each metric in a ledger: `ledger[M['faults.device']]`. */
export const M = Object.fromEntries(METRIC_NAMES.map((name, i) => [name, i])) as Readonly<Record<MetricName, number>>;

/** Ledger index of `migration.by.TRIGGER.bytes`. */
export const BY_TRIGGER: Readonly<Record<Trigger, number>> = Object.fromEntries(
  TRIGGERS.map((t) => [t, M[`migration.by.${t}.bytes`]]),
) as Record<Trigger, number>;

/** Ledger index of `time.by.CAUSE.ns`. */
export const BY_CAUSE: Readonly<Record<Cause, number>> = Object.fromEntries(
  CAUSES.map((cause) => [cause, M[`time.by.${cause}.ns`]]),
) as Record<Cause, number>;
