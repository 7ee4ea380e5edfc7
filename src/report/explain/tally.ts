/**
 * What blocks and allocations cost in one run, gathered from the event stream.
 *
 * Time is that of copies, and of serving faults without the copies made meanwhile. Faults of one batch wait side by
 * side: from the last of them raised (or the end of the service before, if that is later) until served is one stretch
 * of time, shared evenly among them, so that no nanosecond counts twice. A device that has nothing to do after its
 * fault waits for its hand-over at no cost; `settled` takes that out, with the time that devices were stopped.
 */

import type { EventLine } from '../../replay/lane.ts';
import { BLOCK_PAGES } from '../../replay/mask.ts';
import type { Trigger } from '../../replay/metrics.ts';
import type { Allocation } from '../../trace/compiled.ts';
import { Owners } from './owners.ts';
import { type Span, spanOf } from './span.ts';

export interface Cost {
  /** Whole only after rounding: an event is shared by the pages that it covers. */
  ns: number;
  /** Of `ns`: serving device faults. */
  servingNs: number;
  bytes: number;
  faults: number;
  /** Victims that held some of it. */
  evictions: number;
}

export interface Copies {
  ns: number;
  bytes: number;
  /** Contiguous runs of pages, or explicit copies. */
  runs: number;
}

export interface Tally {
  /** By block number; by index among the trace's allocations. */
  readonly blocks: ReadonlyMap<number, Cost>;
  readonly allocations: ReadonlyMap<number, Cost>;
  /** Speculation stands with the faults that it came with. */
  readonly copies: Readonly<Partial<Record<Trigger, Copies>>>;
  /** Serving faults, without copies. */
  readonly deviceFaultNs: number;
  readonly hostFaultNs: number;
  /** Copies made while device faults were served. */
  readonly servingCopiesNs: number;
}

export class TallyObserver {
  private readonly owners: Owners;
  private readonly blocks = new Map<number, Cost>();
  private readonly allocations = new Map<number, Cost>();
  private readonly copies: Partial<Record<Trigger, Copies>> = {};
  private deviceFaultNs = 0;
  private hostFaultNs = 0;
  private servingCopiesNs = 0;
  /** Copies since the last service or hint ended: before a hint all faults are served. */
  private recent: { readonly timeNs: number; readonly durationNs: number }[] = [];
  private served: EventLine[] = [];
  private lastEndNs = Number.NEGATIVE_INFINITY;

  constructor(allocations: readonly Allocation[]) {
    this.owners = new Owners(allocations);
  }

  add(line: EventLine): void {
    if (this.served.length > 0 && (line.kind !== 'fault' || line.batch !== this.served[0].batch)) this.closeService();
    if (line.kind === 'migrate') this.copy(line);
    else if (line.kind === 'hint') this.recent = [];
    else if (line.kind === 'evict') this.book(line, { evictions: 1 });
    else if (line.kind === 'fault') {
      this.served.push(line);
      if (line.batch === null) this.closeService();
    }
  }

  found(): Tally {
    this.closeService();
    const { blocks, allocations, copies, deviceFaultNs, hostFaultNs, servingCopiesNs } = this;
    return { blocks, allocations, copies, deviceFaultNs, hostFaultNs, servingCopiesNs };
  }

  private copy(line: EventLine): void {
    const { timeNs, durationNs, size, to } = line;
    this.recent.push({ timeNs, durationNs });
    const fault = to === 'cpu' ? 'hostFault' : 'deviceFault';
    const trigger = line.trigger === 'speculation' ? fault : (line.trigger as Trigger);
    const copies = (this.copies[trigger] ??= { ns: 0, bytes: 0, runs: 0 });
    copies.ns += durationNs;
    copies.bytes += size;
    copies.runs++;
    this.book(line, { ns: durationNs, bytes: size });
  }

  private closeService(): void {
    const { served } = this;
    if (served.length === 0) return;
    const raisedNs = served.reduce((latest, line) => Math.max(latest, line.timeNs), Number.NEGATIVE_INFINITY);
    const endNs = served[0].timeNs + served[0].durationNs;
    const startNs = Math.max(raisedNs, this.lastEndNs);
    const copiesNs = this.recent.reduce((sum, copy) => sum + (copy.timeNs >= startNs ? copy.durationNs : 0), 0);
    const ns = Math.max(0, endNs - startNs - copiesNs);
    const byDevice = served[0].actor !== 'cpu';
    if (byDevice) {
      this.deviceFaultNs += ns;
      this.servingCopiesNs += copiesNs;
    } else this.hostFaultNs += ns;
    const each = ns / served.length;
    for (const line of served) this.book(line, { ns: each, servingNs: byDevice ? each : 0, faults: 1 });
    this.served = [];
    this.recent = [];
    this.lastEndNs = endNs;
  }

  /** `ns` and `bytes` are shared by pages; the counts go to everything that the line meets. */
  private book(line: EventLine, cost: Partial<Cost>): void {
    const span = spanOf(line);
    if (span === null) return;
    const pages = span.lastPage - span.firstPage + 1;
    const last = Math.floor(span.lastPage / BLOCK_PAGES);
    const met = new Map<number, number>();
    for (let block = Math.floor(span.firstPage / BLOCK_PAGES); block <= last; block++) {
      const inside: Span = {
        firstPage: Math.max(span.firstPage, block * BLOCK_PAGES),
        lastPage: Math.min(span.lastPage, (block + 1) * BLOCK_PAGES - 1),
      };
      add(this.blocks, block, cost, (inside.lastPage - inside.firstPage + 1) / pages);
      for (const [id, n] of this.owners.sharesOf(block, inside, line.record)) met.set(id, (met.get(id) ?? 0) + n);
    }
    const owned = [...met.values()].reduce((a, b) => a + b, 0);
    for (const [id, n] of met) add(this.allocations, id, cost, n / owned);
  }
}

function add(costs: Map<number, Cost>, key: number, cost: Partial<Cost>, share: number): void {
  let sum = costs.get(key);
  if (sum === undefined) costs.set(key, (sum = { ns: 0, servingNs: 0, bytes: 0, faults: 0, evictions: 0 }));
  sum.ns += (cost.ns ?? 0) * share;
  sum.servingNs += (cost.servingNs ?? 0) * share;
  sum.bytes += (cost.bytes ?? 0) * share;
  sum.faults += cost.faults ?? 0;
  sum.evictions += cost.evictions ?? 0;
}

/** Serving device faults, copies included, cannot have taken longer than devices were stopped. */
export function settled(tally: Tally, stallDeviceNs: number): Tally {
  const most = Math.max(0, stallDeviceNs - tally.servingCopiesNs);
  if (tally.deviceFaultNs <= most) return tally;
  const factor = most / tally.deviceFaultNs;
  const scaled = (costs: Tally['blocks']): Map<number, Cost> =>
    new Map([...costs].map(([key, cost]) => [key, { ...cost, ns: cost.ns - cost.servingNs * (1 - factor) }]));
  return { ...tally, deviceFaultNs: most, blocks: scaled(tally.blocks), allocations: scaled(tally.allocations) };
}

/** The `n` that cost most: by time, then bytes, then evictions and faults, then where they lie. */
export function dearest(costs: ReadonlyMap<number, Cost>, n: number): [number, Cost][] {
  return [...costs]
    .sort(
      ([a, x], [b, y]) => y.ns - x.ns || y.bytes - x.bytes || y.evictions - x.evictions || y.faults - x.faults || a - b,
    )
    .slice(0, n);
}
