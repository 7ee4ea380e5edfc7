/** The compiled form: what is in the file, and that reading it gives the trace back. */
import { createCipheriv } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Table, tableFromIPC } from 'apache-arrow';
import { afterAll, describe, expect, it } from 'vitest';
import { Checksum, checksum } from '../../src/trace/arrow/checksum.ts';
import { closeCompiled, openCompiled } from '../../src/trace/arrow/read.ts';
import { compiledFile } from '../../src/trace/arrow/write.ts';
import type { CompiledTrace } from '../../src/trace/compiled.ts';
import { compileTraceFile, compileTraceText } from '../../src/trace/index.ts';
import { Arena } from '../../src/trace/kernel/arena.ts';
import { snapshot } from './snapshot.ts';

const folder = mkdtempSync(join(tmpdir(), 'gmem-eval-arrow-'));
afterAll(() => rmSync(folder, { recursive: true }));

function bytesOf(trace: CompiledTrace): Buffer {
  return Buffer.concat(Array.from(compiledFile(trace), (piece) => Buffer.from(piece)));
}

function compiled(trace: CompiledTrace): string {
  const path = join(folder, 'trace.arrow');
  writeFileSync(path, bytesOf(trace));
  return path;
}

/** All that a trace has, with what `snapshot` leaves out. */
function everything(trace: CompiledTrace) {
  return { ...snapshot(trace), name: trace.name, sha256: trace.sha256, metadata: trace.metadata };
}

const TRACES = new URL('../../traces/', import.meta.url).pathname;
const small = readdirSync(TRACES).filter((name) => name.endsWith('.csv'));

it.each([...small, 'transformer.csv.gz'])('reading %s back gives the same trace, as often as asked', async (name) => {
  const trace = await compileTraceFile(join(TRACES, name));
  const back = openCompiled(compiled(trace));
  expect(everything(back)).toEqual(everything(trace));
  expect(snapshot(back).rows).toEqual(snapshot(back).rows);
  // Written again from the file, it is the same file.
  expect(bytesOf(back).equals(bytesOf(trace))).toBe(true);
  closeCompiled(back);
});

const HEADER = 'time_ns,actor,op,addr,size,thread,arg\n';
// 3 MiB from 1 MiB on: 1 MiB to the end of block 0, that is pages 256..511, then block 1 whole.
const TEXT = `# author: someone\n${HEADER}5,cpu,alloc,0,4194304,,a\n7.5,gpu0,write,1048576,3145728,12,\n`;

describe('as apache-arrow reads it', () => {
  const read = async (text: string): Promise<Table> => tableFromIPC(bytesOf(await compileTraceText(text, 'small.csv')));
  const columns = (table: Table): Record<string, unknown> =>
    Object.fromEntries(table.schema.fields.map((field) => [field.name, [...table.getChild(field.name)!]]));

  it('has a row an access and block, and a row a record of any other kind', async () => {
    const text = TEXT.replace('7.5', '7');
    const table = await read(text);
    expect(columns(table)).toEqual({
      record: [0, 1, 1],
      time_ns: [5, 7, 7],
      actor: [0, 1, 1],
      // alloc = 3, write = 1, and 128 more in the second row of the access.
      op: [3, 1, 129],
      // Event 0; ids count the touched pages: 256 in block 0, so block 1 begins at 256.
      page: [0, 0, 256],
      pages: [0, 256, 512],
      offset: [0, 0, 0],
      bytes: [0, 1048576, 2097152],
      // One page only has a code of its own.
      code: [255, 255, 255],
      thread: [-1, 0, 0],
    });
    expect(table.schema.fields.map(({ name, type, nullable }) => `${name} ${type}${nullable ? '?' : ''}`)).toEqual([
      'record Uint32',
      'time_ns Float64',
      'actor Uint8',
      'op Uint8',
      'page Int32',
      'pages Uint16',
      'offset Uint16',
      'bytes Uint32',
      'code Uint8',
      'thread Int32',
    ]);
  });

  it('has no thread column without one in the trace, and says the rest in its metadata', async () => {
    const table = await read('# author: someone\nactor,op,addr,size\ngpu0,read,4096,64\ncpu,write,8192,64\n');
    expect(columns(table)).toMatchObject({ actor: [1, 0], page: [0, 1], pages: [1, 1], bytes: [64, 64], code: [3, 1] });
    expect(table.getChild('thread')).toBe(null);
    expect([...table.schema.metadata.keys()]).toEqual(['gmem-eval.format', 'gmem-eval.trace']);
    expect(table.schema.metadata.get('gmem-eval.format')).toBe('1');
    expect(JSON.parse(table.schema.metadata.get('gmem-eval.trace')!)).toMatchObject({
      name: 'small.csv',
      metadata: { author: 'someone' },
      actors: ['cpu', 'gpu0'],
      records: 2,
      footprintBytes: 8192,
      ops: ['read', 'write', 'atomic', 'alloc', 'free', 'prefetch', 'advise', 'copy', 'launch', 'sync', 'invalidate'],
      continues: 128,
    });
  });

  it('has a record batch a chunk, and the stream inside the file is one by itself', async () => {
    const rows = Array.from({ length: 70_000 }, (_, i) => `gpu0,read,${(i % 100) * 4096},64\n`).join('');
    const trace = await compileTraceText(`actor,op,addr,size\n${rows}`);
    const bytes = bytesOf(trace);
    const table = tableFromIPC(bytes);
    expect(table.batches.map((batch) => batch.numRows)).toEqual([...trace.chunks()].map((chunk) => chunk.rows));
    expect(table.numRows).toBe(70_000);
    // Row i touches page i % 100, whose id is the same.
    expect(table.getChild('page')!.get(69_999)).toBe(99);
    expect(tableFromIPC(bytes.subarray(8)).numRows).toBe(70_000);
  });
});

it('a trace without rows has no batches', async () => {
  const trace = await compileTraceText('actor,op,addr,size\n');
  const back = openCompiled(compiled(trace));
  expect([...back.chunks()]).toEqual([]);
  expect(everything(back)).toEqual(everything(trace));
  expect(tableFromIPC(bytesOf(trace)).numRows).toBe(0);
  closeCompiled(back);
});

it('holds no more than two chunks: the one before stays as it is while the next one comes', async () => {
  const rows = Array.from({ length: 300_000 }, (_, i) => `gpu0,read,${(i % 100) * 4096},64\n`).join('');
  const trace = await compileTraceText(`actor,op,addr,size\n${rows}`);
  const back = openCompiled(compiled(trace));
  const buffers = new Set<ArrayBufferLike>();
  let before: Uint32Array | null = null;
  let seen = 0;
  for (const { record, rows: n } of back.chunks()) {
    if (before !== null) expect(before[before.length - 1]).toBe(seen - 1);
    expect([record[0], record[n - 1]]).toEqual([seen, seen + n - 1]);
    buffers.add(record.buffer);
    before = record;
    seen += n;
  }
  expect(seen).toBe(300_000);
  expect(buffers.size).toBe(2);
  closeCompiled(back);
});

it('columns go into the memory that is given, and chunks say so; elsewhere if it has no room', async () => {
  const rows = Array.from({ length: 200_000 }, (_, i) => `gpu${i % 2},read,${(i % 5000) * 2048},${1 + (i % 2048)}\n`);
  const trace = await compileTraceText(`actor,op,addr,size\n${rows.join('')}`);
  const back = openCompiled(compiled(trace));
  const plain = snapshot(trace);
  const [arena, small] = [Arena.make(0)!, Arena.make(0, 4)!];
  for (const given of [arena, small]) expect(snapshot(back, given)).toEqual(plain);
  let before: Uint32Array | null = null;
  for (const chunk of back.chunks(arena)) {
    expect(chunk.arena).toBe(arena);
    // The one before stays as it is.
    if (before !== null) expect(before.at(-1)).toBe(chunk.record[0] - 1);
    before = chunk.record;
    const copy = new Int32Array(arena.buffer, chunk.page.byteOffset, chunk.rows).slice();
    expect(Buffer.compare(Buffer.from(copy.buffer), Buffer.from(chunk.page.slice().buffer))).toBe(0);
  }
  for (const chunk of back.chunks(small)) expect(chunk.arena).toBe(undefined);
  closeCompiled(back);
});

it('reads on when the file has lost its name', async () => {
  const trace = await compileTraceText(TEXT.replace('7.5', '7'));
  const path = compiled(trace);
  const back = openCompiled(path);
  rmSync(path);
  expect(snapshot(back)).toEqual(snapshot(trace));
  closeCompiled(back);
});

it('has lists of any length, in any script', async () => {
  const allocs = Array.from({ length: 9000 }, (_, i) => `0,cpu,alloc,${i * 4096},4096,,größe ${i}\n`).join('');
  const trace = await compileTraceText(`${HEADER}${allocs}`);
  const back = openCompiled(compiled(trace));
  expect(back.allocations).toEqual(trace.allocations);
  expect(back.allocations[8999].name).toBe('größe 8999');
  expect(back.events).toEqual(trace.events);
  closeCompiled(back);
});

/** GMAC as NIST SP 800-38D defines it, over 128-bit numbers. */
function plainGmac(key: string, data: Uint8Array): string {
  const encrypt = (block: Uint8Array): bigint => {
    const cipher = createCipheriv('aes-128-ecb', Buffer.from(key), null);
    return BigInt(`0x${cipher.update(block).toString('hex')}`);
  };
  const times = (x: bigint, y: bigint): bigint => {
    let product = 0n;
    for (let bit = 127n, v = y; bit >= 0n; bit--) {
      if ((x >> bit) & 1n) product ^= v;
      v = v & 1n ? (v >> 1n) ^ (0xe1n << 120n) : v >> 1n;
    }
    return product;
  };
  const h = encrypt(Buffer.alloc(16));
  const padded = Buffer.concat([data, Buffer.alloc((16 - (data.length % 16)) % 16)]);
  let hash = 0n;
  for (let at = 0; at < padded.length; at += 16) {
    hash = times(hash ^ BigInt(`0x${padded.subarray(at, at + 16).toString('hex')}`), h);
  }
  // Bits of the data, bits of the text: none.
  hash = times(hash ^ (BigInt(8 * data.length) << 64n), h);
  const first = Buffer.alloc(16);
  first[15] = 1;
  return (hash ^ encrypt(first)).toString(16).padStart(32, '0');
}

it('its checksum is GMAC with a known key, in pieces or not', () => {
  const data = readFileSync(join(TRACES, 'transformer.csv.gz')).subarray(0, 1001);
  const expected = plainGmac('gmem-eval/arrow1', data);
  expect(checksum(data).toString('hex')).toBe(expected);
  const pieces = new Checksum().add(data.subarray(0, 100)).add(data.subarray(100, 101)).add(data.subarray(101));
  expect(pieces.value().toString('hex')).toBe(expected);
  expect(checksum(new Uint8Array(0)).toString('hex')).toBe(plainGmac('gmem-eval/arrow1', new Uint8Array(0)));
});
