/**
 * The test device's own page table. What a device may reach without asking can be less: under a policy that looks at every
 * access, pages in RAM are in the mirror, yet the device is let at them for one request only.
 */

import { PageFlags } from '../../replay/linux-mm/page-flags.ts';
import {
  andMask,
  andNotMask,
  copyMask,
  countPages,
  isEmptyMask,
  type PageMask,
  scratchMask,
} from '../../replay/mask.ts';
import { type Core, HOST, RIGHTS, type Rights } from '../../replay/model.ts';

export class Mirror {
  readonly #core: Core;
  readonly #readable: PageFlags[];
  readonly #writable: PageFlags[];
  readonly #hidesRam: boolean;

  constructor(core: Core, hidesRam: boolean) {
    this.#core = core;
    this.#readable = core.actors.map(() => new PageFlags());
    this.#writable = core.actors.map(() => new PageFlags());
    this.#hidesRam = hidesRam;
  }

  rights(device: number, page: number): Rights {
    if (this.#writable[device].has(page)) return RIGHTS.atomic;
    return this.#readable[device].has(page) ? RIGHTS.read : RIGHTS.none;
  }

  enter(device: number, block: number, pages: PageMask, writable: boolean): void {
    if (isEmptyMask(pages)) return;
    const to = writable ? this.#writable : this.#readable;
    const from = writable ? this.#readable : this.#writable;
    to[device].addMask(block, pages);
    from[device].removeMask(block, pages);
    const open = copyMask(scratchMask(), pages);
    if (this.#hidesRam) andNotMask(open, this.#core.residentMask(HOST, block, scratchMask()));
    const hidden = countPages(pages) - countPages(open);
    if (hidden > 0) this.#core.count('map.operations', hidden);
    if (!isEmptyMask(open))
      this.#core.map(device, block, open, writable ? RIGHTS.atomic : RIGHTS.read, countPages(open));
  }

  drop(device: number, block: number, pages: PageMask): void {
    this.#readable[device].removeMask(block, pages);
    this.#writable[device].removeMask(block, pages);
    const mapped = andMask(this.#core.mappedMask(device, block, scratchMask()), pages);
    if (!isEmptyMask(mapped)) this.#core.unmap(device, block, mapped);
  }

  /** Lets the device at its hidden pages among these. Returns how many there are. */
  lend(device: number, block: number, pages: PageMask): number {
    const mapped = this.#core.mappedMask(device, block, scratchMask());
    return (
      this.#lendOf(this.#readable[device], RIGHTS.read, device, block, pages, mapped) +
      this.#lendOf(this.#writable[device], RIGHTS.atomic, device, block, pages, mapped)
    );
  }

  #lendOf(flags: PageFlags, rights: Rights, device: number, block: number, pages: PageMask, mapped: PageMask): number {
    const own = flags.mask(block);
    if (own === null) return 0;
    const hidden = andNotMask(andMask(copyMask(scratchMask(), own), pages), mapped);
    if (isEmptyMask(hidden)) return 0;
    this.#core.map(device, block, hidden, rights, 0);
    return countPages(hidden);
  }

  /** Ends all lending in a block. */
  takeBack(device: number, block: number): void {
    const lent = andMask(
      this.#core.mappedMask(device, block, scratchMask()),
      this.#core.residentMask(HOST, block, scratchMask()),
    );
    if (!isEmptyMask(lent)) this.#core.unmap(device, block, lent, 0);
  }
}
