/**
 * Time by cause (docs/replay.md) on `timedPlatform`: a 4 KiB copy over the host links takes 5,096 ns, of two pages in one
 * 9,192; zero-fill of a page 1,024 on the host; fault latency 10,000, CPU trap 300, shootdown 70, TLB flush 500.
 */
import { describe, expect, test } from 'vitest';
import { InvariantError } from '../../src/replay/lane.ts';
import { type Core, HOST, type ModelHooks, RIGHTS } from '../../src/replay/model.ts';
import { causesOf, only } from '../helpers/causes.ts';
import { timedPlatform } from '../helpers/platforms.ts';
import { type ModelRun, runModel } from '../helpers/run.ts';
import { pageMask, plainToy, toyModel } from '../helpers/toys.ts';

const timed = { platform: timedPlatform };
const pages = (...numbers: number[]) => pageMask(numbers.map((n) => 512 + n));

/** Runs `work` in the hook of one launch at 0; pages 0-3 are at home, 4-7 on gpu0, with memory for all on every device. */
function during(work: (core: Core) => void, more: (core: Core) => ModelHooks = () => ({})): ModelRun {
  const model = toyModel('during', (core) => ({
    alloc() {
      core.populate(1, pages(0, 1, 2, 3, 4, 5, 6, 7), HOST, { timing: 'none' });
      for (let device = 1; device < core.actors.length; device++) core.reserve(device, 8 * 4096);
      core.move(1, pages(4, 5, 6, 7), 1, 'launch', { timing: 'none' });
    },
    launch: () => work(core),
    ...more(core),
  }));
  const rows = ['0 cpu alloc 0x200000 2M a', '0 gpu0 launch'];
  return runModel(model, rows, { ...timed, actors: ['gpu0', 'gpu1'] });
}

const byCause = (work: (core: Core) => void) => causesOf(during(work));

test('trap and latency are fault service; copies and zero-fill are transfer', () => {
  const run = runModel(plainToy, ['0 cpu w 0x200000 4K', '0 gpu0 r 0x200000 4K'], timed);
  // CPU: 300 and 1,024 of zeroing. The device's fault, raised at 0, is handed over at the end, at 1,324; it can be
  // fetched at 10,000: stopped for 8,676 of the latency, and for the copy.
  expect(causesOf(run)).toEqual(only({ faultService: 300 + 8_676, transfer: 1_024 + 5_096 }));
  expect(run.metrics['time.stall.device.ns']).toBe(8_676 + 5_096);
});

test('what the driver does is booked as it says, page tables and TLBs as mapping', () => {
  const spend = (core: Core): void => {
    core.spend(11, 'faultService');
    core.spend(12.4, 'transfer');
    core.spend(13, 'mapping');
    core.spend(14, 'eviction');
    core.spend(15.5, 'wait');
    core.tlbInvalidate(1);
    core.hostShootdown();
  };
  // 12.4 and 15.5 are rounded, each for itself.
  expect(byCause(spend)).toEqual(
    only({ faultService: 11, transfer: 12, mapping: 13 + 500 + 70, eviction: 14, wait: 16 }),
  );
});

test('a period is waiting as far as it moves the clock', () => {
  const work = (core: Core): void => {
    core.spend(700, 'mapping');
    core.waitUntil(1_500);
    core.waitUntil(900);
  };
  expect(byCause(work)).toEqual(only({ mapping: 700, wait: 800 }));
});

describe('waiting for a link', () => {
  test('is shared between evictions and all else by what each has put on it', () => {
    const work = (core: Core): void => {
      core.move(1, pages(4), HOST, 'eviction', { timing: 'queue' });
      core.move(1, pages(5, 6), HOST, 'launch', { timing: 'queue' });
      // Another link, free before the first: of no account.
      core.move(1, pages(0), 1, 'launch', { timing: 'queue' });
      core.spend(1_000, 'mapping');
      core.drain();
    };
    // 5,096 + 9,192 = 14,288 on the way home; 13,288 are left: floor(13,288 x 5,096 / 14,288) = floor(4,739.3).
    expect(byCause(work)).toEqual(only({ mapping: 1_000, eviction: 4_739, transfer: 13_288 - 4_739 }));
  });

  test('begins anew when the link was free', () => {
    const work = (core: Core): void => {
      core.move(1, pages(4), HOST, 'eviction', { timing: 'queue' });
      core.drain();
      core.move(1, pages(5), HOST, 'launch', { timing: 'queue' });
    };
    // The second is waited for when the hook ends.
    expect(byCause(work)).toEqual(only({ eviction: 5_096, transfer: 5_096 }));
  });

  test('of a copy is for what is before it; its own time is its own', () => {
    const work = (core: Core): void => {
      core.move(1, pages(4), HOST, 'eviction', { timing: 'queue' });
      core.move(1, pages(5), HOST, 'launch');
      core.move(1, pages(6), HOST, 'launch', { timing: 'queue' });
      core.transfer(1, HOST, 1_000);
    };
    // 5,096 for the victim, 5,096; then 5,096 for the queued one before the explicit copy of 1,000 + 1,000.
    expect(byCause(work)).toEqual(only({ eviction: 5_096, transfer: 5_096 + 5_096 + 2_000 }));
  });

  test('of a staged copy is for the leg that is free last', () => {
    const work = (core: Core): void => {
      core.move(1, pages(4), HOST, 'eviction', { timing: 'queue' });
      core.move(1, pages(0, 1), 2, 'launch', { timing: 'queue' });
      core.move(1, pages(5), 2, 'launch', { staged: true });
    };
    // The way home is free at 5,096, the way to gpu1 at 9,192; then 5,096 twice.
    expect(byCause(work)).toEqual(only({ transfer: 9_192 + 10_192 }));
    const other = (core: Core): void => {
      core.move(1, pages(4, 5), HOST, 'eviction', { timing: 'queue' });
      core.move(1, pages(0), 2, 'launch', { timing: 'queue' });
      core.move(1, pages(6), 2, 'launch', { staged: true });
    };
    // The way home is free at 9,192, the way to gpu1 at 5,096.
    expect(byCause(other)).toEqual(only({ eviction: 9_192, transfer: 10_192 }));
  });

  test('of a staged copy counts it on both links with both legs', () => {
    const work = (core: Core): void => {
      core.move(1, pages(4), 2, 'eviction', { staged: true, timing: 'queue' });
      core.move(1, pages(0), 2, 'launch', { timing: 'queue' });
    };
    // To gpu1: 10,192 of the eviction, then 5,096: floor(15,288 x 10,192 / 15,288).
    expect(byCause(work)).toEqual(only({ eviction: 10_192, transfer: 5_096 }));
  });
});

test('all that is done while room is made is eviction, in brackets that nest', () => {
  const work = (core: Core): void => {
    core.beginMakingRoom();
    core.spend(100, 'faultService');
    core.beginMakingRoom();
    core.tlbInvalidate(1);
    core.endMakingRoom();
    core.waitUntil(1_000);
    core.move(1, pages(4), HOST, 'launch');
    core.stall(2, 33, 'wait');
    // Waited for later, but put on the link here.
    core.move(1, pages(5), HOST, 'launch', { timing: 'queue' });
    core.endMakingRoom();
    core.spend(9, 'mapping');
    core.drain();
  };
  // 100 + 500 + 400 of waiting + 5,096 + 33 of another device; 9; then the 5,087 that are left of the queued copy.
  expect(byCause(work)).toEqual(only({ eviction: 1_000 + 5_096 + 33 + 5_087, mapping: 9 }));
});

test('a hook that ends while room is made breaks the run', () => {
  const open = toyModel('open', (core) => ({ alloc: () => core.beginMakingRoom() }));
  expect(() => runModel(open, ['0 cpu alloc 0x200000 4K a'], { ...timed, engine: 'fast' })).toThrow(InvariantError);
});

test('what is put off waits; what nobody waits for is not booked', () => {
  const seen = new Set<string>();
  const model = toyModel('patient', (core) => {
    seen.clear();
    return {
      alloc: () => core.wakeAt(300, 1),
      // In the background: 1,000 of work that stops nobody, and 70 that stop the CPU.
      wake() {
        core.spend(1_000, 'mapping');
        core.stall(HOST, 70, 'eviction');
      },
      deviceFaults(_device, faults) {
        if (!seen.has('off')) {
          seen.add('off');
          faults.defer(0, core.now() + 30_000);
          return;
        }
        core.populate(1, pages(0), HOST, { timing: 'none' });
        core.map(1, 1, pages(0), RIGHTS.read, 1);
        core.armCounter(1, 1, 2);
        core.spend(40, 'mapping');
        faults.serve(0);
      },
      // After the second remote touch, which did not wait.
      counter: () => core.spend(5_000, 'mapping'),
    };
  });
  const rows = [
    '0 cpu alloc 0x200000 64K a',
    '100 gpu0 r 0x200000 4K',
    '500 cpu advise 0x200000 4K x',
    '60000 gpu0 r 0x200000 100',
  ];
  const run = runModel(model, rows, timed);
  // Raised at 100; the record of 500 hands over: stopped from 500 to 10,100 for 9,600 of latency, put off for 30,000, then
  // 10,000 of latency again and 40 of mapping. Remote: 4,196 bytes at 2 bytes/ns.
  expect(causesOf(run)).toEqual(
    only({ faultService: 9_600 + 10_000, wait: 30_000, mapping: 40, eviction: 70, remote: 2_098 }),
  );
  expect(run.metrics).toMatchObject({ 'time.stall.device.ns': 49_640, 'time.stall.host.ns': 70 });
});
