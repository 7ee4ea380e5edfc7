/** Which allocation a page belongs to as a trace goes by; inferred allocations; what a launch touches. */
import type { Allocation } from '../../src/trace/compiled.ts';
import { BLOCK_PAGES, blockOf, PAGE, type Parsed, spanOf, touchedSpans } from './mini-rows.ts';

/** Live parts of allocations, in no order; never changed in place. */
export type Owners = readonly { readonly firstPage: number; readonly lastPage: number; readonly id: number }[];

export const ownerOf = (owners: Owners, page: number): number | undefined =>
  owners.find((o) => o.firstPage <= page && page <= o.lastPage)?.id;

export const meetsRange = (owners: Owners, first: number, last: number): boolean =>
  owners.some((o) => o.firstPage <= last && first <= o.lastPage);

/** What is left when the pages first..last go. */
export function withoutRange(owners: Owners, first: number, last: number): Owners {
  return owners.flatMap((o) =>
    o.lastPage < first || last < o.firstPage
      ? [o]
      : [
          { ...o, lastPage: first - 1 },
          { ...o, firstPage: last + 1 },
        ].filter((part) => part.firstPage <= part.lastPage),
  );
}

export function inferAllocations(rows: readonly Parsed[]): Allocation[] {
  const blocks = new Set<number>();
  for (const row of rows) {
    for (const { addr, size } of touchedSpans(row)) {
      const span = spanOf(addr, size);
      for (let b = blockOf(span.firstPage); b <= blockOf(span.lastPage); b++) blocks.add(b);
    }
  }
  const allocations: Allocation[] = [];
  for (const block of [...blocks].sort((a, b) => a - b)) {
    const last = allocations.at(-1);
    const firstPage = block * BLOCK_PAGES;
    const lastPage = firstPage + BLOCK_PAGES - 1;
    if (last && last.lastPage === firstPage - 1) {
      allocations[allocations.length - 1] = {
        ...last,
        lastPage,
        sizeBytes: (lastPage - last.firstPage + 1) * PAGE,
      };
    } else {
      allocations.push({
        id: allocations.length,
        name: `inferred${allocations.length}`,
        kind: 'managed',
        vma: 'map',
        actor: 0,
        firstPage,
        lastPage,
        sizeBytes: BLOCK_PAGES * PAGE,
        record: -1,
      });
    }
  }
  return allocations;
}

/** The allocations that the work launched by row `from` touches: up to the next CPU record or launch on the device. */
export function launchedAllocations(
  rows: readonly Parsed[],
  from: number,
  ownersAt: (record: number) => Owners,
): number[] {
  const device = rows[from].actor;
  const found = new Set<number>();
  for (let i = from + 1; i < rows.length; i++) {
    const row = rows[i];
    if (row.actor === 'cpu' || (row.op === 'launch' && row.actor === device)) break;
    if (row.actor !== device) continue;
    for (const { addr, size } of touchedSpans(row)) {
      const span = spanOf(addr, size);
      for (let p = span.firstPage; p <= span.lastPage; p++) {
        const owner = ownerOf(ownersAt(i), p);
        if (owner !== undefined) found.add(owner);
      }
    }
  }
  return [...found].sort((a, b) => a - b);
}
