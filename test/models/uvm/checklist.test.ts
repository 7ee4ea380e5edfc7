/**
 * Tiny traces with counts worked out from the driver's rules (docs/models/uvm.md, sections 1-5). Setting unless said
 * otherwise: PCIe, one GPU, default parameters, a range of whole 2 MiB blocks written by the CPU, ample GPU memory.
 */
import { describe, expect, it } from 'vitest';
import { unitPlatform } from '../../helpers/platforms.ts';
import { alloc, B, BLOCK, fill, KiB, MiB, movedPerService, oneByOne, pageAddr, run, touch, upTo } from './rows.ts';

const noPrefetch = { set: { prefetch: false } };

describe('batches', () => {
  it('1: prefetch off, one at a time: one fault and one batch a page', () => {
    const { metrics } = oneByOne([alloc(1), fill(1), ...touch('gpu0', 'read', 0, upTo(512))], noPrefetch);
    expect(metrics['faults.device']).toBe(512);
    expect(metrics.batches).toBe(512);
    expect(metrics['migration.h2d.bytes']).toBe(2 * MiB);
  });

  it('2: prefetch off, burst of 512: two batches of 256', () => {
    const { metrics } = run([alloc(1), fill(1), `0 gpu0 read ${pageAddr(0, 0)} 2M`], { ...noPrefetch, inFlight: 512 });
    expect(metrics.batches).toBe(2);
    expect(metrics['faults.device']).toBe(512);
    expect(metrics['faults.duplicate']).toBe(0);
    // All 512 are pending at the first call, 256 fetched; the flush drops 256, which are raised again.
    expect(metrics['faults.deviceRaw']).toBe(512);
  });

  it('3: a batch ends after 256 entries, wherever that is', () => {
    // 128 pages of block 0, 128 of block 1, 44 of block 2: 256 + 44.
    const burst = [
      `0 gpu0 read ${pageAddr(0, 0)} 512K`,
      `0 gpu0 read ${pageAddr(1, 0)} 512K`,
      `0 gpu0 read ${pageAddr(2, 0)} 176K`,
    ];
    const { metrics } = run([alloc(3), fill(3), ...burst], { ...noPrefetch, inFlight: 300 });
    expect(metrics.batches).toBe(2);
    expect(metrics['faults.device']).toBe(300);
    expect(metrics.services).toBe(3);
    expect(metrics['uvm.replays']).toBe(2);
  });

  it('3: a block cut by the batch is served twice', () => {
    // 200 + 56 of block 1, then 44 of block 1.
    const burst = [`0 gpu0 read ${pageAddr(0, 0)} 800K`, `0 gpu0 read ${pageAddr(1, 0)} 400K`];
    const { metrics } = run([alloc(2), fill(2), ...burst], { ...noPrefetch, inFlight: 300 });
    expect(metrics.services).toBe(3);
  });

  it('4: duplicates use up the batch, and above 50 % PUT is read again', () => {
    const rows = upTo(64).flatMap((page) => touch('gpu0', 'read', 0, [page, page, page, page]));
    const { metrics } = run([alloc(1), fill(1), ...rows], { ...noPrefetch, inFlight: 256 });
    expect(metrics['faults.deviceRaw']).toBe(256);
    expect(metrics['faults.device']).toBe(64);
    expect(metrics['faults.duplicate']).toBe(192);
    expect(metrics.batches).toBe(1);
    expect(metrics['uvm.putReads']).toBe(1);
  });

  it('4: exactly half duplicates do not make PUT read again', () => {
    // 128 x 100 > 256 x 50 is false.
    const rows = upTo(128).flatMap((page) => touch('gpu0', 'read', 0, [page, page]));
    const { metrics } = run([alloc(1), fill(1), ...rows], { ...noPrefetch, inFlight: 256 });
    expect(metrics['faults.duplicate']).toBe(128);
    expect(metrics['uvm.putReads']).toBe(0);
  });
});

describe('growth and density', () => {
  it('5: one fault moves 64 KiB', () => {
    const { metrics } = oneByOne([alloc(1), fill(1), ...touch('gpu0', 'read', 0, [5, 9, 100])]);
    expect(metrics['faults.device']).toBe(2);
    expect(metrics['migration.h2d.bytes']).toBe(128 * KiB);
    // The faulted page is the driver's granule, the other 15 are speculation.
    expect(metrics['migration.by.deviceFault.bytes']).toBe(2 * 4 * KiB);
    expect(metrics['speculation.pages']).toBe(30);
    expect(metrics['speculation.used']).toBe(1);
  });

  it('6: a sequential walk needs 6 faults, either way', () => {
    const up = oneByOne([alloc(1), fill(1), ...touch('gpu0', 'read', 0, upTo(512))]);
    expect(up.metrics['faults.device']).toBe(6);
    expect(movedPerService(up, 'gpu0')).toEqual([64, 64, 128, 256, 512, 1024]);
    const down = oneByOne([alloc(1), fill(1), ...touch('gpu0', 'read', 0, upTo(512).reverse())]);
    expect(down.metrics['faults.device']).toBe(6);
    expect(movedPerService(down, 'gpu0')).toEqual([64, 64, 128, 256, 512, 1024]);
  });

  it('7: half full is not enough', () => {
    const even = upTo(16).map((k) => B(2 * k));
    const half = oneByOne([alloc(1), fill(1), ...touch('gpu0', 'read', 0, even)]);
    expect(half.metrics['faults.device']).toBe(16);
    expect(half.metrics['migration.h2d.bytes']).toBe(MiB);
    // Unit 1 completes {0, 1}, 3 of {0..3}, 5 of {0..7}, 9 of 16, 17 of 32: every node up to the root passes.
    const whole = oneByOne([alloc(1), fill(1), ...touch('gpu0', 'read', 0, [...even, B(1)])]);
    expect(whole.metrics['faults.device']).toBe(17);
    expect(whole.metrics['migration.h2d.bytes']).toBe(2 * MiB);
  });

  it('8: density from scattered units', () => {
    const result = oneByOne([alloc(1), fill(1), ...touch('gpu0', 'read', 0, [10, 9, 11, 14, 2].map(B))]);
    expect(movedPerService(result, 'gpu0')).toEqual([64, 64, 128, 256, 512]);
    expect(result.metrics['migration.h2d.bytes']).toBe(MiB);
  });

  it('9: several faults in one service', () => {
    // {3, 20, 40, 200}: units 0, 1, 2 and 12; 3 of units 0..3 set, 3 > 2.04: units 0..3 and 12 = 320 KiB.
    const four = run([alloc(1), fill(1), ...touch('gpu0', 'read', 0, [3, 20, 40, 200])], { inFlight: 4 });
    expect(four.metrics['migration.h2d.bytes']).toBe(320 * KiB);
    expect(four.metrics['faults.device']).toBe(4);
    expect(four.metrics.services).toBe(1);
    const ends = run([alloc(1), fill(1), ...touch('gpu0', 'read', 0, [0, 511])], { inFlight: 2 });
    expect(ends.metrics['migration.h2d.bytes']).toBe(128 * KiB);
  });

  it('9: three batches, nothing cascades inside one', () => {
    const batches = [[16, 18, 20, 22, 24], [26, 28, 30], [17]];
    const rows = batches.flatMap((units) => [...touch('gpu0', 'read', 0, units.map(B)), '0 gpu0 sync']);
    const result = run([alloc(1), fill(1), ...rows], { inFlight: 256 });
    // 5 units; 3 units; then 9 of 16 units set: units 16..31 complete, 8 are there already: 8 more = 512 KiB.
    const perBatch = batches.map((_, i) => result.events.filter((e) => e.kind === 'migrate' && e.batch === i));
    expect(perBatch.map((events) => events.reduce((sum, e) => sum + e.size / KiB, 0))).toEqual([320, 192, 512]);
  });

  it('10: a burst over exactly half the block', () => {
    const half = run([alloc(1), fill(1), `0 gpu0 read ${pageAddr(0, 0)} 1M`]);
    expect(half.metrics.batches).toBe(1);
    expect(half.metrics['migration.h2d.bytes']).toBe(MiB);
    const more = run([alloc(1), fill(1), `0 gpu0 read ${pageAddr(0, 0)} 1028K`], {
      inFlight: 257,
      set: { batchCount: 257 },
    });
    expect(more.metrics['migration.h2d.bytes']).toBe(2 * MiB);
  });

  it('10: 512 pending, in order and scattered', () => {
    // In order the first 256 fill half: not more than half, so the other 256 fault too.
    const inOrder = run([alloc(1), fill(1), `0 gpu0 read ${pageAddr(0, 0)} 2M`], { inFlight: 512 });
    expect(inOrder.metrics['faults.device']).toBe(512);
    expect(inOrder.metrics.batches).toBe(2);
    // Page 2i mod 513 visits all units within the first 256: everything grows, the rest is done by the flush.
    const scattered = upTo(512).map((i) => (i * 37) % 512);
    const mixed = run([alloc(1), fill(1), ...touch('gpu0', 'read', 0, scattered)], { inFlight: 512 });
    expect(mixed.metrics['faults.device']).toBe(256);
    expect(mixed.metrics.batches).toBe(1);
    expect(mixed.metrics['migration.h2d.bytes']).toBe(2 * MiB);
  });

  it('11: short blocks have shorter trees', () => {
    const short = (size: string, units: number[]) =>
      oneByOne([
        `0 cpu alloc ${pageAddr(0, 0)} ${size} a`,
        `0 cpu write ${pageAddr(0, 0)} ${size}`,
        ...touch('gpu0', 'read', 0, units.map(B)),
      ]);
    // 6 units. Unit 2: 3 of 4. Unit 4: 5 of 6 (the root is clipped to 6).
    expect(movedPerService(short('384K', [0, 1, 2, 4]), 'gpu0')).toEqual([64, 64, 128, 128]);
    // 3 units: 2 of 3 pass.
    expect(movedPerService(short('192K', [0, 1]), 'gpu0')).toEqual([64, 128]);
    // No whole 64 KiB page: all of it.
    expect(movedPerService(short('32K', [0]), 'gpu0')).toEqual([32]);
  });

  it.each([
    [0, 1],
    [1, 1],
    [40, 5],
    [50, 6],
    [51, 6],
    [75, 20],
    [100, 512],
  ])('12: threshold %i needs %i faults for a sequential walk', (prefetchThreshold, faults) => {
    // 40: 64 KiB are 1 of 2 units (50 % > 40): 128 KiB at once; then each step doubles: 128, 128, 256, 512, 1024.
    const result = oneByOne([alloc(1), fill(1), ...touch('gpu0', 'read', 0, upTo(512))], {
      set: { prefetchThreshold },
    });
    expect(result.metrics['faults.device']).toBe(faults);
    expect(result.metrics['migration.h2d.bytes']).toBe(2 * MiB);
  });

  it('13: never across blocks', () => {
    const rows = [0, 1, 2].flatMap((block) => touch('gpu0', 'read', block, upTo(512)));
    const { metrics } = oneByOne([alloc(3), fill(3), ...rows]);
    expect(metrics['faults.device']).toBe(18);
  });

  it('prefetchMinFaults: the third page towards one processor begins to prefetch', () => {
    // Pages 0, 32, 64 alone: 4, 4 KiB, then 64 KiB with 15 neighbours. Units 0 and 2 hold one page each: no more.
    const result = oneByOne([alloc(1), fill(1), ...touch('gpu0', 'read', 0, [0, 32, 64])], {
      set: { prefetchMinFaults: 3 },
    });
    expect(movedPerService(result, 'gpu0')).toEqual([4, 4, 64]);
  });
});

describe('first touch and placement', () => {
  it('14: first touch by the GPU populates without a copy', () => {
    const result = oneByOne([alloc(2), ...touch('gpu0', 'write', 0, upTo(512)), ...touch('gpu0', 'write', 1, [5])]);
    expect(result.metrics['faults.device']).toBe(7);
    expect(result.metrics['migration.h2d.bytes']).toBe(0);
    expect(result.metrics['populate.device.pages']).toBe(512 + 16);
    // One chunk of 2 MiB a block, however few pages.
    expect(result.metrics['memory.device.peakAllocatedBytes']).toBe(2 * BLOCK);
    expect(result.metrics['memory.device.peakResidentBytes']).toBe(BLOCK + 64 * KiB);
  });

  it('15: preferred location = GPU: an untouched block is populated whole', () => {
    const advise = `0 cpu advise ${pageAddr(0, 0)} 2M preferred:gpu0`;
    const fresh = oneByOne([alloc(1), advise, ...touch('gpu0', 'read', 0, [77, 300])]);
    expect(fresh.metrics['faults.device']).toBe(1);
    expect(fresh.metrics['populate.device.pages']).toBe(512);
    // One page on the CPU (its fault grew to 64 KiB) and the rule no longer applies.
    const touched = oneByOne([alloc(1), advise, ...touch('cpu', 'write', 0, [5]), ...touch('gpu0', 'read', 0, [77])]);
    expect(touched.metrics['populate.device.pages']).toBe(16);
  });

  it('16: preferred location = CPU: the GPU maps system memory', () => {
    const advise = `0 cpu advise ${pageAddr(0, 0)} 2M preferred:cpu`;
    const { metrics } = oneByOne([alloc(1), advise, fill(1), ...touch('gpu0', 'read', 0, upTo(512))]);
    expect(metrics['migration.h2d.bytes']).toBe(0);
    expect(metrics['remote.device.accesses']).toBe(512);
    // 64 KiB growth and the tree see the destination CPU, where all is resident and mapped: no prefetch, each page faults.
    expect(metrics['faults.device']).toBe(512);
  });

  it('16: accessed_by = GPU: mapped before it asks', () => {
    const advise = `0 cpu advise ${pageAddr(0, 0)} 2M accessed_by:gpu0`;
    for (const rows of [
      [alloc(1), advise, fill(1)],
      [alloc(1), fill(1), advise],
    ]) {
      const { metrics } = oneByOne([
        ...rows,
        ...touch('gpu0', 'read', 0, upTo(512)),
        ...touch('gpu0', 'write', 0, [3]),
      ]);
      expect(metrics['faults.device']).toBe(0);
      expect(metrics['migration.h2d.bytes']).toBe(0);
      expect(metrics['remote.device.accesses']).toBe(513);
    }
  });

  it('16: read duplication: a copy for each, collapsed by a write', () => {
    const advise = `0 cpu advise ${pageAddr(0, 0)} 2M read_mostly`;
    const shared = [alloc(1), fill(1), advise, ...touch('gpu0', 'read', 0, [0]), ...touch('cpu', 'read', 0, [0])];
    const before = oneByOne(shared);
    expect(before.metrics['migration.h2d.bytes']).toBe(64 * KiB);
    // The six of the first touch; reading the shared copy needs none.
    expect(before.metrics['faults.host']).toBe(6);
    const after = oneByOne([...shared, ...touch('cpu', 'write', 0, [0]), ...touch('gpu0', 'read', 0, [0])]);
    expect(after.metrics['faults.host']).toBe(7);
    expect(after.metrics['faults.device']).toBe(2);
    // The CPU's write collapses page 0 only (a CPU fault brings along what is not on the CPU: nothing); 4 KiB again.
    expect(after.metrics['migration.h2d.bytes']).toBe(68 * KiB);
    expect(after.metrics['migration.d2h.bytes']).toBe(0);
  });

  it('17: a read fault maps for writing too', () => {
    const { metrics } = oneByOne([
      alloc(1),
      fill(1),
      ...touch('gpu0', 'read', 0, [5]),
      ...touch('gpu0', 'write', 0, [5, 6]),
      ...touch('gpu0', 'atomic', 0, [7]),
    ]);
    expect(metrics['faults.device']).toBe(1);
  });

  it('18: the CPU pulls back with the same tree', () => {
    const there = [alloc(1), ...touch('gpu0', 'write', 0, upTo(512))];
    const all = oneByOne([...there, ...touch('cpu', 'read', 0, upTo(512))]);
    expect(all.metrics['faults.host']).toBe(6);
    expect(all.metrics['migration.d2h.bytes']).toBe(2 * MiB);
    expect(movedPerService(all, 'cpu')).toEqual([64, 64, 128, 256, 512, 1024]);
    const one = oneByOne([...there, ...touch('cpu', 'read', 0, [B(5)])]);
    expect(one.metrics['migration.d2h.bytes']).toBe(64 * KiB);
  });
});

describe('eviction', () => {
  it('19: memory is counted in chunks of 2 MiB', () => {
    const rows = [0, 1, 2].flatMap((block) => touch('gpu0', 'read', block, [0]));
    const { metrics } = oneByOne([alloc(3), fill(3), ...rows], { capacity: 4 * MiB });
    expect(metrics['evictions.count']).toBe(1);
    expect(metrics['evictions.pages']).toBe(16);
    expect(metrics['evictions.bytes']).toBe(64 * KiB);
    expect(metrics['migration.d2h.bytes']).toBe(64 * KiB);
    expect(metrics['migration.h2d.bytes']).toBe(192 * KiB);
  });

  const victims = (rows: string[]) =>
    oneByOne([alloc(3), fill(3), ...rows], { capacity: 4 * MiB })
      .events.filter((e) => e.kind === 'evict')
      .map((e) => e.addr);

  it('20: order is by fault service, not by access', () => {
    const [a, b, c] = [0, 1, 2].map((block) => touch('gpu0', 'read', block, [0]));
    expect(victims([...a, ...b, ...a, ...c])).toEqual([pageAddr(0, 0)]);
    expect(victims([...a, ...b, ...touch('gpu0', 'read', 0, [100]), ...c])).toEqual([pageAddr(1, 0)]);
  });

  it('21: unused chunks first, for nothing', () => {
    const [a, b, c] = [0, 1, 2].map((block) => touch('gpu0', 'read', block, [0]));
    const rows = [alloc(3), fill(3), ...a, ...b, ...touch('cpu', 'read', 0, upTo(16)), ...c, ...b];
    const result = oneByOne(rows, { capacity: 4 * MiB });
    expect(result.events.filter((e) => e.kind === 'evict').map((e) => e.addr)).toEqual([pageAddr(0, 0)]);
    expect(result.metrics['evictions.pages']).toBe(0);
    expect(result.metrics['evictions.bytes']).toBe(0);
    // Block 1 is still there: its last touch is a hit.
    expect(result.metrics['faults.device']).toBe(3);
  });

  it('discarded before used', () => {
    const [a, b, c] = [0, 1, 2].map((block) => touch('gpu0', 'read', block, [0]));
    const discard = `0 cpu advise ${pageAddr(1, 0)} 2M dontneed`;
    const result = oneByOne([alloc(3), fill(3), ...a, ...b, discard, ...c], { capacity: 4 * MiB });
    expect(result.events.filter((e) => e.kind === 'evict').map((e) => e.addr)).toEqual([pageAddr(1, 0)]);
    expect(result.metrics['evictions.bytes']).toBe(0);
  });

  it.each(['read', 'write'])('22, 23: cyclic scan of 5 blocks over 4 chunks, by %s', (op) => {
    const pass = upTo(5).flatMap((block) => touch('gpu0', op, block, upTo(512)));
    const { metrics } = oneByOne([alloc(5), fill(5), ...pass, ...pass, ...pass], { capacity: 8 * MiB });
    // 3 passes x 5 blocks x 6 faults; every block but the first 4 needs a victim: 15 - 4.
    expect(metrics['faults.device']).toBe(90);
    expect(metrics['evictions.count']).toBe(11);
    expect(metrics['migration.h2d.bytes']).toBe(30 * MiB);
    expect(metrics['migration.d2h.bytes']).toBe(22 * MiB);
    // The second and third pass bring every page back: 2 x 5 x 512.
    expect(metrics['thrash.pages']).toBe(5120);
    expect(metrics['faults.deferred']).toBe(0);
  });

  it('22: 4 blocks fit', () => {
    const pass = upTo(4).flatMap((block) => touch('gpu0', 'read', block, upTo(512)));
    const { metrics } = oneByOne([alloc(4), fill(4), ...pass, ...pass, ...pass], { capacity: 8 * MiB });
    expect(metrics['faults.device']).toBe(24);
    expect(metrics['evictions.count']).toBe(0);
  });

  it('a capacity is used in whole chunks', () => {
    const run5 = oneByOne([alloc(1), ...touch('gpu0', 'read', 0, [0])], { capacity: 5 * MiB });
    expect(run5.effectiveCapacityBytes).toEqual(
      [Number.POSITIVE_INFINITY, 4 * MiB].map((v, i) => (i === 0 ? run5.effectiveCapacityBytes![0] : v)),
    );
  });
});

describe('thrashing', () => {
  // The CPU and the GPU write page 0 in turn, every 100 us; block 0 was filled by the CPU.
  const pingPong = (turns: number, everyNs: number, from = everyNs) =>
    upTo(turns).map((i) => `${from + i * everyNs} ${i % 2 === 0 ? 'gpu0' : 'cpu'} write ${pageAddr(0, 0)} 8`);
  const small = [`0 cpu alloc ${pageAddr(0, 0)} 2M a`, `0 cpu write ${pageAddr(0, 0)} 8`];

  it('24: detected on the 5th move, then delayed to the end of a period', () => {
    const result = oneByOne([...small, ...pingPong(8, 100_000)], { set: { prefetch: false, adaptiveLapse: false } });
    // Moves at 100, 200, 300, 400, 500 us: the 1st is noted on the block, the 2nd stamps the page, the 3rd to 5th
    // count 1..3. At 600 us the CPU asks first: it is favoured until 1,100 us. At 700 us the GPU is put off.
    const defers = result.events.filter((e) => e.kind === 'defer');
    expect(defers.length).toBe(1);
    expect(defers[0].timeNs).toBe(700_000);
    expect(result.metrics['faults.deferred']).toBe(1);
    const moves = result.events.filter((e) => e.kind === 'migrate').map((e) => e.timeNs);
    // 1,100,000 ns rounded down to 64 ns (with the driver's uptime, a multiple of 64) is 1,099,968; 1 us later the
    // GPU asks again.
    expect(moves.slice(0, 7)).toEqual([100_000, 200_000, 300_000, 400_000, 500_000, 600_000, 1_100_968]);
  });

  it('24: pinned after 10 throttles, in system memory on PCIe, and unpinned 150 ms later', () => {
    // From the 7th access on GPU and CPU are put off in turn, each once a period: 5 times each. The CPU is favoured next,
    // has to pin, and pins in system memory, which both reach.
    const rows = [...small, ...pingPong(60, 100_000), `400000000 gpu0 write ${pageAddr(0, 0)} 8`];
    const result = oneByOne(rows, { set: { prefetch: false } });
    const of = (kind: string) => result.events.filter((e) => e.kind === kind);
    expect(result.metrics['faults.deferred']).toBe(5);
    const sleeps = of('fault').filter((e) => e.actor === 'cpu' && e.durationNs > 0);
    expect(sleeps.length).toBe(5);
    expect(of('pin').map((e) => e.actor)).toEqual(['cpu']);
    expect(of('remoteMap').map((e) => [e.actor, e.timeNs])).toEqual([['gpu0', of('pin')[0].timeNs]]);
    expect(of('unpin').map((e) => e.timeNs)).toEqual([of('pin')[0].timeNs + 150_000_000]);
    // After that the access faults and migrates.
    expect(of('migrate').at(-1)!.to).toBe('gpu0');
    expect(of('migrate').at(-1)!.timeNs).toBeGreaterThan(400_000_000);
  });

  it('24: one touch per 600 us never thrashes', () => {
    const { metrics } = oneByOne([...small, ...pingPong(40, 600_000)], { set: { prefetch: false } });
    expect(metrics['faults.deferred']).toBe(0);
    expect(metrics['remote.device.accesses']).toBe(0);
    expect(metrics['faults.device']).toBe(20);
  });
});

describe('address translation services', () => {
  const coherent = { ...unitPlatform, topology: { coherent: true, ats: true, peer: 'fast' } } as const;
  const system = `0 cpu alloc ${pageAddr(0, 0)} 2M a;kind=system`;

  it('25: an isolated page moves alone', () => {
    const { metrics } = oneByOne([system, ...touch('gpu0', 'read', 0, [300])], { platform: coherent });
    expect(metrics['populate.device.pages']).toBe(1);
  });

  it('25: a sequential walk takes 17 faults', () => {
    // No growth: a page alone, then each time the largest subtree more than 51 % full, the new page counted.
    // Faults at 0, 1 (1 of 2 is not enough, 2 of 2 brings nothing new), 2 (3 of 4), 4 (5 of 8), 8 (9 of 16),
    // 16 (17 of 32: 53.1 %), 32 (33 of 64: 51.6 %) = 7. At 64: 65 of 128 is 50.8 %, alone; 65: 66 of 128 is 51.6 % = 2.
    // 128: 129 of 256 is 50.4 %; 129: 50.8 %; 130: 131 of 256 is 51.2 % = 3. The root needs more than 261.12 of 512:
    // 256, 257 alone, 258 brings 259 (260 there), 260 has 261: not enough, brings 261..263, 264 has 265: all = 5.
    // 7 + 2 + 3 + 5 = 17.
    const { metrics } = oneByOne([system, ...touch('gpu0', 'read', 0, upTo(512))], { platform: coherent });
    expect(metrics['faults.device']).toBe(17);
    expect(metrics['populate.device.pages']).toBe(512);
  });
});
