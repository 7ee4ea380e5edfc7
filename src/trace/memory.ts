/** What is allocated while a trace is read, and which blocks its accesses touch. */

import { BLOCK_PAGES, blockOf, PAGE_BYTES } from '../replay/mask.ts';
import type { AllocArgument } from './arguments.ts';
import type { Allocation } from './compiled.ts';
import { quoted } from './errors.ts';
import type { ReadMemory } from './kernel/memory.ts';
import type { LaunchTracker } from './launches.ts';
import { BlockCache, CACHE_ALLOCATION, CACHE_LAUNCH, CACHE_LIFE, LiveBlocks, type PartialFree } from './live-blocks.ts';
import { hexAddress } from './numbers.ts';
import type { Range } from './range.ts';
import { Regions } from './regions.ts';

/** Ends the compilation with a message about a line. */
export type Fail = (message: string, line: number) => never;

export class TracedMemory {
  readonly blocks: LiveBlocks;
  readonly allocations: Allocation[] = [];
  /** By `free` event: what it takes from blocks that live on. */
  readonly partialFrees = new Map<number, PartialFree[]>();
  readonly cache: BlockCache;
  readonly #regions = new Regions();
  readonly #launches: LaunchTracker;
  readonly #fail: Fail;
  /** Event that began the life of a block that several allocations share; else it is their own `alloc`. */
  readonly #sharedBegin = new Map<number, number>();
  readonly #allocEvent: number[] = [];
  readonly #allocLine: number[] = [];
  /** While nothing was allocated, accesses may be anywhere; an `alloc` after one is an error about that one. */
  #firstAccess: { line: number; what: string } | null = null;

  constructor(loops: ReadMemory, launches: LaunchTracker, fail: Fail) {
    this.blocks = new LiveBlocks((n) => loops.int32(n));
    this.cache = new BlockCache(loops.cache);
    this.#launches = launches;
    this.#fail = fail;
  }

  /** Marks pages first..last of one block as touched; returns the block's life. */
  touch(block: number, first: number, last: number, actor: number, range: Range, line: number): number {
    const entry = this.cache.find(block, first, last);
    if (entry >= 0) {
      const life = this.cache.words[entry + CACHE_LIFE];
      this.blocks.touch(life, first, last, actor);
      this.#launches.touch(actor, this.cache.words[entry + CACHE_ALLOCATION]);
      this.cache.words[entry + CACHE_LAUNCH] = this.#launches.openEvent[actor];
      return life;
    }
    const life =
      this.allocations.length === 0
        ? this.#findInferred(block, actor, range, line)
        : this.#find(block, first, last, actor, range, line);
    this.blocks.touch(life, first, last, actor);
    return life;
  }

  /** Until allocations can be inferred, a launch touches lives. */
  #findInferred(block: number, actor: number, range: Range, line: number): number {
    if (this.#firstAccess === null) this.#firstAccess = { line, what: range.toString() };
    const life = this.blocks.current.get(block) ?? this.blocks.begin(block, -1);
    this.#launches.touch(actor, life);
    this.cache.put(block, life, 0, BLOCK_PAGES - 1, life);
    return life;
  }

  /** The pages must all be live. The part of the first region in this block goes to the cache. */
  #find(block: number, first: number, last: number, actor: number, range: Range, line: number): number {
    const base = block * BLOCK_PAGES;
    const index = this.#regions.seek(base + first);
    for (let r = index, page = base + first; page <= base + last; r++) {
      const region = r < this.#regions.size ? this.#regions.at(r) : null;
      if (region === null || region.firstPage > page) this.#failOutside(range, page, line);
      this.#launches.touch(actor, region.allocation);
      page = region.lastPage + 1;
    }
    const { firstPage, lastPage, allocation } = this.#regions.at(index);
    const begin = this.#sharedBegin.get(block) ?? this.#allocEvent[allocation];
    const life = this.blocks.current.get(block) ?? this.blocks.begin(block, begin);
    const from = Math.max(firstPage - base, 0);
    const to = Math.min(lastPage - base, BLOCK_PAGES - 1);
    this.cache.put(block, life, from, to, allocation);
    return life;
  }

  #failOutside(range: Range, page: number, line: number): never {
    const where = range.firstPage === range.lastPage ? '' : ` at ${hexAddress(page)}`;
    const freed = this.allocations.findLast((a) => a.firstPage <= page && page <= a.lastPage);
    const why =
      freed === undefined
        ? 'lies outside every allocation'
        : `touches memory that was freed (${quoted(freed.name)}, allocated in line ${this.#allocLine[freed.id]})`;
    const rule = 'a trace with `alloc` records must allocate all that it touches';
    this.#fail(`the access ${range}${where} ${why}; ${rule}`, line);
  }

  checkAlloc(range: Range, line: number): void {
    if (this.#firstAccess !== null) {
      const what = `the access ${this.#firstAccess.what} lies outside every allocation`;
      const first = `the first \`alloc\` comes in line ${line}`;
      this.#fail(`${what} (${first}); allocate before use, or not at all`, this.#firstAccess.line);
    }
    const taken = this.#regions.meeting(range.firstPage, range.lastPage);
    if (taken < 0) return;
    const other = this.allocations[this.#regions.at(taken).allocation];
    const name = `${quoted(other.name)} of line ${this.#allocLine[other.id]}`;
    const pages = `${hexAddress(other.firstPage)}..${hexAddress(other.lastPage, PAGE_BYTES - 1)}`;
    this.#fail(`alloc ${range} overlaps ${name} (whole pages ${pages}); free that first, or use other pages`, line);
  }

  alloc(range: Range, argument: AllocArgument, actor: number, record: number, event: number, line: number): void {
    const { firstPage, lastPage, sizeBytes } = range;
    for (const block of new Set([blockOf(firstPage), blockOf(lastPage)])) {
      const base = block * BLOCK_PAGES;
      const neighbour = this.#regions.meeting(base, base + BLOCK_PAGES - 1);
      if (neighbour < 0 || this.#sharedBegin.has(block)) continue;
      this.#sharedBegin.set(block, this.#allocEvent[this.#regions.at(neighbour).allocation]);
    }
    const id = this.allocations.length;
    const name = argument.name ?? `alloc${id}`;
    const { kind, vma } = argument;
    this.allocations.push({ id, name, kind, vma, actor, firstPage, lastPage, sizeBytes, record });
    this.#allocEvent.push(event);
    this.#allocLine.push(line);
    this.#regions.insert(firstPage, lastPage, id);
  }

  checkFree(range: Range, line: number): void {
    if (this.#regions.meeting(range.firstPage, range.lastPage) >= 0) return;
    this.#fail(`free ${range}: nothing is allocated there; free what an \`alloc\` before it has made, once`, line);
  }

  /** Takes the pages that the range meets, wholly or in part. */
  free(range: Range, event: number): void {
    const partial: PartialFree[] = [];
    for (const { firstPage, lastPage } of this.#regions.remove(range.firstPage, range.lastPage)) {
      this.cache.drop(blockOf(firstPage), blockOf(lastPage));
      for (const block of this.#blocksIn(blockOf(firstPage), blockOf(lastPage))) {
        const base = block * BLOCK_PAGES;
        if (this.#regions.meeting(base, base + BLOCK_PAGES - 1) < 0) {
          this.blocks.end(block, event);
          this.#sharedBegin.delete(block);
          continue;
        }
        const life = this.blocks.current.get(block);
        if (life === undefined) continue;
        const first = Math.max(firstPage - base, 0);
        const last = Math.min(lastPage - base, BLOCK_PAGES - 1);
        this.blocks.freeAlive(life, first, last);
        partial.push({ life, first, last });
      }
    }
    if (partial.length > 0) this.partialFrees.set(event, partial);
  }

  /** Blocks first..last of which something is noted: those touched, and the two at the ends. */
  #blocksIn(first: number, last: number): number[] {
    const { current } = this.blocks;
    if (last - first <= current.size) return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    return [first, ...[...current.keys()].filter((block) => block > first && block < last), last];
  }
}
