import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type CompiledTrace, LAST_ACCESS, OP } from '../../src/trace/compiled.ts';
import { compileTraceText } from '../../src/trace/index.ts';
import { legal, type NaiveRecord, naiveCounts, pagesOf } from './naive.ts';

const BLOCK = 2 * 1024 * 1024;

/** Four blocks; ranges begin and end near block borders so that allocations share blocks often. */
const position = fc
  .record({
    block: fc.nat(3),
    page: fc.constantFrom(0, 1, 2, 255, 256, 510, 511),
    byte: fc.constantFrom(0, 1, 64, 4095),
  })
  .map(({ block, page, byte }) => block * BLOCK + page * 4096 + byte);
const record: fc.Arbitrary<NaiveRecord> = fc
  .record({
    actor: fc.constantFrom('cpu', 'gpu0', 'gpu1'),
    op: fc.constantFrom('alloc', 'alloc', 'free', 'read', 'write', 'read'),
    address: position,
    size: fc.constantFrom(1, 63, 4096, 8192, 100_000, BLOCK, BLOCK + 4096, 2 * BLOCK),
  })
  .map((r) => r as NaiveRecord);
const records = fc.array(record, { minLength: 10, maxLength: 60 }).map(legal);

function text(list: readonly NaiveRecord[]): string {
  return ['actor,op,addr,size', ...list.map((r) => `${r.actor},${r.op},${r.address},${r.size}`)].join('\n');
}

/** Page id of a page while event `event` is the last one done. */
function idOf({ lives }: CompiledTrace, page: number, event: number): number {
  const block = Math.floor(page / 512);
  for (let life = 0; life < lives.count; life++) {
    const alive = lives.beginEvent[life] <= event && (lives.endEvent[life] < 0 || lives.endEvent[life] > event);
    if (!alive || lives.block[life] !== block) continue;
    let rank = 0;
    for (let p = 0; p < page % 512; p++) rank += (lives.touched[life * 16 + (p >> 5)] >>> (p & 31)) & 1;
    return lives.firstId[life] + rank;
  }
  return -1;
}

it('counts as a plain reading of the rules does', async () => {
  await fc.assert(
    fc.asyncProperty(records, async (list) => {
      fc.pre(list.length > 0);
      const trace = await compileTraceText(text(list));
      const naive = naiveCounts(list);
      expect(trace.footprintBytes / 4096).toBe(naive.footprintPages);
      expect(trace.deviceLineBytes / 64).toBe(naive.deviceLines);
      for (const [a, actor] of trace.actors.entries()) {
        if (a > 0) expect(trace.livePeakBytes[a] / BLOCK).toBe(naive.livePeakBlocks[actor]);
      }
      const { lives } = trace;
      const got = Array.from({ length: lives.count }, (_, i) => ({
        block: lives.block[i],
        begin: lives.beginEvent[i],
        end: lives.endEvent[i],
      }));
      expect(got).toEqual(naive.lives);
    }),
    { numRuns: 400 },
  );
});

it('gives every live page an id and every live block a slot of its own', async () => {
  await fc.assert(
    fc.asyncProperty(records, async (list) => {
      fc.pre(list.length > 0);
      const trace = await compileTraceText(text(list));
      const { lives } = trace;
      const pages = (life: number) => {
        let n = 0;
        for (let p = 0; p < 512; p++) n += (lives.touched[life * 16 + (p >> 5)] >>> (p & 31)) & 1;
        return n;
      };
      for (let a = 0; a < lives.count; a++) {
        expect(lives.slot[a]).toBeLessThan(trace.slots);
        expect(pages(a)).toBeGreaterThan(0);
        expect(lives.firstId[a] + pages(a)).toBeLessThanOrEqual(trace.pageIds);
        for (let b = 0; b < a; b++) {
          const apart = lives.endEvent[b] >= 0 && lives.endEvent[b] <= lives.beginEvent[a];
          const disjoint =
            lives.firstId[a] + pages(a) <= lives.firstId[b] || lives.firstId[b] + pages(b) <= lives.firstId[a];
          expect(apart || (disjoint && lives.slot[a] !== lives.slot[b])).toBe(true);
        }
      }
    }),
    { numRuns: 200 },
  );
});

it('names in each row the pages that the record touches, each byte once', async () => {
  await fc.assert(
    fc.asyncProperty(records, async (list) => {
      fc.pre(list.length > 0);
      const trace = await compileTraceText(text(list));
      const touched: number[][] = list.map(() => []);
      const bytes = list.map(() => 0);
      const wanted: number[][] = [];
      let event = -1;
      for (const chunk of trace.chunks()) {
        for (let i = 0; i < chunk.rows; i++) {
          if ((chunk.op[i] & 0x7f) > LAST_ACCESS) continue;
          for (let p = 0; p < chunk.pages[i]; p++) touched[chunk.record[i]].push(chunk.page[i] + p);
          bytes[chunk.record[i]] += chunk.bytes[i];
        }
      }
      for (const [i, { op, address, size }] of list.entries()) {
        if (OP[op] > LAST_ACCESS) {
          event++;
          wanted.push([]);
        } else {
          wanted.push(pagesOf(address, size).map((page) => idOf(trace, page, event)));
          expect(bytes[i]).toBe(size);
        }
      }
      expect(touched).toEqual(wanted);
    }),
    { numRuns: 200 },
  );
});
