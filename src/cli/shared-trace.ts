/** A compiled trace that several threads read: its columns in shared memory, once, or streamed from its file by each. */

import { type ChunkFile, chunkFileOf, chunksOf } from '../trace/arrow/chunks.ts';
import type { CompiledTrace, TraceChunk } from '../trace/compiled.ts';
import { chunksOfPacked, type PackedRows, packedRowsOf } from '../trace/packed-rows.ts';

/** What a worker is sent: the trace without its one function. */
export type SharedTrace = Omit<CompiledTrace, 'chunks'> & { readonly rows: PackedRows | ChunkFile | TraceChunk[] };

export function shareTrace(trace: CompiledTrace): SharedTrace {
  const { chunks: _chunks, ...data } = trace;
  return {
    ...shareColumns(data),
    lives: shareColumns(trace.lives),
    rows: chunkFileOf(trace) ?? sharedRows(trace),
  };
}

export function openSharedTrace(shared: SharedTrace): CompiledTrace {
  const { rows, ...data } = shared;
  if (Array.isArray(rows)) return { ...data, chunks: () => rows };
  return { ...data, chunks: 'descriptor' in rows ? chunksOf(rows) : chunksOfPacked(rows, data.lives) };
}

function sharedRows(trace: CompiledTrace): PackedRows | TraceChunk[] {
  const packed = packedRowsOf(trace);
  return packed === null ? Array.from(trace.chunks(), shareColumns) : shareColumns(packed);
}

/** The same object with every column copied to shared memory, unless it is there already. */
function shareColumns<T extends object>(columns: T): T {
  const shared: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(columns)) shared[name] = ArrayBuffer.isView(value) ? share(value) : value;
  return shared as T;
}

type Column = Float64Array | Int32Array | Uint32Array | Uint16Array | Uint8Array;

function share(view: ArrayBufferView): ArrayBufferView {
  const column = view as Column;
  if (column.buffer instanceof SharedArrayBuffer) return column;
  const Kind = column.constructor as new (buffer: SharedArrayBuffer) => Column;
  const copy = new Kind(new SharedArrayBuffer(column.byteLength));
  copy.set(column as never);
  return copy;
}
