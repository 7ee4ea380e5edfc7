/** Bytes of a trace: file or standard input, gzip found from the content, cut at line ends, hashed on the way. */

import { createHash } from 'node:crypto';
import { createGunzip, type Gunzip } from 'node:zlib';
import { isCompiled } from './arrow/read.ts';
import { TraceError } from './errors.ts';
import { openReader, type Reader, stdinReader } from './readers.ts';

const CHUNK_BYTES = 512 * 1024;
/** So much memory follows a chunk: a reader of lines may look ahead of their end. */
const BEYOND_CHUNK = 128;
/** No line of a trace is nearly as long; a file without line ends must not fill the memory. */
const LONGEST_LINE = 1024 * 1024;
const NEWLINE = 10;

/** Whole lines. */
export interface Lines {
  readonly buffer: Buffer;
  /** Number of the first one, from 1. */
  readonly line: number;
}

/** Kept by the reader, who counts lines anyway: how many it has read. Messages of the source name the next one. */
export interface LinesRead {
  lines: number;
}

export interface TraceSource {
  /** For messages: the path as given, or `<stdin>`. */
  readonly file: string;
  /** The beginning of the uncompressed content, for finding the format. */
  readonly head: Buffer;
  /** A compiled trace: for `bytes`, where text is for `lines`. */
  readonly compiled: boolean;
  bytes(): AsyncGenerator<Buffer>;
  /** Whole lines; each buffer is the reader's until it asks for the next. As a rule they are read into `room`. */
  lines(read: LinesRead, room?: Buffer): AsyncGenerator<Buffer>;
  /** Of the uncompressed bytes; valid when `lines` has ended. */
  sha256(): string;
}

export interface Progress {
  readonly bytes: number;
  /** null when the size is not known (standard input). */
  readonly totalBytes: number | null;
}

export async function openSource(path: string, onProgress?: (progress: Progress) => void): Promise<TraceSource> {
  const file = path === '-' ? '<stdin>' : path;
  const use: ChunkUse = { once: false, room: null };
  const reader = path === '-' ? stdinReader() : await openFile(path);
  const stream = reader === null ? process.stdin : chunksOf(reader, use);
  const totalBytes = reader?.totalBytes ?? null;
  return sourceOf(file, counted(stream, totalBytes, onProgress), use);
}

export function sourceOfText(text: string | Uint8Array, file: string): Promise<TraceSource> {
  return sourceOf(file, inChunks(Buffer.from(text)), { once: false, room: null });
}

/** Set when whoever takes the chunks of a file is done with one before it asks for the next: then one buffer will do. */
interface ChunkUse {
  once: boolean;
  room: Buffer | null;
}

async function* inChunks(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}

async function openFile(path: string): Promise<Reader> {
  try {
    const reader = await openReader(path);
    if (reader !== null) return reader;
  } catch (error) {
    throw new TraceError(path, null, openProblem((error as NodeJS.ErrnoException).code ?? String(error)));
  }
  throw new TraceError(path, null, 'is a directory; give the trace file inside it');
}

async function* chunksOf(reader: Reader, use: ChunkUse): AsyncGenerator<Buffer> {
  const fresh = (): Buffer => Buffer.allocUnsafeSlow(CHUNK_BYTES + BEYOND_CHUNK).subarray(0, CHUNK_BYTES);
  try {
    for (let buffer = fresh(); ; ) {
      const bytes = await reader.read(buffer, use.once);
      if (bytes === 0) return;
      yield buffer.subarray(0, bytes);
      // A reader knows a buffer by its object.
      if (use.once && use.room !== null) buffer = use.room;
      else if (!use.once) buffer = fresh();
    }
  } finally {
    await reader.close();
  }
}

function openProblem(code: string): string {
  if (code === 'ENOENT') return 'no such file';
  if (code === 'EACCES') return 'permission denied';
  if (code === 'EISDIR') return 'is a directory; give the trace file inside it';
  return `cannot be read (${code})`;
}

async function* counted(
  stream: AsyncIterable<Buffer>,
  totalBytes: number | null,
  onProgress?: (progress: Progress) => void,
): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    onProgress?.({ bytes, totalBytes });
    yield chunk;
  }
}

async function sourceOf(file: string, raw: AsyncIterable<Buffer>, use: ChunkUse): Promise<TraceSource> {
  const packed = await peek(file, raw, 2);
  const gzip = packed.head.length >= 2 && packed.head[0] === 0x1f && packed.head[1] === 0x8b;
  const { head, all, close } = await peek(file, gzip ? unpacked(packed.all(), use) : packed.all(), 4096);
  const compiled = isCompiled(head);
  const problem = compiled ? (gzip ? COMPILED_IN_GZIP : null) : binaryContent(head);
  if (problem !== null) {
    await close();
    throw new TraceError(file, null, problem);
  }
  const hash = createHash('sha256');
  let sha256 = '';
  return {
    file,
    head,
    compiled,
    bytes: all,
    async *lines(read, room) {
      use.once = true;
      if (!gzip && room !== undefined) use.room = room.subarray(0, CHUNK_BYTES);
      yield* wholeLines(file, all(), hash, read);
      sha256 = hash.digest('hex');
    },
    sha256: () => sha256,
  };
}

/** The stream unpacks in a thread of its own: the next chunk while this one is read. */
async function* unpacked(packed: AsyncIterable<Buffer>, use: ChunkUse): AsyncGenerator<Buffer> {
  const stream = createGunzip({ chunkSize: CHUNK_BYTES });
  const fed = feed(packed, stream, use);
  yield* stream as AsyncIterable<Buffer>;
  await fed;
}

async function feed(packed: AsyncIterable<Buffer>, stream: Gunzip, use: ChunkUse): Promise<void> {
  use.once = true;
  try {
    for await (const chunk of packed) {
      // False when the stream was given up, or its data are bad: whoever iterates over it hears of that.
      const taken = await new Promise<boolean>((resolve) => stream.write(chunk, (error) => resolve(!error)));
      if (!taken) return;
    }
    stream.end();
  } catch (error) {
    stream.destroy(error as Error);
  }
}

/** The first bytes, and everything again from the beginning. Read errors become trace errors. */
async function peek(file: string, stream: AsyncIterable<Buffer>, bytes: number) {
  const iterator = stream[Symbol.asyncIterator]();
  const next = async () => {
    try {
      return await iterator.next();
    } catch (error) {
      throw readError(file, error);
    }
  };
  const first: Buffer[] = [];
  let length = 0;
  while (length < bytes) {
    const item = await next();
    if (item.done) break;
    first.push(item.value);
    length += item.value.length;
  }
  async function* all(): AsyncGenerator<Buffer> {
    try {
      yield* first;
      for (let item = await next(); !item.done; item = await next()) yield item.value;
    } finally {
      await iterator.return?.();
    }
  }
  const close = async () => {
    await iterator.return?.();
  };
  return { head: Buffer.concat(first).subarray(0, 64 * 1024), length, all, close };
}

function readError(file: string, error: unknown): unknown {
  if (error instanceof TraceError) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'Z_BUF_ERROR') return new TraceError(file, null, 'the gzip data ends too early: the file is truncated');
  if (code?.startsWith('Z_')) {
    return new TraceError(file, null, `the gzip data is damaged (${(error as Error).message}); fetch the file again`);
  }
  return code === undefined ? error : new TraceError(file, null, openProblem(code));
}

const COMPILED_IN_GZIP = 'is a compiled trace inside gzip, which cannot be read in place: unpack it first';

const MAGIC: readonly (readonly [number[], string])[] = [
  [[0x28, 0xb5, 0x2f, 0xfd], 'zstd-compressed: use `zstd -dc FILE | gmem-eval ... -`'],
  [[0xfd, 0x37, 0x7a, 0x58], 'xz-compressed: use `xz -dc FILE | gmem-eval ... -`'],
  [[0x42, 0x5a, 0x68], 'bzip2-compressed: use `bzip2 -dc FILE | gmem-eval ... -`'],
  [[0x50, 0x4b, 0x03, 0x04], 'a zip archive: unpack it first'],
  [[0x1f, 0x8b], 'gzip inside gzip: unpack it once'],
  [[0xff, 0xfe], 'UTF-16 text: convert it with `iconv -f UTF-16 -t UTF-8`'],
  [[0xfe, 0xff], 'UTF-16 text: convert it with `iconv -f UTF-16 -t UTF-8`'],
];

function binaryContent(head: Buffer): string | null {
  for (const [magic, message] of MAGIC) {
    if (magic.every((byte, i) => head[i] === byte)) return `is ${message}`;
  }
  const nul = head.indexOf(0);
  // A NUL further on is reported with its line.
  return nul >= 0 && head.subarray(0, nul).indexOf(NEWLINE) < 0 ? 'is binary data, not a text trace' : null;
}

async function* wholeLines(
  file: string,
  stream: AsyncIterable<Buffer>,
  hash: { update(data: Buffer): unknown },
  read: LinesRead,
): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  for await (const chunk of stream) {
    hash.update(chunk);
    let start = 0;
    if (restBytes > 0) {
      // Only the line that two chunks share is copied.
      start = chunk.indexOf(NEWLINE) + 1;
      if (start > 0) {
        yield Buffer.concat([...rest, chunk.subarray(0, start)]);
        rest = [];
        restBytes = 0;
      }
    }
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end > start) yield chunk.subarray(start, end);
    if (end < chunk.length) {
      rest.push(Buffer.from(chunk.subarray(end)));
      restBytes += chunk.length - end;
    }
    if (restBytes > LONGEST_LINE) {
      const message = 'the line is longer than 1 MiB; is this a text trace with line ends?';
      throw new TraceError(file, read.lines + 1, message);
    }
  }
  if (restBytes > 0) yield Buffer.concat([...rest, Buffer.from('\n')]);
}

/** `line` = number of the first line in `lines`. */
export function rejectNul(file: string, lines: Buffer, line: number): void {
  const nul = lines.indexOf(0);
  if (nul < 0) return;
  const at = line + countLines(lines.subarray(0, nul));
  throw new TraceError(file, at, 'the line contains a NUL byte; the file is damaged or not a text trace');
}

export function countLines(lines: Buffer): number {
  let n = 0;
  for (let at = lines.indexOf(NEWLINE); at >= 0; at = lines.indexOf(NEWLINE, at + 1)) n++;
  return n;
}
