/** Rows of a trace in memory, packed; each walk over them unpacks a chunk at a time. */

import { CONTINUES, type CompiledTrace, dispatchCode, NO_CODE, OP_NAMES, type TraceChunk } from './compiled.ts';
import { KIND_ACTOR_SHIFT, KIND_CONTINUES } from './kernel/layout.ts';
import { ReadMemory } from './kernel/memory.ts';
import { type PackedChunk, unpack } from './packed.ts';

/** Plain data and arrays: other threads walk over the same rows by themselves. */
export interface PackedRows {
  readonly chunks: readonly PackedChunk[];
  readonly withThread: boolean;
  /** By mask word of a block's life: id of its first touched page, and its touched pages. */
  readonly wordId: Int32Array;
  readonly touched: Int32Array;
  /** Final index of each actor by order of appearance. */
  readonly finalActor: Uint8Array;
}

/** Known by the function, which stays the same when a trace is copied with other facts. */
const packed = new WeakMap<CompiledTrace['chunks'], PackedRows>();

/** A function for `CompiledTrace.chunks`. */
export function chunksOfPacked(rows: PackedRows): CompiledTrace['chunks'] {
  const chunks = () => unpackAll(rows);
  packed.set(chunks, rows);
  return chunks;
}

/** Null for a trace whose rows are elsewhere. */
export function packedRowsOf(trace: CompiledTrace): PackedRows | null {
  return packed.get(trace.chunks) ?? null;
}

function* unpackAll({ chunks, withThread, wordId, touched, finalActor }: PackedRows): Generator<TraceChunk> {
  if (chunks.length === 0) return;
  const memory = new ReadMemory();
  setFinals(memory, finalActor);
  const ids = { wordId: memory.int32(wordId.length), touched: memory.int32(touched.length) };
  ids.wordId.set(wordId);
  ids.touched.set(touched);
  const most = chunks.reduce((rows, chunk) => Math.max(rows, chunk.rows), 0);
  // Two in turn: who walks the rows looks at a chunk and the one after it.
  const columns = [memory.finalColumns(most), memory.finalColumns(chunks.length > 1 ? most : 0)];
  for (const [i, chunk] of chunks.entries()) {
    const to = columns[i & 1];
    unpack(chunk, memory, ids, to);
    yield { ...to, rows: chunk.rows, thread: withThread ? to.thread : null };
  }
}

/** By kind of row: op, final actor, dispatch byte of a row with one page. */
export function setFinals({ finals }: ReadMemory, finalActor: Uint8Array): void {
  for (const [appeared, actor] of finalActor.entries()) {
    for (const op of OP_NAMES.keys()) {
      const kind = (appeared << KIND_ACTOR_SHIFT) | op;
      finals[kind] = op | (actor << 8) | (dispatchCode(op, actor, 1) << 16);
      finals[kind | KIND_CONTINUES] = op | CONTINUES | (actor << 8) | (NO_CODE << 16);
    }
  }
}
