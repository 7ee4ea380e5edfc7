import { describe, expect, it } from 'vitest';
import {
  type AdviseEvent,
  CONTINUES,
  type CompiledTrace,
  type CopyEvent,
  type LaunchEvent,
  OP,
  type PrefetchEvent,
} from '../../src/trace/compiled.ts';
import { compileTraceText, traceInfo } from '../../src/trace/index.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

const compile = (rows: string, columns = 'actor,op,addr,size,arg') =>
  compileTraceText(`${columns}\n${rows.trim().replaceAll(/^\s+/gm, '')}\n`);

/** Rows as arrays: record, op, actor, page, pages, offset, bytes. */
function rowsOf(trace: CompiledTrace): number[][] {
  const rows: number[][] = [];
  for (const c of trace.chunks()) {
    for (let i = 0; i < c.rows; i++) {
      rows.push([c.record[i], c.op[i], c.actor[i], c.page[i], c.pages[i], c.offset[i], c.bytes[i]]);
    }
  }
  return rows;
}

function livesOf({ lives }: CompiledTrace) {
  return Array.from({ length: lives.count }, (_, i) => ({
    block: lives.block[i],
    slot: lives.slot[i],
    firstId: lives.firstId[i],
    begin: lives.beginEvent[i],
    end: lives.endEvent[i],
  }));
}

describe('rows', () => {
  it('numbers touched pages densely, by address, whatever the order of touches', async () => {
    const trace = await compile(`
      cpu,write,0x5000,4096,
      gpu0,read,0x1000,4,
      gpu0,read,0x5008,8,`);
    // Pages 1 and 5 are touched: ids 0 and 1.
    expect(rowsOf(trace)).toEqual([
      [0, OP.write, 0, 1, 1, 0, 4096],
      [1, OP.read, 1, 0, 1, 0, 4],
      [2, OP.read, 1, 1, 1, 8, 8],
    ]);
    expect(trace.pageIds).toBe(2);
    expect(trace.footprintBytes).toBe(8192);
  });

  it('cuts an access at 2 MiB blocks', async () => {
    // From 0x1ff800 (page 511, byte 2048) 2 MiB + 4 KiB: to byte 2048 of page 1024 (0x400800).
    const trace = await compile(`gpu0,write,0x1ff800,${2 * MIB + 4096},`);
    expect(rowsOf(trace)).toEqual([
      [0, OP.write, 1, 0, 1, 2048, 2048],
      [0, OP.write | CONTINUES, 1, 1, 512, 0, 2 * MIB],
      [0, OP.write | CONTINUES, 1, 513, 1, 0, 2048],
    ]);
    expect([...trace.touchesByActor]).toEqual([0, 514]);
    expect([...trace.accessesByActor]).toEqual([0, 1]);
    expect([...trace.bytesByActor]).toEqual([0, 2 * MIB + 4096]);
    expect(trace.livePeakBytes[1]).toBe(3 * 2 * MIB);
  });

  it('keeps addresses above 2^53 exact, in hex and in decimal', async () => {
    // 2^57 - 8192 + 4095 = 0x1ffffffffffefff, the last byte of page 2^45 - 2.
    const hex = await compile('gpu0,read,0x1ffffffffffefff,2,');
    const decimal = await compile(`gpu0,read,${0x1ffffffffffefffn},2,`);
    for (const trace of [hex, decimal]) {
      expect(rowsOf(trace)).toEqual([[0, OP.read, 1, 0, 2, 4095, 2]]);
      expect(trace.lives.block[0]).toBe(2 ** 36 - 1);
      expect(trace.allocations[0].lastPage).toBe(2 ** 45 - 1);
    }
  });

  it('orders actors by letters, then number, with the cpu first', async () => {
    const trace = await compile(`
      npu0,read,0,4,
      gpu10,read,0,4,
      gpu2,read,0,4,
      cpu,prefetch,0,4,acc1`);
    expect(trace.actors).toEqual(['cpu', 'acc1', 'gpu2', 'gpu10', 'npu0']);
    expect(trace.actorHasRecords).toEqual([true, false, true, true, true]);
    expect(rowsOf(trace).map((row) => row[2])).toEqual([4, 3, 2, 0]);
    expect((trace.events[0] as PrefetchEvent).target).toBe(1);
  });

  it('numbers threads by actor', async () => {
    const trace = await compile(
      `gpu0,read,0,4,7
       gpu0,read,0,4,8
       gpu1,read,0,4,7
       gpu0,read,0,4,7
       cpu,read,0,4,`,
      'actor,op,addr,size,thread',
    );
    const [chunk] = [...trace.chunks()];
    expect([...chunk.thread!.subarray(0, 5)]).toEqual([0, 1, 2, 0, -1]);
    expect(trace.threads).toBe(3);
  });

  it('takes times, and nothing at all without the column', async () => {
    const timed = await compile('10,cpu,r,0,4\n15,gpu0,a,0,4', 'time_ns,actor,op,addr,size');
    expect([timed.startNs, timed.durationNs, timed.hasTime, timed.hasAtomics]).toEqual([10, 5, true, true]);
    const untimed = await compile('cpu,r,0,4,');
    expect([untimed.startNs, untimed.durationNs, untimed.hasTime, untimed.hasAtomics]).toEqual([0, 0, false, false]);
    expect([...untimed.chunks()][0].thread).toBe(null);
  });

  it('gives a dispatch byte to the accesses of one page', async () => {
    // Final actors: cpu 0, gpu0 1, npu0 2. 0x1ff000 is the last page of block 0, so the third row is cut: 1 + 1 pages.
    const trace = await compile(`
      npu0,atomic,0x1000,4,
      gpu0,write,0x1ff8,16,
      gpu0,read,0x1ff000,8192,
      cpu,write,0x3000,4,
      gpu0,launch,,,
      gpu0,write,0x1fff,1,`);
    const [{ code, rows }] = [...trace.chunks()];
    // 2 x 3 + 2; two pages; 1 x 3 + 0 and its continuation; 0 x 3 + 1; an event; 1 x 3 + 1.
    expect([...code.subarray(0, rows)]).toEqual([8, 255, 3, 255, 1, 255, 4]);
  });

  it('gives no dispatch byte to actors beyond those that fit into 250', async () => {
    const rows = Array.from({ length: 84 }, (_, i) => `gpu${i},write,0x0,4,\ngpu${i},read,0x0,4,`).join('\n');
    const [{ code, rows: n }] = [...(await compile(rows)).chunks()];
    // Actor 82 (gpu81): 247 and 246. Actor 83 (gpu82): 83 x 3 + 1 = 250 is one too many, 249 is not.
    expect([...code.subarray(n - 6, n)]).toEqual([247, 246, 255, 249, 255, 255]);
  });

  it('accepts a header without rows, with a warning', async () => {
    const trace = await compile('');
    expect(traceInfo(trace)).toMatchObject({ records: 0, accesses: 0, footprintBytes: 0, allocations: [], actors: [] });
    expect(trace.warnings).toEqual(['the trace has a header but no records: every count is 0']);
    expect([...trace.chunks()]).toEqual([]);
  });
});

describe('allocations', () => {
  it('infers one allocation for each run of touched blocks', async () => {
    const trace = await compile(`
      cpu,write,0x600000,4096,
      gpu0,read,0x0,4096,
      gpu0,read,0x200000,4096,`);
    expect(trace.inferredAllocations).toBe(true);
    expect(trace.allocations.map((a) => [a.name, a.kind, a.firstPage, a.lastPage, a.sizeBytes, a.record])).toEqual([
      ['inferred0', 'managed', 0, 1023, 4 * MIB, -1],
      ['inferred1', 'managed', 1536, 2047, 2 * MIB, -1],
    ]);
    expect(livesOf(trace).map((l) => [l.block, l.firstId, l.begin, l.end])).toEqual([
      [0, 0, -1, -1],
      [1, 1, -1, -1],
      [3, 2, -1, -1],
    ]);
  });

  it('reads the options of alloc and covers whole pages', async () => {
    const trace = await compile(`
      cpu,alloc,0x10010,4096,heap; kind=system;vma=heap
      gpu0,alloc,0x20000,1,;kind=device
      cpu,alloc,0x30000,1,vma=stack
      cpu,alloc,0x40000,1,`);
    expect(
      trace.allocations.map((a) => [a.name, a.kind, a.vma, a.actor, a.firstPage, a.lastPage, a.sizeBytes]),
    ).toEqual([
      ['heap', 'system', 'heap', 0, 16, 17, 4096],
      ['alloc1', 'device', 'map', 1, 32, 32, 1],
      ['alloc2', 'managed', 'stack', 0, 48, 48, 1],
      ['alloc3', 'managed', 'map', 0, 64, 64, 1],
    ]);
    expect(trace.inferredAllocations).toBe(false);
    expect(trace.lives.count).toBe(0);
  });

  it('uses ids and slots again when a block has died', async () => {
    const trace = await compile(`
      cpu,alloc,0x200000,4194304,a
      gpu0,write,0x200000,8192,
      gpu0,write,0x400000,4096,
      cpu,free,0x200000,4194304,
      cpu,alloc,0x800000,2097152,b
      gpu0,write,0x800000,12288,`);
    // a needs 2 + 1 ids and two slots; b three ids, in the same place.
    expect(livesOf(trace)).toEqual([
      { block: 1, slot: 0, firstId: 0, begin: 0, end: 1 },
      { block: 2, slot: 1, firstId: 2, begin: 0, end: 1 },
      { block: 4, slot: expect.any(Number), firstId: 0, begin: 2, end: -1 },
    ]);
    expect([trace.pageIds, trace.slots]).toEqual([3, 2]);
    expect(trace.footprintBytes).toBe(6 * 4096);
    // Two blocks at once, then one.
    expect(trace.livePeakBytes[1]).toBe(4 * MIB);
  });

  it('keeps a block alive until the last allocation in it goes, and counts new memory at an old address again', async () => {
    const trace = await compile(`
      cpu,alloc,0x0,4096,a
      cpu,alloc,0x1000,4096,b
      gpu0,write,0x0,128,
      gpu0,write,0x1000,128,
      cpu,free,0x0,4096,
      cpu,alloc,0x0,4096,c
      gpu0,write,0x0,64,
      cpu,free,0x0,8192,
      cpu,alloc,0x0,4096,d
      gpu0,write,0x0,4096,`);
    // Events: 0 a, 1 b, 2 free, 3 c, 4 free, 5 d. The block lives from a to the free of b and c, and again from d.
    expect(livesOf(trace).map((l) => [l.begin, l.end])).toEqual([
      [0, 4],
      [5, -1],
    ]);
    // Pages a, b, c, d; lines 2 + 2 + 1 + 64.
    expect(trace.footprintBytes).toBe(4 * 4096);
    expect(trace.deviceLineBytes).toBe((2 + 2 + 1 + 64) * 64);
    expect(trace.pageIds).toBe(2);
  });

  it('begins the life of a shared block with the first alloc in it, even if that one was freed untouched', async () => {
    const trace = await compile(`
      cpu,alloc,0x0,4096,a
      cpu,alloc,0x1000,4096,b
      cpu,free,0x0,4096,
      gpu0,read,0x1000,4,`);
    expect(livesOf(trace).map((l) => [l.begin, l.end])).toEqual([[0, -1]]);
  });

  it('frees parts, and several allocations at once', async () => {
    const trace = await compile(`
      cpu,alloc,0x0,6291456,a
      cpu,alloc,0x600000,2097152,b
      gpu0,write,0x0,8388608,
      cpu,free,0x100000,4194304,
      gpu0,write,0x0,1048576,
      cpu,free,0x0,8388608,`);
    // The hole takes half of block 0, block 1 and half of block 2; block 1 dies with it (event 2), the others with event 3.
    expect(livesOf(trace).map((l) => [l.block, l.begin, l.end])).toEqual([
      [0, 0, 3],
      [1, 0, 2],
      [2, 0, 3],
      [3, 1, 3],
    ]);
    expect(trace.footprintBytes).toBe(8 * MIB);
    // The second write touches lines that are counted already.
    expect(trace.deviceLineBytes).toBe(8 * MIB);
    expect(trace.livePeakBytes[1]).toBe(8 * MIB);
  });

  it('does not take freed pages of a block that lives on for live ones', async () => {
    const rows = `
      cpu,alloc,0x0,4096,a
      cpu,alloc,0x1000,4096,b
      cpu,read,0x0,4,
      cpu,free,0x0,4096,
      cpu,read,0x0,4,`;
    await expect(compile(rows)).rejects.toThrow('trace.csv:6: the access 0x0+4 touches memory that was freed');
  });

  it('frees an unaligned allocation by the same address and size', async () => {
    const trace = await compile(`
      cpu,alloc,0x10010,4096,a
      cpu,free,0x10010,4096,
      cpu,alloc,0x10000,8192,b`);
    expect(trace.allocations).toHaveLength(2);
  });

  it('lets an access run over two allocations that touch each other', async () => {
    const trace = await compile(`
      cpu,alloc,0x0,4096,a
      cpu,alloc,0x1000,4096,b
      gpu0,launch,0,0,
      gpu0,read,0xff0,32,`);
    expect(rowsOf(trace).at(-1)).toEqual([3, OP.read, 1, 0, 2, 0xff0, 32]);
    expect((trace.events[2] as LaunchEvent).allocations).toEqual([0, 1]);
  });

  it('frees a range of 2^57 bytes without walking over it', async () => {
    const trace = await compile(`
      cpu,alloc,0x1,0x1fffffffffff000,all
      gpu0,write,0x7f0000000000,4096,
      cpu,free,0x0,0x1fffffffffff000,`);
    expect(livesOf(trace).map((l) => [l.begin, l.end])).toEqual([[0, 1]]);
  });
});

describe('launches', () => {
  it('names the allocations up to the next record of the cpu, launch or sync', async () => {
    const trace = await compile(`
      cpu,alloc,0x0,2097152,a
      cpu,alloc,0x200000,2097152,b
      cpu,alloc,0x400000,2097152,c
      gpu0,launch,,,k0
      gpu1,launch,,,
      gpu0,read,0x400000,4,
      gpu1,read,0x200000,4,
      gpu0,write,0x0,4,
      gpu0,launch,,,
      gpu0,read,0x200000,4,
      gpu0,sync,,,
      gpu0,read,0x0,4,
      cpu,read,0x0,4,
      gpu1,read,0x0,4,`);
    const sets = trace.events.filter((e) => e.op === 'launch').map((e) => (e as LaunchEvent).allocations);
    expect(sets).toEqual([[0, 2], [1], [1]]);
  });

  it('names inferred allocations too', async () => {
    const trace = await compile(`
      gpu0,read,0x0,4,
      gpu0,launch,,,
      gpu0,read,0x800000,4,
      gpu0,read,0x200000,4,
      gpu0,read,0x0,4,`);
    expect((trace.events[0] as LaunchEvent).allocations).toEqual([0, 1]);
  });
});

describe('counts', () => {
  it('counts distinct lines of devices only, once for all devices', async () => {
    const trace = await compile(`
      cpu,write,0x0,4096,
      gpu0,read,0x3f,2,
      gpu1,read,0x0,64,
      gpu1,read,0x1000,4096,`);
    // gpu0: lines 0 and 1; gpu1: line 0 again, and 64 lines.
    expect(trace.deviceLineBytes).toBe((2 + 64) * 64);
    expect([...trace.livePeakBytes]).toEqual([0, 2 * MIB, 2 * MIB]);
  });

  it('counts hand-overs between access records', async () => {
    const trace = await compile(`
      cpu,write,0,4,
      gpu0,launch,,,
      gpu0,read,0,4,
      gpu0,read,0,4,
      gpu1,read,0,4,
      cpu,invalidate,0,4,numa
      gpu1,read,0,4,
      cpu,read,0,4,`);
    expect(trace.handOvers).toBe(3);
  });

  it('lets a copy touch both ranges without being an access', async () => {
    const trace = await compile(`
      cpu,alloc,0x0,4096,s
      cpu,alloc,0x200000,4096,d
      gpu0,copy,0x200000,128,0x40`);
    const copy = trace.events[2] as CopyEvent;
    expect([copy.firstPage, copy.lastPage, copy.sourceFirstPage, copy.sourceLastPage, copy.sourceOffsetBytes]).toEqual([
      512, 512, 0, 0, 64,
    ]);
    expect(trace.footprintBytes).toBe(2 * 4096);
    expect(trace.deviceLineBytes).toBe(4 * 64);
    expect(trace.livePeakBytes[1]).toBe(4 * MIB);
    expect([...trace.accessesByActor, ...trace.touchesByActor]).toEqual([0, 0, 0, 0]);
  });

  it('counts a copy of 2^31 bytes and more whole', async () => {
    const trace = await compile(`gpu0,copy,0x200000000,${3 * 1024 * MIB},0x0`);
    expect(trace.footprintBytes).toBe(6 * 1024 * MIB);
    expect(trace.deviceLineBytes).toBe(6 * 1024 * MIB);
  });
});

describe('traceInfo', () => {
  it('tells who reads and writes how much', async () => {
    const trace = await compile(`
      cpu,write,0,${4 * MIB},
      gpu0,read,0,64,
      gpu0,read,64,64,
      gpu0,atomic,128,4,
      cpu,advise,0,64,read_mostly`);
    const { actors, records, accesses, touches, recordsByOp } = traceInfo(trace);
    // 4 MiB are 1,024 pages in two rows, but one access.
    expect(actors).toEqual([
      { name: 'cpu', accesses: 1, reads: 0, writes: 1, atomics: 0, touches: 1024, bytes: 4 * MIB, livePeakBytes: 0 },
      { name: 'gpu0', accesses: 3, reads: 2, writes: 0, atomics: 1, touches: 3, bytes: 132, livePeakBytes: 2 * MIB },
    ]);
    expect([records, accesses, touches]).toEqual([5, 4, 1027]);
    expect(recordsByOp).toMatchObject({ read: 2, write: 1, atomic: 1, advise: 1, alloc: 0 });
  });
});

describe('hints', () => {
  it.each([
    ['read_mostly', { advice: 'read_mostly', unset: false, target: -1, attribute: null, value: null }],
    ['unset:read_mostly', { advice: 'read_mostly', unset: true }],
    ['preferred:cpu', { advice: 'preferred', target: 0 }],
    ['accessed_by:gpu1', { advice: 'accessed_by', target: 2 }],
    ['unset:accessed_by:gpu1', { advice: 'accessed_by', unset: true, target: 2 }],
    ['unset:preferred', { advice: 'preferred', unset: true, target: -1 }],
    ['pin:gpu0', { advice: 'pin', target: 1 }],
    ['unpin', { advice: 'unpin' }],
    ['dontneed', { advice: 'dontneed' }],
    ['attr:GRANULARITY=9', { advice: 'attr', attribute: 'GRANULARITY', value: '9', target: -1 }],
    ['attr:ACCESS@gpu1', { advice: 'attr', attribute: 'ACCESS', value: null, target: 2 }],
    ['attr:A=b=c@gpu0', { advice: 'attr', attribute: 'A', value: 'b=c', target: 1 }],
    ['unset:attr:A', { advice: 'attr', attribute: 'A', unset: true }],
    ['hugepage', { advice: 'hugepage', target: -1, value: null }],
    ['cold:3', { advice: 'cold', target: -1, value: '3' }],
  ])('%s', async (arg, expected) => {
    const trace = await compile(`
      gpu0,read,0,4,
      gpu1,read,0,4,
      cpu,advise,0x1800,4096,${arg}`);
    const event = trace.events[0] as AdviseEvent;
    expect(event).toMatchObject({ op: 'advise', firstPage: 1, lastPage: 2, offsetBytes: 0x800, sizeBytes: 4096 });
    expect(event).toMatchObject(expected);
  });
});
