/** Bytes of a trace: file or standard input, gzip found from the content, cut at line ends, hashed on the way. */

import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { isCompiled } from './arrow/read.ts';
import { TraceError } from './errors.ts';

const CHUNK_BYTES = 256 * 1024;
/** No line of a trace is nearly as long; a file without line ends must not fill the memory. */
const LONGEST_LINE = 1024 * 1024;
const NEWLINE = 10;

/** Whole lines. */
export interface Lines {
  readonly buffer: Buffer;
  /** Number of the first one, from 1. */
  readonly line: number;
}

export interface TraceSource {
  /** For messages: the path as given, or `<stdin>`. */
  readonly file: string;
  /** The beginning of the uncompressed content, for finding the format. */
  readonly head: Buffer;
  /** A compiled trace: for `bytes`, where text is for `lines`. */
  readonly compiled: boolean;
  lines(): AsyncGenerator<Lines>;
  bytes(): AsyncGenerator<Buffer>;
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
  const { stream, totalBytes } = path === '-' ? { stream: process.stdin, totalBytes: null } : await openFile(path);
  return sourceOf(file, counted(stream, totalBytes, onProgress));
}

export function sourceOfText(text: string | Uint8Array, file: string): Promise<TraceSource> {
  return sourceOf(file, inChunks(Buffer.from(text)));
}

async function* inChunks(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}

async function openFile(path: string): Promise<{ stream: AsyncIterable<Buffer>; totalBytes: number }> {
  try {
    const handle = await open(path);
    const stat = await handle.stat();
    if (stat.isDirectory()) {
      await handle.close();
      throw new TraceError(path, null, 'is a directory; give the trace file inside it');
    }
    return { stream: handle.createReadStream({ highWaterMark: CHUNK_BYTES }), totalBytes: stat.size };
  } catch (error) {
    if (error instanceof TraceError) throw error;
    throw new TraceError(path, null, openProblem((error as NodeJS.ErrnoException).code ?? String(error)));
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

async function sourceOf(file: string, raw: AsyncIterable<Buffer>): Promise<TraceSource> {
  const packed = await peek(file, raw, 2);
  const gzip = packed.head.length >= 2 && packed.head[0] === 0x1f && packed.head[1] === 0x8b;
  const plain = gzip ? gunzip(packed.all()) : packed.all();
  const { head, all } = await peek(file, plain, 4096);
  const compiled = isCompiled(head);
  if (compiled && gzip) {
    throw new TraceError(file, null, 'is a compiled trace inside gzip, which cannot be read in place: unpack it first');
  }
  const binary = compiled ? null : binaryContent(head);
  if (binary !== null) throw new TraceError(file, null, binary);
  const hash = createHash('sha256');
  let sha256 = '';
  return {
    file,
    head,
    compiled,
    bytes: all,
    async *lines() {
      yield* wholeLines(file, all(), hash);
      sha256 = hash.digest('hex');
    },
    sha256: () => sha256,
  };
}

function gunzip(packed: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const stream = createGunzip({ chunkSize: CHUNK_BYTES });
  // The error reaches whoever iterates over the stream.
  pipeline(Readable.from(packed, { objectMode: false }), stream, () => {});
  return stream;
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
  return { head: Buffer.concat(first).subarray(0, 64 * 1024), all };
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
): AsyncGenerator<Lines> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  let line = 1;
  for await (const chunk of stream) {
    hash.update(chunk);
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end > 0) {
      const buffer = restBytes === 0 ? chunk.subarray(0, end) : Buffer.concat([...rest, chunk.subarray(0, end)]);
      yield checked(file, buffer, line);
      line += countLines(buffer, buffer.length);
      rest = [];
      restBytes = 0;
    }
    if (end < chunk.length) {
      rest.push(chunk.subarray(end));
      restBytes += chunk.length - end;
    }
    if (restBytes > LONGEST_LINE) {
      throw new TraceError(file, line, 'the line is longer than 1 MiB; is this a text trace with line ends?');
    }
  }
  if (restBytes > 0) yield checked(file, Buffer.concat([...rest, Buffer.from('\n')]), line);
}

function checked(file: string, buffer: Buffer, line: number): Lines {
  const nul = buffer.indexOf(0);
  if (nul >= 0) {
    const at = line + countLines(buffer, nul);
    throw new TraceError(file, at, 'the line contains a NUL byte; the file is damaged or not a text trace');
  }
  return { buffer, line };
}

export function countLines(buffer: Buffer, end: number): number {
  let n = 0;
  for (let i = 0; i < end; i++) if (buffer[i] === NEWLINE) n++;
  return n;
}
