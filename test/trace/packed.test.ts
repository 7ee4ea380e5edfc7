/** Rows at rest: how narrow they are kept, and what comes back. */
import { expect, test } from 'vitest';
import { openSharedTrace, shareTrace } from '../../src/cli/shared-trace.ts';
import { compileTraceText } from '../../src/trace/index.ts';
import { Arena } from '../../src/trace/kernel/arena.ts';
import { FREE_AT } from '../../src/trace/kernel/layout.ts';
import { packedRowsOf } from '../../src/trace/packed-rows.ts';
import { snapshot } from './snapshot.ts';

const widths = async (text: string) => {
  const trace = await compileTraceText(text);
  return packedRowsOf(trace)!.chunks.map(({ rows, word, spot, kind, bytes, time, thread }) => {
    const columns = { word, spot, kind, bytes, time };
    const kept = Object.entries(columns).map(([name, column]) => [name, column.bytesPerRow]);
    return { rows, ...Object.fromEntries(kept), thread: thread === null ? null : thread.bytesPerRow };
  });
};

test('a column whose numbers are all the same takes no room', async () => {
  const row = (i: number) => `${i * 1000},gpu0,read,0x200000,64\n`;
  const text = `time_ns,actor,op,addr,size\n${Array.from({ length: 2000 }, (_, i) => row(i)).join('')}`;
  const nothing = { word: 0, spot: 0, kind: 0, bytes: 0, time: 0, thread: null };
  expect(await widths(text)).toEqual([
    { rows: 1024, ...nothing },
    { rows: 976, ...nothing },
  ]);
});

test('each column is as wide as its numbers differ', async () => {
  // Offsets 0 and 4032 are 0 and 63 lines apart; pages 0 and 31 differ in the bit: (31 << 12 | 4032) >> 6 = 2047.
  // Blocks 0, 1 and 1000: mask words 0, 16 and 32, as lives are numbered by first touch. Sizes 1 and 2^16 + 1.
  // Times 0, 5 and 5 + 2^32: the last step needs more than 32 bits.
  const text = `time_ns,actor,op,addr,size,thread
0,gpu0,read,0x0,1,
0,gpu0,write,0x1ffc0,1,3
5,gpu1,read,0x200000,1,
5,gpu1,read,0x7d000000,65537,3
4294967301,gpu0,read,0x0,1,
`;
  expect(await widths(text)).toEqual([{ rows: 5, word: 1, spot: 2, kind: 1, bytes: 1, time: 8, thread: 4 }]);
});

test('rows come back as they were, here and in another thread, as often as asked', async () => {
  const rows = Array.from({ length: 90_000 }, (_, i) => {
    if (i % 9000 === 5) return `${i * i},gpu${i % 7},launch,,,,`;
    // Four blocks in one record: rows that go on, at the end of a chunk too.
    if (i % 1021 === 7) return `${i * i},gpu1,write,0x40000800,6291456,,`;
    return `${i * i},gpu${i % 7},read,${0x40000000 + (i % 5000) * 2048},${1 + (i % 4096)},${i % 300 || ''},`;
  });
  const trace = await compileTraceText(`time_ns,actor,op,addr,size,thread,arg\n${rows.join('\n')}\n`);
  let record = -1;
  const bytes = new Float64Array(rows.length);
  for (const chunk of trace.chunks()) {
    for (let i = 0; i < chunk.rows; i++) {
      if ((chunk.op[i] & 0x80) === 0) record++;
      expect(chunk.record[i]).toBe(record);
      expect(chunk.timeNs[i]).toBe(record * record);
      // A record that leaves its block has two rows, which share its bytes.
      bytes[record] += chunk.bytes[i];
    }
  }
  expect(record).toBe(89_999);
  for (const [i, row] of rows.entries()) {
    expect(bytes[i]).toBe(row.includes('read') ? 1 + (i % 4096) : row.includes('write') ? 6_291_456 : 0);
  }
  const first = snapshot(trace);
  expect(snapshot(trace)).toEqual(first);
  const shared = shareTrace(trace);
  expect(shared.rows).toMatchObject({ withThread: true });
  expect(snapshot(openSharedTrace(structuredClone(shared)))).toEqual(first);
});

/** Rows with every column, for five chunks. */
async function longTrace() {
  const rows = Array.from(
    { length: 200_000 },
    (_, i) => `${i * 3},gpu${i % 2},read,${(i % 5000) * 2048},${1 + (i % 2048)},${i % 9}`,
  );
  return compileTraceText(`time_ns,actor,op,addr,size,thread\n${rows.join('\n')}\n`);
}

test('columns go into the memory that is given, and chunks say so', async () => {
  const trace = await longTrace();
  const arena = Arena.make(FREE_AT)!;
  expect(snapshot(trace, arena)).toEqual(snapshot(trace));
  const places = new Set<number>();
  for (const chunk of trace.chunks(Arena.make(FREE_AT)!)) expect(chunk.arena).not.toBe(arena);
  for (const chunk of trace.chunks(arena)) {
    expect(chunk.arena).toBe(arena);
    expect([...new Uint8Array(arena.buffer, chunk.code.byteOffset, chunk.rows)]).toEqual([
      ...chunk.code.subarray(0, chunk.rows),
    ]);
    places.add(chunk.code.byteOffset);
  }
  expect(places.size).toBe(2);
  for (const chunk of trace.chunks()) expect(chunk.arena).toBe(undefined);
});

test('columns for which the memory has no room are elsewhere', async () => {
  const trace = await longTrace();
  // The layout takes 80 pages; a column of bytes alone takes four more.
  const arena = Arena.make(FREE_AT, 82)!;
  expect(snapshot(trace, arena)).toEqual(snapshot(trace));
  for (const chunk of trace.chunks(arena)) expect(chunk.arena).toBe(undefined);
});

test('holds no more than two chunks: the one before stays as it is while the next one comes', async () => {
  const rows = Array.from({ length: 300_000 }, (_, i) => `gpu0,read,${(i % 100) * 4096},64\n`).join('');
  const trace = await compileTraceText(`actor,op,addr,size\n${rows}`);
  let before: Uint32Array | null = null;
  let rowsBefore = 0;
  let seen = 0;
  for (const { record, rows: n } of trace.chunks()) {
    if (before !== null) expect(before[rowsBefore - 1]).toBe(seen - 1);
    expect([record[0], record[n - 1]]).toEqual([seen, seen + n - 1]);
    before = record;
    rowsBefore = n;
    seen += n;
  }
  expect(seen).toBe(300_000);
});
