/** A compiled trace as an Arrow IPC file: a record batch a chunk, then the sections, then the footer. */

import { setImmediate } from 'node:timers/promises';
import type { CompiledTrace, TraceChunk } from '../compiled.ts';
import { crc32 } from './checksum.ts';
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
  const withThread = hasThreadColumn(trace);
  const columns = columnsOf(withThread);
  const metadata = { [KEY.format]: String(FORMAT_VERSION), [KEY.trace]: factsText(trace) };
  const blocks: Block[] = [];
  const rows: number[] = [];
  const sums: number[] = [];

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
    sums.push(crc32(batch));
    yield batch;
    at += bytes;
  }
  yield END_OF_STREAM;
  at += END_OF_STREAM.length;

  const sections: Section[] = [];
  for (const [name, pieces] of sectionsOf(trace, rows, sums)) {
    let bytes = 0;
    let sum = 0;
    for (const piece of pieces) {
      yield piece;
      bytes += piece.length;
      sum = crc32(piece, sum);
    }
    sections.push({ name, offset: at, bytes, crc32: sum });
    at += bytes;
  }
  yield* ending(footerBytes(withThread, metadata, blocks, { [SECTIONS_KEY]: JSON.stringify(sections) }));
}

/** The checksum of the footer stands before it, where no other reader looks. */
function* ending(footer: Uint8Array): Generator<Uint8Array> {
  yield word(crc32(footer));
  yield footer;
  yield word(footer.length);
  yield Buffer.from(ARROW_MAGIC);
}

function word(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function hasThreadColumn(trace: CompiledTrace): boolean {
  for (const { thread } of trace.chunks()) return thread !== null;
  return false;
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
  sums: readonly number[],
): [Section['name'], Iterable<Uint8Array>][] {
  return [
    ['batches', [new Uint8Array(Uint32Array.from([...rows, ...sums]).buffer)]],
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
