/**
 * The flatbuffers of an Arrow file, as far as a compiled trace needs them: schema, record batch, footer. Numbers of
 * fields and types are those of the Arrow format's Schema.fbs, Message.fbs and File.fbs.
 */

import { Builder, ByteBuffer } from 'flatbuffers';
import { type Block, type BodyLayout, type Column, columnsOf } from './layout.ts';

const METADATA_V5 = 4;
const HEADER = { schema: 1, recordBatch: 3 } as const;
const TYPE = { int: 2, floatingPoint: 3 } as const;
const DOUBLE = 2;
/** Begins a message; with a length of 0 it ends the stream. */
const CONTINUATION = 0xffffffff;

export const END_OF_STREAM = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0);

export type Metadata = Readonly<Record<string, string>>;

/** The message with its frame, padded to 8 bytes. */
export function schemaMessage(withThread: boolean, metadata: Metadata): Uint8Array {
  const b = new Builder(1024);
  return framed(b, HEADER.schema, schema(b, withThread, metadata), 0);
}

export function batchMessage(rows: number, layout: BodyLayout): Uint8Array {
  const b = new Builder(1024);
  const columns = layout.offset.length;
  // Structs of a vector are written last first.
  b.startVector(16, 2 * columns, 8);
  for (let c = columns - 1; c >= 0; c--) {
    buffer(b, layout.offset[c], layout.length[c]);
    // No value is null, so the bitmap of valid ones is left out.
    buffer(b, layout.offset[c], 0);
  }
  const buffers = b.endVector();
  b.startVector(16, columns, 8);
  for (let c = 0; c < columns; c++) buffer(b, rows, 0);
  const nodes = b.endVector();
  b.startObject(5);
  b.addFieldInt64(0, BigInt(rows), 0n);
  b.addFieldOffset(1, nodes, 0);
  b.addFieldOffset(2, buffers, 0);
  return framed(b, HEADER.recordBatch, b.endObject(), layout.totalBytes);
}

/** Two 64-bit numbers: (offset, length) of a buffer, (rows, nulls) of a column. */
function buffer(b: Builder, first: number, second: number): void {
  b.prep(8, 16);
  b.writeInt64(BigInt(second));
  b.writeInt64(BigInt(first));
}

function framed(b: Builder, type: number, header: number, bodyBytes: number): Uint8Array {
  b.startObject(5);
  b.addFieldInt16(0, METADATA_V5, 0);
  b.addFieldInt8(1, type, 0);
  b.addFieldOffset(2, header, 0);
  b.addFieldInt64(3, BigInt(bodyBytes), 0n);
  b.finish(b.endObject());
  const message = b.asUint8Array();
  const padded = Math.ceil(message.length / 8) * 8;
  const bytes = new Uint8Array(8 + padded);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, CONTINUATION, true);
  view.setUint32(4, padded, true);
  bytes.set(message, 8);
  return bytes;
}

export function footerBytes(
  withThread: boolean,
  metadata: Metadata,
  blocks: readonly Block[],
  own: Metadata,
): Uint8Array {
  const b = new Builder(1024);
  const ofSchema = schema(b, withThread, metadata);
  b.startVector(24, blocks.length, 8);
  for (const { offset, messageBytes, bodyBytes } of blocks.toReversed()) {
    b.prep(8, 24);
    b.writeInt64(BigInt(bodyBytes));
    b.pad(4);
    b.writeInt32(messageBytes);
    b.writeInt64(BigInt(offset));
  }
  const batches = b.endVector();
  b.startVector(24, 0, 8);
  const dictionaries = b.endVector();
  const ofFile = keyValues(b, own);
  b.startObject(5);
  b.addFieldInt16(0, METADATA_V5, 0);
  b.addFieldOffset(1, ofSchema, 0);
  b.addFieldOffset(2, dictionaries, 0);
  b.addFieldOffset(3, batches, 0);
  b.addFieldOffset(4, ofFile, 0);
  b.finish(b.endObject());
  return b.asUint8Array();
}

function schema(b: Builder, withThread: boolean, metadata: Metadata): number {
  const fields = offsets(
    b,
    columnsOf(withThread).map((column) => field(b, column)),
  );
  const pairs = keyValues(b, metadata);
  b.startObject(4);
  b.addFieldInt16(0, 0, 0);
  b.addFieldOffset(1, fields, 0);
  b.addFieldOffset(2, pairs, 0);
  return b.endObject();
}

function field(b: Builder, { field, type, Kind }: Column): number {
  const name = b.createString(field);
  const children = offsets(b, []);
  if (type === 'float') {
    b.startObject(1);
    b.addFieldInt16(0, DOUBLE, 0);
  } else {
    b.startObject(2);
    b.addFieldInt32(0, 8 * Kind.BYTES_PER_ELEMENT, 0);
    b.addFieldInt8(1, type === 'int' ? 1 : 0, 0);
  }
  const ofType = b.endObject();
  b.startObject(7);
  b.addFieldOffset(0, name, 0);
  b.addFieldInt8(2, type === 'float' ? TYPE.floatingPoint : TYPE.int, 0);
  b.addFieldOffset(3, ofType, 0);
  b.addFieldOffset(5, children, 0);
  return b.endObject();
}

function keyValues(b: Builder, metadata: Metadata): number {
  const pairs = Object.entries(metadata).map(([key, value]) => {
    const ofKey = b.createString(key);
    const ofValue = b.createString(value);
    b.startObject(2);
    b.addFieldOffset(0, ofKey, 0);
    b.addFieldOffset(1, ofValue, 0);
    return b.endObject();
  });
  return offsets(b, pairs);
}

function offsets(b: Builder, values: readonly number[]): number {
  b.startVector(4, values.length, 4);
  for (const value of values.toReversed()) b.addOffset(value);
  return b.endVector();
}

export interface Footer {
  readonly fields: readonly string[];
  readonly metadata: Metadata;
  readonly own: Metadata;
  readonly blocks: readonly Block[];
}

/** Of any Arrow file; a damaged one may throw or give nonsense. */
export function readFooter(bytes: Uint8Array): Footer {
  const bb = new ByteBuffer(bytes);
  const root = bb.readInt32(0);
  const ofSchema = child(bb, root, 1);
  const blocks = vector(bb, root, 3);
  return {
    fields: tables(bb, ofSchema, 1).map((field) => text(bb, field, 0)),
    metadata: pairs(bb, ofSchema, 2),
    own: pairs(bb, root, 4),
    blocks: Array.from({ length: blocks.length }, (_, i): Block => {
      const at = blocks.start + 24 * i;
      return {
        offset: Number(bb.readInt64(at)),
        messageBytes: bb.readInt32(at + 8),
        bodyBytes: Number(bb.readInt64(at + 16)),
      };
    }),
  };
}

/** Place of a table's field, 0 when it is left out. */
function place(bb: ByteBuffer, table: number, slot: number): number {
  const offset = table === 0 ? 0 : bb.__offset(table, 4 + 2 * slot);
  return offset === 0 ? 0 : table + offset;
}

function child(bb: ByteBuffer, table: number, slot: number): number {
  const at = place(bb, table, slot);
  return at === 0 ? 0 : bb.__indirect(at);
}

function vector(bb: ByteBuffer, table: number, slot: number): { start: number; length: number } {
  const at = place(bb, table, slot);
  if (at === 0) return { start: 0, length: 0 };
  const length = bb.__vector_len(at);
  if (length > bb.capacity()) throw new RangeError('a vector is longer than the footer');
  return { start: bb.__vector(at), length };
}

function tables(bb: ByteBuffer, table: number, slot: number): number[] {
  const { start, length } = vector(bb, table, slot);
  return Array.from({ length }, (_, i) => bb.__indirect(start + 4 * i));
}

function text(bb: ByteBuffer, table: number, slot: number): string {
  const at = place(bb, table, slot);
  return at === 0 ? '' : (bb.__string(at) as string);
}

function pairs(bb: ByteBuffer, table: number, slot: number): Metadata {
  return Object.fromEntries(tables(bb, table, slot).map((pair) => [text(bb, pair, 0), text(bb, pair, 1)]));
}
