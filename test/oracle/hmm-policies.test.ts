/**
 * The recorded access streams as traces through the engine and the preset `dmirror`: the totals of a sequence must be the
 * kernel's.
 */

import { describe, expect, it } from 'vitest';
import hmm from '../../src/models/hmm/index.ts';
import { type RunModelOptions, runModel } from '../helpers/run.ts';
import { readSequences, type Sequence } from './hmm-steps.ts';

const sequences = readSequences('hmm-kernel-pingpong.jsonl.gz');

/**
 * `acc` as rows: `cr` = CPU reads, `0w` = device 0 writes, `Am` and `Bm` = migrate to device 0 and 1. `syncs` ends every device
 * access at once, where touches may wait for each other.
 */
function rowsOf(sequence: Sequence, syncs: boolean): string[] {
  const addressOf = (v: number): number => ((v + 1) * 8192 + sequence.vmas[v][0]) * 4096;
  const allocations = sequence.vmas.map(([, pages], v) => `0 cpu alloc ${addressOf(v)} ${pages * 4096} v${v}`);
  const accesses = (sequence.acc ?? []).flatMap(([what, v, page, pages], i) => {
    const range = `${addressOf(v) + page * 4096} ${pages * 4096}`;
    if (what[1] === 'm') return `${i} cpu prefetch ${range} gpu${'AB'.indexOf(what[0])}`;
    const actor = what[0] === 'c' ? 'cpu' : `gpu${what[0]}`;
    const access = `${i} ${actor} ${what[1]} ${range}`;
    return syncs && actor !== 'cpu' ? [access, `${i} ${actor} sync`] : access;
  });
  return [...allocations, ...accesses];
}

function replayed(sequence: Sequence, options: RunModelOptions = {}) {
  const set = {
    chunk: sequence.chunk ?? 1,
    policy: sequence.pol ?? 'A',
    service: sequence.svc === 1 ? 'page' : 'whole',
    migrateOnAccess: sequence.cat === 'pingpong',
  };
  const { metrics } = runModel(hmm, rowsOf(sequence, options.inFlight !== undefined), {
    preset: 'dmirror',
    inFlight: 1,
    host: { zeroPage: true },
    actors: ['gpu0', 'gpu1'],
    engine: 'fast',
    set,
    ...options,
  });
  return {
    cpuFaults: metrics['faults.host'],
    toDevice: metrics['migration.h2d.pages'],
    toRam: metrics['migration.d2h.pages'],
    newOnDevice: metrics['populate.device.pages'],
    newInRam: metrics['populate.host.pages'],
    notifierCalls: metrics['notifier.invalidations'],
    deviceFaults: metrics.services,
    pageFaults: metrics['hmm.pageFaults'],
    rangeFaults: metrics['hmm.rangeFaults'],
  };
}

/** The same from the recording. Each of the two devices has one notifier, so every event is two calls. */
function recorded({ sum }: Sequence) {
  const events = Object.keys(sum).filter((key) => key.startsWith('iv'));
  const total = (keys: string[]): number => keys.reduce((n, key) => n + (sum[key] ?? 0), 0);
  return {
    cpuFaults: total(['cf']),
    toDevice: total(['to0', 'to1']),
    toRam: total(['back']),
    newOnDevice: total(['new0', 'new1']),
    newInRam: total(['ram']),
    notifierCalls: 2 * total(events),
    deviceFaults: total(['fl']),
    pageFaults: total(['hf']),
    rangeFaults: total(['hr']),
  };
}

const differing = (of: Sequence[]): string[] =>
  of.filter((s) => JSON.stringify(replayed(s)) !== JSON.stringify(recorded(s))).map((s) => s.id);

describe('recorded streams, end to end', () => {
  it('policy B: all 126 sequences', () => {
    const of = sequences.filter((s) => s.cat === 'pingpong' && s.pol === 'B');
    expect(of).toHaveLength(126);
    expect(differing(of)).toEqual([]);
  }, 300_000);

  it('bind: all 36 sequences', () => {
    const of = sequences.filter((s) => s.cat === 'bind');
    expect(of).toHaveLength(36);
    expect(differing(of)).toEqual([]);
  }, 300_000);

  it('policy A: all 126 sequences', () => {
    const of = sequences.filter((s) => s.cat === 'pingpong' && s.pol === 'A');
    expect(of).toHaveLength(126);
    expect(differing(of)).toEqual([]);
  }, 300_000);

  it('the same with 256 touches in flight', () => {
    const of = sequences.filter((s) => s.cat === 'pingpong' && s.pol === 'A');
    const all = of.filter((s) => JSON.stringify(replayed(s, { inFlight: 256 })) !== JSON.stringify(recorded(s)));
    expect(all.map((s) => s.id)).toEqual([]);
  }, 300_000);

  it('the reference engine says the same', () => {
    const of = sequences.filter((s) => s.cat === 'pingpong').slice(0, 12);
    for (const sequence of of) expect(replayed(sequence, { engine: 'both' })).toEqual(recorded(sequence));
  }, 300_000);
});
