/**
 * Sequences of the KFD oracle written as traces and run through the whole engine: what the driver's own events add up to
 * must come out as metrics.
 */

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import kfd from '../../src/models/kfd/index.ts';
import { unitPlatform } from '../helpers/platforms.ts';
import { runModel } from '../helpers/run.ts';
import type { Sequence, Step } from './kfd-harness.ts';

const BASE = 2 ** 20;
const PAGE = 4096;

const SEQUENCES = gunzipSync(readFileSync(new URL('data/kfd-sequences.jsonl.gz', import.meta.url)))
  .toString('utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Sequence);

type Entry = [first: number, last: number, place: number, writable: number];

/** What the driver had mapped before each step. */
function mappedBefore(sequence: Sequence): Record<string, Entry[]>[] {
  let mapped: Record<string, Entry[]> = {};
  return sequence.steps.map((step) => {
    const before = mapped;
    if (step.g !== undefined) mapped = step.g as unknown as Record<string, Entry[]>;
    return before;
  });
}

const span = (first: number, pages: number): string => `0x${((BASE + first) * PAGE).toString(16)} ${pages * PAGE}`;

/** Rows of one step, or null when a trace cannot say it. */
function rowsOf(step: Step, timeNs: number, mapped: Record<string, Entry[]>): string[] | null {
  const [op, ...rest] = step.op;
  const n = rest as number[];
  const events = step.ev ?? [];
  // A trace raises a dropped fault again; the sequences do not. Refused operations are tested apart.
  if (step.ret !== undefined || events.some(([kind]) => kind === 'drop' || kind === 'hmm_livelock')) return null;
  switch (op) {
    case 't':
      return [];
    case 'attr': {
      const attributes = rest.slice(2) as unknown as [string, number][];
      if (attributes.length !== 1) return null;
      const [name, value] = attributes[0];
      return [`${timeNs} cpu advise ${span(n[0], n[1])} attr:${name}=${value}`];
    }
    case 'gf': {
      const [gpu, page, write] = n;
      const entry = (mapped[String(gpu)] ?? []).find(([first, last]) => first <= page && page <= last);
      // A fault of a page that is mapped is a hit in a trace.
      if (entry !== undefined && (write === 0 || entry[3] === 1)) return null;
      return [`${timeNs} gpu${gpu} ${write === 1 ? 'write' : 'read'} ${span(page, 1)}`];
    }
    case 'ca':
      if (n[2] !== undefined && n[2] !== 1) return null;
      return n[1] === 0 ? [] : [`${timeNs} cpu write ${span(n[0], n[1])}`];
    case 'munmap':
      return [`${timeNs} cpu free ${span(n[0], n[1])}`];
    case 'inval':
      if (rest[3] !== undefined || rest[2] === 'dontneed') return null;
      return [`${timeNs} cpu invalidate ${span(n[0], n[1])} ${rest[2] === 'clear' ? 'compaction' : 'mprotect'}`];
    default:
      return null;
  }
}

function traceOf(sequence: Sequence): string[] | null {
  if (sequence.acct !== undefined || sequence.cfg.apu !== undefined || sequence.cfg.coherent !== undefined) return null;
  if (sequence.cfg.cost !== undefined || sequence.cfg.ptreserve !== undefined) return null;
  // It unmaps what was not mapped, an error in a trace.
  if (sequence.id === 's-munmap-9') return null;
  const hives = sequence.cfg.vram.map((_, i) => sequence.cfg.hive?.[i] ?? 0);
  if (hives.length > 1 && new Set(hives).size > 1) return null;
  // Tens of thousands of first touches say no more than a few thousand.
  if (sequence.vma.reduce((pages, vma) => pages + vma[1], 0) > 9000) return null;
  const rows: string[] = [];
  for (const [first, pages, flags] of sequence.vma) {
    if (!/^rw[hs]?$/.test(flags)) return null;
    const place = flags.includes('h') ? ';vma=heap' : flags.includes('s') ? ';vma=stack' : '';
    rows.push(`0 cpu alloc ${span(first, pages)} v${first};kind=system${place}`);
  }
  let timeNs = 0;
  const mapped = mappedBefore(sequence);
  for (const [i, step] of sequence.steps.entries()) {
    const more = rowsOf(step, timeNs, mapped[i]);
    if (more === null) return null;
    rows.push(...more);
    timeNs = step.t;
  }
  // Work that is due by the end is done before this record.
  rows.push(`${timeNs} gpu1 launch`);
  return rows;
}

/** Sums over the driver's own events. */
function expectedMetrics(sequence: Sequence): Record<string, number> {
  const sums: Record<string, number> = {
    'faults.device': 0,
    'faults.host': 0,
    'migration.operations': 0,
    'migration.h2d.pages': 0,
    'migration.d2h.pages': 0,
    'migration.d2d.pages': 0,
    'populate.device.pages': 0,
    'evictions.count': 0,
    'unmap.device.operations': 0,
    'tlb.invalidations': 0,
    'kfd.queueEvictions': 0,
    'memory.device.peakAllocatedBytes': 0,
  };
  for (const step of sequence.steps) {
    sums['tlb.invalidations'] += (step.tlb as number | undefined) ?? 0;
    const vram = Math.max(0, ...((step.v as unknown as number[] | undefined) ?? []));
    sums['memory.device.peakAllocatedBytes'] = Math.max(sums['memory.device.peakAllocatedBytes'], vram * PAGE);
    for (const [kind, ...f] of step.ev ?? []) {
      const n = f as number[];
      if (kind === 'pf') sums['faults.device']++;
      if (kind === 'cpu') sums['faults.host'] += n[0] + n[1];
      if (kind === 'evict') sums['evictions.count']++;
      if (kind === 'unmap') sums['unmap.device.operations']++;
      if (kind === 'quiesce') sums['kfd.queueEvictions']++;
      if (kind !== 'mig') continue;
      const [, , to, , , , moved, copied] = n;
      if (moved > 0) sums['migration.operations']++;
      if (to === 0) sums['migration.d2h.pages'] += moved;
      else {
        sums['migration.h2d.pages'] += copied;
        sums['populate.device.pages'] += moved - copied;
      }
    }
  }
  return sums;
}

const TRACES = SEQUENCES.flatMap((sequence) => {
  const rows = traceOf(sequence);
  return rows === null ? [] : [{ sequence, rows }];
});

describe('sequences as traces', () => {
  it('are many', () => {
    expect(TRACES.length).toBe(COUNT);
  });

  for (const { sequence, rows } of TRACES) {
    it(`${sequence.id}${sequence.note === undefined ? '' : `: ${sequence.note}`}`, () => {
      const { cfg } = sequence;
      const gpus = cfg.vram.map((_, i) => `gpu${i + 1}`);
      const oneHive = (cfg.hive ?? []).some((hive) => hive !== 0);
      const result = runModel(kfd, rows, {
        engine: 'fast',
        actors: gpus,
        platform: { ...unitPlatform, topology: { ...unitPlatform.topology, peer: oneHive ? 'fast' : 'none' } },
        // One touch at a time: each fault is served before the next record.
        inFlight: 1,
        capacity: Object.fromEntries(gpus.map((gpu, i) => [gpu, cfg.vram[i] * PAGE])),
        set: { maxRange: cfg.max * PAGE, granularity: cfg.gran, xnack: cfg.xnack === 1 },
      });
      const expected = expectedMetrics(sequence);
      const got = Object.fromEntries(Object.keys(expected).map((name) => [name, result.metrics[name]]));
      expect(got).toEqual(expected);
    });
  }
});

/** Of 501; the others do what a trace cannot say (several attributes in one call, faults on mapped pages, faults not served). */
const COUNT = 52;
