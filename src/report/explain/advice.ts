/** Where the time of a run went, and what would help: a judgement over its metrics and its copies and faults. */

import { BLOCK_BYTES, PAGE_BYTES } from '../../replay/mask.ts';
import { formatSize } from '../../replay/sizes.ts';
import { formatCount, formatDuration, formatRatio } from '../text.ts';
import type { Tally } from './tally.ts';

export interface Facts {
  readonly metrics: Readonly<Record<string, number | null>>;
  readonly tally: Pick<Tally, 'copies' | 'deviceFaultNs' | 'hostFaultNs'>;
  readonly remoteNs: number;
  /** Devices that touch more at once than the stack can hold there. */
  readonly short: readonly { readonly device: string; readonly needBytes: number; readonly haveBytes: number }[];
}

/** Time beyond the ideal that is not worth a word. */
const NEGLIGIBLE = 0.01;
/** Copies shorter than this spend more on starting than on moving, on the links of the profiles (about 10 us each). */
const SHORT_COPY_BYTES = 64 * 1024;
/** Bytes moved for each byte used from which on the granule is too large. */
const WASTEFUL = 2;

interface Part {
  readonly ns: number;
  readonly on: string;
  readonly help: () => string;
}

/** One sentence, without the stack's name. */
export function advise(facts: Facts): string {
  const total = facts.metrics['time.total.ns'] ?? 0;
  const ideal = facts.metrics['time.ideal.ns'] ?? 0;
  const beyond = total - ideal;
  if (beyond <= total * NEGLIGIBLE) {
    return `no time worth saving: ${formatDuration(total)} against an ideal of ${formatDuration(ideal)}`;
  }
  const known = partsOf(facts);
  const rest = beyond - known.reduce((sum, part) => sum + part.ns, 0);
  const parts = [...known, elsewhere(facts, Math.max(0, rest))];
  const most = parts.reduce((a, b) => (b.ns > a.ns ? b : a));
  return (
    `${formatDuration(total)} against an ideal of ${formatDuration(ideal)}, ` +
    `the largest part on ${most.on} (${formatDuration(Math.round(most.ns))}): ${most.help()}`
  );
}

function partsOf(facts: Facts): Part[] {
  const { tally, remoteNs } = facts;
  const m = (name: string): number => facts.metrics[name] ?? 0;
  const ns = (trigger: keyof Tally['copies']): number => tally.copies[trigger]?.ns ?? 0;
  const moved = m('migration.h2d.pages') + m('migration.d2d.pages');
  const brought = moved + m('populate.device.pages');
  // What is fetched again because it was evicted is a cost of too little memory.
  const again = moved === 0 ? 0 : Math.min(1, m('thrash.pages') / moved);
  const servedAgain = brought === 0 ? 0 : Math.min(1, m('thrash.pages') / brought);
  return [
    {
      ns: ns('eviction') + ns('deviceFault') * again + tally.deviceFaultNs * servedAgain,
      on: 'making room and bringing back',
      help: () => roomHelp(facts),
    },
    { ns: tally.deviceFaultNs * (1 - servedAgain), on: 'serving device faults', help: () => faultHelp(facts, brought) },
    {
      ns: ns('deviceFault') * (1 - again) + ns('counter'),
      on: 'copying to devices on demand',
      help: () => copyHelp(facts),
    },
    { ns: tally.hostFaultNs + ns('hostFault'), on: 'CPU faults', help: () => hostHelp(facts) },
    { ns: remoteNs, on: 'remote accesses', help: () => remoteHelp(facts) },
    {
      ns: ns('hint') + ns('launch') + ns('copy'),
      on: 'copies that hints, launches or the program asked for',
      help: () => askedHelp(facts),
    },
  ];
}

function roomHelp({ metrics, short }: Facts): string {
  const did = `${many(metrics, 'evictions.count', 'eviction')} and ${many(metrics, 'thrash.pages', 'page')} brought back after one`;
  if (short.length === 0) {
    const victims = metrics['evictions.count'] ?? 0;
    const each = victims === 0 ? 0 : ((metrics['evictions.pages'] ?? 0) * PAGE_BYTES) / victims;
    return `${did}; what is touched at once would fit, so a smaller granule would help (a victim held ${formatSize(Math.round(each))})`;
  }
  const lacks = short.map(
    ({ device, needBytes, haveBytes }) =>
      `${device} touches ${formatSize(needBytes)} at once and has ${formatSize(haveBytes)}`,
  );
  return `${did}; more memory would help (${lacks.join(', ')})`;
}

function faultHelp({ metrics }: Facts, broughtPages: number): string {
  const faults = metrics['faults.device'] ?? 0;
  const each = faults === 0 ? 0 : Math.round((broughtPages * PAGE_BYTES) / faults);
  const did = `${many(metrics, 'faults.device', 'fault')} brought ${formatSize(each)} each`;
  return each < BLOCK_BYTES
    ? `${did}; a larger granule, or a prefetch hint, would help`
    : `${did}; a prefetch hint ahead of the first touch would help`;
}

function copyHelp({ metrics, tally }: Facts): string {
  const { deviceFault, counter } = tally.copies;
  const bytes = (deviceFault?.bytes ?? 0) + (counter?.bytes ?? 0);
  const runs = (deviceFault?.runs ?? 0) + (counter?.runs ?? 0);
  const each = runs === 0 ? 0 : Math.round(bytes / runs);
  if (each < SHORT_COPY_BYTES) return `contiguous runs of ${formatSize(each)} each; a larger granule would help`;
  const waste = metrics['efficiency.movedPerUsed'] ?? 0;
  if (waste >= WASTEFUL) {
    return `${formatRatio(waste)} bytes moved (both ways) for each byte that devices used; a smaller granule would help`;
  }
  return `${formatSize(bytes)} in contiguous runs of ${formatSize(each)}; a prefetch hint ahead of the first touch would help`;
}

function hostHelp({ metrics, tally }: Facts): string {
  const faults = metrics['faults.host'] ?? 0;
  const first = metrics['faults.host.firstTouch'] ?? 0;
  if (first * 2 > faults) {
    const each = Math.round(((metrics['populate.host.pages'] ?? 0) * PAGE_BYTES) / first);
    const did = `${formatCount(first)} of ${formatCount(faults)} touched new memory, ${formatSize(each)} each`;
    return each < BLOCK_BYTES
      ? `${did}; a larger host page would help`
      : `${did}; a smaller granule, or first touches where the data is needed, would help`;
  }
  return (
    `${formatCount(faults)} faults, ${formatSize(tally.copies.hostFault?.bytes ?? 0)} copied for them; ` +
    'a prefetch hint to the CPU ahead of its turn would help'
  );
}

function remoteHelp({ metrics }: Facts): string {
  const device = metrics['remote.device.bytes'] ?? 0;
  const host = metrics['remote.host.bytes'] ?? 0;
  return device >= host
    ? `${formatSize(device)} by devices; a hint that lets the pages move to the device would help`
    : `${formatSize(host)} by the CPU; a hint that lets the pages move to the host would help`;
}

function askedHelp({ tally }: Facts): string {
  const bytes = (['hint', 'launch', 'copy'] as const).reduce((sum, t) => sum + (tally.copies[t]?.bytes ?? 0), 0);
  return `${formatSize(bytes)}; asking earlier, or for less, would help`;
}

function elsewhere({ metrics }: Facts, ns: number): Part {
  return {
    ns,
    on: 'driver work outside of faults and copies',
    help: () =>
      `${many(metrics, 'roundTrips', 'round trip')}, ${many(metrics, 'notifier.invalidations', 'notifier invalidation')}, ` +
      `${many(metrics, 'faults.deferred', 'fault')} put off; fewer allocations, frees and hints would help`,
  };
}

function many(metrics: Facts['metrics'], name: string, one: string): string {
  const n = metrics[name] ?? 0;
  return `${formatCount(n)} ${one}${n === 1 ? '' : 's'}`;
}
