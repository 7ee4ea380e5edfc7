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
  return packedRowsOf(trace)!.chunks.map(({ rows, word, spot, bytes, time, thread }) => {
    const columns = { word, spot, bytes, time };
    const kept = Object.entries(columns).map(([name, column]) => [name, column.bytesPerRow]);
    return { rows, ...Object.fromEntries(kept), thread: thread === null ? null : thread.bytesPerRow };
  });
};

test('a column whose numbers are all the same takes no room', async () => {
  const row = (i: number) => `${i * 1000},gpu0,read,0x200000,64\n`;
  const text = `time_ns,actor,op,addr,size\n${Array.from({ length: 2000 }, (_, i) => row(i)).join('')}`;
  const nothing = { word: 0, spot: 0, bytes: 0, time: 0, thread: null };
  expect(await widths(text)).toEqual([
    { rows: 1024, ...nothing },
    { rows: 976, ...nothing },
  ]);
});

test('each column is as wide as its numbers differ', async () => {
  // Offsets 0 and 4032 are 0 and 63 lines apart, all numbers multiples of 64. Kinds of rows: read, write and atomic of gpu0
  // are 0, 1 and 2 when it appears, read of gpu1 is 3: 3 << 17 >> 6 = 6144.
  // Blocks 0, 1 and 1000: mask words 0, 16 and 32, as lives are numbered by first touch. Sizes 1 and 2^16 + 1.
  // Times 0, 5 and 5 + 2^32: the last step needs more than 32 bits.
  const text = `time_ns,actor,op,addr,size,thread
0,gpu0,read,0x0,1,
0,gpu0,write,0x1ffc0,1,3
5,gpu1,read,0x200000,1,
5,gpu1,read,0x7d000000,65537,3
4294967301,gpu0,read,0x0,1,
`;
  expect(await widths(text)).toEqual([{ rows: 5, word: 1, spot: 2, bytes: 1, time: 8, thread: 4 }]);
});

test('numbers that need 17 to 24 bits take three bytes, and come back', async () => {
  // Odd offsets 1 and 4095 in pages 0 and 31: differences of up to 31 << 12 | 4094, 17 bits less the lowest = 16: two bytes.
  // Offset 0 too: 17 bits. Sizes 1, 2 and 65,538: a difference of 65,537.
  const text = (first: number, third: number) => `actor,op,addr,size
gpu0,read,${first},1
gpu0,read,0x1ffff,2
gpu0,read,0x200001,${third}
`;
  const same = { rows: 3, word: 1, time: 0, thread: null };
  expect(await widths(text(1, 1))).toEqual([{ ...same, spot: 2, bytes: 1 }]);
  expect(await widths(text(0, 65_538))).toEqual([{ ...same, spot: 3, bytes: 3 }]);
  const [chunk] = [...(await compileTraceText(text(0, 65_538))).chunks()];
  expect([...chunk.offset.subarray(0, 3)]).toEqual([0, 4095, 1]);
  expect([...chunk.bytes.subarray(0, 3)]).toEqual([1, 2, 65_538]);
});

test('steps of time that need 24 bits take three bytes, of 25 four', async () => {
  // Steps 1, 2 and 2^24 are up to 2^24 - 1 apart, with 2^24 + 1 up to 2^24.
  const text = (last: number) => `time_ns,actor,op,addr,size
0,gpu0,read,0,1
1,gpu0,read,0,1
3,gpu0,read,0,1
${3 + last},gpu0,read,0,1
`;
  expect(await widths(text(2 ** 24))).toMatchObject([{ time: 3 }]);
  expect(await widths(text(2 ** 24 + 1))).toMatchObject([{ time: 4 }]);
  const [chunk] = [...(await compileTraceText(text(2 ** 24))).chunks()];
  expect([...chunk.timeNs.subarray(0, 4)]).toEqual([0, 1, 3, 3 + 2 ** 24]);
});

test('a record may go on in the next chunk, and plain rows begin one', async () => {
  // The first chunk has 1024 rows: the last one is the first block of the two of record 1023.
  const plain = 'gpu0,read,0x40000000,64\n';
  const text = `actor,op,addr,size\n${plain.repeat(1023)}gpu0,read,0x401ff000,8192\n${plain.repeat(9000)}`;
  const records: number[] = [];
  const first: number[] = [];
  for (const { record, rows } of (await compileTraceText(text)).chunks()) {
    first.push(record[0]);
    records.push(...record.subarray(0, rows));
  }
  // 4096 rows in the second chunk, of which the first is still of record 1023; the rest in the third.
  expect(first).toEqual([0, 1023, 1023 + 4096]);
  expect(records).toEqual(Array.from({ length: 10_025 }, (_, row) => (row < 1024 ? row : row - 1)));
});

test('there are kinds of rows for hundreds of actors', async () => {
  const ops = ['read', 'write', 'atomic'];
  const rows = Array.from({ length: 600 }, (_, i) => `gpu${i % 200},${ops[i % 3]},0x${(4096 * i).toString(16)},64\n`);
  const trace = await compileTraceText(`actor,op,addr,size\n${rows.join('')}`);
  const [chunk] = [...trace.chunks()];
  for (let i = 0; i < 600; i++) {
    expect([trace.actors[chunk.actor[i]], chunk.op[i]]).toEqual([`gpu${i % 200}`, i % 3]);
  }
  expect([...trace.accessesByActor]).toEqual([0, ...Array<number>(200).fill(3)]);
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
  // The layout takes 72 pages; a column of bytes alone takes four.
  const arena = Arena.make(FREE_AT, 74)!;
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
