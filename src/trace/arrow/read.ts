/** Opens a compiled file: everything but the rows is read at once, the rows are streamed as often as asked. */

import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import type { Allocation, CompiledTrace, TraceEvent } from '../compiled.ts';
import { TraceError } from '../errors.ts';
import { CHECKSUM_BYTES, Checksum, checksum } from './checksum.ts';
import { type ChunkFile, chunkFileOf, chunksOf, DamagedTraceError, damaged, readFully } from './chunks.ts';
import { livesIn, parseFacts } from './facts.ts';
import { ARROW_MAGIC, FORMAT_VERSION, KEY, SECTIONS_KEY, type Section } from './layout.ts';
import { type Footer, readFooter } from './messages.ts';

const MAGIC = Buffer.from(ARROW_MAGIC);
/** Checksum, footer, its length, the magic again. */
const ENDING_BYTES = CHECKSUM_BYTES + 4 + MAGIC.length;
const PIECE_BYTES = 1024 * 1024;

export function isCompiled(head: Uint8Array): boolean {
  return MAGIC.equals(head.subarray(0, MAGIC.length));
}

/** False for what is no regular file: its first bytes cannot be read twice. */
export function isCompiledFile(path: string): boolean {
  try {
    if (!statSync(path).isFile()) return false;
    const descriptor = openSync(path, 'r');
    try {
      const head = Buffer.alloc(MAGIC.length);
      return readSync(descriptor, head, 0, head.length, 0) === head.length && isCompiled(head);
    } finally {
      closeSync(descriptor);
    }
  } catch {
    // Whoever reads the trace will say what is wrong with the path.
    return false;
  }
}

/** Closes the file of a trace that nobody can reach any more. */
const closer = new FinalizationRegistry<number>((descriptor) => closeSync(descriptor));

/** The file stays open, for `chunks` to read, until `closeCompiled` or until the trace is garbage. */
export function openCompiled(path: string, shownAs = path): CompiledTrace {
  const descriptor = openSync(path, 'r');
  try {
    const trace = read(descriptor, shownAs);
    const file = chunkFileOf(trace)!;
    closer.register(file, descriptor, file);
    return trace;
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/** Nothing for a trace in memory. */
export function closeCompiled(trace: CompiledTrace): void {
  const file = chunkFileOf(trace);
  if (file !== null && closer.unregister(file)) closeSync(file.descriptor);
}

function read(descriptor: number, file: string): CompiledTrace {
  const { footer, sum, footerBytes } = findFooter(descriptor, file);
  const version = footer.metadata[KEY.format];
  if (version === undefined) {
    throw new TraceError(
      file,
      null,
      `is an Arrow file but no compiled trace: its schema lacks the metadata key ${KEY.format}; ` +
        'make one of a text trace with `gmem-eval trace compile`',
    );
  }
  if (version !== String(FORMAT_VERSION)) {
    const found = `is a compiled trace of format ${JSON.stringify(version)}, and this version reads ${FORMAT_VERSION}`;
    const advice = Number(version) > FORMAT_VERSION ? 'use a newer gmem-eval, or compile it again' : 'compile it again';
    throw new TraceError(file, null, `${found}; ${advice}`);
  }
  const listed = footer.own[SECTIONS_KEY];
  if (listed === undefined) {
    const why = 'another program has written it again';
    throw new TraceError(
      file,
      null,
      `lacks the footer's metadata key ${SECTIONS_KEY}: ${why}; compile the trace again`,
    );
  }
  if (!checksum(footerBytes).equals(sum)) throw new DamagedTraceError(file, null, damaged('the footer'));
  const sections = new Map((JSON.parse(listed) as Section[]).map((section) => [section.name, section]));
  const section = (name: Section['name']): Section => sections.get(name)!;
  return {
    ...parseFacts(footer.metadata[KEY.trace]),
    lives: livesIn(readBytes(descriptor, section('lives'), file)),
    allocations: readLines<Allocation>(descriptor, section('allocations'), file),
    events: readLines<TraceEvent>(descriptor, section('events'), file),
    chunks: chunksOf(chunkFile(descriptor, file, footer, readBytes(descriptor, section('batches'), file))),
  };
}

function chunkFile(descriptor: number, file: string, footer: Footer, batches: SharedArrayBuffer): ChunkFile {
  const count = footer.blocks.length;
  const offset = new Float64Array(new SharedArrayBuffer(8 * count));
  const messageBytes = new Uint32Array(new SharedArrayBuffer(4 * count));
  for (const [i, block] of footer.blocks.entries()) {
    offset[i] = block.offset;
    messageBytes[i] = block.messageBytes;
  }
  return {
    file,
    descriptor,
    withThread: footer.fields.includes('thread'),
    offset,
    messageBytes,
    rows: new Uint32Array(batches, 0, count),
    checksum: new Uint8Array(batches, 4 * count),
  };
}

function findFooter(descriptor: number, file: string): { footer: Footer; footerBytes: Buffer; sum: Buffer } {
  const cut = (): never => {
    throw new DamagedTraceError(
      file,
      null,
      'the compiled trace is cut short or damaged: its footer is missing; compile the trace again',
    );
  };
  const { size } = fstatSync(descriptor);
  if (size < MAGIC.length + 2 + ENDING_BYTES) cut();
  const tail = Buffer.alloc(4 + MAGIC.length);
  readFully(descriptor, tail, size - tail.length, file);
  const length = tail.readUInt32LE(0);
  const begin = size - tail.length - length;
  if (!MAGIC.equals(tail.subarray(4)) || begin < 8 + CHECKSUM_BYTES) cut();
  const bytes = Buffer.alloc(CHECKSUM_BYTES + length);
  readFully(descriptor, bytes, begin - CHECKSUM_BYTES, file);
  const footerBytes = bytes.subarray(CHECKSUM_BYTES);
  try {
    return { footer: readFooter(footerBytes), footerBytes, sum: bytes.subarray(0, CHECKSUM_BYTES) };
  } catch {
    return cut();
  }
}

/** In shared memory, where every thread may look at it. */
function readBytes(descriptor: number, section: Section, file: string): SharedArrayBuffer {
  const bytes = new SharedArrayBuffer(section.bytes);
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const piece of pieces(descriptor, section, file)) {
    all.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function readLines<T>(descriptor: number, section: Section, file: string): T[] {
  const items: T[] = [];
  let rest = '';
  const decoder = new TextDecoder();
  const texts: string[] = [];
  for (const piece of pieces(descriptor, section, file)) texts.push(decoder.decode(piece, { stream: true }));
  for (const text of texts) {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) items.push(JSON.parse(line) as T);
  }
  return items;
}

/** Bytes of a section in turn, in one buffer; throws at the end when the checksum differs. */
function* pieces(descriptor: number, section: Section, file: string): Generator<Uint8Array> {
  const buffer = Buffer.alloc(Math.min(PIECE_BYTES, section.bytes));
  const sum = new Checksum();
  for (let at = 0; at < section.bytes; at += buffer.length) {
    const piece = buffer.subarray(0, Math.min(buffer.length, section.bytes - at));
    readFully(descriptor, piece, section.offset + at, file);
    sum.add(piece);
    yield piece;
  }
  if (sum.value().toString('hex') !== section.checksum)
    throw new DamagedTraceError(file, null, damaged(`the section of ${section.name}`));
}
