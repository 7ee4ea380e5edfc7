/** Remote touches that the running counts book: many, of several sizes, and while access counters are armed. */
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import type { AddressSpace } from '../../src/replay/address-space.ts';
import { ACCESS } from '../../src/replay/faults.ts';
import { HitPath } from '../../src/replay/hit-path.ts';
import { type MemoryOptions, PassMemory } from '../../src/replay/kernel/memory.ts';
import { LaneRun } from '../../src/replay/lane-run.ts';
import { Mmu } from '../../src/replay/mmu.ts';
import { HOST, type ModelDefinition, RIGHTS } from '../../src/replay/model.ts';
import type { TraceChunk } from '../../src/trace/compiled.ts';
import { inArena } from '../helpers/arena.ts';
import { compileRecords, type RecordObject } from '../helpers/mini-trace.ts';
import { laneSpec, replayFast, runModel } from '../helpers/run.ts';
import { blockOf, dice, pageMask, toyModel } from '../helpers/toys.ts';
import { replayReference } from '../reference/engine.ts';

/** The second one goes on without WebAssembly on the way: its 82 pages of 64 KiB are what there is at first. */
const MEMORIES: readonly MemoryOptions[] = [{ kernel: 'auto' }, { kernel: 'auto', mostPages: 82 }, { kernel: 'plain' }];

/** Memory stays with the CPU, devices map it there; each `threshold` remote touches of a block notify. */
function remoteToy(threshold = 0): ModelDefinition {
  return toyModel(`remote ${threshold}`, (core) => ({
    deviceFaults(device, faults) {
      for (let i = 0; i < faults.count; i++) {
        const page = faults.page[i];
        const rights = faults.access[i] === ACCESS.read ? RIGHTS.read : RIGHTS.write;
        core.map(device, blockOf(page), pageMask([page]), rights, 1);
        if (threshold > 0) core.armCounter(device, blockOf(page), threshold);
        faults.serve(i);
      }
    },
    counter(device, block, page) {
      // Every third page loses its mapping, so that pages begin anew to rely on the counts.
      if (page % 3 === 0) core.unmap(device, block, pageMask([page]));
      core.armCounter(device, block, threshold);
    },
    hostFault(page) {
      core.populate(blockOf(page), pageMask([page]), HOST);
      core.map(HOST, blockOf(page), pageMask([page]), RIGHTS.write, 1);
      return 'retry';
    },
  }));
}

/** The CPU writes all pages from 0x200000 on, then the first device reads some in no order. */
function reads(touches: number, pages: number, among: readonly number[], sizes: readonly number[]): RecordObject[] {
  const roll = dice(touches);
  const records: RecordObject[] = [{ timeNs: 0, actor: 'cpu', op: 'write', addr: 0x200000, size: pages * 4096 }];
  for (let i = 0; i < touches; i++) {
    const addr = 0x200000 + among[roll(among.length)] * 4096;
    records.push({ timeNs: i, actor: 'gpu0', op: 'read', addr, size: sizes[roll(sizes.length)] });
  }
  return records;
}

/** Runs of one pass, each against a reference run of its own. */
function expectAgreement(records: readonly RecordObject[], models: readonly ModelDefinition[]): void {
  const trace = compileRecords(records, { chunkRows: 700 });
  const specs = models.map((model) => laneSpec(model, trace, { inFlight: 2 }));
  const references = specs.map((spec) => replayReference(trace, spec));
  for (const memory of MEMORIES) {
    replayFast(trace, specs, true, memory).forEach((fast, lane) => {
      expect(fast.events).toEqual(references[lane].events);
      expect(JSON.stringify(fast.result)).toBe(JSON.stringify(references[lane].result));
    });
  }
}

test('more touches of a page than a low count holds', () => {
  expectAgreement(reads(3_000, 3, [0, 2], [64]), [remoteToy()]);
});

test('touches of several sizes, more bytes than a low sum holds', () => {
  expectAgreement(reads(3_000, 3, [0, 1, 2], [64, 64, 128, 1, 4_096]), [remoteToy()]);
  expectAgreement(reads(1_000, 2, [1], [4_096, 4_096, 32]), [remoteToy()]);
});

test('access counters of runs that notify at different times', () => {
  const thresholds = [1, 2, 3, 7, 40, 1_000].map(remoteToy);
  expectAgreement(reads(1_500, 8, [0, 1, 2, 3, 5, 7], [64]), thresholds);
  // The second block's ids lie in two groups.
  expectAgreement(reads(1_500, 1_100, [508, 512, 600, 1_020, 1_023, 1_024, 1_090], [64, 4_096]), thresholds);
});

test('a page mapped remotely needs no second look once its first touch is done', () => {
  const touch = vi.spyOn(LaneRun.prototype, 'touch');
  const rows = ['0 cpu w 0x200000 8K', ...Array.from({ length: 20 }, (_, i) => `0 gpu0 r 0x200${(i % 2) * 8}00 64`)];
  const run = runModel(remoteToy(100), rows, { inFlight: 1, engine: 'fast' });
  expect(run.metrics['remote.device.accesses']).toBe(20);
  // Two pages of the CPU's, then the device's fault. (Both addresses are in one page.)
  expect(touch).toHaveBeenCalledTimes(3);
  touch.mockRestore();
});

test('a copy touches a page that relies on the running counts and that another device waited on', () => {
  const rows = [
    '0 cpu w 0x200000 8K',
    '0 gpu1 r 0x200000 64',
    '0 gpu1 r 0x200000 64',
    // Waited for a while: every touch of the page is looked at again.
    '0 gpu0 r 0x200000 64',
    '0 gpu1 copy 0x201000 64 0x200000',
    '0 gpu1 r 0x200000 64',
  ];
  for (const threshold of [0, 2, 3, 4, 9]) {
    const run = runModel(remoteToy(threshold), rows, { inFlight: 1 });
    expect(run.metrics['remote.device.accesses']).toBe(6);
  }
});

test('touches and bytes of a page, whatever unit is expected', () => {
  const step = fc.record({
    id: fc.nat(2),
    times: fc.integer({ min: 1, max: 600 }),
    bytes: fc.constantFrom(1, 64, 4096),
  });
  const expected = fc.array(
    fc.oneof({ weight: 5, arbitrary: step }, { weight: 1, arbitrary: fc.constantFrom(1, 64, 4096) }),
  );
  fc.assert(
    fc.property(expected, fc.constantFrom(...MEMORIES), (steps, memory) => {
      const mmu = new Mmu(2, false, 3, {} as AddressSpace, new PassMemory(memory));
      mmu.running.start(1);
      const touches = [0, 0, 0];
      const bytes = [0, 0, 0];
      for (const next of steps) {
        if (typeof next === 'number') mmu.running.expectBytes(next);
        else {
          for (let i = 0; i < next.times; i++) mmu.running.count(1, next.id, next.bytes);
          touches[next.id] += next.times;
          bytes[next.id] += next.times * next.bytes;
        }
        for (let id = 0; id < 3; id++) {
          expect(mmu.running.touchesOf(1, id)).toBe(touches[id]);
          expect(mmu.running.bytesOf(1, id)).toBe(bytes[id]);
        }
      }
    }),
    { numRuns: 60, seed: 29 },
  );
});

test('sums for a wrong guess for which WebAssembly has no memory left, of rows that lie there', () => {
  const mmu = new Mmu(2, false, 10, {} as AddressSpace, new PassMemory({ kernel: 'auto', mostPages: 90 }));
  mmu.running.start(1);
  mmu.running.count(1, 9, 100);
  for (let id = 0; id < 10; id++) mmu.settleKinds(1, id, 1, 1);
  const arena = mmu.memory.arena!;
  expect(arena.take(7 * 2 ** 16)).toBeGreaterThan(0);
  const chunk = {
    rows: 25,
    code: new Uint8Array(25).fill(3),
    page: Int32Array.from({ length: 25 }, (_, i) => i % 10),
    bytes: new Uint32Array(25).fill(64),
    timeNs: new Float64Array(25).fill(5),
  } as unknown as TraceChunk;
  const here = inArena(chunk, arena);
  while (arena.take(64) >= 0);
  expect(new HitPath(mmu, 1, new Float64Array(2)).pass(here, 0)).toBe(25);
  expect([mmu.memory.arena, mmu.running.unitBytes]).toEqual([null, 64]);
  // Page 9: one touch of 100 bytes, two of 64.
  expect([mmu.running.bytesOf(1, 0), mmu.running.bytesOf(1, 9)]).toEqual([3 * 64, 100 + 2 * 64]);
});

test('sums of bytes for which WebAssembly has no memory left, of rows that lie there', () => {
  const mmu = new Mmu(2, false, 10, {} as AddressSpace, new PassMemory({ kernel: 'auto', mostPages: 90 }));
  mmu.running.start(1);
  mmu.running.expectBytes(64);
  for (let id = 0; id < 10; id++) mmu.settleKinds(1, id, 1, 1);
  const arena = mmu.memory.arena!;
  // The columns lie behind everything that the pass has looked at so far.
  expect(arena.take(7 * 2 ** 16)).toBeGreaterThan(0);
  const touches = 25;
  const bytes = Uint32Array.from({ length: touches }, (_, i) => (i === 20 ? 100 : 64));
  const chunk = {
    rows: touches,
    code: new Uint8Array(touches).fill(3),
    page: Int32Array.from({ length: touches }, (_, i) => i % 10),
    bytes,
    timeNs: new Float64Array(touches).fill(5),
  } as unknown as TraceChunk;
  const here = inArena(chunk, arena);
  expect(here.arena).toBe(arena);
  while (arena.take(64) >= 0);
  const lastTimeNs = new Float64Array(2);
  expect(new HitPath(mmu, 1, lastTimeNs).pass(here, 0)).toBe(touches);
  expect(mmu.memory.arena).toBe(null);
  expect(lastTimeNs[1]).toBe(5);
  // Pages 0..4 have three touches, the others two; touch 20 is of page 0.
  expect([mmu.running.touchesOf(1, 0), mmu.running.touchesOf(1, 4), mmu.running.touchesOf(1, 5)]).toEqual([3, 3, 2]);
  expect([mmu.running.bytesOf(1, 0), mmu.running.bytesOf(1, 4), mmu.running.bytesOf(1, 5)]).toEqual([228, 192, 128]);
});

test('no sums where every touch has as many bytes; the unit is that of the first crowd', () => {
  for (const memory of MEMORIES) {
    const mmu = new Mmu(2, false, 10, {} as AddressSpace, new PassMemory(memory));
    mmu.running.start(1);
    mmu.running.count(1, 0, 64);
    mmu.running.count(1, 3, 64);
    expect([mmu.running.summing, mmu.running.bytesOf(1, 0), mmu.running.bytesOf(1, 3)]).toEqual([false, 64, 64]);
    for (let id = 0; id < 10; id++) mmu.settleKinds(1, id, 1, 1);
    const crowd = (bytes: number) =>
      ({
        rows: 20,
        code: new Uint8Array(20).fill(3),
        page: Int32Array.from({ length: 20 }, (_, i) => i % 10),
        bytes: new Uint32Array(20).fill(bytes),
        timeNs: new Float64Array(20),
      }) as unknown as TraceChunk;
    const hits = new HitPath(mmu, 1, new Float64Array(2));
    expect(hits.pass(crowd(64), 0)).toBe(20);
    expect([mmu.running.summing, mmu.running.bytesOf(1, 0), mmu.running.bytesOf(1, 4)]).toEqual([
      false,
      3 * 64,
      2 * 64,
    ]);
    // The guess was wrong: from now on 128 needs no sum, and what was counted before has one.
    expect(hits.pass(crowd(128), 0)).toBe(20);
    expect([mmu.running.summing, mmu.running.unitBytes]).toEqual([true, 128]);
    expect([mmu.running.bytesOf(1, 0), mmu.running.bytesOf(1, 4)]).toEqual([3 * 64 + 2 * 128, 2 * 64 + 2 * 128]);
    // Sums are there: the unit stays, and each of these touches is 64 below it.
    expect(hits.pass(crowd(64), 0)).toBe(20);
    expect(mmu.running.unitBytes).toBe(128);
    expect([mmu.running.bytesOf(1, 0), mmu.running.bytesOf(1, 4)]).toEqual([5 * 64 + 2 * 128, 4 * 64 + 2 * 128]);
  }
});

test('arrays for which WebAssembly has no memory left: no loop of it works on any of them', () => {
  const memory = new PassMemory({ kernel: 'auto', mostPages: 90 });
  const arrays: Int32Array[] = [];
  memory.growArrays(arrays, 2, 100);
  arrays[1].fill(7);
  expect(memory.faults).not.toBe(null);
  memory.growArrays(arrays, 2, 2 ** 20);
  expect([memory.arena, memory.faults]).toEqual([null, null]);
  expect([arrays[1].length, arrays[1][99], arrays[1][100], arrays[0][99]]).toEqual([2 ** 20, 7, 0, 0]);
});
