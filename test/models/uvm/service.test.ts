/** Contexts of services are used again: nothing of one service may show in the next. */
import { expect, it } from 'vitest';
import { beginService, endService, takeService } from '../../../src/models/uvm/service.ts';
import type { Uvm, VaBlock } from '../../../src/models/uvm/state.ts';
import { addRange, isEmptyMask } from '../../../src/replay/mask.ts';

const uvm = () => ({ core: { actors: ['cpu', 'gpu0', 'gpu1'] }, idleServices: [] }) as unknown as Uvm;
const [one, other] = [{ number: 1 }, { number: 2 }] as VaBlock[];

it('a context that was given back is taken again, empty', () => {
  const driver = uvm();
  const service = takeService(driver, one, 1, 'deviceFault');
  const masks = [
    ...service.goingTo,
    service.duplicate,
    service.pinned,
    service.readers,
    service.writers,
    service.atomics,
    service.faulted,
  ];
  // Pages went to all three processors: bits 0, 1 and 2.
  for (const mask of masks) addRange(mask, 3, 300);
  service.destinations = 0b111;
  service.pages = 298;
  endService(driver, service);

  expect(takeService(driver, other, 0, 'hostFault')).toBe(service);
  beginService(service);
  expect([service.block, service.processor, service.trigger]).toEqual([other, 0, 'hostFault']);
  expect([service.destinations, service.pages]).toEqual([0, 0]);
  expect(masks.map(isEmptyMask)).toEqual(masks.map(() => true));
});

it('a service within a service has a context of its own', () => {
  const driver = uvm();
  const outer = takeService(driver, one, 1, 'deviceFault');
  expect(takeService(driver, other, 0, 'hostFault')).not.toBe(outer);
});
