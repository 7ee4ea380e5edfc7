/** The path of a fault batch: fetching, merging, replay policies, stale and permission faults, atomics. */
import { describe, expect, it } from 'vitest';
import { alloc, fill, KiB, oneByOne, pageAddr, run, touch, upTo } from './rows.ts';

describe('fetching', () => {
  it('drops what it did not fetch, so a grown page is never fetched', () => {
    // 300 pages pending, 256 fetched. Pages 256..299 fault again only where growth has not brought them: of pages
    // 0..255 the tree makes exactly half, so all 44 come in a second batch.
    const { metrics } = run([alloc(1), fill(1), `0 gpu0 read ${pageAddr(0, 0)} 1200K`], { inFlight: 300 });
    expect(metrics.batches).toBe(2);
    expect(metrics['faults.deviceRaw']).toBe(300);
    // From page 8 on: the 256 fetched are 8..263, units 0..16: 17 of 32, the whole block comes; 264..307 are hits then.
    const grown = run([alloc(1), fill(1), `0 gpu0 read ${pageAddr(0, 8)} 1200K`], { inFlight: 300 });
    expect(grown.metrics.batches).toBe(1);
    expect(grown.metrics['faults.deviceRaw']).toBe(256);
  });

  it('batchCount cuts the batch', () => {
    const { metrics } = run([alloc(1), fill(1), `0 gpu0 read ${pageAddr(0, 0)} 64K`], {
      set: { batchCount: 5, prefetch: false },
    });
    // 16 faults in batches of 5, 5, 5, 1.
    expect(metrics.batches).toBe(4);
    expect(metrics['faults.device']).toBe(16);
  });

  it('serves one page once, with the strongest access', () => {
    const rows = ['read', 'atomic', 'write'].flatMap((op) => touch('gpu0', op, 0, [7]));
    const result = run([alloc(1), fill(1), ...rows], { set: { prefetch: false } });
    expect(result.metrics['faults.device']).toBe(1);
    expect(result.metrics['faults.duplicate']).toBe(2);
    expect(result.metrics.services).toBe(1);
  });
});

describe('replay policies', () => {
  // Four entries: page 0 twice, far apart in the buffer, and two more blocks; batches of 3.
  const rows = [
    alloc(3),
    fill(3),
    ...touch('gpu0', 'read', 0, [0]),
    ...touch('gpu0', 'read', 1, [0]),
    ...touch('gpu0', 'read', 2, [0]),
    ...touch('gpu0', 'read', 0, [1]),
  ];
  const go = (replayPolicy: string) => run(rows, { set: { replayPolicy, batchCount: 3 } }).metrics;

  it('batch_flush: the fourth is dropped, its page has come meanwhile', () => {
    const metrics = go('batch_flush');
    expect(metrics['faults.deviceRaw']).toBe(3);
    expect(metrics['faults.stale']).toBe(0);
    expect(metrics['uvm.replays']).toBe(1);
  });

  it('batch: the fourth is fetched by a second batch and found valid', () => {
    const metrics = go('batch');
    expect(metrics['faults.deviceRaw']).toBe(4);
    expect(metrics['faults.stale']).toBe(1);
    expect(metrics.batches).toBe(2);
    expect(metrics['uvm.replays']).toBe(2);
  });

  it('block: one replay after each block', () => {
    // Three blocks in the first batch, one in the second.
    const metrics = go('block');
    expect(metrics['faults.stale']).toBe(1);
    expect(metrics['uvm.replays']).toBe(4);
  });

  it('once: one replay when the buffer is empty', () => {
    const metrics = go('once');
    expect(metrics.batches).toBe(2);
    expect(metrics['uvm.replays']).toBe(1);
  });
});

describe('rights', () => {
  it('a read fault under read duplication maps for reading only: the write faults', () => {
    const advise = `0 cpu advise ${pageAddr(0, 0)} 2M read_mostly`;
    const { metrics } = oneByOne([
      alloc(1),
      fill(1),
      advise,
      ...touch('gpu0', 'read', 0, [5]),
      ...touch('gpu0', 'write', 0, [5]),
    ]);
    expect(metrics['faults.device']).toBe(2);
    expect(metrics['faults.permission']).toBe(1);
  });

  it('atomics on system memory take the CPU its right to write', () => {
    // Preferred CPU: the CPU's first touch populates the whole block with one fault. The GPU maps system memory. Its read gets read-write (the CPU has native atomics on its own
    // memory); an atomic needs more: the CPU is left with reading, so its next write faults.
    const advise = `0 cpu advise ${pageAddr(0, 0)} 2M preferred:cpu`;
    const start = [alloc(1), advise, fill(1), ...touch('gpu0', 'read', 0, [5]), ...touch('gpu0', 'write', 0, [5])];
    const quiet = oneByOne(start);
    expect(quiet.metrics['faults.device']).toBe(1);
    const atomic = oneByOne([...start, ...touch('gpu0', 'atomic', 0, [5]), ...touch('cpu', 'read', 0, [5])]);
    expect(atomic.metrics['faults.device']).toBe(2);
    expect(atomic.metrics['faults.permission']).toBe(1);
    expect(atomic.metrics['faults.host']).toBe(1);
    const back = oneByOne([
      ...start,
      ...touch('gpu0', 'atomic', 0, [5]),
      ...touch('cpu', 'write', 0, [5]),
      ...touch('gpu0', 'write', 0, [5]),
      ...touch('gpu0', 'atomic', 0, [5]),
    ]);
    // The CPU's write takes the GPU's atomic right back, not its write.
    expect(back.metrics['faults.host']).toBe(2);
    expect(back.metrics['faults.device']).toBe(3);
  });
});

describe('what a service writes', () => {
  it('page-table entries of the size used', () => {
    // 64 KiB: one entry; the walk completes the block with one entry of 2 MiB at the end:
    // 64 -> 1, 64 -> 1, 128 -> 2, 256 -> 4, 512 -> 8, 1024 completes: 1. Sum 17.
    const { metrics } = oneByOne([alloc(1), fill(1), ...touch('gpu0', 'read', 0, upTo(512))]);
    expect(metrics['map.operations']).toBe(17);
    const single = oneByOne([alloc(1), fill(1), ...touch('gpu0', 'read', 0, [1, 2, 3])], { set: { prefetch: false } });
    expect(single.metrics['map.operations']).toBe(3);
  });

  it('the CPU loses its mapping, a range at a time; the GPU with a flush', () => {
    const there = oneByOne([alloc(1), fill(1), ...touch('gpu0', 'read', 0, [0])]);
    expect(there.metrics['unmap.host.operations']).toBe(1);
    const back = oneByOne([alloc(1), fill(1), ...touch('gpu0', 'read', 0, [0]), ...touch('cpu', 'read', 0, [3])]);
    expect(back.metrics['unmap.device.operations']).toBe(1);
    expect(back.metrics['tlb.invalidations']).toBe(1);
    expect(back.metrics['migration.d2h.bytes']).toBe(64 * KiB);
  });

  it('one migration operation a block and direction', () => {
    const rows = [...touch('gpu0', 'read', 0, [0]), ...touch('gpu0', 'read', 1, [0]), ...touch('cpu', 'read', 0, [0])];
    const { metrics } = run([alloc(2), fill(2), ...rows]);
    // 12 first touches by the CPU, two to the GPU, one back.
    expect(metrics['migration.operations']).toBe(15);
  });
});
