/** Defaults are the driver's: the module parameters of nvidia-uvm 595.45.04. */
import { expect, test } from 'vitest';
import uvm from '../../../src/models/uvm/index.ts';
import { alloc, oneByOne } from './rows.ts';

test('module parameters keep the defaults of the driver', () => {
  const defaults = Object.fromEntries(Object.entries(uvm.parameters).map(([key, spec]) => [key, spec.default]));
  expect(defaults).toMatchObject({
    prefetch: true, // uvm_perf_prefetch_enable 1
    prefetchThreshold: 51,
    prefetchMinFaults: 1,
    batchCount: 256,
    replayPolicy: 'batch_flush', // 2
    thrashing: true,
    thrashingThreshold: 3,
    pinThreshold: 10,
    lapseUs: 500,
    lapseVotes: 32,
    napLapses: 1,
    epochLapses: 2000,
    pinLapses: 300,
    maxResets: 4,
    accessCounters: 'auto', // -1
    counterThreshold: 256,
    ats: 'auto',
  });
});

test('every parameter says where its default comes from', () => {
  for (const [key, spec] of Object.entries(uvm.parameters)) {
    expect(spec.doc.length, key).toBeGreaterThan(10);
    expect(spec.source.length, key).toBeGreaterThan(10);
  }
});

test('what auto means stands in the result', () => {
  const { parameters } = oneByOne([alloc(1)], { engine: 'fast', set: { ats: 'true', accessCounters: 'on' } });
  expect([parameters.ats, parameters.accessCounters]).toEqual(['on', 'on']);
});
