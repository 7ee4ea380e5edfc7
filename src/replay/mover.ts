/** Moves and makes data in one run: copies over links, zero-fill, and their books. The rules stand at `Core` in model.ts. */
import { copyNs } from '../platforms/platform.ts';
import { runNs } from './links.ts';
import type { Machine } from './machine.ts';
import {
  BLOCK_PAGES,
  endOfRun,
  firstWord,
  lastWord,
  MASK_WORDS,
  newMask,
  nextPage,
  PAGE_BYTES,
  type PageMask,
  popcount32,
} from './mask.ts';
import { BY_TRIGGER, M, type Trigger } from './metrics.ts';
import { HOST, type MoveOptions } from './model.ts';
import { firstPageOf } from './page-state.ts';

export class Mover {
  /** The next page moved or populated counts one migration. */
  migrationArmed = false;
  /** Pages of the present call that are elsewhere. This and the masks below are empty between calls. */
  private readonly candidates = newMask();
  /** By location: the candidates that are read from there. */
  private readonly sources: PageMask[];
  private readonly plain = newMask();
  private readonly scratch = newMask();
  /** Start and length of the last copy charged. */
  private readonly charged = new Float64Array(2);

  constructor(private readonly machine: Machine) {
    this.sources = machine.actors.map(() => newMask());
  }

  private countMigration(): void {
    if (!this.migrationArmed) return;
    this.migrationArmed = false;
    this.machine.books[M['migration.operations']]++;
  }

  move(block: number, mask: PageMask, to: number, trigger: Trigger, options?: MoveOptions): number {
    const { candidates, sources } = this;
    const { pages } = this.machine;
    const slot = pages.slotOf(block);
    const low = firstWord(mask);
    const high = lastWord(mask);
    const found = this.findSources(slot, mask, to, low, high);
    if (options?.keepSource !== true) this.dropOtherCopies(slot, mask, to, low, high);
    if (!found) return 0;
    pages.unsettle(slot, candidates, low, high);
    this.countMigration();

    const speculative = options?.speculative;
    if (speculative) for (let w = low; w <= high; w++) this.plain[w] = candidates[w] & ~speculative[w];
    const end = (high + 1) << 5;
    let copied = 0;
    for (let first = nextPage(candidates, low << 5); first >= 0; ) {
      let from = 0;
      while ((sources[from][first >> 5] & (1 << (first & 31))) === 0) from++;
      let last = endOfRun(sources[from], first);
      const guess = speculative !== undefined && (speculative[first >> 5] & (1 << (first & 31))) !== 0;
      if (speculative) last = Math.min(last, endOfRun(guess ? speculative : this.plain, first));
      this.copyRun(slot, first, last, from, to, guess ? 'speculation' : trigger, options);
      copied += last - first + 1;
      first = last + 1 < end ? nextPage(candidates, last + 1) : -1;
    }
    for (let w = low; w <= high; w++) {
      candidates[w] = this.plain[w] = 0;
      for (let l = 0; l < sources.length; l++) sources[l][w] = 0;
    }
    return copied;
  }

  /**
   * Fills `candidates` with the pages of the mask that are elsewhere, and `sources` with where each is read from. False
   * when there are none.
   */
  private findSources(slot: number, mask: PageMask, to: number, low: number, high: number): boolean {
    const { candidates, sources } = this;
    const { resident } = this.machine.pages;
    const base = slot * MASK_WORDS;
    let any = 0;
    for (let w = low; w <= high; w++) {
      const wanted = mask[w] & ~resident[to][base + w];
      let left = wanted;
      for (let l = 0; l < sources.length; l++) {
        const from = left & resident[l][base + w];
        sources[l][w] = from;
        left &= ~from;
      }
      candidates[w] = wanted & ~left;
      any |= candidates[w];
    }
    return any !== 0;
  }

  /** Pages of the mask that are at `to` already lose every other copy. */
  private dropOtherCopies(slot: number, mask: PageMask, to: number, low: number, high: number): void {
    const { scratch } = this;
    const { resident } = this.machine.pages;
    const base = slot * MASK_WORDS;
    let any = 0;
    for (let w = low; w <= high; w++) {
      let others = 0;
      for (let l = 0; l < resident.length; l++) if (l !== to) others |= resident[l][base + w];
      scratch[w] = mask[w] & resident[to][base + w] & others;
      any |= scratch[w];
    }
    if (any !== 0) {
      const { pages } = this.machine;
      pages.unsettle(slot, scratch, low, high);
      for (let l = 0; l < resident.length; l++) if (l !== to) pages.forget(l, slot, scratch);
    }
    for (let w = low; w <= high; w++) scratch[w] = 0;
  }

  private copyRun(
    slot: number,
    first: number,
    last: number,
    from: number,
    to: number,
    trigger: Trigger,
    options: MoveOptions | undefined,
  ): void {
    const n = last - first + 1;
    const staged = options?.staged === true && from !== HOST && to !== HOST;
    if (staged) {
      this.bookCopy(from, HOST, n, trigger);
      this.bookCopy(HOST, to, n, trigger);
    } else this.bookCopy(from, to, n, trigger);
    const perCopy = options?.pagesPerCopy ?? BLOCK_PAGES;
    this.chargeCopy(n, from, to, perCopy, staged, options?.timing ?? 'wait', trigger);

    const { pages } = this.machine;
    const base = slot * MASK_WORDS;
    for (let w = first >> 5; w <= last >> 5; w++) {
      let bits = -1;
      if (w === first >> 5) bits &= -1 << (first & 31);
      if (w === last >> 5) bits &= -1 >>> (31 - (last & 31));
      this.markCopied(base + w, bits, from, to, trigger);
      pages.resident[to][base + w] |= bits;
      if (options?.keepSource === true) continue;
      for (let l = 0; l < this.machine.actors.length; l++) if (l !== to) pages.forgetWord(l, base + w, bits);
    }
    pages.addResident(to, n);
    if (trigger === 'speculation') this.machine.books[M['speculation.pages']] += n;
    if (this.machine.events.on) {
      const page = firstPageOf(this.machine.space, slot) + first;
      const [startNs, ns] = this.charged;
      this.machine.events.emit('migrate', to, page, n * PAGE_BYTES, startNs, ns, { from, to, trigger });
    }
  }

  /** Marks and counts of pages that an eviction took or brings back, and of guesses. */
  private markCopied(word: number, bits: number, from: number, to: number, trigger: Trigger): void {
    const { evictedFrom, speculated } = this.machine.pages;
    const back = evictedFrom[to][word] & bits;
    if (back !== 0) {
      this.machine.books[M['thrash.pages']] += popcount32(back);
      evictedFrom[to][word] &= ~back;
    }
    if (trigger === 'eviction' && from !== HOST) evictedFrom[from][word] |= bits;
    if (trigger === 'speculation') speculated[to][word] |= bits;
    else speculated[to][word] &= ~bits;
  }

  /** Notes start and length of the copy of one contiguous run; moves the clock when the model waits for it. */
  private chargeCopy(
    pages: number,
    from: number,
    to: number,
    perCopy: number,
    staged: boolean,
    timing: 'wait' | 'queue' | 'none',
    trigger: Trigger,
  ): void {
    const { links, platform, stops } = this.machine;
    const { d2h, h2d } = platform.link;
    const ns = staged
      ? runNs(d2h, pages, perCopy) + runNs(h2d, pages, perCopy)
      : runNs(links.speedOf(from, to), pages, perCopy);
    this.machine.books[M['time.link.busy.ns']] += ns;
    this.charged[0] = this.machine.clockNs;
    this.charged[1] = ns;
    if (timing === 'none') return;
    const lastLegNs = copyNs(h2d, (pages % perCopy || perCopy) * PAGE_BYTES);
    const cause = trigger === 'eviction' ? 'eviction' : 'transfer';
    const evicts = cause === 'eviction' || stops.makingRoom;
    if (timing === 'wait') this.machine.waitForLink(staged ? links.laterLeg(from, to) : links.index(from, to));
    this.charged[0] = staged
      ? links.occupyStaged(from, to, ns, lastLegNs, this.machine.clockNs, evicts)
      : links.occupy(from, to, ns, this.machine.clockNs, evicts);
    if (timing === 'wait') this.machine.pass(ns, cause);
  }

  private bookCopy(from: number, to: number, pages: number, trigger: Trigger): void {
    const bytes = pages * PAGE_BYTES;
    const { books } = this.machine;
    if (to === HOST) {
      books[M['migration.d2h.bytes']] += bytes;
      books[M['migration.d2h.pages']] += pages;
    } else if (from === HOST) {
      books[M['migration.h2d.bytes']] += bytes;
      books[M['migration.h2d.pages']] += pages;
    } else {
      books[M['migration.d2d.bytes']] += bytes;
      books[M['migration.d2d.pages']] += pages;
    }
    books[BY_TRIGGER[trigger]] += bytes;
    if (trigger === 'eviction') books[M['evictions.bytes']] += bytes;
  }

  populate(block: number, mask: PageMask, at: number, options?: Pick<MoveOptions, 'timing'>): number {
    const { pages } = this.machine;
    const slot = pages.slotOf(block);
    const base = slot * MASK_WORDS;
    const fresh = this.candidates;
    const low = firstWord(mask);
    const high = lastWord(mask);
    let n = 0;
    for (let w = low; w <= high; w++) {
      fresh[w] = mask[w] & ~pages.anywhere(base + w);
      n += popcount32(fresh[w]);
    }
    if (n === 0) return 0;
    pages.unsettle(slot, fresh, low, high);
    this.countMigration();
    const calledNs = this.machine.clockNs;
    this.chargeZeroing(n, at, options?.timing ?? 'wait');
    for (let w = low; w <= high; w++) {
      pages.resident[at][base + w] |= fresh[w];
      pages.speculated[at][base + w] &= ~fresh[w];
    }
    pages.addResident(at, n);
    this.machine.books[at === HOST ? M['populate.host.pages'] : M['populate.device.pages']] += n;
    if (this.machine.events.on)
      this.machine.events.emitRuns('populate', at, firstPageOf(this.machine.space, slot), fresh, calledNs, { to: at });
    for (let w = low; w <= high; w++) fresh[w] = 0;
    return n;
  }

  private chargeZeroing(pages: number, at: number, timing: 'wait' | 'queue' | 'none'): void {
    if (timing === 'none') return;
    const speed = at === HOST ? this.machine.platform.host.zeroBytesPerNs : this.machine.platform.device.zeroBytesPerNs;
    const ns = Math.round((pages * PAGE_BYTES) / speed);
    const { links } = this.machine;
    if (timing === 'wait') this.machine.waitForLink(links.index(at, at));
    links.occupy(at, at, ns, this.machine.clockNs, this.machine.stops.makingRoom);
    if (timing === 'wait') this.machine.pass(ns, 'transfer');
  }

  discard(block: number, mask: PageMask, at?: number): void {
    const slot = this.machine.pages.find(block);
    if (slot < 0) return;
    this.machine.pages.unsettle(slot, mask);
    for (let l = 0; l < this.machine.actors.length; l++)
      if (at === undefined || at === l) this.machine.pages.forget(l, slot, mask);
  }

  transfer(from: number, to: number, bytes: number): void {
    if (from === to) return;
    const { links } = this.machine;
    const ns = copyNs(links.speedOf(from, to), bytes);
    this.machine.waitForLink(links.index(from, to));
    const startNs = links.occupy(from, to, ns, this.machine.clockNs, this.machine.stops.makingRoom);
    this.machine.pass(ns, 'transfer');
    const direction = to === HOST ? 'd2h' : from === HOST ? 'h2d' : 'd2d';
    this.machine.books[M[`migration.${direction}.bytes`]] += bytes;
    this.machine.books[BY_TRIGGER.copy] += bytes;
    this.machine.books[M['time.link.busy.ns']] += ns;
    this.machine.events.emit('migrate', to, null, bytes, startNs, ns, { from, to, trigger: 'copy' });
  }
}
