/** Rows of a trace in memory, packed; each walk over them unpacks a chunk at a time. */

import { MASK_WORDS, popcount32 } from '../replay/mask.ts';
import { type BlockLives, CONTINUES, type CompiledTrace, dispatchCode, NO_CODE, type TraceChunk } from './compiled.ts';
import type { Arena } from './kernel/arena.ts';
import type { WordIds } from './kernel/kernel.ts';
import { ReadMemory } from './kernel/memory.ts';
import { type PackedChunk, unpack } from './packed.ts';
import { actorOf, kindOf, opOf } from './row-kinds.ts';

/** Plain data and arrays: other threads walk over the same rows by themselves. */
export interface PackedRows {
  readonly chunks: readonly PackedChunk[];
  readonly withThread: boolean;
  /** Rows name a block's life by order of first touch: its place in the lives of the trace. */
  readonly place: Int32Array;
  /** By number of a kind of row: `RowKinds.finish`. */
  readonly kinds: Uint16Array;
  /** Final index of each actor by order of appearance. */
  readonly finalActor: Uint8Array;
}

/** Known by the function, which stays the same when a trace is copied with other facts. */
const packed = new WeakMap<CompiledTrace['chunks'], PackedRows>();

/** A function for `CompiledTrace.chunks`. */
export function chunksOfPacked(rows: PackedRows, lives: BlockLives): CompiledTrace['chunks'] {
  const chunks = (arena?: Arena) => unpackAll(rows, lives, arena);
  packed.set(chunks, rows);
  return chunks;
}

/** Null for a trace whose rows are elsewhere. */
export function packedRowsOf(trace: CompiledTrace): PackedRows | null {
  return packed.get(trace.chunks) ?? null;
}

function* unpackAll(rows: PackedRows, lives: BlockLives, arena?: Arena): Generator<TraceChunk> {
  const { chunks, withThread, place, kinds, finalActor } = rows;
  if (chunks.length === 0) return;
  const memory = new ReadMemory('auto', arena);
  setFinals(memory, kinds, finalActor);
  const ids = wordIds(memory, lives, place);
  const most = chunks.reduce((n, chunk) => Math.max(n, chunk.rows), 0);
  // Two in turn: who walks the rows looks at a chunk and the one after it.
  const columns = [memory.finalColumns(most), memory.finalColumns(chunks.length > 1 ? most : 0)];
  for (const [i, chunk] of chunks.entries()) {
    const to = columns[i & 1];
    unpack(chunk, memory, ids, to);
    const columnsThere = { ...to, rows: chunk.rows, thread: withThread ? to.thread : null };
    yield arena !== undefined && memory.arena === arena ? { ...columnsThere, arena } : columnsThere;
  }
}

/** Of each mask word the touched pages and the id of the first, by life in order of first touch. */
function wordIds(memory: ReadMemory, { firstId, touched }: BlockLives, place: Int32Array): WordIds {
  const words = place.length * MASK_WORDS;
  const ids = { wordId: memory.int32(words), touched: memory.int32(words) };
  for (const [life, at] of place.entries()) {
    let id = firstId[at];
    for (let w = 0; w < MASK_WORDS; w++) {
      const pages = touched[at * MASK_WORDS + w];
      ids.touched[life * MASK_WORDS + w] = pages;
      ids.wordId[life * MASK_WORDS + w] = id;
      id += popcount32(pages);
    }
  }
  return ids;
}

/** By number of a kind of row: the final kind, and above it the dispatch byte of a row with one page. */
export function setFinals({ finals }: ReadMemory, kinds: Uint16Array, finalActor: Uint8Array): void {
  for (const [number, kind] of kinds.entries()) {
    const op = opOf(kind);
    const actor = finalActor[actorOf(kind)];
    const code = (op & CONTINUES) === 0 ? dispatchCode(op, actor, 1) : NO_CODE;
    finals[number] = kindOf(op, actor) | (code << 16);
  }
}
