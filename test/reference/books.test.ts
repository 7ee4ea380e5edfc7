/** What is counted: remote touches, guesses, thrashing, access counters, permissions, hints. Page n is at 0x200000 + n x 4 KiB. */
import { expect, test } from 'vitest';
import { HOST, RIGHTS } from '../../src/replay/model.ts';
import { timedPlatform } from '../helpers/platforms.ts';
import { runModel } from '../helpers/run.ts';
import { blockOf, PagePool, pageMask, plainToy, toyModel } from '../helpers/toys.ts';
import { logToy } from './log-toy.ts';

const timed = { platform: timedPlatform };

/** CPU pages are populated at home; the device maps them there for reading. */
const remoteToy = toyModel('remote', (core) => ({
  deviceFaults(device, faults) {
    for (let i = 0; i < faults.count; i++) {
      core.map(device, blockOf(faults.page[i]), pageMask([faults.page[i]]), RIGHTS.read, 1);
      faults.serve(i);
    }
  },
  hostFault(page) {
    core.populate(blockOf(page), pageMask([page]), HOST);
    core.map(HOST, blockOf(page), pageMask([page]), RIGHTS.write, 1);
    return 'retry';
  },
}));

test('remote touches count their bytes, take the link but not the clock', () => {
  const rows = [
    '0 cpu w 0x200000 8K',
    '10000 gpu0 r 0x200064 100',
    '30000 gpu0 r 0x200000 64',
    '31000 gpu0 r 0x200000 4K',
    '32000 gpu0 r 0x200ff6 20',
  ];
  const run = runModel(remoteToy, rows, timed);
  // The last access touches two pages, 10 bytes of each; the second page is another fault.
  expect(run.metrics).toMatchObject({ 'remote.device.accesses': 5, 'remote.device.bytes': 100 + 64 + 4_096 + 20 });
  // 4,280 bytes at 2 bytes/ns = 2,140 ns. The clock: the fault of the last record, raised at 32,000, is fetched at
  // 42,000, 10,000 after the trace's last record. Ideal: the trace's 32,000.
  expect(run.metrics).toMatchObject({
    'time.ideal.ns': 32_000,
    'time.total.ns': 32_000 + 10_000 + 2_140,
    'time.link.busy.ns': 2_140,
    'time.stall.device.ns': 10_000,
    'efficiency.movedPerUsed': null,
    slowdown: 44_140 / 32_000,
  });
  expect(run.events.filter((event) => event.kind === 'remoteMap')).toHaveLength(2);
});

test('the CPU touches device memory remotely; what exists nowhere is local to everybody', () => {
  const model = toyModel('device first', (core) => {
    const pool = new PagePool(core);
    return {
      deviceFaults(device, faults) {
        for (let i = 0; i < faults.count; i++) {
          const page = faults.page[i];
          const zero = faults.access[i] === 0;
          if (!zero) pool.bring([page], device, 'deviceFault');
          core.map(device, blockOf(page), pageMask([page]), zero ? RIGHTS.read : RIGHTS.write, 1);
          faults.serve(i);
        }
      },
      hostFault(page) {
        core.map(HOST, blockOf(page), pageMask([page]), RIGHTS.read, 1);
        return 'retry';
      },
    };
  });
  const rows = [
    '0 gpu0 w 0x200000 4K',
    '1 cpu r 0x200000 60',
    '2 cpu r 0x200000 4',
    '3 gpu0 r 0x201000 4K',
    '4 cpu r 0x201000 4K',
  ];
  const run = runModel(model, rows);
  expect(run.metrics).toMatchObject({
    'remote.host.accesses': 2,
    'remote.host.bytes': 64,
    'remote.device.accesses': 0,
    'faults.host': 2,
    'faults.host.firstTouch': 1,
    'populate.device.pages': 1,
  });
});

test('a page brought on a guess is used when its own device first touches it before it leaves', () => {
  const model = toyModel('guesser', (core) => {
    const pool = new PagePool(core);
    const give = (actor: number, page: number, pages: number[]): void => {
      core.beginMigration();
      pool.bring(pages, actor, actor === HOST ? 'hostFault' : 'deviceFault', {
        speculative: pageMask(pages.filter((p) => p !== page)),
      });
      core.map(actor, blockOf(page), pageMask(pages), RIGHTS.write, 1);
    };
    return {
      deviceFaults(device, faults) {
        const page = faults.page[0];
        give(device, page, [page, page + 1, page + 2, page + 3]);
        faults.serve(0);
      },
      hostFault(page) {
        give(HOST, page, [page]);
        return 'retry';
      },
    };
  });
  const rows = [
    '0 cpu w 0x200000 16K',
    '1 gpu0 r 0x200000 4K',
    '2 gpu0 r 0x201000 4K',
    '3 gpu0 r 0x201000 4K',
    '4 cpu r 0x202000 4K',
    '5 gpu0 r 0x203000 4K',
  ];
  const run = runModel(model, rows, { inFlight: 1 });
  // Pages 1, 2, 3 come on a guess; 1 and 3 are touched, 2 leaves untouched. The way back of page 2 is no guess.
  expect(run.metrics).toMatchObject({
    'speculation.pages': 3,
    'speculation.used': 2,
    'migration.by.deviceFault.bytes': 4_096,
    'migration.by.speculation.bytes': 3 * 4_096,
    'migration.by.hostFault.bytes': 4_096,
    'migration.h2d.pages': 4,
    'migration.d2h.pages': 1,
    // Four CPU first touches (they populate), one device fault, one CPU fault.
    'migration.operations': 6,
  });
  // Five pages moved; the device used four pages' worth of lines at most once each: pages 0, 1 and 3.
  expect(run.metrics['efficiency.movedPerUsed']).toBe(5 / 3);
  const lines = run.events
    .filter((event) => event.kind === 'migrate')
    .map((e) => [e.trigger, e.addr, e.size, e.from, e.to]);
  expect(lines).toEqual([
    ['deviceFault', '0x200000', 4_096, 'cpu', 'gpu0'],
    ['speculation', '0x201000', 12_288, 'cpu', 'gpu0'],
    ['hostFault', '0x202000', 4_096, 'gpu0', 'cpu'],
  ]);
});

test('a page thrashes each time it comes back to the device that an eviction took it from', () => {
  const rows = [
    '0 cpu alloc 0x200000 8K a',
    '1 cpu w 0x200000 8K',
    '2 gpu0 r 0x200000 4K',
    '3 gpu0 r 0x201000 4K',
    '4 gpu0 r 0x200000 4K',
    '5 gpu0 r 0x201000 4K',
    '6 cpu free 0x200000 8K',
    '7 cpu alloc 0x200000 8K b',
    '8 cpu w 0x200000 8K',
    '9 gpu0 r 0x200000 4K',
  ];
  const run = runModel(plainToy, rows, { inFlight: 1, capacity: 4096 });
  // Room for one page: 0, 1 (0 out), 0 (1 out, back: 1), 1 (0 out, back: 2); new memory has no history.
  expect(run.metrics).toMatchObject({
    'thrash.pages': 2,
    'evictions.count': 3,
    'evictions.pages': 3,
    'evictions.bytes': 3 * 4_096,
    'migration.by.eviction.bytes': 3 * 4_096,
    'migration.by.deviceFault.bytes': 5 * 4_096,
    'memory.device.peakAllocatedBytes': 4_096,
    'memory.device.peakResidentBytes': 4_096,
  });
});

test('an access counter calls after the touch that reaches its threshold, once', () => {
  const { model, log } = logToy((core, _usual, lines) => ({
    hostFault: (page) => {
      core.populate(blockOf(page), pageMask([page]), HOST);
      core.map(HOST, blockOf(page), pageMask([page]), RIGHTS.write, 1);
      return 'retry';
    },
    deviceFaults(device, faults) {
      core.map(device, 1, pageMask([faults.page[0]]), RIGHTS.read, 1);
      if (faults.page[0] === 512) core.armCounter(device, 1, 3);
      faults.serve(0);
    },
    counter: (device, block, page) => {
      lines.push(`${core.actors[device]} ${block} ${page}`);
    },
  }));
  const rows = [
    '0 cpu w 0x200000 8K',
    '1 gpu0 r 0x200000 4K',
    '2 gpu0 r 0x200000 64',
    '3 gpu0 r 0x201000 4K',
    '4 gpu0 r 0x201000 4K',
    '5 gpu0 r 0x200000 4K',
    '6 gpu0 r 0x300000 4K',
  ];
  const run = runModel(model, rows, { inFlight: 1 });
  // The faulting touch is the first, then 64 bytes, then another page of the block: three. Later ones are not counted,
  // nor are those of a page that exists nowhere.
  expect(log).toEqual(['gpu0 1 513']);
  expect(run.metrics['remote.device.accesses']).toBe(5);
  const line = run.events.find((event) => event.kind === 'counter');
  expect(line).toMatchObject({ actor: 'gpu0', addr: '0x200000', size: 2 ** 21, trigger: 'counter', record: 3 });
});

test('a fault on a page that is mapped with less is one of permission', () => {
  const { model } = logToy((core) => ({
    deviceFaults(device, faults) {
      const page = faults.page[0];
      const isWrite = faults.access[0] !== 0;
      if (isWrite) {
        core.populate(blockOf(page), pageMask([page]), HOST);
        core.map(device, blockOf(page), pageMask([page]), RIGHTS.write, 1);
      } else core.map(device, blockOf(page), pageMask([page]), RIGHTS.read, 1);
      faults.serve(0);
    },
  }));
  const rows = ['0 gpu0 r 0x200000 4K', '1 gpu0 w 0x200000 4K', '2 gpu0 a 0x200000 4K', '3 gpu0 w 0x201000 4K'];
  const run = runModel(model, rows, { inFlight: 1 });
  expect(run.metrics).toMatchObject({ 'faults.device': 3, 'faults.permission': 1 });
});

test('a model that tells atomics apart serves them only with their own right', () => {
  const create = logToy((core) => ({
    deviceFaults(device, faults) {
      const page = faults.page[0];
      core.populate(blockOf(page), pageMask([page]), HOST);
      core.map(device, blockOf(page), pageMask([page]), faults.access[0] === 2 ? RIGHTS.atomic : RIGHTS.write, 1);
      faults.serve(0);
    },
  })).model.create;
  const rows = ['0 gpu0 w 0x200000 4K', '1 gpu0 a 0x200000 4K', '2 gpu0 w 0x200000 4K', '3 gpu0 a 0x200000 4K'];
  const told = runModel(toyModel('told', create, { atomics: true }), rows, { inFlight: 1 });
  expect(told.metrics).toMatchObject({ 'faults.device': 2, 'faults.permission': 1 });
  const plain = runModel(toyModel('untold', create), rows, { inFlight: 1 });
  expect(plain.metrics).toMatchObject({ 'faults.device': 1, 'faults.permission': 0 });
});

test('hints are counted by what became of them and warned about once each', () => {
  const model = toyModel('hinted', () => ({
    advise: (event) => (event.advice === 'read_mostly' ? 'rejected' : event.advice === 'attr' ? 'applied' : 'ignored'),
  }));
  const rows = [
    '0 cpu alloc 0x200000 4K a',
    '0 cpu advise 0x200000 4K read_mostly',
    '0 cpu advise 0x200010 4K unset:read_mostly',
    '0 cpu advise 0x200000 4K attr:x=1',
    '0 cpu advise 0x200000 4K dontneed',
    '0 cpu prefetch 0x200000 4K gpu0',
    '0 cpu prefetch 0x200000 4K cpu',
  ];
  const run = runModel(model, rows);
  expect(run.metrics).toMatchObject({ 'hints.applied': 1, 'hints.ignored': 3, 'hints.rejected': 2 });
  expect(run.warnings).toEqual([
    'hint read_mostly was refused by hinted',
    'hint dontneed is unknown to hinted: ignored',
    'hint prefetch is unknown to hinted: ignored',
  ]);
  const lines = run.events.filter((event) => event.kind === 'hint');
  expect(lines).toHaveLength(6);
  expect(lines[1]).toMatchObject({ addr: '0x200010', size: 4_096, actor: 'cpu', trigger: 'hint', record: 2 });
});
