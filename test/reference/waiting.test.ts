/**
 * Faults put off, wake-ups, launches and delays on `timedPlatform`: 10,000 ns of fault latency, 300 ns a CPU fault; the
 * driver of these tests takes no time. Page n is at 0x200000 + n x 4 KiB.
 */
import { expect, test } from 'vitest';
import { HOST, RIGHTS } from '../../src/replay/model.ts';
import { timedPlatform } from '../helpers/platforms.ts';
import { runModel } from '../helpers/run.ts';
import { blockOf, dice, pageMask, toyModel } from '../helpers/toys.ts';
import { logToy, P0 } from './log-toy.ts';

const timed = { platform: timedPlatform };

/** Puts every fault off for 30,000 ns the first time that it sees its page. */
const puttingOff = () =>
  logToy((core, usual, log) => {
    const seen = new Set<number>();
    return {
      deviceFaults(device, faults) {
        if (seen.has(faults.page[0])) return usual.deviceFaults?.(device, faults);
        log.push(`${core.now()} off ${faults.page[0] - P0}`);
        for (let i = 0; i < faults.count; i++) {
          seen.add(faults.page[i]);
          faults.defer(i, core.now() + 30_000);
        }
      },
    };
  });

test('a device with a fault put off waits for it before its next record', () => {
  const { model, log } = puttingOff();
  const run = runModel(model, ['0 gpu0 r 0x200000 4K', '20000 gpu0 r 0x201000 4K'], timed);
  // The second record is late: handed over as of 10,000 and put off until 40,000. The device has been stopped since
  // 10,000: 30,000. Raised again at 40,000 it takes the latency: served at 50,000, 10,000 more. The second record is
  // issued at 20,000 + 40,000, put off at 70,000 until 100,000 (30,000 + 10,000 of latency before) and served at
  // 110,000 (10,000 more).
  expect(log).toEqual(['10000 off 0', '50000 gpu0 0', '70000 off 1', '110000 gpu0 1']);
  expect(run.metrics).toMatchObject({ 'faults.deferred': 2, 'faults.device': 2, 'faults.deviceRaw': 4, batches: 4 });
  expect(run.metrics['time.stall.device.ns']).toBe(30_000 + 10_000 + 10_000 + 30_000 + 10_000);
  expect(run.events.filter((event) => event.kind === 'defer')).toMatchObject([
    { timeNs: 10_000, durationNs: 30_000, addr: '0x200000', record: 0, batch: 0 },
    { timeNs: 70_000, durationNs: 30_000, addr: '0x201000', record: 1, batch: 2 },
  ]);
});

test('the CPU goes on while a device waits; the wake-up comes before the record that is not earlier', () => {
  const { model, log } = puttingOff();
  const rows = ['0 gpu0 r 0x200000 4K', '25000 cpu r 0x205000 4K', '45000 cpu r 0x206000 4K'];
  const run = runModel(model, rows, { ...timed, inFlight: 1 });
  // One touch fills the only place: stopped 0..10,000, put off until 40,000. CPU fault 25,000..25,300. The third record
  // is issued at 45,300; before it the fault is raised again at 40,000 and served at 50,000, so the clock says 50,000.
  expect(log).toEqual(['10000 off 0', '25300 cpu 5', '50000 gpu0 0', '50300 cpu 6']);
  expect(run.metrics).toMatchObject({ 'time.stall.device.ns': 50_000, 'time.stall.host.ns': 600 });
});

test('a CPU touch of a page whose fault is put off leaves it put off', () => {
  const { model, log } = puttingOff();
  runModel(model, ['0 gpu0 r 0x200000 4K', '25000 cpu r 0x200000 4K'], { ...timed, inFlight: 1 });
  expect(log).toEqual(['10000 off 0', '25300 cpu 0', '50000 gpu0 0']);
});

test('the touches of one record after one that was put off wait for it', () => {
  const { model, log } = puttingOff();
  runModel(model, ['0 gpu0 r 0x200000 8K'], { ...timed, inFlight: 1 });
  // Page 1 is issued when page 0 is done at 50,000.
  expect(log).toEqual(['10000 off 0', '50000 gpu0 0', '60000 off 1', '100000 gpu0 1']);
});

test('so does a touch that would have hit: the driver may take its page meanwhile', () => {
  const { model, log } = logToy((core, usual, lines) => {
    let calls = 0;
    return {
      deviceFaults(device, faults) {
        if (++calls === 2) {
          lines.push(`${core.now()} off`);
          faults.defer(0, core.now() + 30_000);
          return;
        }
        if (calls === 3) core.unmap(device, 1, pageMask([P0 + 1]));
        usual.deviceFaults?.(device, faults);
      },
    };
  });
  const rows = [
    '0 gpu0 r 0x201000 4K',
    '20000 gpu0 r 0x201000 4K',
    '30000 gpu0 r 0x201000 4K',
    '50000 gpu0 r 0x200000 8K',
  ];
  runModel(model, rows, { ...timed, inFlight: 1 });
  // Page 1 is mapped at 10,000 and hit twice. The last record is issued at 60,000: page 0 is put off at 70,000 and
  // served at 100,000 + 10,000, when page 1 goes. Only then is page 1 touched: a fault, served at 120,000.
  expect(log).toEqual(['10000 gpu0 1', '70000 off', '110000 gpu0 0', '120000 gpu0 1']);
});

test('a record that is not an access waits for the faults put off of every device', () => {
  const { model, log } = puttingOff();
  const rows = ['0 gpu0 r 0x200000 4K', '5000 gpu1 r 0x201000 4K', '12000 cpu advise 0x200000 4K x'];
  const run = runModel(model, rows, { ...timed, inFlight: 1 });
  // gpu0: 0..10,000, put off until 40,000. gpu1: raised at 5,000, but the clock says 10,000; fetched at 15,000, put off
  // until 45,000. The hint waits: gpu0 is fetched at 50,000; gpu1's wake-up of 45,000 comes then, and it is fetched at
  // 60,000. gpu1 was stopped 10,000..60,000.
  expect(log).toEqual(['10000 off 0', '15000 off 1', '50000 gpu0 0', '60000 gpu1 1']);
  expect(run.metrics['time.stall.device.ns']).toBe(50_000 + 50_000);
});

test('a fault put off whose touch is possible at its wake-up is done at once', () => {
  const { model, log } = logToy((core, _usual, lines) => ({
    deviceFaults(_device, faults) {
      lines.push(`${core.now()} off`);
      core.wakeAt(core.now() + 1_000, 1);
      faults.defer(0, core.now() + 30_000);
    },
    wake() {
      core.map(1, 1, pageMask([P0]), RIGHTS.read, 1);
    },
  }));
  const run = runModel(model, ['0 gpu0 r 0x200000 4K'], { ...timed, inFlight: 1 });
  expect(log).toEqual(['10000 off']);
  expect(run.metrics).toMatchObject({ batches: 1, 'faults.device': 0, 'time.stall.device.ns': 40_000 });
});

test('which faults put off are due is settled before their touches are tried again', () => {
  const { model, log } = logToy((core, _usual, lines) => ({
    hostFault(page) {
      core.populate(blockOf(page), pageMask([page]), HOST, { timing: 'none' });
      core.map(HOST, blockOf(page), pageMask([page]), RIGHTS.read, 1);
      return 'retry';
    },
    deviceFaults(_device, faults) {
      lines.push(`${core.now()} off ${faults.count}`);
      core.map(1, 1, pageMask([P0, P0 + 1]), RIGHTS.read, 2);
      core.armCounter(1, 1, 1);
      for (let i = 0; i < faults.count; i++) faults.defer(i, core.now() + 1_000 * (i + 1));
    },
    counter() {
      lines.push(`${core.now()} counter`);
      core.armCounter(1, 1, 1);
      core.spend(5_000, 'faultService');
    },
  }));
  const run = runModel(model, ['0 cpu r 0x200000 8K', '1000 gpu0 r 0x200000 8K'], { ...timed, inFlight: 2 });
  // CPU: two faults of 300 ns, clock 600. The device is stopped from 1,000; fetched at 11,000, put off until 12,000 and
  // 13,000. At 12,000 the first touch is done and its counter takes until 17,000. The second was not due at 12,000: it is
  // raised in its own turn at 17,000 and its counter ends at 22,000. Stopped: 10,000, then 11,000..12,000..17,000.
  expect(log).toEqual(['11000 off 2', '12000 counter', '17000 counter']);
  expect(run.metrics['time.stall.device.ns']).toBe(10_000 + 1_000 + 5_000);
});

test('wake-ups come by time, then by request; those left at the end are dropped', () => {
  const { model, log } = logToy((core, usual, lines) => ({
    alloc() {
      core.wakeAt(500, 1);
      core.wakeAt(300, 2);
      core.wakeAt(500, 3);
      core.wakeAt(1_000_000, 4);
    },
    wake(token) {
      lines.push(`${core.now()} wake ${token}`);
      core.spend(1_000, 'faultService');
    },
    hostFault: usual.hostFault,
  }));
  const rows = [
    '0 cpu alloc 0x200000 64K a',
    '499 cpu r 0x200000 4K',
    '500 cpu r 0x201000 4K',
    '600 cpu r 0x202000 4K',
  ];
  const run = runModel(model, rows, timed);
  // Token 2 runs at 300 and moves the clock to 1,300: the record of 499 finds it there; its fault ends at 1,600 and
  // delays the CPU by 300. The record of 500 is issued at 800: tokens 1 and 3 first, at 1,600 and 2,600.
  expect(log).toEqual(['300 wake 2', '1600 cpu 0', '1600 wake 1', '2600 wake 3', '3900 cpu 1', '4200 cpu 2']);
  expect(run.metrics['time.stall.host.ns']).toBe(900);
  expect(run.metrics['time.total.ns']).toBe((run.metrics['time.ideal.ns'] as number) + 4_200 - 600);
});

test('cancelWake drops every wake-up of its token, whatever their order', () => {
  const throwDice = dice(1);
  for (let round = 0; round < 60; round++) {
    const wakes = Array.from({ length: 60 }, () => ({ timeNs: 1 + throwDice(90), token: throwDice(4) }));
    const woken: number[] = [];
    const model = toyModel('canceller', (core) => ({
      alloc() {
        woken.length = 0;
        for (const { timeNs, token } of wakes) core.wakeAt(timeNs, token);
        core.cancelWake(2);
      },
      wake: (token) => {
        woken.push(token);
      },
    }));
    const inOrder = [...wakes].sort((a, b) => a.timeNs - b.timeNs).map((wake) => wake.token);
    for (const engine of ['reference', 'fast'] as const) {
      runModel(model, ['0 cpu alloc 0x200000 4K a', '100 cpu advise 0x200000 4K x'], { engine });
      expect(woken, engine).toEqual(inOrder.filter((token) => token !== 2));
    }
  }
});

test('launch starts the device no earlier than the CPU; the next CPU record waits for the device', () => {
  const { model, log } = logToy((core, _usual, lines) => ({
    hostFault(page) {
      core.populate(blockOf(page), pageMask([page]), HOST);
      core.map(HOST, blockOf(page), pageMask([page]), RIGHTS.write, 1);
      return 'retry';
    },
    launch: () => {
      lines.push(`${core.now()} launch`);
    },
    sync: () => {
      lines.push(`${core.now()} sync`);
    },
  }));
  const rows = [
    '0 cpu w 0x200000 4K',
    '100 gpu0 launch',
    '200 gpu0 r 0x201000 4K',
    '300 cpu r 0x200000 4K',
    '400 gpu0 r 0x202000 4K',
    '500 cpu r 0x200000 4K',
    '600 gpu0 sync',
  ];
  const run = runModel(model, rows, timed);
  // CPU fault: 300 + 4,096 bytes zeroed at 4 bytes/ns = 1,324 of delay; the launch is issued at 100 + 1,324. The fault
  // of page 1 is raised at 1,524. The CPU record of 300 counts as a sync, issued at 300 + 1,324 = 1,624: the device is
  // stopped from then to 11,524, its delay grows to 1,324 + 9,900 = 11,224, and so does the CPU's.
  // Page 2 is raised at 400 + 11,224 = 11,624. The CPU record of 500 does not wait: nothing was launched since. The sync
  // hands it over at 600 + 11,224 = 11,824 and it is served at 21,624, delaying the device by 9,800 to 21,024: the sync
  // is issued at 21,624.
  expect(log).toEqual(['1424 launch', '11524 gpu0 1', '21624 gpu0 2', '21624 sync']);
  expect(run.metrics).toMatchObject({ 'time.stall.host.ns': 1_324, 'time.stall.device.ns': 9_900 + 9_800 });
});

test('stall stops an actor beyond what the hook costs', () => {
  const { model, log } = logToy((core) => ({
    alloc: () => core.stall(1, 700, 'wait'),
    launch: () => core.spend(50, 'faultService'),
  }));
  const rows = ['0 cpu alloc 0x200000 64K a', '10 gpu0 launch', '20 gpu0 r 0x200000 4K'];
  const run = runModel(model, rows, timed);
  // gpu0: 700 by the stall, launched at 710, 50 more by the hook: its record is issued at 20 + 750, fetched at 10,770.
  expect(log).toEqual(['10770 gpu0 0']);
  expect(run.metrics['time.stall.device.ns']).toBe(700 + 50 + 10_000);
});
