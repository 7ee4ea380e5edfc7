/**
 * The thrashing detector against decisions of NVIDIA's own uvm_perf_thrashing.c (595.45.04), run outside the kernel
 * under a virtual clock: 286 sequences, hint by hint, with every detection, unpin and change of the lapse.
 */
import { describe, expect, it } from 'vitest';
import { ThrashingDetector } from '../../src/models/uvm/thrashing.ts';
import { newBlockThrashing, type ThrashingSettings } from '../../src/models/uvm/thrashing-state.ts';
import { forEachProcessor, makeTopology } from '../../src/models/uvm/topology.ts';
import { readLines } from './uvm-data.ts';

type Op = [string, ...(number | string | number[])[]];
interface Sequence {
  id: string;
  sc: string;
  topo: 'pcie' | 'pcie_p2p' | 'nvlink' | 'coherent';
  np: number;
  p?: Record<string, number>;
  pref?: number;
  ops: Op[];
  sum: { none: number; throttle: number; pin: number; mig: number; unpin: number; lapse_ns: number; resets: number };
}

const SHAPES = {
  pcie: { coherent: false, ats: false, peer: 'none' },
  pcie_p2p: { coherent: false, ats: false, peer: 'p2p' },
  nvlink: { coherent: false, ats: false, peer: 'fast' },
  coherent: { coherent: true, ats: false, peer: 'fast' },
} as const;

function settingsOf(p: Record<string, number> = {}): ThrashingSettings {
  return {
    enabled: true,
    threshold: p.threshold ?? 3,
    pinThreshold: p.pin_threshold ?? 10,
    lapseUs: p.lapse_usec ?? 500,
    adaptiveLapse: true,
    lapseVotes: p.lapse_vote_threshold ?? 32,
    napLapses: p.nap ?? 1,
    epochLapses: p.epoch ?? 2000,
    pinLapses: p.pin ?? 300,
    maxResets: p.max_resets ?? 4,
  };
}

/** Replays the inputs of a sequence and writes down its outputs in the recording's own form. */
function run(sequence: Sequence): { ops: Op[]; sum: Sequence['sum'] } {
  let wakeAt: number | null = null;
  const detector = new ThrashingDetector(
    settingsOf(sequence.p),
    makeTopology(SHAPES[sequence.topo], sequence.np),
    (time) => {
      wakeAt = time;
    },
  );
  const block = newBlockThrashing();
  const residence = new Map<number, number>();
  const ops: Op[] = [];
  const sum = { none: 0, throttle: 0, pin: 0, mig: 0, unpin: 0, lapse_ns: 0, resets: 0 };
  let lapse = detector.lapseNs;
  const unpinUntil = (time: number) => {
    while (wakeAt !== null && wakeAt <= time) {
      const at: number = wakeAt;
      wakeAt = null;
      const pages: number[] = [];
      detector.unpinDue(at, (_, page) => {
        pages.push(page);
        sum.unpin++;
      });
      ops.push(['u', at, pages]);
    }
  };
  for (const op of sequence.ops) {
    const time = op[1] as number;
    if (op[0] === 'h' || op[0] === 'm' || op[0] === 'r') unpinUntil(time);
    if (op[0] === 'h') {
      const [requester, page] = [op[2] as number, op[3] as number];
      const view = { preferred: sequence.pref ?? -1, resident: 1 << (residence.get(page) ?? 0) };
      const hint = detector.hint(block, page, view, requester, time);
      if (hint.kind === 'none') ops.push(['h', time, requester, page, 'n']);
      else if (hint.kind === 'throttle') ops.push(['h', time, requester, page, 't', hint.endNs]);
      else {
        const processors: number[] = [];
        forEachProcessor(hint.processors, (p) => processors.push(p));
        ops.push(['h', time, requester, page, 'p', hint.residency, processors]);
      }
      sum[hint.kind]++;
      if (detector.lapseNs !== lapse) ops.push(['L', (lapse = detector.lapseNs)]);
    } else if (op[0] === 'm') {
      const [to, first, outer, cause] = op.slice(2, 6) as number[];
      let detected: number[] = [];
      if (cause < 2) detected = detector.migrated(block, to, first, outer - 1, time, cause === 1);
      else if (cause === 2) detector.reset(block, first, outer - 1);
      for (let page = first; page < outer; page++) residence.set(page, to);
      ops.push(['m', time, to, first, outer, cause, ...(detected.length > 0 ? [detected] : [])]);
      sum.mig += outer - first;
    } else if (op[0] === 'r') {
      const [processor, first, outer] = op.slice(2, 5) as number[];
      const detected = detector.revoked(block, processor, first, outer - 1, time);
      ops.push(['r', time, processor, first, outer, ...(detected.length > 0 ? [detected] : [])]);
    }
  }
  const lastTime = Math.max(...sequence.ops.filter((op) => op[0] === 'u').map((op) => op[1] as number), 0);
  unpinUntil(lastTime);
  sum.lapse_ns = detector.lapseNs;
  sum.resets = block.resets;
  return { ops, sum };
}

describe('uvm thrashing, hint by hint', () => {
  const sequences = readLines<Sequence>('uvm-thrashing.jsonl.gz');

  it('holds 286 sequences', () => {
    expect(sequences.length).toBe(286);
  });

  it.each([...new Set(sequences.map((s) => s.sc))])('%s', (scenario) => {
    for (const sequence of sequences.filter((s) => s.sc === scenario)) {
      const mine = run(sequence);
      for (let i = 0; i < sequence.ops.length; i++) {
        expect(mine.ops[i], `${sequence.id} operation ${i}`).toEqual(sequence.ops[i]);
      }
      expect(mine.ops.length, sequence.id).toBe(sequence.ops.length);
      expect(mine.sum, sequence.id).toEqual(sequence.sum);
    }
  });
});
