/**
 * When pending faults go to the driver. On `timedPlatform` a device fault can be fetched 10,000 ns after it was raised
 * and a CPU fault takes 300 ns; the driver of these tests takes no time. Page n is at 0x200000 + n x 4 KiB.
 */
import { expect, test } from 'vitest';
import { RIGHTS } from '../../src/replay/model.ts';
import { timedPlatform } from '../helpers/platforms.ts';
import { runModel } from '../helpers/run.ts';
import { blockOf, pageMask } from '../helpers/toys.ts';
import { logToy, P0 } from './log-toy.ts';

const timed = { platform: timedPlatform };

test('as many touches wait as may be in flight', () => {
  const { model, log } = logToy();
  const rows = ['0 gpu0 r 0x200000 4K', '100 gpu0 r 0x201000 4K', '200 gpu0 r 0x202000 4K'];
  const run = runModel(model, rows, { ...timed, inFlight: 2 });
  // The second touch fills the two places: handed over at 100, fetched at 0 + 10,000. The device was stopped for
  // 10,000 - 100 = 9,900. The third touch is issued at 200 + 9,900 = 10,100 and waits alone; the trace ends then, and it
  // is fetched at 10,100 + 10,000 = 20,100, having stopped the device for 10,000 more.
  expect(log).toEqual(['10000 gpu0 0,1', '20100 gpu0 2']);
  expect(run.metrics).toMatchObject({ batches: 2, 'faults.device': 3, 'time.stall.device.ns': 19_900 });
  // Ideal: 3 x 4,096 bytes at 16 bytes/ns = 768, more than the trace's 200. Total: 768 + (20,100 - 200).
  expect(run.metrics).toMatchObject({ 'time.ideal.ns': 768, 'time.total.ns': 768 + 19_900 });
});

test('one at a time: each page of a record waits for itself, at the delay of its own moment', () => {
  const { model, log } = logToy();
  const run = runModel(model, ['0 gpu0 r 0x200000 12K'], { ...timed, inFlight: 1 });
  // Each touch is issued when the one before was served, and pays the whole latency.
  expect(log).toEqual(['10000 gpu0 0', '20000 gpu0 1', '30000 gpu0 2']);
  expect(run.metrics).toMatchObject({ batches: 3, 'time.stall.device.ns': 30_000 });
});

test('the next record is issued later than the oldest fault plus the latency', () => {
  const { model, log } = logToy();
  const rows = ['0 gpu0 r 0x200000 4K', '10000 gpu0 r 0x201000 4K', '10001 gpu0 r 0x202000 4K'];
  const run = runModel(model, rows, timed);
  // 10,000 is not later than 0 + 10,000; 10,001 is: handed over as of 10,000, when the oldest can be fetched, so nobody
  // was stopped. The last is raised at 10,001, when the trace ends, and fetched at 20,001.
  expect(log).toEqual(['10000 gpu0 0,1', '20001 gpu0 2']);
  expect(run.metrics['time.stall.device.ns']).toBe(10_000);
});

test('another actor touches a page with a pending fault', () => {
  const { model, log } = logToy();
  const run = runModel(model, ['0 gpu0 r 0x200000 4K', '500 cpu r 0x200000 4K'], timed);
  // The device is stopped from 500 until it is served at 10,000; then the CPU faults: 300 ns.
  expect(log).toEqual(['10000 gpu0 0', '10300 cpu 0']);
  expect(run.metrics).toMatchObject({ 'time.stall.device.ns': 9_500, 'time.stall.host.ns': 300, 'faults.host': 1 });
});

test('another actor touches another page: the fault goes on waiting', () => {
  const { model, log } = logToy();
  const run = runModel(model, ['0 gpu0 r 0x200000 4K', '500 cpu r 0x201000 4K'], timed);
  // CPU fault 500..800, then the trace ends: the device is stopped from 800 to 10,000.
  expect(log).toEqual(['800 cpu 1', '10000 gpu0 0']);
  expect(run.metrics['time.stall.device.ns']).toBe(9_200);
});

test('another device hits on a page with a pending fault', () => {
  const { model, log } = logToy();
  const rows = [
    '0 gpu1 r 0x200000 4K',
    '1 cpu advise 0x200000 4K x',
    '20000 gpu0 r 0x200000 4K',
    '20500 gpu1 r 0x200000 4K',
  ];
  runModel(model, rows, timed);
  // gpu1 has the page mapped from 10,000 on; 9,999 of delay. Its hit, issued at 20,500 + 9,999, still sees to it that
  // gpu0's fault of 20,000 is served: stopped at 30,499, past the latency.
  expect(log).toEqual(['10000 gpu1 0', '30499 gpu0 0']);
});

test('a record that is not an access hands over every device, oldest pending fault first', () => {
  const { model, log } = logToy();
  const rows = ['100 gpu1 r 0x200000 4K', '200 gpu0 r 0x201000 4K', '600 cpu advise 0x200000 4K x'];
  const run = runModel(model, rows, timed);
  // gpu1: stopped 600..10,100 = 9,500. gpu0 after it: stopped 10,100..10,200 = 100.
  expect(log).toEqual(['10100 gpu1 0', '10200 gpu0 1']);
  expect(run.metrics['time.stall.device.ns']).toBe(9_600);
});

test('a record of a thread that has a touch waiting', () => {
  const { model, log } = logToy();
  const rows = ['0 gpu0 r 0x200000 4K t=1', '100 gpu0 r 0x201000 4K t=2', '200 gpu0 r 0x202000 4K t=1'];
  const run = runModel(model, rows, timed);
  // Thread 2 does not wait for thread 1; thread 1 itself does: stopped 200..10,000, issues its next at 10,000.
  expect(log).toEqual(['10000 gpu0 0,1', '20000 gpu0 2']);
  expect(run.metrics['time.stall.device.ns']).toBe(19_800);
});

test('the same thread number on two devices is two threads', () => {
  const { model, log } = logToy();
  runModel(model, ['0 gpu0 r 0x200000 4K t=1', '100 gpu1 r 0x201000 4K t=1', '150 gpu0 r 0x202000 4K'], timed);
  expect(log).toEqual(['10000 gpu0 0,2', '10100 gpu1 1']);
});

test('a touch of a page that waits already is an entry of its own, even where a mapping would serve it', () => {
  const { model } = logToy((core) => ({
    deviceFaults(device, faults) {
      const seen = new Set<number>();
      for (let i = 0; i < faults.count; i++) {
        const page = faults.page[i];
        core.populate(blockOf(page), pageMask([page]), device, { timing: 'none' });
        core.reserve(device, seen.size === 0 ? 4096 : 0);
        core.map(device, blockOf(page), pageMask([page]), RIGHTS.write, 1);
        if (seen.has(page)) faults.duplicate(i);
        else faults.serve(i);
        seen.add(page);
      }
    },
  }));
  const rows = ['0 gpu0 w 0x200000 4K', '1 gpu0 r 0x200000 4K', '2 gpu0 w 0x200000 4K', '3 cpu advise 0x200000 4K x'];
  const run = runModel(model, rows, timed);
  expect(run.metrics).toMatchObject({
    'faults.device': 1,
    'faults.duplicate': 2,
    'faults.deviceRaw': 3,
    'faults.permission': 0,
    batches: 1,
  });
});

test('what is not fetched stays first in order, what did not help is raised again at the end', () => {
  const { model, log } = logToy((core, usual, lines) => {
    let calls = 0;
    return {
      deviceFaults(device, faults) {
        if (++calls > 1) return usual.deviceFaults?.(device, faults);
        lines.push(`${core.now()} first`);
        core.spend(50, 'faultService');
        faults.serve(0);
        faults.stale(2);
      },
    };
  });
  const run = runModel(model, ['0 gpu0 r 0x200000 16K'], timed);
  // First call at 10,000: page 0 is marked served and page 2 stale, but nothing is mapped. Pages 1 and 3 were not
  // fetched and keep their places.
  expect(log).toEqual(['10000 first', '10050 gpu0 1,3,0,2']);
  expect(run.metrics).toMatchObject({ batches: 2, 'faults.device': 5, 'faults.stale': 1, 'faults.deviceRaw': 6 });
  // Raised at 10,050 again: served in no time. The others were raised at 0.
  const faults = run.events.filter((event) => event.kind === 'fault');
  expect(faults.map((event) => [event.addr, event.timeNs, event.durationNs, event.batch])).toEqual([
    ['0x200000', 0, 10_050, 0],
    ['0x201000', 0, 10_050, 1],
    ['0x203000', 0, 10_050, 1],
    ['0x200000', 10_050, 0, 1],
    ['0x202000', 10_050, 0, 1],
  ]);
});

test('after a flush, what is possible by now leaves uncounted and the rest is raised again', () => {
  const { model, log } = logToy((core, usual, lines) => {
    let calls = 0;
    return {
      deviceFaults(device, faults) {
        if (++calls > 1) return usual.deviceFaults?.(device, faults);
        lines.push(`${core.now()} first`);
        core.map(device, 1, pageMask([P0, P0 + 1]), RIGHTS.read, 2);
        core.spend(50, 'faultService');
        faults.serve(0);
        faults.flush();
      },
    };
  });
  const run = runModel(model, ['0 gpu0 r 0x200000 12K'], timed);
  expect(log).toEqual(['10000 first', '10050 gpu0 2']);
  expect(run.metrics).toMatchObject({ batches: 2, 'faults.device': 2, 'faults.deviceRaw': 2 });
  const last = run.events.filter((event) => event.kind === 'fault').at(-1);
  expect(last).toMatchObject({ addr: '0x202000', timeNs: 10_050, durationNs: 0 });
});

test('a driver that never gets on breaks the run', () => {
  const { model } = logToy(() => ({
    deviceFaults(_device, faults) {
      faults.serve(0);
    },
  }));
  expect(() => runModel(model, ['0 gpu0 r 0x200000 4K'], { engine: 'reference' })).toThrow(/progress/);
  expect(() => runModel(model, ['0 gpu0 r 0x200000 4K'], { engine: 'fast' })).toThrow(/progress/);
});

test('a record fails once, whatever fails in it', () => {
  const { model } = logToy(() => ({
    deviceFaults(_device, faults) {
      for (let i = 0; i < faults.count; i++) faults.fail(i);
    },
    hostFault: () => 'failed',
  }));
  const run = runModel(model, ['0 gpu0 r 0x200000 12K', '1 cpu r 0x200000 8K'], timed);
  // Three device touches and two CPU touches fail in one record each; failed entries count as device faults.
  expect(run.metrics).toMatchObject({ 'accesses.failed': 2, 'faults.device': 3, 'faults.host': 2 });
});

test('a driver without fault hooks fails every access', () => {
  const { model } = logToy(() => ({ deviceFaults: undefined, hostFault: undefined }));
  const run = runModel(model, ['0 gpu0 r 0x200000 4K', '1 cpu r 0x200000 4K']);
  expect(run.metrics).toMatchObject({ 'accesses.failed': 2, 'faults.device': 1, 'faults.host': 1, batches: 1 });
});

test('a CPU touch that never becomes possible fails after 1,000 faults', () => {
  const { model } = logToy(() => ({ hostFault: () => 'retry' }));
  const run = runModel(model, ['0 cpu r 0x200000 4K'], timed);
  expect(run.metrics).toMatchObject({ 'faults.host': 1_000, 'accesses.failed': 1, 'time.stall.host.ns': 300_000 });
  expect(run.warnings).toHaveLength(1);
});

test('a fault tells the extent of its whole record, over blocks and chunks', () => {
  const seen: number[][] = [];
  const { model } = logToy((_core, usual) => ({
    deviceFaults(device, faults) {
      for (let i = 0; i < faults.count; i++) seen.push([faults.page[i], faults.firstPage[i], faults.lastPage[i]]);
      usual.deviceFaults?.(device, faults);
    },
  }));
  // Pages 1,022 and 1,023 are mapped and hit twice before the record of three pages: its only fault is in another block
  // and another chunk of rows than its first page.
  const rows = ['0 gpu0 r 0x3fe000 8K', '0 gpu0 r 0x3fe000 8K', '0 gpu0 r 0x3fe000 8K', '0 gpu0 r 0x3fe000 12K'];
  for (const engine of ['reference', 'fast'] as const) {
    seen.length = 0;
    runModel(model, rows, { engine, chunkRows: 4, inFlight: 1 });
    expect(seen, engine).toEqual([
      [1022, 1022, 1023],
      [1023, 1022, 1023],
      [1024, 1022, 1024],
    ]);
  }
});
