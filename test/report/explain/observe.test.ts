/**
 * What the engine tells of its stops. On `timedPlatform` a device fault can be fetched 10,000 ns after it was raised and a
 * CPU fault takes 300 ns; remote accesses go at 2 bytes/ns. Page 512 is at 0x200000.
 */
import { expect, test } from 'vitest';
import { replay } from '../../../src/replay/engine.ts';
import { HOST, type ModelHooks, RIGHTS } from '../../../src/replay/model.ts';
import { observer } from '../../../src/report/explain/observe.ts';
import type { Tally } from '../../../src/report/explain/tally.ts';
import { compileRecords } from '../../helpers/mini-trace.ts';
import { timedPlatform } from '../../helpers/platforms.ts';
import { laneSpec, type RunModelOptions } from '../../helpers/run.ts';
import { blockOf, pageMask, toyModel } from '../../helpers/toys.ts';

/** A driver that takes no time: maps what is touched where it is. */
function found(
  rows: string[],
  more: (core: Parameters<Parameters<typeof toyModel>[1]>[0]) => ModelHooks,
  options: RunModelOptions = {},
) {
  const model = toyModel('billed', (core) => {
    const map = (actor: number, page: number) => core.map(actor, blockOf(page), pageMask([page]), RIGHTS.read, 1);
    return {
      deviceFaults(device, faults) {
        for (let i = 0; i < faults.count; i++) {
          map(device, faults.page[i]);
          faults.serve(i);
        }
      },
      hostFault(page) {
        map(HOST, page);
        return 'retry';
      },
      ...more(core),
    };
  });
  const trace = compileRecords(rows);
  const spec = laneSpec(model, trace, { platform: timedPlatform, ...options });
  const tally = observer({ kind: 'tally', top: 100 }, trace, timedPlatform);
  const [{ metrics }] = replay(trace, [spec], {
    check: true,
    onEvent: (_, event) => tally.add(event),
    costsOf: () => tally,
  });
  const { pages, totalNs } = tally.found() as Tally;
  const stalledNs = (metrics['time.stall.device.ns'] ?? 0) + (metrics['time.stall.host.ns'] ?? 0);
  expect(totalNs).toBe(stalledNs + (metrics['time.by.remote.ns'] ?? 0));
  return {
    pages: pages.ranked.map(({ firstPage, pages: n, eachNs }) => [firstPage, n, eachNs]),
    elsewhereNs: pages.elsewhereNs,
  };
}

test('hand-overs: each pays for its own faults', () => {
  // Two touches fill the places at 100 and are fetched at 10,000: 9,900 for two. The third waits alone for 10,000.
  const rows = ['0 gpu0 r 0x200000 4K', '100 gpu0 r 0x201000 4K', '200 gpu0 r 0x202000 4K'];
  expect(found(rows, () => ({}), { inFlight: 2 })).toEqual({
    pages: [
      [514, 1, 10_000],
      [512, 2, 4950],
    ],
    elsewhereNs: 0,
  });
});

test('a device that the stack stops for a CPU fault', () => {
  // From 500 to 10,000 gpu0 stands still for two faults: 4,750 each. The CPU's fault on page 512 takes 300, and stops
  // gpu0 for 500 to take that page away from it.
  const rows = ['0 gpu0 r 0x200000 8K', '500 cpu r 0x200000 4K'];
  const stopping = found(rows, (core) => ({
    hostFault(page) {
      core.unmap(1, blockOf(page), pageMask([page]));
      core.stall(1, 500, 'mapping');
      core.map(HOST, blockOf(page), pageMask([page]), RIGHTS.read, 1);
      return 'retry';
    },
  }));
  expect(stopping).toEqual({
    pages: [
      [512, 1, 5550],
      [513, 1, 4750],
    ],
    elsewhereNs: 0,
  });
});

test('a device that the stack stops by itself', () => {
  // As above; but the page is taken away later, by the second of two wake-ups before the third record.
  const rows = ['0 gpu0 r 0x200000 8K', '500 cpu r 0x200000 4K', '50000 cpu r 0x200000 4K'];
  const stopping = found(rows, (core) => ({
    hostFault(page) {
      core.map(HOST, blockOf(page), pageMask([page]), RIGHTS.read, 1);
      for (const later of [513, 512]) core.wakeAt(core.now() + 1000 - later, later);
      return 'retry';
    },
    wake(page) {
      core.unmap(1, blockOf(page), pageMask([page]));
      if (page === 512) core.stall(1, 500, 'mapping');
    },
  }));
  expect(stopping).toEqual({
    pages: [
      [512, 1, 5550],
      [513, 1, 4750],
    ],
    elsewhereNs: 0,
  });
});

test('a fault that is put off', () => {
  // Looked at after 10,000, put off for 2,000, raised again and served after 10,000 more.
  let putOff = false;
  const rows = ['0 gpu0 r 0x200000 4K'];
  const waiting = found(rows, (core) => ({
    deviceFaults(device, faults) {
      if (!putOff) faults.defer(0, core.now() + 2000);
      else {
        core.map(device, 1, pageMask([512]), RIGHTS.read, 1);
        faults.serve(0);
      }
      putOff = true;
    },
  }));
  expect(waiting).toEqual({ pages: [[512, 1, 22_000]], elsewhereNs: 0 });
});

test('remote accesses, those that nobody looks at any more included', () => {
  // The CPU's page, then mapped by gpu0: 10,000 for the fault when the second record comes at 20,000. Three reads of
  // 1,000 bytes over the link: 1,500 ns. The CPU's first touch: 300, and 1,024 to zero the page.
  const rows = [
    '0 cpu w 0x200000 4K',
    '5000 gpu0 r 0x200000 1000',
    '20000 gpu0 r 0x200000 1000',
    '30000 gpu0 r 0x200000 1000',
  ];
  const remote = found(rows, (core) => ({
    hostFault(page) {
      core.populate(blockOf(page), pageMask([page]), HOST);
      core.map(HOST, blockOf(page), pageMask([page]), RIGHTS.write, 1);
      return 'retry';
    },
  }));
  // The hand-over's latency was over before the second record was issued: nobody stood still for it.
  expect(remote).toEqual({ pages: [[512, 1, 1324 + 1500]], elsewhereNs: 0 });
});
