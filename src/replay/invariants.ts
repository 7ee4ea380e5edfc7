/** What must hold after every call of a model. A broken one is our bug: it stops the run with the record that broke it. */
import { InvariantError } from './lane.ts';
import type { LaneRun } from './lane-run.ts';
import { BLOCK_PAGES, MASK_WORDS, PAGE_BYTES, popcount32 } from './mask.ts';
import { BY_CAUSE, BY_TRIGGER, M, SPENT_ON, TRIGGERS } from './metrics.ts';

/** Cheap checks of the books: memory within capacity, bytes and faults add up. */
export function checkAfterCall(lane: LaneRun, record: number): void {
  const { machine } = lane;
  const { books } = machine;
  const broken = (invariant: string, detail: string): never => {
    throw new InvariantError(lane.index, record, invariant, `${lane.spec.model.name}: ${detail}`);
  };
  for (let d = 1; d < machine.actors.length; d++) {
    const resident = machine.pages.residentPages[d] * PAGE_BYTES;
    const name = machine.actors[d];
    if (machine.memory.allocated[d] > machine.memory.effective[d]) {
      broken(
        'allocated <= effective capacity',
        `${name}: ${machine.memory.allocated[d]} > ${machine.memory.effective[d]}`,
      );
    }
    if (resident > machine.memory.allocated[d]) {
      broken('resident <= allocated', `${name}: ${resident} > ${machine.memory.allocated[d]}`);
    }
    if (machine.memory.allocated[d] < 0) broken('allocated >= 0', `${name}: ${machine.memory.allocated[d]}`);
  }
  const moved = books[M['migration.h2d.bytes']] + books[M['migration.d2h.bytes']] + books[M['migration.d2d.bytes']];
  let byTrigger = 0;
  for (const trigger of TRIGGERS) byTrigger += books[BY_TRIGGER[trigger]];
  if (moved !== byTrigger) broken('bytes by trigger add up', `${moved} moved, ${byTrigger} by trigger`);
  const stoppedNs = books[M['time.stall.device.ns']] + books[M['time.stall.host.ns']];
  let byCauseNs = 0;
  for (const cause of SPENT_ON) byCauseNs += books[BY_CAUSE[cause]];
  if (stoppedNs !== byCauseNs) broken('time by cause adds up', `${stoppedNs} ns stopped, ${byCauseNs} ns by cause`);
  if (machine.stops.makingRoom) broken('room is made within a call', 'beginMakingRoom without endMakingRoom');
  const outcomes =
    books[M['faults.device']] + books[M['faults.duplicate']] + books[M['faults.stale']] + books[M['faults.deferred']];
  if (books[M['faults.deviceRaw']] !== outcomes) {
    broken('fetched faults add up', `${books[M['faults.deviceRaw']]} fetched, ${outcomes} with an outcome`);
  }
}

/** Every page of the given slots: counters agree with the bits, mappings have something behind them. */
export function checkSlots(lane: LaneRun, slots: readonly number[], record: number): void {
  const { machine } = lane;
  const { space } = machine;
  const broken = (invariant: string, detail: string): never => {
    throw new InvariantError(lane.index, record, invariant, `${lane.spec.model.name}: ${detail}`);
  };
  const residentPages = new Float64Array(machine.actors.length);
  for (const slot of slots) {
    const page = space.slotBlock[slot] * BLOCK_PAGES;
    let resident = 0;
    for (let w = 0; w < MASK_WORDS; w++) {
      const i = slot * MASK_WORDS + w;
      let anywhere = 0;
      for (let l = 0; l < machine.actors.length; l++) {
        const here = machine.pages.resident[l][i] ?? 0;
        residentPages[l] += popcount32(here);
        anywhere |= here;
      }
      resident |= anywhere;
      for (let a = 0; a < machine.actors.length; a++) {
        const writable = machine.pages.writable[a][i] ?? 0;
        if ((writable & ~(machine.pages.readable[a][i] ?? 0)) !== 0)
          broken('writable pages are readable', `block ${page}`);
        if ((writable & ~anywhere) !== 0) {
          broken('a writable mapping has a page behind it', `${machine.actors[a]}, pages from ${page + w * 32}`);
        }
      }
    }
    if (resident !== 0 && space.vmasIn(page, page + BLOCK_PAGES - 1).length === 0) {
      broken('nothing resident after free', `block at page ${page}`);
    }
  }
  for (let l = 0; l < residentPages.length; l++) {
    if (residentPages[l] === machine.pages.residentPages[l]) continue;
    broken(
      'resident pages are counted',
      `${machine.actors[l]}: ${machine.pages.residentPages[l]} counted, ${residentPages[l]} there`,
    );
  }
}

/** At the end of the trace every fault was served: no page is marked as waited for. */
export function checkNobodyWaits(lane: LaneRun): void {
  const { space } = lane.machine;
  const waits = space.ofPage.findIndex((number, i) => i % 2 === 1 && (number & lane.laneBit) !== 0);
  if (waits < 0) return;
  const detail = `${lane.spec.model.name}: page ${space.pageOf(waits >> 1)} is waited for`;
  throw new InvariantError(lane.index, -1, 'nobody waits at the end', detail);
}
