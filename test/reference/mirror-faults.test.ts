/**
 * `Core.mirrorFaults`, by how many faults it serves at a time; whatever it leaves takes the ordinary way, and `runModel` holds the
 * result to the reference engine, where it serves none. Page n is at 0x200000 + n x 4 KiB. Without events, since a
 * listener is told of each page.
 */
import { expect, test } from 'vitest';
import { ACCESS, FaultBuffer, OUTCOME } from '../../src/replay/faults.ts';
import { type Core, HOST, type ModelDefinition, RIGHTS } from '../../src/replay/model.ts';
import { unitPlatform } from '../helpers/platforms.ts';
import { runModel } from '../helpers/run.ts';
import { blockOf, pageMask, toyModel } from '../helpers/toys.ts';
import { P0 } from './log-toy.ts';

/** Memory stays with the CPU, which maps it by what it did first; a device maps what the CPU maps, atomics as they are asked. */
function mirror(first: (core: Core, faults: FaultBuffer) => void = () => {}): {
  model: ModelDefinition;
  served: string[];
} {
  /** By call of the model, `served/faults`. The last engine that runs is the fast one with nobody listening. */
  const served: string[] = [];
  const model = toyModel(
    'mirror',
    (core) => {
      served.length = 0;
      const atHome = (page: number, access: number): void => {
        if (core.mapping(HOST, page) > access) return;
        core.populate(blockOf(page), pageMask([page]), HOST);
        core.map(HOST, blockOf(page), pageMask([page]), access === ACCESS.read ? RIGHTS.read : RIGHTS.write, 1);
      };
      return {
        hostFault(page, access) {
          atHome(page, access);
          return 'retry';
        },
        deviceFaults(device, faults) {
          first(core, faults);
          served.push(`${core.mirrorFaults(device, faults)}/${faults.count}`);
          for (let i = 0; i < faults.count; i++) {
            if (faults.outcome[i] !== OUTCOME.pending) continue;
            const page = faults.page[i];
            const access = faults.access[i];
            if (core.mapping(device, page) > access) {
              faults.duplicate(i);
              continue;
            }
            if (access !== ACCESS.atomic) atHome(page, access);
            core.mapPage(device, page, access === ACCESS.atomic ? RIGHTS.atomic : core.mapping(HOST, page));
            faults.serve(i);
          }
        },
        // One page goes to the device, which does not map it; the CPU keeps its copy and its mapping.
        prefetch({ target, firstPage }) {
          core.reserve(target, 4096);
          core.move(blockOf(firstPage), pageMask([firstPage]), target, 'hint', { keepSource: true });
          return 'applied';
        },
      };
    },
    { atomics: true },
  );
  return { model, served };
}

const row = (actor: string, op: string, page: number, more = ''): string =>
  `0 ${actor} ${op} 0x${((P0 + page) * 4096).toString(16)} 64${more}`;
const options = { platform: unitPlatform, inFlight: 16 };

test('serves what the CPU maps with the right that is asked', () => {
  const { model, served } = mirror();
  const rows = [
    // Pages 0 to 2 may be written, 3 and 4 only be read, nobody has touched 5.
    ...[0, 1, 2].map((page) => row('cpu', 'w', page)),
    ...[3, 4].map((page) => row('cpu', 'r', page)),
    ...[5, 1, 3].map((page) => row('gpu0', 'r', page)),
    ...[0, 4].map((page) => row('gpu0', 'w', page)),
    '0 gpu0 sync',
    // Page 1 may be written, 3 only be read.
    ...[1, 3, 2].map((page) => row('gpu0', 'w', page)),
  ];
  const run = runModel(model, rows, options);
  // Not pages 5 and 4. Then page 1 does not fault, and of 3 and 2 only the latter is served.
  expect(served).toEqual(['3/5', '1/2']);
  // An entry each: 5 and 2. Of the faults one is of a page that was mapped, 3.
  expect(run.metrics).toMatchObject({ 'map.operations': 7, 'faults.device': 7, 'faults.permission': 1 });
});

test('knows nothing of atomics', () => {
  const { model, served } = mirror();
  const rows = [...[0, 1, 2].map((page) => row('cpu', 'w', page)), row('gpu0', 'a', 0), row('gpu0', 'r', 1)];
  runModel(model, rows, options);
  expect(served).toEqual(['1/2']);
});

test('of faults of one page serves one, the strongest and oldest', () => {
  const { model, served } = mirror();
  const writes = [0, 1, 2, 3].map((page) => row('cpu', 'w', page));
  // All alike: pages 0 and 1, whose second faults are left.
  runModel(model, [...writes, ...[0, 1, 0, 1].map((page) => row('gpu0', 'r', page))], options);
  expect(served).toEqual(['2/4']);
  // Of page 0 the write and not the read before it; page 1 has but one fault.
  runModel(model, [...writes, row('gpu0', 'r', 0), row('gpu0', 'r', 1), row('gpu0', 'w', 0)], options);
  expect(served).toEqual(['2/3']);
  // The atomic of page 0 is left, and the read with it; so is the read of page 32, the 33rd that is touched, whose number
  // has the same last five bits.
  const many = Array.from({ length: 33 }, (_, page) => row('cpu', 'w', page));
  const others = [row('gpu0', 'a', 0), ...[0, 32, 3].map((page) => row('gpu0', 'r', page))];
  runModel(model, [...many, ...others], options);
  expect(served).toEqual(['1/4']);
});

test('leaves a page that the device holds', () => {
  const { model, served } = mirror();
  const rows = [
    ...[0, 1].map((page) => row('cpu', 'w', page)),
    '0 gpu0 prefetch 0x200000 4K gpu0',
    ...[0, 1].map((page) => row('gpu0', 'r', page)),
  ];
  const run = runModel(model, rows, options);
  expect(served).toEqual(['1/2']);
  // Only page 1 is away from the device.
  expect(run.metrics).toMatchObject({ 'touches.device': 2, 'remote.device.accesses': 1 });
});

test('leaves faults that were marked before, and remembers them as marked', () => {
  const { model, served } = mirror((core, faults) => {
    if (faults.count < 4) return;
    for (const i of [0, 3]) {
      core.mapPage(1, faults.page[i], RIGHTS.read);
      faults.serve(i);
    }
    // Marked and not mapped: it is raised again, by itself.
    faults.stale(1);
  });
  const rows = [0, 1, 2, 3].flatMap((page) => [row('cpu', 'w', page)]);
  runModel(model, [...rows, ...[0, 1, 2, 3].map((page) => row('gpu0', 'r', page))], options);
  // Page 2 of four, and then page 1.
  expect(served).toEqual(['1/4', '1/1']);
});

test('serves a page that waits as the last of many, some of which were not raised in a row', () => {
  const { model, served } = mirror();
  const pages = Array.from({ length: 12 }, (_, page) => page);
  const rows = pages.map((page) => row('cpu', 'w', page));
  // Threads wait for themselves: each touch is looked at by itself.
  const reads = pages.map((page) => row('gpu0', 'r', page, ` t=${page}`));
  const run = runModel(model, [...rows, ...reads], options);
  expect(served).toEqual(['12/12']);
  expect(run.metrics).toMatchObject({ 'faults.device': 12, 'remote.device.accesses': 12 });
});

test('serves nothing of a buffer that is not the one that was handed over', () => {
  let took = -1;
  const { model, served } = mirror((core, faults) => {
    const other = new FaultBuffer();
    other.count = faults.count;
    took = core.mirrorFaults(1, other);
  });
  runModel(model, [row('cpu', 'w', 0), row('gpu0', 'r', 0)], options);
  expect(took).toBe(0);
  expect(served).toEqual(['1/1']);
});
