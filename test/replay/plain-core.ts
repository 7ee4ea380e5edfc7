/** The core as plain tables, without time, for tests of services that stand on it. Only what they use is there. */

import type { FaultBuffer } from '../../src/replay/faults.ts';
import { addPage, forEachPage, newMask, type PageMask, pageInBlock } from '../../src/replay/mask.ts';
import type { Core, Rights, Vma } from '../../src/replay/model.ts';
import type { Allocation, AllocationKind } from '../../src/trace/compiled.ts';

const BLOCK = 512;

/** A byte a page. */
class Table {
  readonly #blocks = new Map<number, Uint8Array>();

  block(block: number): Uint8Array {
    const known = this.#blocks.get(block);
    if (known !== undefined) return known;
    const fresh = new Uint8Array(BLOCK);
    this.#blocks.set(block, fresh);
    return fresh;
  }
}

export class PlainCore {
  readonly vmas: Vma[] = [];
  readonly counts: Record<string, number> = {};
  readonly actors: string[];
  readonly host: { pageBytes: number; zeroPage: boolean };
  spentNs = 0;
  /** Bits of locations by block and page; rights by actor, block and page. */
  readonly #residence = new Table();
  readonly #rights: Table[];

  constructor(devices: number, host = { pageBytes: 4096, zeroPage: true }) {
    this.actors = ['cpu', ...Array.from({ length: devices }, (_, i) => `gpu${i}`)];
    this.#rights = this.actors.map(() => new Table());
    this.host = host;
  }

  /** This object as the interface; a service that wants more than is here fails loudly. */
  get core(): Core {
    return this as unknown as Core;
  }

  addVma(firstPage: number, pages: number, kind: AllocationKind = 'system', name = ''): Vma {
    const lastPage = firstPage + pages - 1;
    const sizeBytes = pages * 4096;
    const id = this.vmas.length;
    const allocation: Allocation = {
      id,
      name,
      kind,
      vma: 'map',
      actor: 0,
      firstPage,
      lastPage,
      sizeBytes,
      record: -1,
    };
    const vma = { allocation, firstPage, lastPage };
    this.vmas.push(vma);
    this.vmas.sort((a, b) => a.firstPage - b.firstPage);
    return vma;
  }

  removeVma(firstPage: number, lastPage: number): void {
    for (const vma of [...this.vmas]) {
      if (vma.lastPage < firstPage || vma.firstPage > lastPage) continue;
      this.vmas.splice(this.vmas.indexOf(vma), 1);
      if (vma.firstPage < firstPage) this.vmas.push({ ...vma, lastPage: firstPage - 1 });
      if (vma.lastPage > lastPage) this.vmas.push({ ...vma, firstPage: lastPage + 1 });
    }
    this.vmas.sort((a, b) => a.firstPage - b.firstPage);
  }

  /** Neighbours become one, as the kernel does with mappings of one kind. */
  mergeVmas(): void {
    for (let i = this.vmas.length - 1; i > 0; i--) {
      const [low, high] = [this.vmas[i - 1], this.vmas[i]];
      if (low.lastPage + 1 === high.firstPage) this.vmas.splice(i - 1, 2, { ...low, lastPage: high.lastPage });
    }
  }

  vmaAt(page: number): Vma | null {
    return this.vmas.find((vma) => vma.firstPage <= page && page <= vma.lastPage) ?? null;
  }
  vmasIn(first: number, last: number): readonly Vma[] {
    return this.vmas.filter((vma) => vma.firstPage <= last && first <= vma.lastPage);
  }
  residence(page: number): number {
    return this.#residence.block(Math.floor(page / BLOCK))[page % BLOCK];
  }
  mapping(actor: number, page: number): Rights {
    return this.#rights[actor].block(Math.floor(page / BLOCK))[page % BLOCK] as Rights;
  }
  residentMask(location: number, block: number, out: PageMask): PageMask {
    out.fill(0);
    const bits = this.#residence.block(block);
    for (let page = 0; page < BLOCK; page++) if (bits[page] & (1 << location)) addPage(out, page);
    return out;
  }
  mappedMask(actor: number, block: number, out: PageMask, rights: Rights = 1): PageMask {
    out.fill(0);
    const held = this.#rights[actor].block(block);
    for (let page = 0; page < BLOCK; page++) if (held[page] >= rights) addPage(out, page);
    return out;
  }

  move(block: number, mask: PageMask, to: number, trigger: string): number {
    const bits = this.#residence.block(block);
    let pages = 0;
    forEachPage(mask, (page) => {
      if (bits[page] === 0) return;
      if (!(bits[page] & (1 << to))) pages++;
      bits[page] = 1 << to;
    });
    this.#add(`move.${to === 0 ? 'd2h' : 'h2d'}`, pages);
    this.#add(`by.${trigger}`, pages);
    return pages;
  }
  populate(block: number, mask: PageMask, at: number): number {
    const bits = this.#residence.block(block);
    let pages = 0;
    forEachPage(mask, (page) => {
      if (bits[page] !== 0) return;
      bits[page] = 1 << at;
      pages++;
    });
    this.#add(at === 0 ? 'populate.host' : 'populate.device', pages);
    return pages;
  }
  discard(block: number, mask: PageMask, at?: number): void {
    const bits = this.#residence.block(block);
    forEachPage(mask, (page) => {
      bits[page] = at === undefined ? 0 : bits[page] & ~(1 << at);
    });
  }
  map(actor: number, block: number, mask: PageMask, rights: Rights, entries: number): void {
    const held = this.#rights[actor].block(block);
    forEachPage(mask, (page) => {
      held[page] = rights;
    });
    this.#add(`map.${actor}`, entries);
  }
  mapPage(actor: number, page: number, rights: Rights): void {
    this.map(actor, Math.floor(page / BLOCK), addPage(newMask(), pageInBlock(page)), rights, 1);
  }
  /** As if all of them were served. */
  mirrorFaults(device: number, { count }: FaultBuffer): number {
    this.#add(`mirror.${device}`, count);
    return count;
  }
  unmap(actor: number, block: number, mask: PageMask): void {
    const held = this.#rights[actor].block(block);
    forEachPage(mask, (page) => {
      held[page] = 0;
    });
  }
  beginMigration(): void {}
  tlbInvalidate(): void {}
  hostShootdown(): void {}
  spend(ns: number, _cause?: string, times = 1): void {
    this.spentNs += ns * times;
  }
  now(): number {
    return this.spentNs;
  }
  count(metric: string, n = 1): void {
    this.#add(metric, n);
  }
  countOwn(name: string, n = 1): void {
    this.#add(name, n);
  }
  #add(name: string, n: number): void {
    this.counts[name] = (this.counts[name] ?? 0) + n;
  }
}
