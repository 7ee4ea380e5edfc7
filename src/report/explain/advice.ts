/** Where the time of a run went, and what would help: a judgement over its metrics and what was gathered meanwhile. */

import { BLOCK_BYTES, PAGE_BYTES } from '../../replay/mask.ts';
import { CAUSES, type Cause } from '../../replay/metrics.ts';
import { formatSize } from '../../replay/sizes.ts';
import { formatCount, formatDuration, formatRatio } from '../text.ts';
import { causesOf } from './causes.ts';
import type { Tally } from './tally.ts';

export interface Facts {
  readonly metrics: Readonly<Record<string, number | null>>;
  readonly tally: Pick<Tally, 'copies' | 'deviceFaultNs' | 'hostFaultNs'> & {
    readonly pages: Pick<Tally['pages'], 'elsewhereNs'>;
  };
  /** Devices that touch more at once than the stack can hold there. */
  readonly short: readonly { readonly device: string; readonly needBytes: number; readonly haveBytes: number }[];
  /** Pages that the trace touches. */
  readonly footprintBytes: number;
  /** What the run takes when devices have memory without limit; null where it has that already. */
  readonly unlimitedNs: number | null;
}

/** Time beyond the ideal that is not worth a word. */
const NEGLIGIBLE = 0.01;
/** Causes that take a smaller share are not named. */
const NAMED = 0.1;
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
  const against = `${formatDuration(total)} against an ideal of ${formatDuration(ideal)}${failedText(facts.metrics)}`;
  const causes = causesOf(facts.metrics);
  const lostNs = CAUSES.reduce((sum, cause) => sum + causes[cause], 0);
  if (total - ideal <= total * NEGLIGIBLE || lostNs === 0) return `${against}: no time worth saving`;
  const most = largest(facts, total - ideal, partsOf(facts, causes));
  return (
    `${against}; of ${formatDuration(lostNs)} of stalls and remote accesses, ${sharesText(causes, lostNs)}; ` +
    `the largest part, ${formatDuration(Math.round(most.ns))}, is ${most.on}: ${most.help()}`
  );
}

/** A run in which accesses had no effect is no faster for it. */
function failedText(metrics: Facts['metrics']): string {
  return (metrics['accesses.failed'] ?? 0) === 0
    ? ''
    : `, but ${many(metrics, 'accesses.failed', 'access', 'accesses')} failed`;
}

const NAMES: Readonly<Record<Cause, string>> = {
  faultService: 'fault service',
  transfer: 'transfer',
  mapping: 'mapping and shootdown',
  remote: 'remote access',
  eviction: 'eviction',
  wait: 'waiting',
};

/** `52 % is transfer (9.10 ms), 31 % fault service (5.40 ms)`. */
function sharesText(causes: Readonly<Record<Cause, number>>, lostNs: number): string {
  return CAUSES.filter((cause) => causes[cause] >= lostNs * NAMED)
    .sort((a, b) => causes[b] - causes[a])
    .map((cause, i) => {
      const percent = Math.round((100 * causes[cause]) / lostNs);
      return `${percent} %${i === 0 ? ' is' : ''} ${NAMES[cause]} (${formatDuration(causes[cause])})`;
    })
    .join(', ');
}

/**
 * The largest of the parts, or what the memory limit costs. That is not read off the causes: it is what the run saves
 * without the limit, and so lies in all of them. In proportion, each keeps what the run without the limit keeps.
 */
function largest(facts: Facts, beyondNs: number, parts: readonly Part[]): Part {
  const most = parts.reduce((a, b) => (b.ns > a.ns ? b : a));
  const { unlimitedNs } = facts;
  if (unlimitedNs === null) return most;
  const limitNs = (facts.metrics['time.total.ns'] ?? 0) - unlimitedNs;
  if (limitNs <= most.ns * Math.max(0, 1 - limitNs / beyondNs)) return most;
  return { ns: limitNs, on: 'what the memory limit costs', help: () => roomHelp(facts, unlimitedNs) };
}

function partsOf(facts: Facts, by: Readonly<Record<Cause, number>>): Part[] {
  return [
    ...faultParts(facts, by.faultService),
    ...transferParts(facts, by.transfer),
    { ns: by.mapping, on: 'changing mappings', help: () => mappingHelp(facts) },
    { ns: by.remote, on: 'remote access', help: () => remoteHelp(facts) },
    { ns: by.eviction, on: 'making room', help: () => evictionHelp(facts) },
    { ns: by.wait, on: 'waiting', help: () => waitHelp(facts) },
  ];
}

/** Fault service as the stops of device faults, of CPU faults, and of anything else share it. */
function faultParts(facts: Facts, serviceNs: number): Part[] {
  const { deviceFaultNs, hostFaultNs, pages } = facts.tally;
  const all = deviceFaultNs + hostFaultNs + pages.elsewhereNs;
  const share = (ns: number): number => (all === 0 ? 0 : (serviceNs * ns) / all);
  return [
    { ns: share(deviceFaultNs), on: 'serving device faults', help: () => faultHelp(facts) },
    { ns: share(hostFaultNs), on: 'serving CPU faults', help: () => hostHelp(facts) },
    {
      ns: share(pages.elsewhereNs),
      on: 'driver work outside of faults and copies',
      help: () => outsideHelp(facts),
    },
  ];
}

/** Transfer as copies by their triggers share it; what no copy took is zero-fill. */
function transferParts(facts: Facts, transferNs: number): Part[] {
  const { copies } = facts.tally;
  const sum = (...triggers: (keyof Tally['copies'])[]): number =>
    triggers.reduce((all, trigger) => all + (copies[trigger]?.ns ?? 0), 0);
  const demandNs = sum('deviceFault', 'counter');
  const backNs = sum('hostFault');
  const askedNs = sum('hint', 'launch', 'copy');
  const copiedNs = demandNs + backNs + askedNs;
  const factor = copiedNs > transferNs ? transferNs / copiedNs : 1;
  return [
    { ns: demandNs * factor, on: 'copies to devices on demand', help: () => copyHelp(facts) },
    { ns: backNs * factor, on: 'copies to the CPU on demand', help: () => hostHelp(facts) },
    { ns: askedNs * factor, on: 'copies that hints, launches or the program asked for', help: () => askedHelp(facts) },
    { ns: Math.max(0, transferNs - copiedNs), on: 'zeroing new memory', help: () => zeroHelp(facts) },
  ];
}

function roomHelp({ metrics, short }: Facts, unlimitedNs: number): string {
  const without = `without a limit the run takes ${formatDuration(unlimitedNs)}`;
  if (short.length === 0) {
    return `${evicted(metrics)}; what is touched at once would fit, so a smaller granule would help (${victimSize(metrics)}; ${without})`;
  }
  const lacks = short.map(
    ({ device, needBytes, haveBytes }) =>
      `${device} touches ${formatSize(needBytes)} at once and has ${formatSize(haveBytes)}`,
  );
  return `${evicted(metrics)}; more memory would help (${lacks.join(', ')}; ${without})`;
}

/** Where a run without the limit takes as long: the evictions were not the limit's fault alone. */
function evictionHelp({ metrics }: Facts): string {
  return `${evicted(metrics)}; a smaller granule would help (${victimSize(metrics)})`;
}

function evicted(metrics: Facts['metrics']): string {
  return `${many(metrics, 'evictions.count', 'eviction')} and ${many(metrics, 'thrash.pages', 'page')} brought back after one`;
}

function victimSize(metrics: Facts['metrics']): string {
  const victims = metrics['evictions.count'] ?? 0;
  const bytes = victims === 0 ? 0 : ((metrics['evictions.pages'] ?? 0) * PAGE_BYTES) / victims;
  return `a victim held ${formatSize(Math.round(bytes))}`;
}

function faultHelp({ metrics }: Facts): string {
  const faults = metrics['faults.device'] ?? 0;
  const m = (name: string): number => metrics[name] ?? 0;
  const broughtPages = m('migration.h2d.pages') + m('migration.d2d.pages') + m('populate.device.pages');
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
      : `${did}; first touches where the data is needed would help`;
  }
  return (
    `${formatCount(faults)} faults, ${formatSize(tally.copies.hostFault?.bytes ?? 0)} copied for them; ` +
    'a prefetch hint to the CPU ahead of its turn would help'
  );
}

function zeroHelp({ metrics, footprintBytes }: Facts): string {
  const zeroed = ((metrics['populate.host.pages'] ?? 0) + (metrics['populate.device.pages'] ?? 0)) * PAGE_BYTES;
  const did = `${formatSize(zeroed)} zeroed for ${formatSize(footprintBytes)} that the trace touches`;
  return zeroed >= footprintBytes * WASTEFUL
    ? `${did}; a smaller granule would help`
    : `${did}; only touching less new memory would help`;
}

function mappingHelp({ metrics }: Facts): string {
  const entries = metrics['map.operations'] ?? 0;
  const unmaps = (metrics['unmap.device.operations'] ?? 0) + (metrics['unmap.host.operations'] ?? 0);
  const did =
    `${many(metrics, 'map.operations', 'device entry', 'device entries')} written, ${formatCount(unmaps)} ranges unmapped, ` +
    `${many(metrics, 'tlb.invalidations', 'TLB flush', 'TLB flushes')}`;
  // Large entries already: they come and go.
  return unmaps > entries
    ? `${did}; a hint that keeps pages in one place would help`
    : `${did}; a larger granule would help`;
}

function remoteHelp({ metrics }: Facts): string {
  const device = metrics['remote.device.bytes'] ?? 0;
  const host = metrics['remote.host.bytes'] ?? 0;
  return device >= host
    ? `${formatSize(device)} by devices; a hint that lets the pages move to the device would help`
    : `${formatSize(host)} by the CPU; a hint that lets the pages move to the host would help`;
}

function waitHelp({ metrics }: Facts): string {
  return `${many(metrics, 'faults.deferred', 'fault')} put off, ${many(metrics, 'notifier.invalidations', 'notifier invalidation')}; a hint that keeps pages which both sides touch in one place would help`;
}

function askedHelp({ tally }: Facts): string {
  const bytes = (['hint', 'launch', 'copy'] as const).reduce((sum, t) => sum + (tally.copies[t]?.bytes ?? 0), 0);
  return `${formatSize(bytes)}; asking earlier, or for less, would help`;
}

function outsideHelp({ metrics }: Facts): string {
  return (
    `${many(metrics, 'roundTrips', 'round trip')}, ${many(metrics, 'notifier.invalidations', 'notifier invalidation')}; ` +
    'fewer allocations, frees and hints would help'
  );
}

function many(metrics: Facts['metrics'], name: string, one: string, several = `${one}s`): string {
  const n = metrics[name] ?? 0;
  return `${formatCount(n)} ${n === 1 ? one : several}`;
}
