/** The test device by default: chunks of one page, policy A, whole requests, migration on access. */

import { describe, expect, it } from 'vitest';
import hmm from '../../../src/models/hmm/index.ts';
import { type RunModelOptions, runModel } from '../../helpers/run.ts';

const rows = ['0 cpu alloc 0x200000 2M a', '1 cpu w 0x200000 64K'];
const run = (more: string[], set: RunModelOptions['set'] = {}, capacity: RunModelOptions['capacity'] = null) =>
  runModel(hmm, [...rows, ...more], { preset: 'dmirror', inFlight: 1, actors: ['gpu0', 'gpu1'], set, capacity })
    .metrics;

describe('dmirror', () => {
  it('migrates the chunks of an access', () => {
    // 16 pages are in RAM. Page 3 alone; its aligned 16; its aligned 512, of which 496 are holes.
    const touch = ['2 gpu0 r 0x203000 4K'];
    expect(run(touch)).toMatchObject({ 'migration.h2d.pages': 1, 'populate.device.pages': 0, services: 0 });
    expect(run(touch, { chunk: 16 })).toMatchObject({ 'migration.h2d.pages': 16, 'populate.device.pages': 0 });
    expect(run(touch, { chunk: 512 })).toMatchObject({ 'migration.h2d.pages': 16, 'populate.device.pages': 496 });
    // Without migration the request is mirrored: one service, the page stays.
    expect(run(touch, { migrateOnAccess: false })).toMatchObject({ 'migration.h2d.pages': 0, services: 1 });
  });

  it('takes pages from the other device by policy', () => {
    const touch = ['2 gpu0 r 0x200000 4K', '3 gpu1 r 0x200000 4K', '4 gpu1 sync'];
    // A: nothing to migrate, the remote fault takes the page home and it is read there. B: home, then to the device.
    expect(run(touch)).toMatchObject({
      'migration.h2d.pages': 1,
      'migration.d2h.pages': 1,
      'remote.device.accesses': 1,
    });
    expect(run(touch, { policy: 'B' })).toMatchObject({ 'migration.h2d.pages': 2, 'remote.device.accesses': 0 });
  });

  it('mirrors a request whole or page by page', () => {
    const touch = ['2 gpu0 r 0x200000 64K'];
    expect(run(touch, { migrateOnAccess: false })).toMatchObject({ services: 1, 'hmm.rangeFaults': 1 });
    expect(run(touch, { migrateOnAccess: false, service: 'page' })).toMatchObject({
      services: 16,
      'hmm.rangeFaults': 16,
    });
  });

  it('leaves in RAM what its memory cannot take', () => {
    // Room for 4 of 16 pages; the others are mirrored in place.
    expect(run(['2 gpu0 r 0x200000 64K'], { chunk: 16 }, 16_384)).toMatchObject({
      'migration.h2d.pages': 4,
      'remote.device.accesses': 12,
      'memory.device.peakAllocatedBytes': 16_384,
    });
  });

  it('looks at both sides of a copy', () => {
    // Both pages are pinned in RAM, and the destination was mirrored before. The source is one request, and what it lets
    // the device at ends with its block: the destination in the next one is a request too. 1 + 2 faults.
    const copy = [
      '2 cpu alloc 0x400000 2M b',
      '3 cpu w 0x400000 4K',
      '4 cpu advise 0x200000 4K pin:cpu',
      '5 cpu advise 0x400000 4K pin:cpu',
      '6 gpu0 w 0x400000 64',
      '7 gpu0 copy 0x400000 4K 0x200000',
    ];
    const metrics = runModel(hmm, [...rows, ...copy], { preset: 'dmirror', inFlight: 8, actors: ['gpu0'] }).metrics;
    expect(metrics).toMatchObject({ 'faults.device': 3, 'faults.duplicate': 0, 'migration.h2d.pages': 0 });
  });

  it('does not reach explicit memory of others', () => {
    const explicit = ['2 gpu0 alloc 0x600000 4K d;kind=device', '3 gpu1 r 0x600000 64', '4 gpu0 r 0x600000 64'];
    expect(run(explicit)).toMatchObject({ 'accesses.failed': 1, 'migration.d2h.pages': 0 });
  });
});
