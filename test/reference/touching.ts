/** What a touch does when it is possible, who is stopped for what, and how a model's hook is entered. */
import { ACCESS, type Access } from '../../src/replay/faults.ts';
import { BLOCK_PAGES } from '../../src/replay/mask.ts';
import { HOST, type ModelHooks, RIGHTS, type Rights } from '../../src/replay/model.ts';
import type { Machine } from './machine.ts';

export class Touching {
  private readonly failedRecords = new Set<number>();

  constructor(
    private readonly m: Machine,
    private readonly hooks: ModelHooks,
  ) {}

  granted(actor: number, page: number, access: Access): boolean {
    const ofAtomic: Rights = this.m.spec.model.atomics ? RIGHTS.atomic : RIGHTS.write;
    const wanted = access === ACCESS.read ? RIGHTS.read : access === ACCESS.write ? RIGHTS.write : ofAtomic;
    return this.m.rights(actor, page) >= wanted;
  }

  /** A touch is done: local or remote, the first one of a speculated page, and the access counter. */
  complete(actor: number, page: number, bytes: number): void {
    const { m } = this;
    if (m.speculated[actor].delete(page)) m.count('speculation.used');
    if (m.isLocal(actor, page)) return;
    m.count(actor === HOST ? 'remote.host.accesses' : 'remote.device.accesses');
    m.count(actor === HOST ? 'remote.host.bytes' : 'remote.device.bytes', bytes);
    const block = Math.floor(page / BLOCK_PAGES);
    const counter = m.counters.find((c) => c.device === actor && c.block === block);
    if (!counter || --counter.left > 0) return;
    m.disarm(actor, block);
    if (!this.hooks.counter) return;
    m.within({ trigger: 'counter' }, () => {
      m.emit('counter', actor, block * BLOCK_PAGES, BLOCK_PAGES * 4096);
      this.hook(() => this.hooks.counter?.(actor, block, page));
    });
  }

  fail(record: number): void {
    if (this.failedRecords.has(record)) return;
    this.failedRecords.add(record);
    this.m.count('accesses.failed');
  }

  delayBy(actor: number, ns: number): void {
    this.m.delay[actor] += ns;
    this.m.count(actor === HOST ? 'time.stall.host.ns' : 'time.stall.device.ns', ns);
  }

  /** Every hook begins without an open migration and ends with its queued copies done. */
  hook<T>(call: () => T): T {
    this.m.migrationArmed = false;
    const answer = call();
    this.m.drain();
    return answer;
  }
}
