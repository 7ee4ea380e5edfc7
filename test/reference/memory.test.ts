/** Copies and their time, explicit copies, freeing, notifier events. On `timedPlatform` a 4 KiB copy takes 5,096 ns. */
import { expect, test } from 'vitest';
import { type Core, HOST, RIGHTS } from '../../src/replay/model.ts';
import { timedPlatform } from '../helpers/platforms.ts';
import { type ModelRun, runModel } from '../helpers/run.ts';
import { blockOf, pageMask, plainToy, toyModel } from '../helpers/toys.ts';

const timed = { platform: timedPlatform };
const page = (n: number) => pageMask([512 + n]);
const pages = (...numbers: number[]) => pageMask(numbers.map((n) => 512 + n));

/** Runs `work` in the hook of one launch at 0, with eight pages at home and memory for them on every device. */
function during(work: (core: Core) => void): ModelRun {
  const model = toyModel('during', (core) => ({
    alloc() {
      core.populate(1, pages(0, 1, 2, 3, 4, 5, 6, 7), HOST, { timing: 'none' });
      for (let device = 1; device < core.actors.length; device++) core.reserve(device, 8 * 4096);
    },
    launch: () => work(core),
  }));
  const rows = ['0 cpu alloc 0x200000 2M a', '0 gpu0 launch'];
  return runModel(model, rows, { ...timed, actors: ['gpu0', 'gpu1'] });
}

test('a copy waits, queues on its link, or only keeps the link busy', () => {
  const clock: number[] = [];
  const run = during((core) => {
    clock.length = 0;
    core.move(1, page(0), 1, 'launch');
    clock.push(core.now());
    core.move(1, page(1), 1, 'launch', { timing: 'queue' });
    core.move(1, page(2), 1, 'launch', { timing: 'queue' });
    clock.push(core.now());
    core.spend(2_000, 'faultService');
    core.move(1, page(0), HOST, 'launch', { timing: 'queue' });
    core.move(1, page(3), 1, 'launch');
    clock.push(core.now());
    core.move(1, page(4), 1, 'launch', { timing: 'none' });
    clock.push(core.now());
    core.move(1, page(5), 1, 'launch', { timing: 'queue' });
  });
  // 5,096 for the first. Two queued ones take the link until 15,288; the clock stays. 2,000 of work: 7,096. The way home
  // is another link. The next one waits for the link: 15,288..20,384. `none` takes no time. The last is waited for when
  // the hook ends, at 25,480.
  expect(clock).toEqual([5_096, 5_096, 20_384, 20_384]);
  const starts = run.events.filter((event) => event.kind === 'migrate').map((event) => event.timeNs);
  expect(starts).toEqual([0, 5_096, 10_192, 7_096, 15_288, 20_384, 20_384]);
  expect(run.metrics).toMatchObject({
    'time.link.busy.ns': 7 * 5_096,
    'time.stall.device.ns': 25_480,
    'time.total.ns': 25_480,
  });
});

test('where nothing takes time driver work takes none, but a period passes', () => {
  const model = toyModel('patient', (core) => ({
    alloc() {
      core.spend(700, 'faultService');
      core.waitUntil(1_500);
      core.waitUntil(900);
      core.spend(300, 'faultService');
    },
  }));
  const rows = ['0 cpu alloc 0x200000 4K a'];
  // Work of 700, a period until 1,500 (that of 900 is over), work of 300.
  expect(runModel(model, rows, timed).metrics['time.stall.host.ns']).toBe(1_800);
  expect(runModel(model, rows).metrics['time.stall.host.ns']).toBe(1_500);
});

test('one copy operation a run of pages, cut where it is too long', () => {
  const run = during((core) => {
    core.move(1, pages(0, 1, 2, 4, 5), 1, 'launch', { pagesPerCopy: 2 });
  });
  // Pages 0-1, 2, 4-5: 1,000 + 8,192, 1,000 + 4,096, 1,000 + 8,192.
  const lines = run.events
    .filter((event) => event.kind === 'migrate')
    .map((e) => [e.addr, e.size, e.timeNs, e.durationNs]);
  expect(lines).toEqual([
    ['0x200000', 12_288, 0, 14_288],
    ['0x204000', 8_192, 14_288, 9_192],
  ]);
  expect(run.metrics['migration.h2d.bytes']).toBe(5 * 4_096);
});

test('between devices: directly, or staged through the host', () => {
  const run = during((core) => {
    core.move(1, pages(0, 1), 1, 'launch', { timing: 'none' });
    core.move(1, page(0), 2, 'launch');
    core.move(1, page(1), 2, 'launch', { staged: true });
  });
  // Directly: 1,000 + 2,048. Staged: 5,096 twice, booked on both links and twice under its trigger.
  const lines = run.events.filter((event) => event.kind === 'migrate').slice(1);
  expect(lines).toMatchObject([
    { from: 'gpu0', to: 'gpu1', timeNs: 0, durationNs: 3_048 },
    { from: 'gpu0', to: 'gpu1', timeNs: 3_048, durationNs: 10_192 },
  ]);
  expect(run.metrics).toMatchObject({
    'migration.d2d.bytes': 4_096,
    'migration.d2h.bytes': 4_096,
    'migration.h2d.bytes': 3 * 4_096,
    'migration.by.launch.bytes': 5 * 4_096,
  });
});

test('a copy that keeps its source duplicates; a move to where a copy is drops the others for nothing', () => {
  const places: number[] = [];
  const run = during((core) => {
    places.length = 0;
    core.move(1, page(0), 1, 'launch', { keepSource: true });
    places.push(core.residence(512));
    core.move(1, page(0), 2, 'launch', { keepSource: true });
    places.push(core.residence(512));
    core.move(1, page(0), 2, 'launch');
    places.push(core.residence(512));
  });
  // Locations 0, 1, 2 are bits 1, 2, 4. The second copy is read from the host, not from the other device.
  expect(places).toEqual([1 + 2, 1 + 2 + 4, 4]);
  expect(run.metrics).toMatchObject({ 'migration.h2d.pages': 2, 'migration.d2d.pages': 0, 'migration.d2h.pages': 0 });
});

test('zero-filling: once for each page that exists nowhere', () => {
  const run = during((core) => {
    core.populate(1, pages(6, 7, 8, 9), 1);
    core.populate(1, pages(10), 1, { timing: 'queue' });
    core.spend(100, 'faultService');
  });
  // 8,192 bytes at 8 bytes/ns = 1,024; one more page is zeroed in 512 while 100 of work pass.
  expect(run.metrics).toMatchObject({ 'populate.device.pages': 3, 'time.stall.device.ns': 1_536 });
  expect(run.metrics['time.link.busy.ns']).toBe(0);
});

test('an explicit copy changes no residence', () => {
  const run = during((core) => {
    core.transfer(HOST, 1, 10_000);
    core.transfer(1, 2, 2_000);
    core.transfer(1, 1, 999_999);
  });
  // 1,000 + 10,000, then 1,000 + 2,000 / 2.
  expect(run.metrics).toMatchObject({
    'migration.by.copy.bytes': 12_000,
    'migration.h2d.bytes': 10_000,
    'migration.d2d.bytes': 2_000,
    'migration.h2d.pages': 0,
    'time.stall.device.ns': 13_000,
  });
  expect(run.events.filter((event) => event.kind === 'migrate').map((e) => [e.addr, e.size])).toEqual([
    [null, 10_000],
    [null, 2_000],
  ]);
});

test('a copy record is by default the reads and writes of its actor', () => {
  const rows = ['0 cpu w 0x200000 8K', '100000 gpu0 copy 0x210000 8K 0x200000', '900000 cpu r 0x210000 8K'];
  const run = runModel(plainToy, rows, timed);
  // Two source pages come over, two destination pages are zero-filled; the CPU takes these back. None of the copy's
  // touches counts as one.
  expect(run.metrics).toMatchObject({
    'faults.device': 4,
    'accesses.device': 0,
    'touches.device': 0,
    'migration.h2d.pages': 2,
    'populate.device.pages': 2,
    'migration.d2h.pages': 2,
  });
});

test('freed memory is forgotten when its block has no live allocation left', () => {
  const seen: string[] = [];
  const model = toyModel('keeper', (core) => ({
    hostFault(p) {
      core.populate(blockOf(p), pageMask([p]), HOST);
      core.map(HOST, blockOf(p), pageMask([p]), RIGHTS.write, 1);
      return 'retry';
    },
    alloc() {
      if (core.vmasIn(0, 9999).length === 1) seen.length = 0;
    },
    free(pieces) {
      seen.push(pieces.map((piece) => `${piece.allocation.name} ${piece.firstPage}-${piece.lastPage}`).join(', '));
    },
    advise() {
      seen.push(`resident ${core.residence(512)}${core.residence(528)}, mapped ${core.mapping(HOST, 512)}`);
      return 'applied';
    },
  }));
  const rows = [
    '0 cpu alloc 0x200000 16K a',
    '0 cpu alloc 0x210000 16K b',
    '0 cpu w 0x200000 4K',
    '0 cpu w 0x210000 4K',
    '0 cpu free 0x201000 4K',
    '0 cpu free 0x200000 64K',
    '0 cpu advise 0x200000 4K x',
    '0 cpu free 0x210000 16K',
    '0 cpu advise 0x200000 4K x',
  ];
  const run = runModel(model, rows);
  // The stack itself keeps what it will of a freed page while something lives in the block.
  expect(seen).toEqual([
    'a 513-513',
    'a 512-512, a 514-515',
    'resident 11, mapped 2',
    'b 528-531',
    'resident 00, mapped 0',
  ]);
  expect(run.metrics['unmap.host.operations']).toBe(0);
});

test('a notifier event drops by default the mappings of every device, and only these', () => {
  const model = toyModel('notified', (core) => ({
    alloc() {
      core.populate(1, pages(0, 1, 2, 3), HOST);
      for (const actor of [0, 1, 2]) core.map(actor, 1, pages(0, 1, 3), RIGHTS.write, 3);
    },
    finish() {
      core.count('services', 100 * core.mapping(0, 512) + 10 * core.mapping(1, 513) + core.mapping(2, 515));
    },
  }));
  const rows = ['0 cpu alloc 0x200000 64K a', '0 cpu invalidate 0x200000 12K numa'];
  const run = runModel(model, rows, { actors: ['gpu0', 'gpu1'] });
  // Pages 0-1 of each device are one range. Left: the CPU's mapping, and page 3 of gpu1.
  expect(run.metrics).toMatchObject({ 'unmap.device.operations': 2, 'unmap.host.operations': 0, services: 202 });
  expect(run.metrics['map.operations']).toBe(6);
});

test('memory is taken up to the capacity that the stack really uses', () => {
  const answers: boolean[] = [];
  const model = toyModel('rounding', (core) => {
    core.setEffectiveCapacity(1, 8_192);
    core.resolved('granule', 8_192);
    return {
      alloc() {
        answers.length = 0;
        answers.push(core.reserve(1, 4_096), core.reserve(1, 4_097), core.reserve(1, 4_096));
        core.release(1, 8_192);
        core.metadataBytes(50);
        core.metadataBytes(20);
      },
    };
  });
  const run = runModel(model, ['0 cpu alloc 0x200000 4K a', '0 gpu0 sync'], { capacity: 10_000 });
  expect(answers).toEqual([true, false, true]);
  expect(run.effectiveCapacityBytes?.[1]).toBe(8_192);
  expect(run.parameters).toEqual({ granule: 8_192 });
  expect(run.metrics).toMatchObject({
    'memory.device.peakAllocatedBytes': 8_192,
    'memory.device.peakResidentBytes': 0,
    'memory.metadata.peakBytes': 50,
  });
});

test('only what an eviction took from a device can thrash: pages that left the host so come back uncounted', () => {
  const run = during((core) => {
    core.move(1, page(0), 1, 'eviction');
    core.move(1, page(0), HOST, 'launch');
    core.move(1, page(1), 1, 'launch');
    core.move(1, page(1), HOST, 'eviction');
    core.move(1, page(1), 1, 'launch');
  });
  // Page 0: host to device and back, 0. Page 1: evicted from the device and brought back to it, 1.
  expect(run.metrics['thrash.pages']).toBe(1);
});
