/** The fast engine against the slow one on random traces, with made-up drivers that do everything a model may do. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { MemoryOptions } from '../../src/replay/kernel/memory.ts';
import { METRIC_NAMES } from '../../src/replay/metrics.ts';
import { chaosToy } from '../helpers/chaos-toy.ts';
import { compileRecords } from '../helpers/mini-trace.ts';
import { plainToy } from '../helpers/toys.ts';
import { expectAgreement, lanePlans, Reached } from './lanes.ts';
import { recordsOf, tracePlan } from './random-trace.ts';

const chunkRows = fc.constantFrom(3, 4, 7, 1000);
const memories = fc.constantFrom<MemoryOptions>(
  { kernel: 'auto' },
  { kernel: 'auto', mostPages: 82 },
  { kernel: 'plain' },
);
const toys = lanePlans([plainToy, chaosToy(false), chaosToy(true)], [null, 1, 3, 8, 30]);

test('one to four runs in a pass', () => {
  const reached = new Reached();
  const lanes = fc.array(toys, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(tracePlan, lanes, chunkRows, memories, (plan, plans, rows, memory) => {
      expectAgreement(compileRecords(recordsOf(plan), { chunkRows: rows }), plans, reached, memory);
    }),
    { numRuns: 160, seed: 17, endOnFailure: true },
  );
  // The random traces are worth something only if they get everywhere.
  const causes = ['inFlight', 'late', 'otherActor', 'event', 'thread', 'end', 'wake'];
  const kinds = [
    'fault',
    'defer',
    'migrate',
    'populate',
    'evict',
    'map',
    'unmap',
    'remoteMap',
    'pin',
    'hint',
    'counter',
  ];
  const wanted = [...causes.map((cause) => `hand-over: ${cause}`), ...kinds.map((kind) => `event: ${kind}`)];
  expect(reached.missing([...wanted, ...METRIC_NAMES])).toEqual([]);
});

test('more runs than fit in one pass', () => {
  const reached = new Reached();
  const lanes = fc.array(toys, { minLength: 33, maxLength: 40, size: 'max' });
  fc.assert(
    fc.property(tracePlan, lanes, chunkRows, (plan, plans, rows) => {
      const records = recordsOf({ ...plan, templates: plan.templates.slice(0, 25) });
      expectAgreement(compileRecords(records, { chunkRows: rows }), plans, reached);
    }),
    { numRuns: 3, seed: 18, endOnFailure: true },
  );
});
