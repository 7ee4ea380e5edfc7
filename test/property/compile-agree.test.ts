/** The real reader and compiler against the tiny trace builder of the tests: the same trace, record by record. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CompiledTrace } from '../../src/trace/compiled.ts';
import { compileTraceText } from '../../src/trace/index.ts';
import { compileRecords, type RecordObject } from '../helpers/mini-trace.ts';
import { plainRecords } from '../reference/records.ts';
import { recordsOf, tracePlan } from './random-trace.ts';

/** As CSV; without the time column when time stands still at 0. */
function toCsv(records: readonly RecordObject[]): string {
  const hasTime = records.some((record) => record.timeNs !== 0);
  const rows = records.map(({ timeNs, actor, op, addr, size, thread, arg }) =>
    [...(hasTime ? [timeNs] : []), actor, op, addr, size, thread, arg].map((value) => value ?? '').join(','),
  );
  return [`${hasTime ? 'time_ns,' : ''}actor,op,addr,size,thread,arg`, ...rows, ''].join('\n');
}

/** Everything but how page ids and slots were given out, which each builder may choose. */
function essence(trace: CompiledTrace): unknown {
  const { name, sha256, metadata, warnings, chunks, lives, pageIds, slots, threads, ...facts } = trace;
  const threadNumbers = new Map<number, number>();
  const records = [...plainRecords(trace)].map((record) => {
    if (record.thread >= 0 && !threadNumbers.has(record.thread)) threadNumbers.set(record.thread, threadNumbers.size);
    return { ...record, thread: threadNumbers.get(record.thread) ?? -1 };
  });
  const blocks = Array.from({ length: lives.count }, (_, i) => ({
    block: lives.block[i],
    touched: [...lives.touched.slice(i * 16, i * 16 + 16)].join(),
    begin: lives.beginEvent[i],
    end: lives.endEvent[i],
  })).sort((a, b) => a.begin - b.begin || a.block - b.block);
  const allocations = facts.allocations.map((allocation) => ({
    ...allocation,
    name: facts.inferredAllocations ? '' : allocation.name,
  }));
  return { ...facts, allocations, records, blocks };
}

test('random traces compile to the same records, lives, allocations and totals', async () => {
  await fc.assert(
    fc.asyncProperty(tracePlan, async (plan) => {
      const records = recordsOf(plan);
      expect(essence(await compileTraceText(toCsv(records)))).toEqual(essence(compileRecords(records)));
    }),
    { numRuns: 60, seed: 23, endOnFailure: true },
  );
});
