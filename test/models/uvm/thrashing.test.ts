/** Thrashing end to end: two processors write one page in turn; what the detector decides shows in events and times. */
import { describe, expect, it } from 'vitest';
import { ThrashingDetector } from '../../../src/models/uvm/thrashing.ts';
import { newBlockThrashing } from '../../../src/models/uvm/thrashing-state.ts';
import { makeTopology } from '../../../src/models/uvm/topology.ts';
import type { Platform } from '../../../src/platforms/platform.ts';
import { unitPlatform } from '../../helpers/platforms.ts';
import { movedPerService, oneByOne, pageAddr, upTo } from './rows.ts';

const shape = (topology: Platform['topology']): Platform => ({ ...unitPlatform, topology });

const PAIRS = [
  { name: 'CPU and GPU', pair: ['gpu0', 'cpu'], shape: { coherent: false, ats: false, peer: 'none' }, pins: false },
  { name: 'strange GPUs', pair: ['gpu0', 'gpu1'], shape: { coherent: false, ats: false, peer: 'none' }, pins: false },
  { name: 'PCIe peers', pair: ['gpu0', 'gpu1'], shape: { coherent: false, ats: false, peer: 'p2p' }, pins: false },
  { name: 'NVLink peers', pair: ['gpu0', 'gpu1'], shape: { coherent: false, ats: false, peer: 'fast' }, pins: true },
  { name: 'coherent', pair: ['gpu0', 'cpu'], shape: { coherent: true, ats: false, peer: 'none' }, pins: true },
] as const;

const start = [`0 cpu alloc ${pageAddr(0, 0)} 2M a`, `0 cpu write ${pageAddr(0, 0)} 8`];
const turns = (pair: readonly string[], n: number, everyNs: number) =>
  upTo(n).map((i) => `${(i + 1) * everyNs} ${pair[i % 2]} write ${pageAddr(0, 0)} 8`);

/** The driver keeps time in steps of 64 ns. */
const cut = (ns: number) => ns - (ns % 64);

describe.each(PAIRS)('$name', ({ pair, shape: topology, pins }) => {
  it.each([10, 50, 100, 200, 300, 450])('every %i us', (us) => {
    const d = us * 1000;
    const result = oneByOne([...start, ...turns(pair, 7, d)], {
      platform: shape(topology),
      set: { prefetch: false, adaptiveLapse: false },
    });
    const moves = result.events.filter((e) => e.kind === 'migrate' && e.to !== null);
    const times = [...new Set(moves.map((e) => e.timeNs))];
    const defers = result.events.filter((e) => e.kind === 'defer');
    if (pins) {
      // The 5th move makes the page thrash; both reach it fast, so the 6th access pins it where it is, mapped remotely.
      expect(times).toEqual([d, 2 * d, 3 * d, 4 * d, 5 * d]);
      const remote = result.events.filter((e) => e.kind === 'remoteMap');
      expect([remote[0].timeNs, remote[0].actor]).toEqual([6 * d, pair[1]]);
      expect(defers.length).toBe(0);
      return;
    }
    // The 6th is favoured and opens a period of 500 us; the 7th waits until just after it. By then the last move lies
    // longer back than the lapse: the page moves and its history is over.
    const end = cut(6 * d + 500_000);
    expect(times).toEqual([d, 2 * d, 3 * d, 4 * d, 5 * d, 6 * d, end + 1000]);
    expect(defers.map((e) => e.timeNs)).toEqual([7 * d]);
    expect(result.metrics['faults.deferred']).toBe(1);
    expect(result.metrics['time.stall.device.ns']).toBe(end + 1000 - 7 * d);
  });

  it('never at more than 500 us', () => {
    const result = oneByOne([...start, ...turns(pair, 20, 500_001)], {
      platform: shape(topology),
      set: { prefetch: false, adaptiveLapse: false },
    });
    expect(result.metrics['faults.deferred']).toBe(0);
    expect(result.metrics['remote.device.accesses']! + result.metrics['remote.host.accesses']!).toBe(0);
  });
});

describe('at the limits', () => {
  const slow = (everyNs: number) =>
    oneByOne([...start, ...turns(['gpu0', 'cpu'], 8, everyNs)], { set: { prefetch: false, adaptiveLapse: false } })
      .metrics;

  it('500 us apart is still within the lapse', () => {
    // Time stamps are cut to 64 ns, so that a page's gap may look 63 ns longer: 499,900 is safely within.
    expect(slow(499_900)['faults.deferred']).toBe(1);
    expect(slow(500_100)['faults.deferred']).toBe(0);
  });

  it('thrashing off: every access moves the page', () => {
    const { metrics } = oneByOne([...start, ...turns(['gpu0', 'cpu'], 20, 50_000)], {
      set: { prefetch: false, thrashing: false },
    });
    expect(metrics['faults.deferred']).toBe(0);
    expect(metrics['faults.device']).toBe(10);
  });

  it('a thrashing page is neither grown nor brought along', () => {
    // Moves 1 to 5 bring 64 KiB each. Then the whole unit thrashes: the 6th access (CPU) takes page 0 alone, so page 3
    // is a hit on the GPU. Page 20 grows to its own 64 KiB as ever.
    const rows = [
      ...start,
      ...turns(['gpu0', 'cpu'], 6, 50_000),
      `310000 gpu0 read ${pageAddr(0, 3)} 8`,
      `320000 gpu0 read ${pageAddr(0, 20)} 8`,
    ];
    const result = oneByOne(rows, { set: { adaptiveLapse: false } });
    expect(movedPerService(result, 'gpu0')).toEqual([64, 64, 64, 64]);
    expect(movedPerService(result, 'cpu')).toEqual([64, 64, 64, 4]);
    expect(result.metrics['faults.device']).toBe(4);
  });
});

describe('pinning', () => {
  it('after pinThreshold throttles: at the favoured, then where all reach; unpinned after 150 ms', () => {
    // pinThreshold 1, window self-tuning. 6th access (CPU) at 600 us: period until 1,100,000, cut 1,099,968. GPU put
    // off at 700 us, back at 1,100,968: one throttle is enough, it is favoured now: pinned on the GPU, period until
    // cut(1,600,968) = 1,600,960. The CPU at 1,200 us cannot reach video memory: it sleeps until 1,601,960, is favoured,
    // and the pin moves to system memory, where both reach; the GPU is mapped remotely.
    const rows = [
      ...start,
      ...turns(['gpu0', 'cpu'], 7, 100_000),
      `1200000 cpu write ${pageAddr(0, 0)} 8`,
      `1300000 gpu0 write ${pageAddr(0, 0)} 8`,
      `150000000 gpu0 write ${pageAddr(0, 0)} 8`,
      // The pin began at 1,100,968; 150 ms later it ends.
      `151101000 gpu0 write ${pageAddr(0, 0)} 8`,
    ];
    const result = oneByOne(rows, { set: { prefetch: false, pinThreshold: 1 } });
    const moves = result.events.filter((e) => e.kind === 'migrate').map((e) => [e.timeNs, e.to]);
    expect(moves.slice(6)).toEqual([
      [1_100_968, 'gpu0'],
      [1_601_960, 'cpu'],
      // The device's own clock is ahead by its stall of 400,968 ns (700,000 to 1,100,968).
      [151_101_000 + 400_968, 'gpu0'],
    ]);
    const remote = result.events.filter((e) => e.kind === 'remoteMap').map((e) => [e.timeNs, e.actor]);
    expect(remote).toEqual([[1_601_960, 'gpu0']]);
    expect(result.events.filter((e) => e.kind === 'unpin').map((e) => e.timeNs)).toEqual([151_100_968]);
    expect(result.metrics['remote.device.accesses']).toBe(2);
    expect(result.metrics['time.stall.host.ns']).toBe(1_601_960 - 1_200_000);
  });

  it('two throttles are not three: no pin', () => {
    // The GPU is put off once, the CPU once.
    const rows = [...start, ...turns(['gpu0', 'cpu'], 7, 100_000), `1200000 cpu write ${pageAddr(0, 0)} 8`];
    const result = oneByOne(rows, { set: { prefetch: false, pinThreshold: 3 } });
    expect(result.events.filter((e) => e.kind === 'remoteMap').length).toBe(0);
  });
});

describe('the unpin worker', () => {
  it('takes pages that are due within 20 us, and comes back for the others', () => {
    // Three pages fight over a fast link: each is pinned by its first hint after the 5th move. Pins begin at T,
    // T + 15 us, T + 25 us; the worker is due at T + 150 ms and takes the first two, then asks for the next tick.
    const due: (number | null)[] = [];
    const topology = makeTopology({ coherent: true, ats: false, peer: 'none' }, 2);
    const settings = {
      enabled: true,
      threshold: 3,
      pinThreshold: 10,
      lapseUs: 500,
      adaptiveLapse: false,
      lapseVotes: 32,
      napLapses: 1,
      epochLapses: 2000,
      pinLapses: 300,
      maxResets: 4,
    };
    const detector = new ThrashingDetector(settings, topology, (time) => due.push(time));
    const block = newBlockThrashing();
    for (const i of upTo(5)) detector.migrated(block, i % 2 === 0 ? 1 : 0, 0, 2, 10_000_000 + i * 10_000);
    const T = 10_100_000;
    for (const [page, later] of [0, 15_000, 25_000].entries()) {
      const hint = detector.hint(block, page, { preferred: -1, resident: 0b10 }, 0, T + later);
      expect(hint).toEqual({ kind: 'pin', residency: 1, processors: 0b11 });
    }
    expect(due).toEqual([T + 150_000_000]);
    const unpinned: number[] = [];
    detector.unpinDue(T + 150_000_000, (_, page) => unpinned.push(page));
    expect(unpinned).toEqual([0, 1]);
    // 25 us are left: one tick of 1 ms.
    expect(due.at(-1)).toBe(T + 151_000_000);
    detector.unpinDue(T + 151_000_000, (_, page) => unpinned.push(page));
    expect(unpinned).toEqual([0, 1, 2]);
  });
});

describe('topology', () => {
  it('says who reaches whom', () => {
    const pcie = makeTopology({ coherent: false, ats: false, peer: 'none' }, 3);
    expect(pcie.canAccess).toEqual([0b001, 0b011, 0b101]);
    expect(pcie.accessibleFrom).toEqual([0b111, 0b010, 0b100]);
    const fast = makeTopology({ coherent: true, ats: true, peer: 'fast' }, 3);
    expect(fast.nativeAtomics).toEqual([0b111, 0b111, 0b111]);
  });
});
