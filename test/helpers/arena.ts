/** Chunks whose columns lie where the loops of the pass walk them. */
import type { TraceChunk } from '../../src/trace/compiled.ts';
import type { Arena } from '../../src/trace/kernel/arena.ts';

/** What those loops read of a row. */
const COLUMNS = ['timeNs', 'page', 'bytes', 'record', 'code', 'op'] as const;

/** The same chunk with these columns in the arena, none of them at the beginning of a cache line; as it is if there is no room. */
export function inArena(chunk: TraceChunk, arena: Arena): TraceChunk {
  const { rows } = chunk;
  const there: Record<string, unknown> = {};
  for (const name of COLUMNS) {
    const column = chunk[name];
    // A test of the loops over hits has no more than they look at.
    if (column === undefined) continue;
    const { BYTES_PER_ELEMENT } = column;
    const at = arena.take(BYTES_PER_ELEMENT * (rows + 1));
    if (at < 0) return chunk;
    const Kind = column.constructor as new (buffer: SharedArrayBuffer, at: number, length: number) => typeof column;
    const moved = new Kind(arena.buffer, at + BYTES_PER_ELEMENT, rows);
    moved.set(column.subarray(0, rows));
    there[name] = moved;
  }
  return { ...chunk, ...there, arena };
}
