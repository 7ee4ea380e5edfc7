/**
 * Faults that follow each other, which the fast engine raises and completes in loops of their own; `runModel` holds each
 * to the reference engine. On `timedPlatform` a device fault can be fetched 10,000 ns after it was raised and a CPU fault
 * takes 300 ns. Page n is at 0x200000 + n x 4 KiB; page 512 begins the next block of 2 MiB.
 */
import { expect, test } from 'vitest';
import { type Core, HOST, RIGHTS } from '../../src/replay/model.ts';
import { timedPlatform, unitPlatform } from '../helpers/platforms.ts';
import { runModel } from '../helpers/run.ts';
import { blockOf, pageMask } from '../helpers/toys.ts';
import { logToy, P0 } from './log-toy.ts';

const timed = { platform: timedPlatform };

/** A CPU fault makes the page in host memory, where it stays: a device's fault maps it there. */
function atHome(core: Core, page: number): 'retry' {
  core.populate(blockOf(page), pageMask([page]), HOST);
  core.map(HOST, blockOf(page), pageMask([page]), RIGHTS.write, 1);
  return 'retry';
}

/** Logs `PAGE:FIRST-LAST` of each fault, the latter of its whole record. */
const extents = () =>
  logToy((_core, usual, log) => ({
    deviceFaults(device, faults) {
      usual.deviceFaults?.(device, faults);
      log.pop();
      for (let i = 0; i < faults.count; i++) {
        log.push(`${faults.page[i] - P0}:${faults.firstPage[i] - P0}-${faults.lastPage[i] - P0}`);
      }
    },
  }));

const READS = ['0 gpu0 r 0x200000 64', '0 gpu0 r 0x3ff000 8K', '0 gpu0 r 0x202000 64', '0 gpu0 r 0x203000 64'];

test('a record that goes on in the next block is one request of two pages', () => {
  const { model, log } = extents();
  runModel(model, READS, timed);
  expect(log).toEqual(['0:0-0', '511:511-512', '512:511-512', '2:2-2', '3:3-3']);
});

test('the same where the next block is in the next chunk', () => {
  const { model, log } = extents();
  // Rows: page 0, page 511 | page 512, page 2 | page 3.
  runModel(model, READS, { ...timed, chunkRows: 2 });
  expect(log).toEqual(['0:0-0', '511:511-512', '512:511-512', '2:2-2', '3:3-3']);
});

test('the clock has taken in faults that follow each other', () => {
  const { model, log } = logToy();
  // Page 9 is served at 0 + 10,000 because of the hint, and the device was stopped for 10,000. Its next faults are issued
  // at 10,000 and 11,000; then the CPU traps at 1,000 by its own time, which is 11,000 on the clock.
  const rows = [
    '0 gpu0 r 0x209000 64',
    '0 gpu0 prefetch 0x209000 4K gpu0',
    '0 gpu0 r 0x200000 64',
    '1000 gpu0 r 0x201000 64',
    '1000 gpu0 r 0x202000 64',
    '1000 cpu r 0x205000 64',
  ];
  runModel(model, rows, timed);
  expect(log).toEqual(['10000 gpu0 9', '11300 cpu 5', '20000 gpu0 0,1,2']);
});

test('touches that hit between the faults leave them waiting, and are counted', () => {
  const { model, log } = logToy();
  const rows = [
    '0 gpu0 r 0x200000 4K',
    '0 gpu0 sync',
    '0 gpu0 r 0x201000 4K',
    '1 gpu0 r 0x200000 4K',
    '2 gpu0 r 0x202000 4K',
    '3 gpu0 r 0x201000 4K',
    '4 gpu0 r 0x203000 4K',
    '5 gpu0 r 0x204000 4K',
  ];
  const run = runModel(model, rows, { ...timed, inFlight: 8 });
  // Page 1 is touched twice while it waits: two entries.
  expect(log.map((line) => line.split(' ')[2])).toEqual(['0', '1,2,1,3,4']);
  expect(run.metrics).toMatchObject({ 'touches.device': 7, 'faults.device': 6 });
});

test('a write between reads needs its own right', () => {
  const { model, log } = logToy((core, _usual, log) => ({
    hostFault: (page) => atHome(core, page),
    deviceFaults(device, faults) {
      for (let i = 0; i < faults.count; i++) {
        const page = faults.page[i];
        core.map(device, blockOf(page), pageMask([page]), faults.access[i] === 0 ? RIGHTS.read : RIGHTS.write, 1);
        faults.serve(i);
      }
      log.push(Array.from(faults.page.slice(0, faults.count), (page) => page - P0).join());
    },
  }));
  const rows = [
    ...['0x200000', '0x201000', '0x202000'].map((page) => `0 cpu w ${page} 64`),
    '0 gpu0 r 0x201000 64',
    '0 gpu0 sync',
    '1 gpu0 r 0x200000 64',
    '2 gpu0 r 0x201000 64',
    '3 gpu0 w 0x201000 64',
    '4 gpu0 r 0x202000 64',
  ];
  runModel(model, rows, { ...timed, inFlight: 8 });
  // Page 1 is mapped for reads alone: of the touches while page 0 waits the write faults, and the read does not.
  expect(log).toEqual(['1', '0,1,2']);
});

test('remote pages count from the touch that faulted on, those that wait together each once', () => {
  // Memory stays with the CPU: a device's faults map it there.
  const { model } = logToy((core) => ({
    hostFault: (page) => atHome(core, page),
  }));
  const pages = ['0x200000', '0x201000', '0x202000', '0x203000', '0x204000', '0x205000'];
  const writes = pages.map((page) => `0 cpu w ${page} 64`);
  const reads = [...pages, '0x201000', '0x200000'].map((page) => `0 gpu0 r ${page} 64`);
  const again = pages.map((page) => `10 gpu0 r ${page} 128`);
  const run = runModel(model, [...writes, ...reads, '5 gpu0 sync', ...again], { platform: unitPlatform, inFlight: 4 });
  // 8 touches of 64 bytes, then 6 of 128.
  expect(run.metrics).toMatchObject({
    'remote.device.accesses': 14,
    'remote.device.bytes': 8 * 64 + 6 * 128,
  });
  // Pages 0..3 fill the four places; then 4, 5 wait, 1 and 0 hit.
  expect(run.metrics['faults.device']).toBe(6);
});

test('remote pages of a long batch are all counted, and so are touches of them among faults', () => {
  const { model } = logToy((core) => ({ hostFault: (page) => atHome(core, page) }));
  const address = (page: number) => `0x${(0x200000 + 4096 * page).toString(16)}`;
  const pages = Array.from({ length: 41 }, (_, page) => page);
  const rows = [
    ...pages.map((page) => `0 cpu w ${address(page)} 64`),
    ...pages.slice(0, 30).map((page) => `0 gpu0 r ${address(page)} 64`),
    '1 gpu0 sync',
    `2 gpu0 r ${address(40)} 64`,
    ...pages.slice(0, 8).map((page) => `2 gpu0 r ${address(page)} 64`),
    `2 gpu0 r ${address(39)} 64`,
  ];
  const run = runModel(model, rows, { platform: unitPlatform, inFlight: 64 });
  // 30 served together; then 8 that hit while page 40 waits, pages 40 and 39.
  expect(run.metrics).toMatchObject({
    'remote.device.accesses': 40,
    'remote.device.bytes': 40 * 64,
    'faults.device': 32,
  });
});

test('a first use of a guess is one, however it is completed', () => {
  const { model } = logToy((core) => ({
    hostFault: (page) => atHome(core, page),
    deviceFaults(device, faults) {
      // The whole of pages 0..3 comes with the first fault, three of them as guesses.
      const all = pageMask([P0, P0 + 1, P0 + 2, P0 + 3]);
      const guesses = pageMask([P0 + 1, P0 + 2, P0 + 3]);
      core.unmap(HOST, 1, all);
      core.reserve(device, 4 * 4096);
      core.move(1, all, device, 'deviceFault', { speculative: guesses });
      core.map(device, 1, all, RIGHTS.write, 4);
      for (let i = 0; i < faults.count; i++) faults.serve(i);
    },
  }));
  const writes = ['0x200000', '0x201000', '0x202000', '0x203000'].map((page) => `0 cpu w ${page} 64`);
  const rows = [
    ...writes,
    '0 gpu0 r 0x200000 64',
    // Waits with page 0: completed after the call. The others are local when they are touched.
    '0 gpu0 r 0x201000 64',
    '1 gpu0 sync',
    '2 gpu0 w 0x202000 64',
    '3 gpu0 r 0x202000 64',
  ];
  const run = runModel(model, rows, { platform: unitPlatform });
  expect(run.metrics).toMatchObject({ 'speculation.pages': 3, 'speculation.used': 2 });
});

test('a wake-up that is due at the very time of a touch comes before it', () => {
  const { model, log } = logToy((core, usual, log) => ({
    deviceFaults(device, faults) {
      if (log.length === 0) core.wakeAt(core.now() + 5_000, 7);
      usual.deviceFaults?.(device, faults);
    },
    wake(token) {
      log.push(`${core.now()} wake ${token}`);
      core.map(1, blockOf(P0 + 2), pageMask([P0 + 2]), RIGHTS.read, 1);
    },
  }));
  // Page 0 is served at 10,000, so the device is 10,000 late: page 1 waits from 11,000 on. Page 2 is touched at 15,000, when
  // the wake-up maps it; page 1 is fetched at 21,000, with page 3.
  const rows = [
    '0 gpu0 r 0x200000 64',
    '0 gpu0 sync',
    '1000 gpu0 r 0x201000 64',
    '5000 gpu0 r 0x202000 64',
    '5001 gpu0 r 0x203000 64',
    '5001 gpu0 r 0x203000 64',
  ];
  runModel(model, rows, timed);
  expect(log).toEqual(['10000 gpu0 0', '15000 wake 7', '21000 gpu0 1,3,3']);
});

test('touches of other lengths than before are counted among faults, too', () => {
  const { model } = logToy((core) => ({
    hostFault: (page) => atHome(core, page),
  }));
  const pages = ['0x200000', '0x201000', '0x202000', '0x203000', '0x204000', '0x205000'];
  const rows = [
    ...pages.map((page) => `0 cpu w ${page} 64`),
    // Served together: from now on touches are counted, and nothing has looked at how long those to come are.
    '0 gpu0 r 0x200000 64',
    '0 gpu0 r 0x204000 64',
    '0 gpu0 r 0x205000 64',
    // Page 1 waits; then a fault and a hit of 128 bytes, and one like those before.
    '0 gpu0 r 0x201000 64',
    '0 gpu0 r 0x202000 128',
    '0 gpu0 r 0x200000 128',
    '0 gpu0 r 0x203000 64',
    '0 gpu0 r 0x203000 64',
    '5 gpu0 sync',
    // Sums are there now: a hit between faults.
    '10 gpu0 invalidate 0x200000 16K numa',
    '10 gpu0 r 0x200000 64',
    '10 gpu0 r 0x204000 128',
    '10 gpu0 r 0x201000 256',
    '10 gpu0 r 0x202000 32',
    '10 gpu0 r 0x203000 64',
  ];
  const run = runModel(model, rows, { platform: unitPlatform, inFlight: 3 });
  // 3 x 64, 64 + 128 + 128 + 64 + 64, then 64 + 128 + 256 + 32 + 64.
  expect(run.metrics).toMatchObject({ 'remote.device.accesses': 13, 'remote.device.bytes': 192 + 448 + 544 });
});

test('a write to a page that may be read is no hit, and an atomic to one that may be written', () => {
  const granted = [RIGHTS.read, RIGHTS.write, RIGHTS.atomic];
  const { model, log } = logToy((core, _usual, log) => ({
    // Memory that the trace does not touch: what is known of blocks needs more room than before.
    launch() {
      for (let block = 100; block < 140; block++) core.populate(block, pageMask([block * 512]), HOST);
    },
    deviceFaults(device, faults) {
      log.push(Array.from(faults.page.subarray(0, faults.count), (page) => page - P0).join(','));
      for (let i = 0; i < faults.count; i++) {
        const page = pageMask([faults.page[i]]);
        if (core.residence(faults.page[i]) === 0) core.reserve(device, 4096);
        core.populate(blockOf(faults.page[i]), page, device);
        core.map(device, blockOf(faults.page[i]), page, granted[faults.access[i]], 1);
        faults.serve(i);
      }
    },
  }));
  const rows = [
    '0 cpu alloc 0x200000 512M a',
    ...['9', '9', '9'].map((page) => `0 gpu0 r 0x20${page}000 64`),
    '0 gpu0 launch',
    '0 gpu0 r 0x200000 64',
    '0 gpu0 w 0x201000 64',
    '0 gpu0 sync',
    // Page 2 waits. Then hits and misses of pages 0 and 1.
    '0 gpu0 r 0x202000 64',
    '0 gpu0 r 0x200000 64',
    '0 gpu0 w 0x201000 64',
    '0 gpu0 w 0x200000 64',
    '0 gpu0 r 0x203000 64',
    '0 gpu0 a 0x201000 64',
    '0 gpu0 r 0x204000 64',
    '0 gpu0 r 0x204000 64',
    // The next ones wait where those did, and have no mapping.
    '0 gpu0 sync',
    ...['5', '6', '7', '8', '8'].map((page) => `0 gpu0 r 0x20${page}000 64`),
  ];
  const options = { platform: unitPlatform, inFlight: 8 };
  const run = runModel({ ...model, atomics: true }, rows, options);
  expect(log).toEqual(['9,9,9', '0,1', '2,0,3,1,4,4', '5,6,7,8,8']);
  expect(run.metrics).toMatchObject({ 'faults.device': 16, 'faults.permission': 2 });
  // A driver that does not tell atomics from writes has granted them.
  runModel(model, rows, options);
  expect(log).toEqual(['9,9,9', '0,1', '2,0,3,4,4', '5,6,7,8,8']);
});

test('a page that becomes remote after hundreds of local touches counts only those from then on', () => {
  const { model } = logToy((core) => ({
    hostFault: (page) => atHome(core, page),
    // Page 0 is moved to the device and back by hints.
    prefetch({ target }) {
      const page = pageMask([P0]);
      core.unmap(HOST, 1, page);
      core.unmap(1, 1, page);
      if (target === HOST) core.release(1, 4096);
      else core.reserve(1, 4096);
      core.move(1, page, target, 'hint');
      return 'applied';
    },
  }));
  const rows = [
    ...['0x200000', '0x201000', '0x202000'].map((page) => `0 cpu w ${page} 64`),
    // From page 1 on touches are counted.
    '0 gpu0 r 0x201000 64',
    '0 gpu0 prefetch 0x200000 4K gpu0',
    ...Array.from({ length: 300 }, () => '0 gpu0 r 0x200000 64'),
    '0 gpu0 prefetch 0x200000 4K cpu',
    '0 gpu0 r 0x202000 64',
    '0 gpu0 r 0x200000 64',
    '0 gpu0 r 0x201000 64',
    '0 gpu0 r 0x201000 64',
    '1 gpu0 sync',
    '2 gpu0 r 0x200000 64',
  ];
  const run = runModel(model, rows, { platform: unitPlatform, inFlight: 8 });
  // Page 0 twice, page 1 three times, page 2 once.
  expect(run.metrics).toMatchObject({ 'touches.device': 306, 'remote.device.accesses': 6, 'remote.device.bytes': 384 });
});

test('more faults wait than there was room for at first', () => {
  const { model, log } = logToy();
  const read = (page: number) => `0 gpu0 r 0x${(0x200000 + page * 4096).toString(16)} 64`;
  const pages = Array.from({ length: 300 }, (_, i) => (i * 7) % 300);
  runModel(model, [...pages.map(read), read(9)], { platform: unitPlatform, inFlight: 200 });
  expect(log.map((line) => line.split(' ')[2])).toEqual([pages.slice(0, 200).join(','), pages.slice(200).join(',')]);
});
