/** The rows of a compiled file, one record batch at a time: memory does not grow with the trace. */

import { readSync } from 'node:fs';
import type { CompiledTrace, TraceChunk } from '../compiled.ts';
import { TraceError } from '../errors.ts';
import type { Arena } from '../kernel/arena.ts';
import { CHECKSUM_BYTES, checksum } from './checksum.ts';
import { bodyLayout, type Column, columnsOf } from './layout.ts';

/** Something in a compiled file is not as it was written. A cache entry of which this is said is made again. */
export class DamagedTraceError extends TraceError {
  override name = 'DamagedTraceError';
}

/** Where the rows are: plain data, so that other threads of the process stream the same open file by themselves. */
export interface ChunkFile {
  /** For messages. */
  readonly file: string;
  readonly descriptor: number;
  readonly withThread: boolean;
  /** By record batch: place in the file, bytes of its message, rows, checksum of message and body. */
  readonly offset: Float64Array;
  readonly messageBytes: Uint32Array;
  readonly rows: Uint32Array;
  readonly checksum: Uint8Array;
}

/** Known by the function, which stays the same when a trace is copied with other facts. */
const files = new WeakMap<CompiledTrace['chunks'], ChunkFile>();

/** A function for `CompiledTrace.chunks`. */
export function chunksOf(file: ChunkFile): CompiledTrace['chunks'] {
  const chunks = (arena?: Arena) => stream(file, arena);
  files.set(chunks, file);
  return chunks;
}

/** Null for a trace whose rows are in memory. */
export function chunkFileOf(trace: CompiledTrace): ChunkFile | null {
  return files.get(trace.chunks) ?? null;
}

function* stream(file: ChunkFile, arena?: Arena): Generator<TraceChunk> {
  const columns = columnsOf(file.withThread);
  let most = 0;
  for (let i = 0; i < file.rows.length; i++) most = Math.max(most, batchBytes(file, i, columns));
  // Two in turn: who walks the rows looks at a chunk and the one after it.
  const places = [placeFor(most, arena), placeFor(file.rows.length > 1 ? most : 0, arena)];
  for (let i = 0; i < file.rows.length; i++) {
    const { buffer, inArena } = places[i & 1];
    const batch = buffer.subarray(0, batchBytes(file, i, columns));
    readFully(file.descriptor, batch, file.offset[i], file.file);
    if (!checksum(batch).equals(checksumOf(file, i)))
      throw new DamagedTraceError(file.file, null, damaged(`record batch ${i}`));
    const chunk = chunkIn(batch, file, i, columns);
    yield inArena ? { ...chunk, arena } : chunk;
  }
}

function placeFor(bytes: number, arena?: Arena): { buffer: Buffer; inArena: boolean } {
  const at = arena?.take(bytes) ?? -1;
  return at < 0
    ? { buffer: Buffer.allocUnsafeSlow(bytes), inArena: false }
    : { buffer: Buffer.from(arena!.buffer as unknown as ArrayBuffer, at, bytes), inArena: true };
}

function checksumOf({ checksum }: ChunkFile, i: number): Uint8Array {
  return checksum.subarray(CHECKSUM_BYTES * i, CHECKSUM_BYTES * (i + 1));
}

export function damaged(what: string): string {
  return `${what} is damaged (its checksum differs); compile the trace again`;
}

function batchBytes({ messageBytes, rows }: ChunkFile, i: number, columns: readonly Column[]): number {
  return messageBytes[i] + bodyLayout(columns, rows[i]).totalBytes;
}

function chunkIn(batch: Buffer, file: ChunkFile, i: number, columns: readonly Column[]): TraceChunk {
  const rows = file.rows[i];
  const { offset } = bodyLayout(columns, rows);
  const chunk: Record<string, unknown> = { rows, thread: null };
  for (const [c, { key, Kind }] of columns.entries()) {
    chunk[key] = new Kind(batch.buffer as ArrayBuffer, batch.byteOffset + file.messageBytes[i] + offset[c], rows);
  }
  return chunk as unknown as TraceChunk;
}

export function readFully(descriptor: number, into: Uint8Array, offset: number, file: string): void {
  for (let done = 0; done < into.length; ) {
    const n = readSync(descriptor, into, done, into.length - done, offset + done);
    if (n === 0) throw new DamagedTraceError(file, null, 'the compiled trace is cut short; compile the trace again');
    done += n;
  }
}
