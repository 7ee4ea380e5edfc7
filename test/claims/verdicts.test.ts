/** Every verdict by made-up numbers: each outcome, and a sentence that follows them. */
import { expect, test } from 'vitest';
import { outcomeOf } from '../../scripts/claims/claim.ts';
import { anonymousMemory } from '../../scripts/claims/list/anonymous-memory.ts';
import { coherentBus } from '../../scripts/claims/list/coherent-bus.ts';
import { coupling } from '../../scripts/claims/list/coupling.ts';
import { fileIo } from '../../scripts/claims/list/file-io.ts';
import { firstWrite } from '../../scripts/claims/list/first-write.ts';
import { hugePages } from '../../scripts/claims/list/huge-pages.ts';
import { notifiers } from '../../scripts/claims/list/notifiers.ts';
import { oversubscription } from '../../scripts/claims/list/oversubscription.ts';
import { prefetchBandwidth } from '../../scripts/claims/list/prefetch-bandwidth.ts';
import { stickyHints } from '../../scripts/claims/list/sticky-hints.ts';

test('an outcome needs all or none', () => {
  expect(outcomeOf([true, true])).toBe('confirmed');
  expect(outcomeOf([false, false])).toBe('refuted');
  expect(outcomeOf([false, true])).toBe('mixed');
});

test('H1: first write', () => {
  const stack = (name: string, upgradesPerPage: number) => ({
    name,
    upgradesPerPage,
    exchangesPerMib: 7,
    exchangesPerMibSerial: 300,
  });
  const both = firstWrite.judge([stack('a', 1), stack('b', 1.5)]);
  expect(both.outcome).toBe('confirmed');
  expect(both.sentence).toContain('each first write in a (7 exchanges a MiB, 300 one by one) and b (');
  expect(both.sentence).not.toContain('fewer');
  const none = firstWrite.judge([stack('a', 0), stack('b', 0.2)]);
  expect(none.outcome).toBe('refuted');
  expect(none.sentence).not.toContain('at least');
  const one = firstWrite.judge([stack('a', 0), stack('b', 1)]);
  expect(one.outcome).toBe('mixed');
  expect(one.sentence).toMatch(/at least .* in b \(.*; fewer .* in a \(/);
});

test('H2: huge pages', () => {
  const use = (name: string, hmmHugeToSmall: number, uvmGrownToSmall: number) => ({
    use: name,
    gmemMovedPerUsed: name === 'little' ? 500 : 1,
    hmmHugeToSmall,
    uvmGrownToSmall,
  });
  const faster = hugePages.judge([use('little', 0.9, 0.8), use('all', 0.1, 0.2)]);
  expect(faster.outcome).toBe('confirmed');
  expect(faster.sentence).toContain('both gain at every density');
  expect(faster.sentence).toContain('500 times what is used at little and 1 times at all');
  expect(hugePages.judge([use('little', 1, 2), use('all', 1.5, 3)]).outcome).toBe('refuted');
  const crossing = hugePages.judge([use('little', 0.9, 1.4), use('all', 0.1, 0.2)]);
  expect(crossing.outcome).toBe('mixed');
  expect(crossing.sentence).toContain('at little of each 2 MiB at least one');
});

test('H5: file I/O', () => {
  const stack = (name: string, homeBytes: number) => ({ name, homeBytes, backBytes: 4 * 2 ** 20 });
  // Four touches of 4 KiB: 16,384 bytes are the I/O itself.
  const all = fileIo.judge([stack('a', 4 * 2 ** 21), stack('b', 4 * 65_536)]);
  expect(all).toEqual({
    outcome: 'confirmed',
    sentence: 'For each 4 KiB page of I/O: a 2 MiB home and 1 MiB back and b 64 KiB home and 1 MiB back.',
  });
  expect(fileIo.judge([stack('a', 0), stack('b', 16_384)]).outcome).toBe('refuted');
  expect(fileIo.judge([stack('a', 0), stack('b', 16_385)]).outcome).toBe('mixed');
});

test('H6: notifiers', () => {
  const calls = (told: number, unmaps: number) => ({ told, unmaps });
  const event = (name: string, gmem: [number, number], hmm: [number, number]) => ({
    event: name,
    gmem: calls(...gmem),
    hmm: calls(...hmm),
  });
  const same = notifiers.judge([event('x', [4, 4], [4, 4]), event('y', [2, 3], [2, 3])]);
  expect(same.outcome).toBe('confirmed');
  expect(same.sentence).toMatch(/for 2 of 2 kinds of events, and with equally many callbacks for 2\.$/);
  const other = notifiers.judge([event('x', [4, 4], [5, 4]), event('y', [2, 3], [2, 9])]);
  expect(other.outcome).toBe('refuted');
  expect(other.sentence).toContain('for 1 of 2 kinds of events, and with equally many callbacks for 0');
  const some = notifiers.judge([event('x', [4, 4], [4, 4]), event('y', [2, 3], [2048, 3])]);
  expect(some.outcome).toBe('mixed');
  expect(some.sentence).toContain('differ in y (callbacks 2 against 2,048, unmaps 3 against 3)');
});

test('H9: sticky hints', () => {
  const stack = (name: string, sticky: string[]) => ({ name, sticky, faultsPlain: 5, faultsAfterPrefetch: 4 });
  const once = stickyHints.judge([stack('gmem', []), stack('other', ['preferred'])]);
  expect(once.outcome).toBe('confirmed');
  expect(once.sentence).toContain('no hint outlives its first use: 4 device faults in 5 rounds');
  expect(once.sentence).toContain('other keeps preferred');
  const kept = stickyHints.judge([stack('gmem', ['prefetch']), stack('other', ['preferred'])]);
  expect(kept.outcome).toBe('refuted');
  expect(kept.sentence).toContain('In GMEM prefetch outlives');
  const nobody = stickyHints.judge([stack('gmem', []), stack('other', [])]);
  expect(nobody.outcome).toBe('mixed');
  expect(nobody.sentence).toContain('nor in any other stack');
});

test('H10: anonymous memory', () => {
  const worse = {
    unusedBytes: 0,
    unusedToHmm: 1,
    sparseToHmm: 8,
    denseToHmm: 1.25,
    sparseToHuge: 1.5,
    denseToHuge: 1.75,
    gmemMetadata: 700,
    hmmMetadata: 100,
    gmemCollisionNs: 90_000,
    hmmCollisionNs: 50_000,
    lockWaitNs: 40_000,
  };
  const all = anonymousMemory.judge(worse);
  expect(all.outcome).toBe('confirmed');
  expect(all.sentence).toContain("8 times HMM's time in sparse memory and 1.25 times in dense (1.5 and 1.75 times");
  expect(all.sentence).toContain("90 us (40 us of it at the page's mutex) against 50 us");
  const better = { sparseToHmm: 0.5, denseToHmm: 1, gmemMetadata: 100, gmemCollisionNs: 50_000 };
  expect(anonymousMemory.judge({ ...worse, ...better }).outcome).toBe('refuted');
  for (const [key, value] of Object.entries(better)) {
    expect(anonymousMemory.judge({ ...worse, [key]: value }).outcome).toBe('mixed');
  }
});

test('H12: oversubscription', () => {
  const free = {
    trace: 'sweep',
    ratio: 2,
    failed: 0,
    rfcDriverEvictions: 0,
    coreDriverEvictions: 0,
    gmemBytes: 1_010,
    bestOtherBytes: 1_000,
  };
  const all = oversubscription.judge([free]);
  expect(all.outcome).toBe('confirmed');
  expect(all.sentence).toContain('at most 1 % more than the best other stack');
  const dear = oversubscription.judge([free, { ...free, ratio: 15.6, gmemBytes: 2_500 }]);
  expect(dear.outcome).toBe('mixed');
  expect(dear.sentence).toContain('at 1 of 2 points (times as much: sweep at 15.6: 2.5)');
  expect(oversubscription.judge([{ ...free, rfcDriverEvictions: 3 }]).outcome).toBe('mixed');
  const none = oversubscription.judge([{ ...free, failed: 2, rfcDriverEvictions: 3, gmemBytes: 5_000 }]);
  expect(none.outcome).toBe('refuted');
  expect(none.sentence).toContain(
    '2 accesses fail and 0 evictions are left to the driver; with the RFC the driver is taken to make 3',
  );
});

test('H13: prefetch bandwidth', () => {
  const latency = (messageUs: number, at16: number, at32: number) => ({
    messageUs,
    shares: [
      [16, at16],
      [32, at32],
      [64, at32],
    ] as const,
  });
  const all = prefetchBandwidth.judge([latency(1, 0.95, 0.99), latency(5, 0.8, 0.9)]);
  expect(all.outcome).toBe('confirmed');
  expect(all.sentence).toContain('1 us: from 16 MiB; 5 us: from 32 MiB.');
  const none = prefetchBandwidth.judge([latency(1, 0.5, 0.89)]);
  expect(none.outcome).toBe('refuted');
  expect(none.sentence).toContain('Holds with messages of no latency out of 1 us');
  expect(none.sentence).toContain('1 us: not up to 64 MiB (89 %)');
  const some = prefetchBandwidth.judge([latency(1, 0.95, 0.99), latency(400, 0.4, 0.6)]);
  expect(some.outcome).toBe('mixed');
  expect(some.sentence).toContain('Holds with messages of 1 us out of 1 and 400 us');
});

test('H14: coupling', () => {
  const owner = (coupled: number, sameData = true) => ({
    owner: 'host',
    roundTrips: { coupled, decoupled: 40, coalesced: 30, posted: 20 },
    sameData,
    addedBy: [
      [1, 0.01],
      [100, 0.5],
    ] as const,
  });
  const best = coupling.judge([owner(10)]);
  expect(best.outcome).toBe('confirmed');
  expect(best.sentence).toContain('adds 1 % of waiting at 1 us a message and 50 % at 100 us');
  expect(coupling.judge([owner(40)]).outcome).toBe('refuted');
  expect(coupling.judge([owner(25)]).outcome).toBe('mixed');
  const other = coupling.judge([owner(10, false)]);
  expect(other.outcome).toBe('refuted');
  expect(other.sentence).toContain('does not move the same data');
});

test('H15: coherent bus', () => {
  const latency = (...moves: number[]) => ({
    messageUs: 5,
    uses: moves.map((moveNs, i) => ({ use: ['little', 'some', 'much'][i], moveNs, remoteNs: 1_000 * 10 ** i })),
  });
  const both = coherentBus.judge([latency(5_000, 9_000, 9_000)]);
  expect(both.outcome).toBe('confirmed');
  expect(both.sentence).toContain('from some on at 5 us (9 us against 10 us)');
  const never = coherentBus.judge([latency(5_000, 50_000, 500_000)]);
  expect(never.outcome).toBe('mixed');
  expect(never.sentence).toContain('never up to much at 5 us');
  expect(coherentBus.judge([latency(500, 50_000, 500_000)]).outcome).toBe('refuted');
});
