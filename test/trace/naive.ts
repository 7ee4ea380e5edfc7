/**
 * A slow, plain reading of the same rules: sets of pages and lines, block by block after every record. Property tests
 * hold the compiler to it.
 */

export interface NaiveRecord {
  readonly actor: string;
  readonly op: 'alloc' | 'free' | 'read' | 'write';
  readonly address: number;
  readonly size: number;
}

export interface NaiveCounts {
  footprintPages: number;
  deviceLines: number;
  livePeakBlocks: Record<string, number>;
  /** One entry a life of a touched block: block, and the events that begin and end it. */
  lives: { block: number; begin: number; end: number }[];
}

interface Life {
  block: number;
  begin: number;
  end: number;
  touchedBy: Set<string>;
}

const PAGE = 4096;
const BLOCK_PAGES = 512;

/** Drops what the trace may not contain: overlapping allocs, frees of nothing, accesses outside. */
export function legal(records: readonly NaiveRecord[]): NaiveRecord[] {
  const live = new Set<number>();
  return records.filter(({ op, address, size }) => {
    const pages = pagesOf(address, size);
    if (op === 'alloc') {
      if (pages.some((p) => live.has(p))) return false;
      for (const p of pages) live.add(p);
      return true;
    }
    if (op === 'free') {
      if (!pages.some((p) => live.has(p))) return false;
      for (const p of pages) live.delete(p);
      return true;
    }
    return pages.every((p) => live.has(p));
  });
}

export function pagesOf(address: number, size: number): number[] {
  const pages: number[] = [];
  for (let p = Math.floor(address / PAGE); p * PAGE < address + size; p++) pages.push(p);
  return pages;
}

export function naiveCounts(records: readonly NaiveRecord[]): NaiveCounts {
  /** Live page -> generation of its memory. */
  const live = new Map<number, number>();
  const current = new Map<number, Life>();
  const lives: Life[] = [];
  const pages = new Set<string>();
  const lines = new Set<string>();
  let event = -1;
  let generation = 0;
  for (const { actor, op, address, size } of records) {
    const range = pagesOf(address, size);
    if (op === 'alloc' || op === 'free') event++;
    if (op === 'alloc') {
      generation++;
      for (const p of range) {
        live.set(p, generation);
        const block = Math.floor(p / BLOCK_PAGES);
        if (current.has(block)) continue;
        const life = { block, begin: event, end: -1, touchedBy: new Set<string>() };
        current.set(block, life);
        lives.push(life);
      }
    } else if (op === 'free') {
      for (const p of range) live.delete(p);
      for (const [block, life] of current) {
        if ([...live.keys()].some((p) => Math.floor(p / BLOCK_PAGES) === block)) continue;
        life.end = event;
        current.delete(block);
      }
    } else {
      for (const p of range) {
        pages.add(`${p} ${live.get(p)}`);
        current.get(Math.floor(p / BLOCK_PAGES))!.touchedBy.add(actor);
      }
      if (actor === 'cpu') continue;
      for (let line = Math.floor(address / 64); line * 64 < address + size; line++) {
        lines.add(`${line} ${live.get(Math.floor((line * 64) / PAGE))}`);
      }
    }
  }
  const livePeakBlocks: Record<string, number> = {};
  for (const actor of ['gpu0', 'gpu1']) {
    let peak = 0;
    for (let e = 0; e <= event; e++) {
      const alive = lives.filter((l) => l.touchedBy.has(actor) && l.begin <= e && (l.end < 0 || l.end > e));
      peak = Math.max(peak, alive.length);
    }
    livePeakBlocks[actor] = peak;
  }
  const touched = lives.filter((l) => l.touchedBy.size > 0);
  return {
    footprintPages: pages.size,
    deviceLines: lines.size,
    livePeakBlocks,
    lives: touched
      .map(({ block, begin, end }) => ({ block, begin, end }))
      .sort((a, b) => a.begin - b.begin || a.block - b.block),
  };
}
