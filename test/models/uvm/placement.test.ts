/** Where pages go: the rules of residency one by one, several GPUs, hints, and memory that is not managed. */
import { describe, expect, it } from 'vitest';
import type { Platform } from '../../../src/platforms/platform.ts';
import { unitPlatform } from '../../helpers/platforms.ts';
import { alloc, B, fill, KiB, MiB, oneByOne, pageAddr, touch, upTo } from './rows.ts';

const shape = (topology: Platform['topology']): Platform => ({ ...unitPlatform, topology });
const peers = shape({ coherent: false, ats: false, peer: 'p2p' });
const strangers = shape({ coherent: false, ats: false, peer: 'none' });
const advise = (what: string, blocks = 1) => `0 cpu advise ${pageAddr(0, 0)} ${2 * blocks}M ${what}`;

describe('rules of placement', () => {
  it('preferred location: who prefers itself gets the page, also from where it fits better', () => {
    const { metrics } = oneByOne([alloc(1), fill(1), advise('preferred:gpu0'), ...touch('gpu0', 'read', 0, [0])]);
    expect(metrics['migration.h2d.bytes']).toBe(64 * KiB);
  });

  it('resident nowhere, preferred location reachable: populated there, the whole block', () => {
    const { metrics } = oneByOne([alloc(1), advise('preferred:cpu'), ...touch('gpu0', 'write', 0, [0, 100])]);
    expect(metrics['populate.host.pages']).toBe(512);
    expect(metrics['populate.device.pages']).toBe(0);
    // Only the faulted page and the prefetched ones are mapped: all 512, so page 100 is a hit.
    expect(metrics['faults.device']).toBe(1);
    expect(metrics['remote.device.accesses']).toBe(2);
  });

  it('resident nowhere, preferred location out of reach: populated at the faulting processor', () => {
    // The CPU cannot reach video memory over PCIe. Leaving a preferred location is not prefetched: one page.
    const { metrics } = oneByOne([alloc(1), advise('preferred:gpu0'), ...touch('cpu', 'write', 0, [0])]);
    expect(metrics['populate.host.pages']).toBe(1);
  });

  it('accessed_by: a page that is elsewhere stays', () => {
    // gpu1 has the data and a peer may reach it: gpu0 maps it there.
    const rows = [
      alloc(1),
      advise('accessed_by:gpu0'),
      ...touch('gpu1', 'write', 0, [0]),
      ...touch('gpu0', 'read', 0, [0, 3]),
    ];
    const near = oneByOne(rows, { platform: peers });
    expect(near.metrics['faults.device']).toBe(1);
    expect(near.metrics['remote.device.accesses']).toBe(2);
    expect(near.metrics['migration.d2d.bytes']).toBe(0);
    // Without peer access the hint is no use: the page moves, staged through the host.
    const far = oneByOne(rows, { platform: strangers });
    expect(far.metrics['faults.device']).toBe(2);
    expect(far.metrics['migration.d2h.bytes']).toBe(64 * KiB);
    expect(far.metrics['migration.h2d.bytes']).toBe(64 * KiB);
  });

  it('accessed_by unset: new pages are no longer mapped for it', () => {
    const { metrics } = oneByOne([
      alloc(1),
      advise('accessed_by:gpu0'),
      advise('unset:accessed_by:gpu0'),
      fill(1),
      ...touch('gpu0', 'read', 0, [0]),
    ]);
    expect(metrics['faults.device']).toBe(1);
    expect(metrics['migration.h2d.bytes']).toBe(64 * KiB);
  });

  it('preferred location reachable and page elsewhere: it goes there, not to the faulting processor', () => {
    // Data on gpu1, preferred gpu0 set afterwards: gpu2 may reach gpu0, so its fault brings the page to gpu0.
    // Destination is the preferred location: 64 KiB.
    const { metrics, events } = oneByOne(
      [alloc(1), ...touch('gpu1', 'write', 0, [0]), advise('preferred:gpu0'), ...touch('gpu2', 'read', 0, [0])],
      { platform: peers },
    );
    expect(metrics['migration.d2d.bytes']).toBe(64 * KiB);
    expect(events.filter((e) => e.kind === 'migrate').every((e) => e.to === 'gpu0')).toBe(true);
    expect(metrics['remote.device.accesses']).toBe(1);
  });

  it('a preferred location that is not the destination stops prefetch', () => {
    const rows = [
      alloc(1),
      ...touch('gpu0', 'write', 0, [0]),
      advise('preferred:gpu0'),
      ...touch('cpu', 'read', 0, [0]),
    ];
    // The CPU cannot reach gpu0: one page comes, nothing with it.
    expect(oneByOne(rows).metrics['migration.d2h.bytes']).toBe(4 * KiB);
  });

  it('else the faulting processor: between GPUs with and without peer access', () => {
    const rows = [alloc(1), ...touch('gpu0', 'write', 0, [0]), ...touch('gpu1', 'write', 0, [0])];
    const near = oneByOne(rows, { platform: peers }).metrics;
    expect(near['migration.d2d.bytes']).toBe(64 * KiB);
    expect(near['migration.d2h.bytes']).toBe(0);
    const far = oneByOne(rows, { platform: strangers }).metrics;
    expect(far['migration.d2d.bytes']).toBe(0);
    expect([far['migration.d2h.bytes'], far['migration.h2d.bytes']]).toEqual([64 * KiB, 64 * KiB]);
    // The first GPU's chunk has no page left: it is unused, not free.
    expect(far['memory.device.peakAllocatedBytes']).toBe(2 * MiB);
  });
});

describe('read duplication', () => {
  it('each reader gets a copy, a writer collapses them', () => {
    const rows = [
      alloc(1),
      fill(1),
      advise('read_mostly'),
      ...touch('gpu0', 'read', 0, [0]),
      ...touch('gpu1', 'read', 0, [0]),
    ];
    const shared = oneByOne(rows, { platform: peers });
    expect(shared.metrics['migration.h2d.bytes']).toBe(128 * KiB);
    expect(shared.metrics['faults.host']).toBe(6);
    // gpu0 writes page 0: its own copy stays (no bytes), the others go; gpu1 reads again from its neighbour.
    const written = oneByOne([...rows, ...touch('gpu0', 'write', 0, [0]), ...touch('gpu1', 'read', 0, [0])], {
      platform: peers,
    });
    expect(written.metrics['migration.h2d.bytes']).toBe(128 * KiB);
    expect(written.metrics['migration.d2d.bytes']).toBe(4 * KiB);
    expect(written.metrics['faults.device']).toBe(4);
  });

  it('unset: one copy is kept, without a copy operation', () => {
    const { metrics } = oneByOne([
      alloc(1),
      fill(1),
      advise('read_mostly'),
      ...touch('gpu0', 'read', 0, [0]),
      advise('unset:read_mostly'),
      ...touch('cpu', 'write', 0, [0]),
      ...touch('gpu0', 'read', 0, [0]),
    ]);
    // The CPU keeps its page: its write upgrades the read-only mapping (a fault, no copy); the GPU's read comes again.
    expect(metrics['migration.d2h.bytes']).toBe(0);
    expect(metrics['faults.host']).toBe(7);
    expect(metrics['migration.h2d.bytes']).toBe(128 * KiB);
  });
});

describe('explicit migration', () => {
  it('moves exactly the range asked for, mapped: no fault follows', () => {
    const rows = [alloc(2), fill(2), `0 cpu prefetch ${pageAddr(0, 100)} 3M gpu0`];
    const { metrics } = oneByOne([...rows, `0 gpu0 read ${pageAddr(0, 100)} 3M`, ...touch('gpu0', 'read', 0, [99])]);
    expect(metrics['migration.by.hint.bytes']).toBe(3 * MiB);
    // Page 99 lies before the range: it faults; its unit holds pages 96..99 (100 and up are there); 412 of 512 pages
    // are resident: the whole block comes, 100 pages.
    expect(metrics['faults.device']).toBe(1);
    expect(metrics['migration.h2d.bytes']).toBe(3 * MiB + 100 * 4 * KiB);
    expect(metrics['hints.applied']).toBe(1);
  });

  it('populates what exists nowhere, and home again maps for the CPU', () => {
    const { metrics } = oneByOne([
      alloc(1),
      `0 cpu prefetch ${pageAddr(0, 0)} 2M gpu0`,
      ...touch('gpu0', 'write', 0, [5]),
      `0 cpu prefetch ${pageAddr(0, 0)} 2M cpu`,
      ...touch('cpu', 'read', 0, [5]),
    ]);
    expect(metrics['populate.device.pages']).toBe(512);
    expect(metrics['migration.d2h.bytes']).toBe(2 * MiB);
    expect(metrics['faults.device']).toBe(0);
    expect(metrics['faults.host']).toBe(0);
  });

  it('is refused outside allocations', () => {
    const { metrics } = oneByOne([alloc(1), fill(1), `0 cpu prefetch ${pageAddr(0, 0)} 4M gpu0`]);
    expect(metrics['hints.rejected']).toBe(1);
    expect(metrics['migration.h2d.bytes']).toBe(0);
  });

  it('what the driver does not know is ignored', () => {
    const { metrics, warnings } = oneByOne([alloc(1), advise('pin:gpu0'), advise('attr:granularity=9')]);
    expect(metrics['hints.ignored']).toBe(2);
    expect(warnings.length).toBe(2);
  });
});

describe('ranges and blocks', () => {
  it('a block never spans two allocations', () => {
    // Two allocations of 64 KiB in one 2 MiB: a fault on the first brings its 64 KiB only, and they share one chunk.
    const rows = [
      `0 cpu alloc ${pageAddr(0, 0)} 64K a`,
      `0 cpu alloc ${pageAddr(0, 16)} 64K b`,
      ...touch('gpu0', 'write', 0, [0]),
      ...touch('gpu0', 'write', 0, [20]),
    ];
    const { metrics } = oneByOne(rows);
    expect(metrics['faults.device']).toBe(2);
    expect(metrics['populate.device.pages']).toBe(32);
    expect(metrics.services).toBe(2);
    expect(metrics['memory.device.peakAllocatedBytes']).toBe(2 * MiB);
  });

  it('a hint on part of a block cuts it', () => {
    // Preferred location for pages 256..511: two blocks of 1 MiB. The first touch of the second half populates 1 MiB.
    const { metrics } = oneByOne([
      alloc(1),
      `0 cpu advise ${pageAddr(0, 256)} 1M preferred:gpu0`,
      ...touch('gpu0', 'write', 0, [0]),
      ...touch('gpu0', 'write', 0, [300]),
    ]);
    expect(metrics['populate.device.pages']).toBe(16 + 256);
  });

  it('a hint over a served block keeps its memory where it is', () => {
    const rows = [alloc(2), fill(2), ...touch('gpu0', 'read', 0, upTo(512))];
    const cut = `0 cpu advise ${pageAddr(0, 256)} 1M preferred:gpu0`;
    const { metrics } = oneByOne(
      [...rows, cut, ...touch('gpu0', 'read', 0, upTo(512)), ...touch('gpu0', 'read', 1, [0])],
      {
        capacity: '2M',
      },
    );
    expect(metrics['faults.device']).toBe(7);
    // Block 1 takes the one root chunk: both pieces go home.
    expect(metrics['evictions.count']).toBe(1);
    expect(metrics['evictions.pages']).toBe(512);
    expect(metrics['memory.device.peakAllocatedBytes']).toBe(2 * MiB);
  });

  it('free gives memory back and forgets', () => {
    const rows = [alloc(1), ...touch('gpu0', 'write', 0, [0]), `0 cpu free ${pageAddr(0, 0)} 2M`];
    const again = [alloc(1, 'b'), ...touch('gpu0', 'write', 0, [0])];
    const { metrics } = oneByOne([...rows, ...again], { capacity: '2M' });
    expect(metrics['evictions.count']).toBe(0);
    expect(metrics['faults.device']).toBe(2);
    expect(metrics['populate.device.pages']).toBe(32);
    expect(metrics['memory.device.peakAllocatedBytes']).toBe(2 * MiB);
  });

  it('a partial free keeps the rest and shortens the block', () => {
    const rows = [
      alloc(1),
      ...touch('gpu0', 'write', 0, upTo(512)),
      `0 cpu free ${pageAddr(0, 0)} 1M`,
      ...touch('gpu0', 'read', 0, [400]),
      ...touch(
        'cpu',
        'read',
        0,
        upTo(256).map((page) => page + 256),
      ),
    ];
    const { metrics } = oneByOne(rows);
    expect(metrics['faults.device']).toBe(6);
    // 16 units of the rest: 64, 64, 128, 256, 512 KiB.
    expect(metrics['faults.host']).toBe(5);
    expect(metrics['migration.d2h.bytes']).toBe(MiB);
  });
});

describe('memory that is not managed', () => {
  it('pageable memory migrates through Linux, page by page, with the same tree', () => {
    const rows = [
      `0 cpu alloc ${pageAddr(0, 0)} 2M a;kind=system`,
      ...touch('cpu', 'write', 0, upTo(512)),
      ...touch('gpu0', 'read', 0, [5]),
    ];
    const { metrics } = oneByOne(rows);
    expect(metrics['faults.host']).toBe(512);
    expect(metrics['faults.device']).toBe(1);
    expect(metrics['migration.h2d.bytes']).toBe(64 * KiB);
    expect(metrics['memory.device.peakAllocatedBytes']).toBe(2 * MiB);
    const back = oneByOne([...rows, ...touch('cpu', 'read', 0, [3])]).metrics;
    expect(back['faults.host']).toBe(513);
    expect(back['migration.d2h.bytes']).toBe(64 * KiB);
  });

  it('root chunks are shared by blocks of pageable memory', () => {
    const rows = [
      `0 cpu alloc ${pageAddr(0, 0)} 8M a;kind=system`,
      ...upTo(4).flatMap((block) => touch('gpu0', 'write', block, [0])),
    ];
    const { metrics } = oneByOne(rows, { capacity: '2M' });
    expect(metrics['faults.device']).toBe(4);
    expect(metrics['evictions.count']).toBe(0);
    expect(metrics['populate.device.pages']).toBe(64);
  });

  it('pageable memory is evicted with the root chunk', () => {
    // 2 MiB of pageable memory fill the one root chunk; a managed block takes it.
    const rows = [
      `0 cpu alloc ${pageAddr(0, 0)} 2M a;kind=system`,
      `0 cpu alloc ${pageAddr(1, 0)} 2M b`,
      ...touch('gpu0', 'write', 0, upTo(512)),
      ...touch('gpu0', 'write', 1, [0]),
    ];
    const { metrics } = oneByOne(rows, { capacity: '2M' });
    expect(metrics['evictions.count']).toBe(1);
    expect(metrics['evictions.bytes']).toBe(2 * MiB);
  });

  it('device pages of pageable memory are given back when they go home or are freed', () => {
    const life = (n: number, end: string) => [
      `0 cpu alloc ${pageAddr(n, 0)} 2M a${n};kind=system`,
      ...touch('gpu0', 'write', n, upTo(512)),
      end,
    ];
    const home = `0 cpu read ${pageAddr(0, 0)} 2M`;
    const rows = [...life(0, home), ...life(1, `0 cpu free ${pageAddr(1, 0)} 2M`), ...life(2, '0 gpu0 sync')];
    const { metrics } = oneByOne(rows, { capacity: '2M' });
    expect(metrics['evictions.count']).toBe(0);
    expect(metrics['populate.device.pages']).toBe(3 * 512);
    expect(metrics['migration.d2h.bytes']).toBe(2 * MiB);
    expect(metrics['memory.device.peakAllocatedBytes']).toBe(2 * MiB);
  });

  it('files stay in RAM and are mapped there', () => {
    const rows = [
      `0 cpu alloc ${pageAddr(0, 0)} 2M a;kind=file`,
      ...touch('cpu', 'write', 0, [0]),
      ...touch('gpu0', 'read', 0, [0, 1]),
    ];
    const { metrics } = oneByOne(rows);
    expect(metrics['migration.h2d.bytes']).toBe(0);
    expect(metrics['remote.device.accesses']).toBe(2);
    expect(metrics['accesses.failed']).toBe(0);
  });

  it('device memory belongs to its GPU', () => {
    const rows = [
      `0 gpu0 alloc ${pageAddr(0, 0)} 2M a;kind=device`,
      ...touch('gpu0', 'write', 0, [0]),
      ...touch('cpu', 'read', 0, [0]),
      ...touch('gpu1', 'read', 0, [0]),
    ];
    const near = oneByOne(rows, { platform: peers }).metrics;
    expect(near['faults.device']).toBe(0);
    expect(near['accesses.failed']).toBe(1);
    expect(near['remote.device.accesses']).toBe(1);
    const far = oneByOne(rows, { platform: strangers }).metrics;
    expect(far['accesses.failed']).toBe(2);
  });

  it('device memory pushes managed memory out, and fails when it cannot fit', () => {
    const rows = [alloc(1), ...touch('gpu0', 'write', 0, [0])];
    const fits = oneByOne([...rows, `0 gpu0 alloc ${pageAddr(4, 0)} 2M d;kind=device`], { capacity: '2M' });
    expect(fits.metrics['evictions.count']).toBe(1);
    const huge = oneByOne(
      [...rows, `0 gpu0 alloc ${pageAddr(4, 0)} 4M d;kind=device`, ...touch('gpu0', 'read', 4, [0])],
      { capacity: '2M' },
    );
    expect(huge.metrics['accesses.failed']).toBe(1);
    expect(huge.warnings.length).toBe(1);
  });

  it('device memory freed in parts is given back with its last page', () => {
    // 4 MiB in three frees; then a managed block has the whole 4 MiB again: two blocks, no eviction.
    const rows = [
      `0 gpu0 alloc ${pageAddr(4, 0)} 4M d;kind=device`,
      `0 gpu0 free ${pageAddr(4, 0)} 1M`,
      `0 gpu0 free ${pageAddr(4, 256)} 1M`,
      alloc(2),
      ...touch('gpu0', 'write', 0, [0]),
    ];
    const before = oneByOne(rows, { capacity: '4M' }).metrics;
    expect(before['accesses.failed']).toBe(1);
    const freed = `0 gpu0 free ${pageAddr(5, 0)} 2M`;
    const after = oneByOne([...rows, freed, ...touch('gpu0', 'write', 0, [0]), ...touch('gpu0', 'write', 1, [0])], {
      capacity: '4M',
    }).metrics;
    expect(after['accesses.failed']).toBe(1);
    expect(after['evictions.count']).toBe(0);
    expect(after['memory.device.peakAllocatedBytes']).toBe(4 * MiB);
  });

  it('pinned host memory is reached over the link by all', () => {
    const rows = [
      `0 cpu alloc ${pageAddr(0, 0)} 2M a;kind=pinned`,
      ...touch('cpu', 'write', 0, [0]),
      ...touch('gpu0', 'read', 0, [0, 1]),
    ];
    const { metrics } = oneByOne(rows);
    expect([metrics['faults.host'], metrics['faults.device']]).toEqual([0, 0]);
    expect(metrics['remote.device.accesses']).toBe(2);
  });

  it('copies move bytes, not pages', () => {
    const rows = [
      `0 cpu alloc ${pageAddr(0, 0)} 2M h;kind=pinned`,
      `0 gpu0 alloc ${pageAddr(1, 0)} 2M d;kind=device`,
      `0 gpu0 copy ${pageAddr(1, 0)} 1M ${pageAddr(0, 0)}`,
    ];
    const { metrics } = oneByOne(rows);
    expect(metrics['migration.by.copy.bytes']).toBe(MiB);
    expect(metrics['migration.h2d.bytes']).toBe(MiB);
    expect(metrics['migration.h2d.pages']).toBe(0);
  });
});

describe('invalidation', () => {
  it('drops device mappings and leaves the data, or brings it home', () => {
    const rows = [alloc(1), ...touch('gpu0', 'write', 0, [0])];
    const dropped = oneByOne([...rows, `0 cpu invalidate ${pageAddr(0, 0)} 2M numa`, ...touch('gpu0', 'read', 0, [0])]);
    expect(dropped.metrics['migration.d2h.bytes']).toBe(0);
    expect(dropped.metrics['faults.device']).toBe(2);
    const forked = oneByOne([...rows, `0 cpu invalidate ${pageAddr(0, 0)} 2M fork`, ...touch('gpu0', 'read', 0, [0])]);
    expect(forked.metrics['migration.d2h.bytes']).toBe(64 * KiB);
    expect(forked.metrics['migration.h2d.bytes']).toBe(64 * KiB);
  });
});

describe('access counters', () => {
  const grace = shape({ coherent: true, ats: true, peer: 'fast' });
  const system = `0 cpu alloc ${pageAddr(0, 0)} 2M a;kind=system`;

  it('are on where translation services are', () => {
    expect(oneByOne([alloc(1)], { platform: grace }).parameters.accessCounters).toBe('on');
    expect(oneByOne([alloc(1)]).parameters.accessCounters).toBe('off');
    expect(oneByOne([alloc(1)]).parameters.ats).toBe('off');
  });

  it('a page of the CPU page table never faults; 256 remote accesses move the region', () => {
    const start = [system, ...touch('cpu', 'write', 0, [0])];
    const reads = (n: number) => upTo(n).flatMap(() => touch('gpu0', 'read', 0, [0]));
    const before = oneByOne([...start, ...reads(255)], { platform: grace }).metrics;
    expect(before['faults.device']).toBe(0);
    expect(before['remote.device.accesses']).toBe(255);
    expect(before['migration.h2d.bytes']).toBe(0);
    const after = oneByOne([...start, ...reads(300)], { platform: grace }).metrics;
    expect(after['remote.device.accesses']).toBe(256);
    expect(after['migration.by.counter.bytes']).toBe(4 * KiB);
    const quick = oneByOne([...start, ...reads(300)], { platform: grace, set: { counterThreshold: 10 } }).metrics;
    expect(quick['remote.device.accesses']).toBe(10);
  });

  it('explicit migration of pageable memory moves exactly the range, there and back', () => {
    const rows = [
      system,
      ...touch('cpu', 'write', 0, upTo(4)),
      `0 cpu prefetch ${pageAddr(0, 0)} 32K gpu0`,
      ...touch('gpu0', 'read', 0, upTo(8)),
    ];
    const there = oneByOne(rows, { platform: grace }).metrics;
    // Four pages move, four are populated; all are local then.
    expect(there['migration.by.hint.bytes']).toBe(16 * KiB);
    expect(there['populate.device.pages']).toBe(4);
    expect(there['remote.device.accesses']).toBe(0);
    expect(there['memory.device.peakAllocatedBytes']).toBe(32 * KiB);
    const back = oneByOne([...rows, `0 cpu prefetch ${pageAddr(0, 0)} 32K cpu`], { platform: grace }).metrics;
    expect(back['migration.d2h.bytes']).toBe(32 * KiB);
  });

  it('the node has room again after free, and falls back to the host when full', () => {
    const life = (n: number) => [
      `0 cpu alloc ${pageAddr(n, 0)} 2M a${n};kind=system`,
      `0 gpu0 write ${pageAddr(n, 0)} 2M`,
      `0 cpu free ${pageAddr(n, 0)} 2M`,
    ];
    const turns = oneByOne([...life(0), ...life(1), ...life(0)], { platform: grace, capacity: '2M' }).metrics;
    expect(turns['populate.device.pages']).toBe(3 * 512);
    expect(turns['populate.host.pages']).toBe(0);
    const full = [...life(0).slice(0, 2), ...life(1).slice(0, 2)];
    expect(oneByOne(full, { platform: grace, capacity: '2M' }).metrics['populate.host.pages']).toBe(512);
  });

  it('managed pages mapped remotely come by counters too', () => {
    // Preferred location CPU: the GPU maps page 5 in system memory. The counter moves it against the preference only
    // as far as placement lets it: the preferred location keeps it.
    const kept = [
      alloc(1),
      advise('preferred:cpu'),
      fill(1),
      ...upTo(300).flatMap(() => touch('gpu0', 'read', 0, [5])),
    ];
    expect(oneByOne(kept, { platform: grace }).metrics['migration.h2d.bytes']).toBe(0);
    // accessed_by keeps a mapping, but a notification ignores it: the sub-region of 64 KiB comes.
    const moved = [
      alloc(1),
      advise('accessed_by:gpu0'),
      fill(1),
      ...upTo(300).flatMap(() => touch('gpu0', 'read', 0, [5])),
    ];
    const { metrics } = oneByOne(moved, { platform: grace });
    expect(metrics['faults.device']).toBe(0);
    expect(metrics['remote.device.accesses']).toBe(256);
    expect(metrics['migration.h2d.bytes']).toBe(64 * KiB);
    expect(metrics['migration.by.counter.bytes']).toBe(64 * KiB);
  });
});

describe('coherent machines', () => {
  it('a CPU may be given a mapping to video memory by accessed_by', () => {
    const coherent = shape({ coherent: true, ats: false, peer: 'none' });
    const rows = [
      alloc(1),
      advise('accessed_by:cpu'),
      ...touch('gpu0', 'write', 0, [0]),
      ...touch('cpu', 'read', 0, [0]),
    ];
    const { metrics } = oneByOne(rows, { platform: coherent });
    expect(metrics['faults.host']).toBe(0);
    expect(metrics['remote.host.accesses']).toBe(1);
    expect(B(1)).toBe(16);
  });
});
