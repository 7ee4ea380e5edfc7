/** Made-up drivers for tests of the engine, and what they are made of. `plain` does what anybody would. */
import type { FaultBuffer } from '../../src/replay/faults.ts';
import { addPage, BLOCK_PAGES, newMask, PAGE_BYTES, type PageMask } from '../../src/replay/mask.ts';
import type { Trigger } from '../../src/replay/metrics.ts';
import {
  type Core,
  defineModel,
  HOST,
  type ModelDefinition,
  type ModelHooks,
  type MoveOptions,
  RIGHTS,
  type Vma,
} from '../../src/replay/model.ts';

export const blockOf = (page: number): number => Math.floor(page / BLOCK_PAGES);

export function pageMask(pages: Iterable<number>): PageMask {
  const mask = newMask();
  for (const page of pages) addPage(mask, page % BLOCK_PAGES);
  return mask;
}

/** Makes a model of a few hooks. */
export function toyModel(
  name: string,
  create: ModelDefinition['create'],
  more: Partial<ModelDefinition> = {},
): ModelDefinition {
  return defineModel({
    name,
    title: `toy ${name}`,
    summary: ['a made-up driver for tests'],
    sources: ['made up'],
    presets: { usual: { title: 'usual' } },
    parameters: {},
    create,
    ...more,
  });
}

/**
 * Device memory a page at a time in the order of arrival. Whatever the toys do to pages goes through here, so that
 * memory taken and pages resident always agree.
 */
export class PagePool {
  private readonly held: Set<number>[];

  constructor(readonly core: Core) {
    this.held = core.actors.map(() => new Set());
  }

  private isThere(device: number, page: number): boolean {
    return Math.floor(this.core.residence(page) / 2 ** device) % 2 === 1;
  }

  /** Gives back the memory of pages that are no longer there. */
  settle(): void {
    for (let device = 1; device < this.held.length; device++) {
      for (const page of [...this.held[device]]) {
        if (this.isThere(device, page)) continue;
        this.held[device].delete(page);
        this.core.release(device, PAGE_BYTES);
      }
    }
  }

  /** Takes memory for those pages that are not there yet; evicts the oldest of the others. False when it cannot. */
  private makeRoom(device: number, pages: readonly number[]): boolean {
    const { core } = this;
    const need = pages.filter((page) => !this.held[device].has(page));
    while (!core.reserve(device, need.length * PAGE_BYTES)) {
      const victim = [...this.held[device]].find((page) => !pages.includes(page));
      if (victim === undefined) return false;
      this.evict(device, victim);
    }
    for (const page of need) this.held[device].add(page);
    return true;
  }

  evict(device: number, page: number, timing?: MoveOptions['timing']): void {
    const { core } = this;
    const mask = pageMask([page]);
    core.evicted(device, page, PAGE_BYTES, 1);
    for (let actor = 0; actor < core.actors.length; actor++) core.unmap(actor, blockOf(page), mask);
    core.move(blockOf(page), mask, HOST, 'eviction', { timing });
    this.settle();
  }

  oldest(device: number): number | undefined {
    return [...this.held[device]][0];
  }

  /** Unmaps everybody and brings pages of one block to a location, zero-filled where they exist nowhere. */
  bring(pages: readonly number[], to: number, trigger: Trigger, options: MoveOptions = {}): boolean {
    const { core } = this;
    if (to !== HOST && !this.makeRoom(to, pages)) return false;
    const block = blockOf(pages[0]);
    const mask = pageMask(pages);
    for (let actor = 0; actor < core.actors.length; actor++) if (actor !== to) core.unmap(actor, block, mask);
    core.move(block, mask, to, trigger, options);
    core.populate(block, mask, to, { timing: options.timing });
    this.settle();
    return true;
  }

  forget(pieces: readonly Vma[]): void {
    const { core } = this;
    for (const { firstPage, lastPage } of pieces) {
      for (let page = firstPage; page <= lastPage; page++) {
        const mask = pageMask([page]);
        for (let actor = 0; actor < core.actors.length; actor++) {
          if (core.mapping(actor, page) !== RIGHTS.none) core.unmap(actor, blockOf(page), mask);
        }
        if (core.residence(page) !== 0) core.discard(blockOf(page), mask);
      }
    }
    this.settle();
  }
}

/** Every fault moves its page to who wants it; first touch zero-fills there. Evicts in order of arrival. */
export const plainToy = toyModel('plain', (core): ModelHooks => {
  const pool = new PagePool(core);
  const give = (actor: number, page: number): boolean => {
    core.beginMigration();
    if (!pool.bring([page], actor, actor === HOST ? 'hostFault' : 'deviceFault')) return false;
    core.map(actor, blockOf(page), pageMask([page]), RIGHTS.write, 1);
    return true;
  };
  return {
    deviceFaults(device, faults: FaultBuffer) {
      for (let i = 0; i < faults.count; i++) {
        if (core.mapping(device, faults.page[i]) !== RIGHTS.none) faults.stale(i);
        else if (give(device, faults.page[i])) faults.serve(i);
        else faults.fail(i);
      }
    },
    hostFault: (page) => (give(HOST, page) ? 'retry' : 'failed'),
    free: (pieces) => pool.forget(pieces),
  };
});

/** Repeatable dice: the same calls give the same throws in every engine. */
export function dice(seed: number): (sides: number) => number {
  let state = seed | 0;
  return (sides) => {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % sides;
  };
}
