import type { EventLine } from '../../../src/replay/lane.ts';

/** A device fault on the page at 2 MiB, unless told otherwise. */
export function line(more: Partial<EventLine> = {}): EventLine {
  return {
    seq: 0,
    timeNs: 0,
    durationNs: 0,
    kind: 'fault',
    actor: 'gpu0',
    trigger: 'deviceFault',
    from: null,
    to: null,
    addr: '0x200000',
    size: 4096,
    batch: 0,
    record: 0,
    ...more,
  };
}
