/** Books what a model made of the fault entries that it fetched. */
import { OUTCOME } from './faults.ts';
import type { Machine } from './machine.ts';
import { PAGE_BYTES } from './mask.ts';
import { M } from './metrics.ts';
import type { WaitingTouches } from './waiting-touches.ts';

/** Counts marked entries by outcome and emits their lines; gives how many were fetched. */
export function bookOutcomes(machine: Machine, device: number, queue: WaitingTouches): number {
  const { books, events } = machine;
  let fetched = 0;
  let faults = 0;
  let ofPermission = 0;
  for (let i = queue.firstMarked; i <= queue.lastMarked; i++) {
    const outcome = queue.outcome[i];
    if (outcome === OUTCOME.pending) continue;
    fetched++;
    if (outcome === OUTCOME.duplicate) books[M['faults.duplicate']]++;
    else if (outcome === OUTCOME.stale) books[M['faults.stale']]++;
    else if (outcome === OUTCOME.deferred) books[M['faults.deferred']]++;
    else {
      faults++;
      ofPermission += queue.hadMapping[i];
      if (events.on) {
        const { clockNs } = machine;
        const record = queue.record[i];
        const tookNs = clockNs - queue.timeNs[i];
        events.emit('fault', device, queue.page[i], PAGE_BYTES, queue.timeNs[i], tookNs, {
          record,
          trigger: 'deviceFault',
        });
      }
    }
  }
  books[M['faults.device']] += faults;
  books[M['faults.permission']] += ofPermission;
  books[M['faults.deviceRaw']] += fetched;
  if (events.on) {
    for (let i = queue.firstMarked; i <= queue.lastMarked; i++) {
      if (queue.outcome[i] !== OUTCOME.deferred) continue;
      const waitNs = Math.max(0, queue.wakeNs[i] - machine.clockNs);
      const record = queue.record[i];
      events.emit('defer', device, queue.page[i], PAGE_BYTES, machine.clockNs, waitNs, {
        record,
        trigger: 'deviceFault',
      });
    }
  }
  return fetched;
}
