/** A compiled trace as an Arrow IPC file: a record batch a chunk, then the sections, then the footer. */

import { setImmediate } from 'node:timers/promises';
import type { CompiledTrace, TraceChunk } from '../compiled.ts';
import { Checksum, checksum } from './checksum.ts';
import { factsText, jsonLines, livesBytes } from './facts.ts';
import {
  ARROW_MAGIC,
  type Block,
  bodyLayout,
  type Column,
  columnsOf,
  FORMAT_VERSION,
  KEY,
  SECTIONS_KEY,
  type Section,
} from './layout.ts';
import { batchMessage, END_OF_STREAM, footerBytes, schemaMessage } from './messages.ts';

/** The bytes of the file in pieces; a piece is overwritten by the next one. */
export function* compiledFile(trace: CompiledTrace): Generator<Uint8Array> {
  const withThread = trace.threads > 0;
  const columns = columnsOf(withThread);
  const metadata = { [KEY.format]: String(FORMAT_VERSION), [KEY.trace]: factsText(trace) };
  const blocks: Block[] = [];
  const rows: number[] = [];
  const sums: Buffer[] = [];

  let at = 8;
  yield Buffer.from(`${ARROW_MAGIC}\0\0`);
  const schema = schemaMessage(withThread, metadata);
  yield schema;
  at += schema.length;

  let buffer = Buffer.alloc(0);
  for (const chunk of trace.chunks()) {
    if (chunk.rows === 0) continue;
    const layout = bodyLayout(columns, chunk.rows);
    const message = batchMessage(chunk.rows, layout);
    const bytes = message.length + layout.totalBytes;
    if (buffer.length < bytes) buffer = Buffer.alloc(bytes);
    buffer.set(message);
    copyColumns(chunk, columns, buffer, message.length);
    const batch = buffer.subarray(0, bytes);
    blocks.push({ offset: at, messageBytes: message.length, bodyBytes: layout.totalBytes });
    rows.push(chunk.rows);
    sums.push(checksum(batch));
    yield batch;
    at += bytes;
  }
  yield END_OF_STREAM;
  at += END_OF_STREAM.length;

  const sections: Section[] = [];
  for (const [name, pieces] of sectionsOf(trace, rows, sums)) {
    let bytes = 0;
    const sum = new Checksum();
    for (const piece of pieces) {
      yield piece;
      bytes += piece.length;
      sum.add(piece);
    }
    sections.push({ name, offset: at, bytes, checksum: sum.value().toString('hex') });
    at += bytes;
  }
  yield* ending(footerBytes(withThread, metadata, blocks, { [SECTIONS_KEY]: JSON.stringify(sections) }));
}

/** The checksum of the footer stands before it, where no other reader looks. */
function* ending(footer: Uint8Array): Generator<Uint8Array> {
  yield checksum(footer);
  yield footer;
  yield word(footer.length);
  yield Buffer.from(ARROW_MAGIC);
}

function word(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function copyColumns(chunk: TraceChunk, columns: readonly Column[], into: Buffer, from: number): void {
  const { offset, length, totalBytes } = bodyLayout(columns, chunk.rows);
  for (const [c, { key }] of columns.entries()) {
    const { buffer, byteOffset } = chunk[key]!;
    into.set(new Uint8Array(buffer, byteOffset, length[c]), from + offset[c]);
    into.fill(0, from + offset[c] + length[c], from + (offset[c + 1] ?? totalBytes));
  }
}

function sectionsOf(
  trace: CompiledTrace,
  rows: readonly number[],
  sums: readonly Uint8Array[],
): [Section['name'], Iterable<Uint8Array>][] {
  return [
    ['batches', [new Uint8Array(Uint32Array.from(rows).buffer), ...sums]],
    ['lives', livesBytes(trace.lives)],
    ['allocations', jsonLines(trace.allocations)],
    ['events', jsonLines(trace.events)],
  ];
}

/** Writes the file piece by piece until `write` says false; gives whether it wrote all. Signals are heard in between. */
export async function writeCompiled(trace: CompiledTrace, write: (piece: Uint8Array) => boolean): Promise<boolean> {
  for (const piece of compiledFile(trace)) {
    if (!write(piece)) return false;
    await setImmediate();
  }
  return true;
}
