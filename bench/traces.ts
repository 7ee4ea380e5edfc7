/** Traces for measuring: made by a fixed generator, as columns in memory or as files, the same every time. */

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type CompiledTrace, OP, type TraceChunk } from '../src/trace/compiled.ts';
import { compileTraceText } from '../src/trace/index.ts';
import type { Arena } from '../src/trace/kernel/arena.ts';

export const PAGE_BYTES = 4096;
export const BLOCK_BYTES = 2 ** 21;
export const BASE_ADDRESS = 0x40000000;
const CHUNK_ROWS = 1 << 16;
/** Bytes of each touch. */
const TOUCH_BYTES = 64;

export type Pattern = 'random' | 'zipf' | 'sequential';

/** xorshift32: whole numbers of 32 bits, never 0. */
export function random(seed = 0x2545f491): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

/** Page numbers from 0 in the order of a pattern. */
export function pagesOf(pattern: Pattern, pages: number, touches: number): Int32Array {
  const next = random();
  const order = new Int32Array(touches);
  if (pattern === 'sequential') for (let i = 0; i < touches; i++) order[i] = i % pages;
  if (pattern === 'random') for (let i = 0; i < touches; i++) order[i] = next() % pages;
  if (pattern === 'zipf') {
    const draw = zipf(pages, 0.8, next);
    for (let i = 0; i < touches; i++) order[i] = draw();
  }
  return order;
}

/** Rank r with a probability that goes as r^-exponent, ranks scattered over the pages. Alias method. */
function zipf(pages: number, power: number, next: () => number): () => number {
  const share = Float64Array.from({ length: pages }, (_, rank) => (rank + 1) ** -power);
  const sum = share.reduce((total, value) => total + value, 0);
  const alias = new Int32Array(pages);
  const small: number[] = [];
  const large: number[] = [];
  for (let rank = 0; rank < pages; rank++) {
    share[rank] *= pages / sum;
    (share[rank] < 1 ? small : large).push(rank);
  }
  while (small.length > 0 && large.length > 0) {
    const less = small.pop()!;
    const more = large[large.length - 1];
    alias[less] = more;
    share[more] -= 1 - share[less];
    if (share[more] < 1) small.push(large.pop()!);
  }
  for (const rest of [...small, ...large]) share[rest] = 1;
  const place = Int32Array.from({ length: pages }, (_, i) => i);
  for (let i = pages - 1; i > 0; i--) {
    const j = next() % (i + 1);
    [place[i], place[j]] = [place[j], place[i]];
  }
  return () => {
    const rank = next() % pages;
    return place[next() / 2 ** 32 < share[rank] ? rank : alias[rank]];
  };
}

/** Reads of one page each by the first device, or by `devices` of them in turn, in chunks as the reader makes them. */
export function touchChunks(order: Int32Array, firstRecord: number, devices = 1, chunkRows = CHUNK_ROWS): TraceChunk[] {
  const chunks: TraceChunk[] = [];
  for (let from = 0; from < order.length; from += chunkRows) {
    const rows = Math.min(chunkRows, order.length - from);
    const actor = Uint8Array.from({ length: rows }, (_, i) => 1 + ((from + i) % devices));
    chunks.push({
      rows,
      record: Uint32Array.from({ length: rows }, (_, i) => firstRecord + from + i),
      op: new Uint8Array(rows).fill(OP.read),
      actor,
      timeNs: new Float64Array(rows),
      page: order.subarray(from, from + rows),
      pages: new Uint16Array(rows).fill(1),
      offset: new Uint16Array(rows),
      bytes: new Uint32Array(rows).fill(TOUCH_BYTES),
      thread: null,
      code: actor.map((a) => a * 3 + OP.read),
    });
  }
  return chunks;
}

/** The columns that loops of a pass walk lie where the reader of a trace puts them, in the memory of the pass. */
export function inArena(chunks: readonly TraceChunk[], arena: Arena | undefined): readonly TraceChunk[] {
  if (arena === undefined) return chunks;
  return chunks.map((chunk) => {
    const { rows } = chunk;
    const place = (bytes: number): [ArrayBuffer, number] => {
      const at = arena.take(bytes);
      return [arena.buffer as unknown as ArrayBuffer, at];
    };
    const record = new Uint32Array(...place(4 * rows), rows);
    const op = new Uint8Array(...place(rows), rows);
    const code = new Uint8Array(...place(rows), rows);
    const timeNs = new Float64Array(...place(8 * rows), rows);
    const page = new Int32Array(...place(4 * rows), rows);
    const bytes = new Uint32Array(...place(4 * rows), rows);
    record.set(chunk.record);
    op.set(chunk.op);
    code.set(chunk.code);
    timeNs.set(chunk.timeNs);
    page.set(chunk.page);
    bytes.set(chunk.bytes);
    return { ...chunk, record, op, code, timeNs, page, bytes, arena };
  });
}

export interface Start {
  readonly pages: number;
  /** `ACTOR,OP` that touches every page at first, so that each page id is its place in the allocation. */
  readonly first: string;
  readonly devices?: number;
  /** Records after that, without the header's columns that they do not need: `ACTOR,OP,ADDR,SIZE,ARG`. */
  readonly after?: readonly string[];
}

/** Records of `ACTOR,OP` over all pages, block by block. */
export function touchAll(actorAndOp: string, pages: number): string[] {
  const records: string[] = [];
  const end = BASE_ADDRESS + pages * PAGE_BYTES;
  for (let at = BASE_ADDRESS; at < end; at += BLOCK_BYTES) {
    records.push(`${actorAndOp},${at},${Math.min(BLOCK_BYTES, end - at)},`);
  }
  return records;
}

/** An allocation whose pages are all touched, as the part before what is measured. */
export function startTrace({ pages, first, devices = 1, after = [] }: Start): Promise<CompiledTrace> {
  // A device is known by a record of its own.
  const actors = Array.from({ length: devices }, (_, i) => `gpu${i},launch,,,`);
  const sync = Array.from({ length: devices }, (_, i) => `gpu${i},sync,,,`);
  const text = [
    'actor,op,addr,size,arg',
    `cpu,alloc,${BASE_ADDRESS},${pages * PAGE_BYTES},a`,
    ...actors,
    ...sync,
    ...touchAll(first, pages),
    ...after,
  ];
  return compileTraceText(`${text.join('\n')}\n`);
}

/** Lines of a text trace into a file, packed where its name ends in .gz. */
export async function writeTrace(path: string, lines: Iterable<string>): Promise<void> {
  const file = createWriteStream(path);
  // Level 1: packing is not what is measured, and unpacking costs about the same.
  if (path.endsWith('.gz')) await pipeline(Readable.from(pieces(lines)), createGzip({ level: 1 }), file);
  else await pipeline(Readable.from(pieces(lines)), file);
  if (!file.closed) await once(file, 'close');
}

function* pieces(lines: Iterable<string>): Generator<Buffer> {
  let text = '';
  for (const line of lines) {
    text += line;
    text += '\n';
    if (text.length < 1 << 18) continue;
    yield Buffer.from(text, 'latin1');
    text = '';
  }
  yield Buffer.from(text, 'latin1');
}

/**
 * Layers one after another, each reading at random in weights of its own: most touches hit, and each layer brings its
 * memory first, as in training.
 */
export function* layers(rows: number, footprintBytes: number, visits = 64): Generator<string> {
  const pages = footprintBytes / PAGE_BYTES;
  const count = 32;
  const layerPages = pages / count;
  const next = random();
  yield 'time_ns,actor,op,addr,size,thread,arg';
  yield `0,cpu,alloc,0x${BASE_ADDRESS.toString(16)},${footprintBytes},,weights`;
  const perVisit = Math.ceil(rows / visits);
  for (let row = 0; row < rows; row++) {
    const layer = Math.floor(row / perVisit) % count;
    const page = layer * layerPages + (next() % layerPages);
    const address = BASE_ADDRESS + page * PAGE_BYTES + (next() % 64) * 64;
    yield `${row * 10},gpu0,${row % 4 === 3 ? 'write' : 'read'},0x${address.toString(16)},64,,`;
  }
}
