/** Round trips by step, coalescing, address negotiation, metadata. */
import { describe, expect, test } from 'vitest';
import { GENERATIONS as GENERATION, type GmConfig } from '../../../src/models/gmem/config.ts';
import { createStack, type PeerSpace } from '../../../src/models/gmem/stack.ts';
import { negotiateVa } from '../../../src/models/gmem/vma.ts';
import { BLOCK_PAGES, newMask, setRange } from '../../../src/replay/mask.ts';
import { type Core, defineModel } from '../../../src/replay/model.ts';
import { timedPlatform, unitPlatform } from '../../helpers/platforms.ts';
import { type ModelRun, runModel } from '../../helpers/run.ts';
import { alloc, books, GENERATIONS, MIB, P, roundTrips, run, touch } from './rows.ts';

const item4 = [alloc(1), ...touch('cpu', 'w', 0), ...touch('gpu0', 'r', 0)];
const item5 = [alloc(1), ...touch('gpu0', 'w', 0), `0 cpu r ${P(0)} 64`, `0 cpu r ${P(0, MIB)} 64`];
const eight = [alloc(8), ...touch('gpu0', 'w', 0, 7)];
const munmap = [...eight, `0 cpu free ${P(0)} 16M`];
const COUNTS = [
  'faults.device',
  'faults.host',
  'migration.h2d.bytes',
  'migration.d2h.bytes',
  'gmem.peerMap',
  'gmem.peerUnmap',
  'evictions.count',
];

describe('item 25: coupled and decoupled', () => {
  // [coupled, decoupled] exchanges. Decoupled, device owns its memory: fault + allocate, fill, enter; release, invalidate,
  // copy, free. Where the host owns it, allocate and free need no message.
  const expected = { olk66: [2, 3, 3, 6], olk510: [2, 4, 3, 8], rfc: [2, 4, 3, 8] } as const;

  test.each(GENERATIONS)('faults in %s', (preset) => {
    const [one, two, three, four] = expected[preset];
    const of = (rows: string[], mmuOps: string) => run(rows, { preset, set: { mmuOps } });
    expect(roundTrips(of(item4, 'coupled'))).toBe(one);
    expect(roundTrips(of(item4, 'decoupled'))).toBe(two);
    expect(roundTrips(of(item5, 'coupled'))).toBe(three);
    expect(roundTrips(of(item5, 'decoupled'))).toBe(four);
    for (const rows of [item4, item5, munmap]) {
      expect(books(of(rows, 'decoupled'), ...COUNTS)).toEqual(books(of(rows, 'coupled'), ...COUNTS));
    }
  });

  test.each([
    // Eight pages: one message each; or release, invalidate (, free) each; or one invalidate for the whole range.
    ['olk66', 8, 16, 9],
    ['olk510', 8, 24, 17],
    ['rfc', 8, 24, 17],
  ])('munmap of eight device pages in %s', (preset, coupled, decoupled, coalesced) => {
    const cost = (set: Record<string, string | boolean>): number =>
      roundTrips(run(munmap, { preset, set })) - roundTrips(run(eight, { preset, set }));
    const vaFree = preset === 'olk66' ? 1 : 0;
    expect(cost({}) - vaFree).toBe(coupled);
    expect(cost({ coalesce: true }) - vaFree).toBe(coupled);
    expect(cost({ mmuOps: 'decoupled' }) - vaFree).toBe(decoupled);
    expect(cost({ mmuOps: 'decoupled', coalesce: true }) - vaFree).toBe(coalesced);
    // Entries written by posted writes: neither enter nor release is an exchange.
    expect(cost({ mmuOps: 'decoupled', postedEntries: true }) - vaFree).toBe(decoupled - 8);
  });

  test('an eager free coalesces over contiguous pages of one device only', () => {
    const rows = (hole: boolean) => [
      ...eight,
      ...(hole ? touch('cpu', 'r', 3) : []),
      `0 cpu advise ${P(0)} 16M dontneed`,
    ];
    const set = { mmuOps: 'decoupled', coalesce: true };
    const flushes = (r: ModelRun) => Number(r.metrics['tlb.invalidations']);
    expect(flushes(run(rows(false), { set }))).toBe(1);
    // Page 3 came home (one flush); 0..2 and 4..7 are two ranges.
    expect(flushes(run(rows(true), { set }))).toBe(1 + 2);
  });

  test('a victim', () => {
    const rows = [alloc(17), ...touch('gpu0', 'w', 0, 16)];
    const cost = (preset: string, mmuOps: string): number => {
      const set = { mmuOps, lowWatermarkBytes: 0, highWatermarkBytes: 0 };
      const limited = run(rows, { preset, set, capacity: '32M', inFlight: 1 });
      const free = run(rows, { preset, set, inFlight: 1 });
      return (roundTrips(limited) - roundTrips(free)) / Number(limited.metrics['evictions.count']);
    };
    // olk66: peer_unmap; or release, invalidate, copy. Device OS: EVICT_PAGE on top, and `free` when decoupled.
    expect(cost('olk66', 'coupled')).toBe(1);
    expect(cost('olk66', 'decoupled')).toBe(3);
    expect(cost('olk510', 'coupled')).toBe(2);
    expect(cost('olk510', 'decoupled')).toBe(5);
  });

  test('prefetch of one page', () => {
    const rows = [alloc(1), `0 cpu prefetch ${P(0)} 2M gpu0`];
    const cost = (preset: string) => roundTrips(run(rows, { preset, set: { mmuOps: 'decoupled' } }));
    expect([cost('olk66'), cost('olk510')]).toEqual([2, 3]);
  });

  test('each exchange costs its time', () => {
    const ns = (set: Record<string, string | number>) =>
      Number(run(item5, { platform: timedPlatform, set }).metrics['time.total.ns']);
    // The fault's own exchange is the fault latency, in which the negotiation hides: it began at 0 too. Left are 1 + 1,
    // or fill, enter + release, invalidate, copy.
    expect(ns({ roundTripNs: 1000 }) - ns({ roundTripNs: 0 })).toBe(2 * 1000);
    expect(ns({ mmuOps: 'decoupled', roundTripNs: 1000 }) - ns({ roundTripNs: 0 })).toBe(5 * 1000);
    // Unset: the platform's fault latency.
    const r = run(item5, { platform: timedPlatform });
    expect(r.parameters.roundTripNs).toBe(10_000);
    expect(r.metrics['time.total.ns']).toBe(ns({ roundTripNs: 10_000 }));
    const timeless = { ...unitPlatform, timeless: true };
    const none = run(item5, { platform: timeless, set: { roundTripNs: 1000 } });
    expect(books(none, 'time.total.ns', 'gmem.lockWait.ns')).toEqual({ 'time.total.ns': 0, 'gmem.lockWait.ns': 0 });
  });
});

describe('item 24: address negotiation', () => {
  /** Two devices, the second refuses `refusals` times; gives the devices asked, in order, and the result. */
  function negotiate(preset: keyof typeof GENERATION, everyDevice: boolean, refusals: number, code = 1) {
    const asked: number[] = [];
    let picked = 0;
    let block: number | null = null;
    const negotiation = (core: Core): void => {
      const config: GmConfig = {
        generation: GENERATION[preset],
        coupled: true,
        coalesce: false,
        postedEntries: false,
        everyDevice,
        literal: false,
        importPages: 16,
        importMessage: false,
        replicate: false,
        roundTripNs: 0,
        workOrder: 'rr',
        lowWatermarkBytes: 0,
        highWatermarkBytes: 0,
      };
      const whole = setRange(newMask(), 0, BLOCK_PAGES - 1);
      const space: PeerSpace = { isPeerShared: () => true, inOneVma: () => true, maskOf: () => whole };
      let left = refusals;
      const gm = createStack(core, config, space, (driver) => ({
        ...driver,
        peerVaAllocFixed(device) {
          asked.push(device);
          return device === 2 && left-- > 0 ? code : 0;
        },
      }));
      block = negotiateVa(gm, () => picked++, 2 * MIB);
    };
    const model = defineModel({
      name: 'negotiation',
      title: 'Only the negotiation',
      summary: [],
      sources: [],
      presets: { only: { title: 'only' } },
      parameters: {},
      create: (core) => ({ sync: () => negotiation(core) }),
    });
    runModel(model, ['0 gpu0 sync'], { actors: ['gpu0', 'gpu1'], engine: 'fast' });
    return { asked, picked, block };
  }

  test('two refusals: six calls, the third range', () => {
    expect(negotiate('rfc', true, 2)).toEqual({ asked: [1, 2, 1, 2, 1, 2], picked: 3, block: 2 });
  });
  test('always refused: eleven attempts, out of memory', () => {
    const { asked, picked, block } = negotiate('olk510', false, 99);
    expect([asked.length, picked, block]).toEqual([22, 11, null]);
  });
  test('olk66 as written asks the last device only', () => {
    expect(negotiate('olk66', false, 2)).toEqual({ asked: [2, 2, 2], picked: 3, block: 2 });
    expect(negotiate('olk66', false, 99).asked).toHaveLength(11);
  });
  test('any other error ends it', () => {
    expect(negotiate('rfc', true, 1, 5)).toEqual({ asked: [1, 2], picked: 1, block: null });
  });

  test('at alloc: one exchange a device; as written only with the last', () => {
    const rows = [alloc(1)];
    const cost = (preset: string, multiDevice: string) =>
      run(rows, { preset, set: { multiDevice }, actors: ['gpu0', 'gpu1'] }).metrics.roundTrips;
    expect([cost('olk66', 'intent'), cost('olk66', 'literal')]).toEqual([2, 1]);
    expect([cost('rfc', 'intent'), cost('rfc', 'literal')]).toEqual([2, 2]);
    // An inferred allocation negotiates nothing: only the fault's two.
    expect(run(touch('gpu0', 'w', 0)).metrics.roundTrips).toBe(2);
  });
});

describe('item 27: metadata', () => {
  test.each(GENERATIONS)('entries in %s', (preset) => {
    const rows = [alloc(8), ...touch('gpu0', 'w', 0, 3), ...touch('cpu', 'w', 4, 4)];
    expect(run(rows, { preset }).metrics['gmem.mappings']).toBe(5);
    // Eager free keeps the entries; two more pages make seven.
    const freed = [...rows, `0 cpu advise ${P(0)} 16M dontneed`, ...touch('cpu', 'w', 5, 6)];
    expect(run(freed, { preset }).metrics['gmem.mappings']).toBe(7);
    // munmap drops them: the peak stays 5.
    const gone = [...rows, `0 cpu free ${P(0)} 16M`, alloc(8), ...touch('cpu', 'w', 0, 3)];
    expect(run(gone, { preset }).metrics['gmem.mappings']).toBe(5);
    const system = [alloc(8, 0, 'a;kind=system'), ...touch('cpu', 'w', 0, 3)];
    expect(run(system, { preset, actors: ['gpu0'] }).metrics['gmem.mappings']).toBe(0);
  });

  test('evictions keep entries', () => {
    const r = run([alloc(17), ...touch('gpu0', 'w', 0, 16)], { capacity: '32M', inFlight: 1 });
    expect(r.metrics['gmem.mappings']).toBe(17);
  });

  test('bytes', () => {
    // olk66: gm_mapping 56 + leaf 576 + an eighth of the node above 72 = 704 a page; gm_page 80 a device page imported.
    const olk66 = run([alloc(3), ...touch('gpu0', 'w', 0, 2)]);
    expect(olk66.metrics['memory.metadata.peakBytes']).toBe(3 * 704 + 16 * 80);
    // olk510, rfc: 48 + 576 + 72 = 696 a page; registered device memory 48 + 9 per 4 KiB: 32 MiB = 8,192 x 57.
    for (const preset of ['olk510', 'rfc']) {
      const r = run([alloc(3), ...touch('gpu0', 'w', 0, 2)], { preset, capacity: '32M' });
      expect(r.metrics['memory.metadata.peakBytes']).toBe(3 * 696 + 8192 * 57);
    }
    // Without a size: the card's own, 2^40 on this platform.
    const unlimited = run([alloc(1)], { preset: 'rfc', actors: ['gpu0'] });
    expect(unlimited.metrics['memory.metadata.peakBytes']).toBe(2 ** 28 * 57);
    const none = run([alloc(1, 0, 'a;kind=system'), ...touch('cpu', 'w', 0)], { actors: ['gpu0'] });
    expect(none.metrics['memory.metadata.peakBytes']).toBe(0);
  });
});
