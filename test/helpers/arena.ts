/** Chunks whose columns lie where the hit path walks them. */
import type { TraceChunk } from '../../src/trace/compiled.ts';
import type { Arena } from '../../src/trace/kernel/arena.ts';

/** The same chunk with these columns in the arena, none of them at the beginning of a cache line; as it is if there is no room. */
export function inArena(chunk: TraceChunk, arena: Arena): TraceChunk {
  const { rows } = chunk;
  const at = arena.take(9 * rows + 5) + 4;
  if (at < 4) return chunk;
  const page = new Int32Array(arena.buffer, at, rows);
  const bytes = new Uint32Array(arena.buffer, at + 4 * rows, rows);
  const code = new Uint8Array(arena.buffer, at + 8 * rows + 1, rows);
  page.set(chunk.page.subarray(0, rows));
  bytes.set(chunk.bytes.subarray(0, rows));
  code.set(chunk.code.subarray(0, rows));
  return { ...chunk, page, bytes, code, arena };
}
