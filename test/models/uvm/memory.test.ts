/** Video memory: chunks of short blocks, root chunks that several blocks share, and their eviction. */
import { describe, expect, it } from 'vitest';
import { chunkSpan } from '../../../src/models/uvm/memory.ts';
import type { VaBlock } from '../../../src/models/uvm/state.ts';
import { alloc, KiB, MiB, oneByOne, pageAddr, run, touch, upTo } from './rows.ts';

const managed = (first: number, outer: number) => ({ first, outer, range: { kind: 'managed' } }) as VaBlock;

describe('chunks behind a block', () => {
  it('are as large as alignment and the block allow', () => {
    expect(chunkSpan(managed(0, 512), 300)).toEqual({ start: 0, pages: 512 });
    // Pages 5..40: 5..15 singly, 16..31 as one, 32..39 singly.
    const ragged = managed(5, 40);
    expect(chunkSpan(ragged, 5)).toEqual({ start: 5, pages: 1 });
    expect(chunkSpan(ragged, 20)).toEqual({ start: 16, pages: 16 });
    expect(chunkSpan(ragged, 39)).toEqual({ start: 39, pages: 1 });
    expect(chunkSpan({ ...managed(0, 512), range: { kind: 'system' } } as VaBlock, 7)).toEqual({ start: 7, pages: 1 });
  });
});

describe('root chunks', () => {
  const two = [`0 cpu alloc ${pageAddr(0, 0)} 64K a`, `0 cpu alloc ${pageAddr(1, 0)} 64K b`];

  it('are shared by short blocks and evicted whole', () => {
    const rows = [
      ...two,
      `0 cpu alloc ${pageAddr(2, 0)} 2M c`,
      ...touch('gpu0', 'write', 0, [0]),
      ...touch('gpu0', 'write', 1, [0]),
      ...touch('gpu0', 'write', 2, [0]),
    ];
    const { metrics, events } = oneByOne(rows, { capacity: '2M' });
    expect(metrics['evictions.count']).toBe(1);
    expect(metrics['evictions.pages']).toBe(32);
    expect(metrics['evictions.bytes']).toBe(128 * KiB);
    expect(events.find((e) => e.kind === 'evict')!.size).toBe(2 * MiB);
  });

  it('are memory again when the last chunk in them is freed', () => {
    const rows = [
      ...two,
      ...touch('gpu0', 'write', 0, [0]),
      ...touch('gpu0', 'write', 1, [0]),
      `0 cpu free ${pageAddr(0, 0)} 64K`,
      `0 cpu free ${pageAddr(1, 0)} 64K`,
      `0 cpu alloc ${pageAddr(2, 0)} 2M c`,
      ...touch('gpu0', 'write', 2, [0]),
    ];
    const { metrics } = oneByOne(rows, { capacity: '2M' });
    expect(metrics['evictions.count']).toBe(0);
    expect(metrics['memory.device.peakAllocatedBytes']).toBe(2 * MiB);
  });

  it('of short blocks keep their place: only filling a chunk makes them young', () => {
    // a's root chunk is older than b's (2 MiB); a hit-free second fault of a in another 64 KiB of it fills a chunk:
    // younger. Serving pages of a chunk that is there does not count for short blocks.
    const start = [
      `0 cpu alloc ${pageAddr(0, 0)} 128K a`,
      `0 cpu alloc ${pageAddr(1, 0)} 2M b`,
      `0 cpu alloc ${pageAddr(2, 0)} 2M c`,
      ...touch('gpu0', 'write', 0, [0]),
      ...touch('gpu0', 'write', 1, [0]),
    ];
    const victim = (rows: string[]) =>
      oneByOne([...start, ...rows, ...touch('gpu0', 'write', 2, [0])], { capacity: '4M' })
        .events.filter((e) => e.kind === 'evict')
        .map((e) => e.addr);
    expect(victim([])).toEqual([pageAddr(0, 0)]);
    expect(victim(touch('gpu0', 'write', 0, [16]))).toEqual([pageAddr(1, 0)]);
    // The CPU takes page 0 home and the GPU brings it back: the chunk is there.
    const back = [...touch('cpu', 'write', 0, [0]), ...touch('gpu0', 'write', 0, [0])];
    expect(victim(back)).toEqual([pageAddr(0, 0)]);
  });

  it('a service that fills its own root chunk begins again', () => {
    // 31 units of a fill all but 64 KiB; b needs two units: the first fits, the second does not. The only root chunk
    // goes (a's 496 pages), and the service of b starts again with an empty one.
    const rows = [
      `0 cpu alloc ${pageAddr(0, 0)} 1984K a`,
      `0 cpu alloc ${pageAddr(1, 0)} 128K b`,
      ...touch('gpu0', 'write', 0, upTo(496)),
      '0 gpu0 sync',
      ...touch('gpu0', 'write', 1, [0, 16]),
    ];
    const { metrics } = run(rows, { capacity: '2M' });
    expect(metrics['evictions.count']).toBe(1);
    expect(metrics['evictions.pages']).toBe(496);
    expect(metrics['populate.device.pages']).toBe(496 + 32);
    expect(metrics['accesses.failed']).toBe(0);
  });

  it('no memory at all: the access fails', () => {
    const { metrics } = oneByOne([alloc(1), ...touch('gpu0', 'write', 0, [0, 1])], { capacity: '1M' });
    expect(metrics['accesses.failed']).toBe(2);
    expect(metrics['memory.device.peakAllocatedBytes']).toBe(0);
  });

  it('one chunk serves blocks in turn', () => {
    const rows = [alloc(2), ...upTo(3).flatMap(() => [0, 1].flatMap((block) => touch('gpu0', 'write', block, [0])))];
    const { metrics } = oneByOne(rows, { capacity: '2M' });
    expect(metrics['faults.device']).toBe(6);
    expect(metrics['evictions.count']).toBe(5);
  });

  it('a batch over more blocks than chunks makes progress', () => {
    // Both touches wait; block 0 is served, then evicted by block 1, and faults again: third service evicts block 1.
    const { metrics } = run([alloc(2), ...[0, 1].flatMap((b) => touch('gpu0', 'write', b, [0]))], { capacity: '2M' });
    expect(metrics.batches).toBe(2);
    expect(metrics.services).toBe(3);
    expect(metrics['evictions.count']).toBe(2);
  });
});
