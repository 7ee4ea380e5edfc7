/** Compiled files that are damaged, cut, of another version or not ours. */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Schema, Table, tableFromArrays, tableFromIPC, tableToIPC } from 'apache-arrow';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DamagedTraceError } from '../../src/trace/arrow/chunks.ts';
import { closeCompiled, openCompiled } from '../../src/trace/arrow/read.ts';
import { compiledFile } from '../../src/trace/arrow/write.ts';
import { compileTraceFile, compileTraceText, TraceError } from '../../src/trace/index.ts';
import { snapshot } from './snapshot.ts';

const folder = mkdtempSync(join(tmpdir(), 'gmem-eval-arrow-'));
afterAll(() => rmSync(folder, { recursive: true }));

const TEXT = 'actor,op,addr,size,arg\ncpu,alloc,0,8192,a\ngpu0,read,4096,64,\ngpu0,launch,,,\n';
let good: Buffer;
let told: unknown;

beforeAll(async () => {
  const trace = await compileTraceText(TEXT);
  good = Buffer.concat(Array.from(compiledFile(trace), (piece) => Buffer.from(piece)));
  told = snapshot(trace);
});

function file(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** Everything in a file, or what is wrong with it. */
function outcome(bytes: Uint8Array): unknown {
  return outcomeOf(file('odd.arrow', bytes));
}

function outcomeOf(path: string): unknown {
  try {
    const trace = openCompiled(path);
    try {
      return snapshot(trace);
    } finally {
      closeCompiled(trace);
    }
  } catch (error) {
    if (error instanceof TraceError) return error;
    throw error;
  }
}

it('a flipped bit anywhere is found, or does not matter', () => {
  const schemaEnd = 8 + 8 + good.readUInt32LE(12);
  const endOfStream = good.indexOf(Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]));
  expect(endOfStream).toBeGreaterThan(schemaEnd);
  let found = 0;
  const path = file('flipped.arrow', good);
  const descriptor = openSync(path, 'r+');
  for (let at = 8; at < good.length; at++) {
    writeSync(descriptor, Uint8Array.of(good[at] ^ (1 << (at & 7))), 0, 1, at);
    const result = outcomeOf(path);
    writeSync(descriptor, good, at, 1, at);
    // Only readers of streams look at the schema before the batches, and at the mark after them.
    const matters = at >= schemaEnd && (at < endOfStream || at >= endOfStream + 8);
    if (matters) expect(result, `byte ${at}`).toBeInstanceOf(TraceError);
    else expect(result, `byte ${at}`).toEqual(told);
    if (matters) found++;
  }
  closeSync(descriptor);
  expect(found).toBe(good.length - schemaEnd - 8);
});

it('a file cut anywhere is said to be cut', () => {
  for (let length = 6; length < good.length; length += 31) {
    const error = outcome(good.subarray(0, length));
    expect(error).toBeInstanceOf(DamagedTraceError);
    expect((error as Error).message).toMatch(
      /odd\.arrow: the compiled trace is cut short .*; compile the trace again$/,
    );
  }
});

it('damage is said with its place', async () => {
  const rows = Array.from({ length: 5000 }, (_, i) => `gpu0,read,${(i % 9) * 4096},64\n`).join('');
  const trace = await compileTraceText(`actor,op,addr,size\n${rows}`);
  const bytes = Buffer.concat(Array.from(compiledFile(trace), (piece) => Buffer.from(piece)));
  const schemaEnd = 16 + bytes.readUInt32LE(12);
  // The first batch: its message, then its body.
  bytes[schemaEnd + 8 + bytes.readUInt32LE(schemaEnd + 4) + 1000] ^= 4;
  expect((outcome(bytes) as Error).message).toMatch(
    /odd\.arrow: record batch 0 is damaged \(its checksum differs\); compile the trace again$/,
  );
});

it('an Arrow file of another kind is told from ours', async () => {
  const foreign = tableToIPC(tableFromArrays({ x: [1, 2] }), 'file');
  await expect(compileTraceFile(file('foreign.arrow', foreign))).rejects.toThrow(
    'foreign.arrow: is an Arrow file but no compiled trace: its schema lacks the metadata key gmem-eval.format; ' +
      'make one of a text trace with `gmem-eval trace compile`',
  );
  const again = tableToIPC(tableFromIPC(good), 'file');
  await expect(compileTraceFile(file('again.arrow', again))).rejects.toThrow(
    "again.arrow: lacks the footer's metadata key gmem-eval.sections: another program has written it again; " +
      'compile the trace again',
  );
});

it.each([
  ['2', 'is a compiled trace of format "2", and this version reads 1; use a newer gmem-eval, or compile it again'],
  ['0', 'is a compiled trace of format "0", and this version reads 1; compile it again'],
])('format %s is not read as if it were 1', async (version, message) => {
  const { schema, batches } = tableFromArrays({ x: [1] });
  const marked = new Schema(schema.fields, new Map([['gmem-eval.format', version]]));
  const path = file('other.arrow', tableToIPC(new Table(marked, batches), 'file'));
  await expect(compileTraceFile(path)).rejects.toThrow(`other.arrow: ${message}`);
});

it('a packed one must be unpacked, and no text format is asked of one', async () => {
  await expect(compileTraceFile(file('packed.arrow.gz', gzipSync(good)))).rejects.toThrow(
    'packed.arrow.gz: is a compiled trace inside gzip, which cannot be read in place: unpack it first',
  );
  await expect(compileTraceFile(file('good.arrow', good), { format: 'csv' })).rejects.toThrow(
    'good.arrow: is a compiled trace, not text of the format "csv"; leave --trace-format out',
  );
});

it('in memory, a compiled trace is taken for what it is', async () => {
  expect(snapshot(await compileTraceText(good))).toEqual(told);
});
