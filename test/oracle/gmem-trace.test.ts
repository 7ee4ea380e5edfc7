/**
 * Recorded sequences as ordinary traces: alloc, access, hint, copy and free records through the reader's columns, the
 * engine and the model's hooks, one fault at a time. Totals and the order of victims must be those of the kernel code.
 */
import { describe, expect, test } from 'vitest';
import gmem from '../../src/models/gmem/index.ts';
import type { RecordObject } from '../helpers/mini-trace.ts';
import { runModel } from '../helpers/run.ts';
import type { Sequence, Step } from './gmem-record.ts';
import { readLines } from './uvm-data.ts';

const BASE = 2 ** 40;
const MIB2 = 2 ** 21;

interface Traced {
  readonly sequence: Sequence;
  readonly rows: RecordObject[];
  /** Bytes of device memory; null = no limit. */
  readonly capacity: number | null;
}

/** The sequence as records, or null when a trace cannot say it: injected failures, bad arguments, a limit set late. */
function asTrace(sequence: Sequence): Traced | null {
  const { cfg, steps } = sequence;
  if (cfg.dev > 1 || cfg.phys || cfg.attach === 0) return null;
  const rows: RecordObject[] = [];
  const live: { first: number; last: number }[] = [];
  const inside = (first: number, last: number) => live.some((v) => v.first <= first && last <= v.last);
  let capacity: number | null = null;
  let used = false;
  for (const step of steps) {
    const row = asRow(step, inside);
    if (step.op[0] === 'lim') {
      if (used || capacity !== null || step.r === 0) return null;
      capacity = (step.r as number) * MIB2;
    } else if (row === null) return null;
    else {
      rows.push(row);
      if (step.op[0] === 'mmap') {
        const first = step.r ?? 0;
        live.push({ first, last: first + Math.ceil(Number(step.op[1]) / MIB2) - 1 });
      } else used = true;
    }
  }
  return { sequence, rows, capacity };
}

function asRow(step: Step, inside: (first: number, last: number) => boolean): RecordObject | null {
  const [op, ...args] = step.op;
  const n = args as number[];
  const page = (p: number) => BASE + p * MIB2;
  switch (op) {
    case 'mmap':
      if (n.length > 1 || n[0] % MIB2 !== 0) return null;
      return { actor: 'cpu', op: 'alloc', addr: page(step.r ?? 0), size: n[0], arg: `m${step.r ?? 0}` };
    case 'd':
      if (!inside(n[1], n[1])) return null;
      return { actor: 'gpu0', op: n[2] ? 'w' : 'r', addr: page(n[1]), size: 64 };
    case 'h':
      if (!inside(n[0], n[0])) return null;
      return { actor: 'cpu', op: n[1] ? 'w' : 'r', addr: page(n[0]), size: 64 };
    case 'adv': {
      const [hint, device, addr, size] = args as [string, number, number, number];
      if (size === 0 || addr < 0 || (hint !== 'free' && device !== 0)) return null;
      const at = { actor: 'cpu', addr: BASE + addr, size };
      if (hint === 'prefetch') return { ...at, op: 'prefetch', arg: 'gpu0' };
      if (hint === 'pin') return { ...at, op: 'advise', arg: 'pin:gpu0' };
      if (hint === 'unpin') return { ...at, op: 'advise', arg: 'unpin' };
      return hint === 'free' ? { ...at, op: 'advise', arg: 'dontneed' } : null;
    }
    case 'cpy': {
      const [device, dst, src, size] = n;
      if (device > 0 || size === 0) return null;
      const last = (from: number) => Math.floor((from + size - 1) / MIB2);
      if (!inside(Math.floor(dst / MIB2), last(dst)) || !inside(Math.floor(src / MIB2), last(src))) return null;
      const arg = `0x${(BASE + src).toString(16)}`;
      return { actor: device < 0 ? 'cpu' : 'gpu0', op: 'copy', addr: BASE + dst, size, arg };
    }
    default:
      return null;
  }
}

const traced = readLines<Sequence>('gmem-code.jsonl.gz')
  .filter((s) => s.sum !== undefined)
  .map(asTrace)
  .filter((t) => t !== null);

describe('recorded sequences as traces', () => {
  test('142 sequences can be said as a trace', () => {
    const byCategory: Record<string, number> = {};
    for (const { sequence } of traced) byCategory[sequence.cat] = (byCategory[sequence.cat] ?? 0) + 1;
    expect(byCategory).toEqual({
      checklist: 24,
      sweep_cyc: 37,
      sweep_stride: 9,
      sweep_hotpf: 7,
      sweep_hot: 12,
      sweep_cpuinit: 4,
      sweep_zig: 4,
      sweep_rand: 8,
      pingpong: 6,
      hints: 24,
      hmemcpy: 6,
      fail_pinned: 1,
    });
  });

  test.each(traced.map((t) => [t.sequence.id, t] as const))('%s', (_id, { sequence, rows, capacity }) => {
    const run = runModel(gmem, rows, {
      capacity,
      inFlight: 1,
      engine: 'fast',
      set: { literal: true, multiDevice: 'literal', workOrder: sequence.cfg.wq },
    });
    const sum = sequence.sum as Record<string, number> & Record<'cpyH2D' | 'cpyD2H', readonly [number, number]>;
    const { metrics } = run;
    expect({
      dF: metrics['faults.device'],
      hF: Number(metrics['faults.host']) + Number(metrics['gmem.copyHostFaults']),
      map: metrics['gmem.peerMap'],
      unmap: metrics['gmem.peerUnmap'],
      evict: metrics['evictions.count'],
      evictedPages: metrics['evictions.pages'],
      rounds: metrics['gmem.evictionRounds'],
      imports: metrics['gmem.imports'],
      notif: metrics['notifier.invalidations'],
      h2d: metrics['migration.h2d.bytes'],
      d2h: metrics['migration.d2h.bytes'],
      pieces: metrics['gmem.hmemcpyPieces'],
    }).toEqual({
      dF: sum.dF,
      hF: sum.hF,
      map: sum.map0 + sum.map1,
      unmap: sum.unmap0 + sum.unmap1 + sum.evict,
      evict: sum.evict,
      evictedPages: sum.evict * 512,
      rounds: sum.rounds,
      imports: sum.imports,
      notif: sum.notif,
      h2d: sum.h2d * MIB2 + sum.cpyH2D[1],
      d2h: sum.d2h * MIB2 + sum.cpyD2H[1],
      pieces: sum.cpyH2D[0] + sum.cpyD2H[0],
    });
    const victims = run.events
      .filter((e) => e.kind === 'evict')
      .map((e) => (Number(BigInt(e.addr as string) - BigInt(BASE)) / MIB2) as number);
    const expected = sequence.steps.flatMap((t) => (t.c ?? []).filter((c) => c[0] === 'E').map((c) => c[2]));
    expect(victims).toEqual(expected);
  });
});
