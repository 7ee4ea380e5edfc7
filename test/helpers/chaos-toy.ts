/** A made-up driver for tests of the engine that does everything a model may do. */
import { ACCESS, type FaultBuffer } from '../../src/replay/faults.ts';
import { BLOCK_PAGES, newMask, type PageMask } from '../../src/replay/mask.ts';
import { SPENT_ON, type Trigger } from '../../src/replay/metrics.ts';
import {
  type Core,
  HOST,
  MODEL_COUNTED,
  type ModelDefinition,
  type ModelHooks,
  type MoveOptions,
  RIGHTS,
  type Rights,
} from '../../src/replay/model.ts';
import { blockOf, dice, PagePool, pageMask, toyModel } from './toys.ts';

/**
 * A driver that throws dice for everything that a model may do. It never leaves memory inconsistent and gets on in the
 * end: after many calls in one hand-over it serves or fails what is left.
 */
export function chaosToy(atomics: boolean): ModelDefinition {
  return toyModel(
    atomics ? 'chaosAtomics' : 'chaos',
    (core, parameters) => chaos(core, parameters.seed as number, atomics),
    {
      atomics,
      parameters: { seed: { type: 'integer', default: 1, doc: 'seed of the dice', source: 'made up' } },
      metrics: {
        throws: { unit: 'count', direction: 'neutral', definition: 'throws of the dice' },
        seen: { unit: 'count', direction: 'neutral', definition: 'sum of all numbers that the driver was told' },
      },
      presets: { usual: { title: 'usual' }, sparse: { title: 'without services', absent: ['services', 'roundTrips'] } },
    },
  );
}

function chaos(core: Core, seed: number, atomics: boolean): ModelHooks {
  const throwDice = dice(seed);
  const roll = (sides: number): number => {
    core.countOwn('throws');
    return throwDice(sides);
  };
  const chance = (percent: number): boolean => roll(100) < percent;
  const pool = new PagePool(core);
  const strongest: Rights = atomics ? RIGHTS.atomic : RIGHTS.write;
  let callsInARow = 0;

  const timing = (): MoveOptions['timing'] => (['wait', 'queue', 'none', 'wait'] as const)[roll(4)];
  const device = (): number => 1 + roll(core.actors.length - 1);

  /** The page and perhaps some neighbours of the same VMA and block. */
  const withNeighbours = (page: number): number[] => {
    const pages = [page];
    const vma = core.vmaAt(page);
    for (let next = page + 1; vma && pages.length < 5 && chance(40); next++) {
      if (next <= vma.lastPage && blockOf(next) === blockOf(page)) pages.push(next);
    }
    return pages;
  };

  const bring = (page: number, to: number, trigger: Trigger): number[] | null => {
    const pages = withNeighbours(page);
    if (chance(80)) core.beginMigration();
    const ok = pool.bring(pages, to, trigger, {
      speculative: chance(60) ? pageMask(pages.slice(1)) : undefined,
      keepSource: chance(20),
      pagesPerCopy: 1 + roll(4),
      staged: chance(30),
      timing: timing(),
    });
    return ok ? pages : null;
  };

  const mapPages = (actor: number, pages: readonly number[], rights: Rights): void => {
    const calls = roll(3);
    if (chance(30)) core.unmap(actor, blockOf(pages[0]), pageMask(pages), calls);
    core.map(actor, blockOf(pages[0]), pageMask(pages), rights, pages.length);
  };

  /** Whatever a driver can ask goes into the result, so that a wrong answer shows. */
  const lookAround = (): void => {
    const sum = (mask: PageMask): number => mask.reduce((total, word, i) => total + word * (i + 1), 0);
    const page = pool.oldest(roll(core.actors.length)) ?? BLOCK_PAGES + roll(9);
    const block = blockOf(page);
    const mask = newMask();
    const actor = roll(core.actors.length);
    core.countOwn('seen', sum(core.residentMask(actor, block, mask)));
    core.countOwn('seen', sum(core.mappedMask(actor, block, mask, [RIGHTS.read, RIGHTS.write, strongest][roll(3)])));
    core.countOwn('seen', sum(core.untouchedSpeculationMask(actor, block, mask)));
    core.countOwn('seen', core.mapping(actor, page) + core.residence(page) * 10);
    core.countOwn('seen', core.residentBytes(actor) + core.allocatedBytes(actor));
    for (const vma of core.vmasIn(page - 30, page + 1000))
      core.countOwn('seen', vma.allocation.id + vma.firstPage * vma.lastPage);
    core.countOwn('seen', (core.vmaAt(page)?.lastPage ?? 7) + core.now());
  };

  /** Things that a driver may do in any hook. */
  const mischief = (): void => {
    if (chance(30)) core.spend(roll(3000) / 2, SPENT_ON[roll(SPENT_ON.length)]);
    if (chance(5)) core.waitUntil(core.now() - 500 + roll(3000));
    if (chance(8)) core.stall(roll(core.actors.length), roll(4000), SPENT_ON[roll(SPENT_ON.length)]);
    if (chance(15)) core.wakeAt(core.now() + roll(60_000), roll(6));
    if (chance(5)) core.cancelWake(roll(6));
    if (chance(10)) core.drain();
    if (chance(20)) lookAround();
    if (core.actors.length > 1) {
      const d = device();
      if (chance(10)) core.tlbInvalidate(d);
      if (chance(5)) core.transfer(roll(core.actors.length), d, 100 + roll(10_000));
      const oldest = pool.oldest(d);
      if (oldest !== undefined && chance(8)) pool.evict(d, oldest, timing());
      if (chance(8)) makeSomeRoom(d, oldest);
      if (oldest !== undefined && chance(25)) core.armCounter(d, blockOf(oldest), 1 + roll(chance(50) ? 4 : 30));
      if (oldest !== undefined && chance(4)) core.disarmCounter(d, blockOf(oldest));
      if (oldest !== undefined && chance(6)) somebodyForgets(oldest);
    }
    if (chance(10)) core.hostShootdown();
    if (chance(5)) core.metadataBytes(roll(1000));
    if (chance(10)) core.count(MODEL_COUNTED[roll(MODEL_COUNTED.length)], 1 + roll(3));
    if (chance(5)) core.warn(`warning ${roll(3)}`);
    if (chance(5))
      core.note((['pin', 'unpin', 'counter', 'error'] as const)[roll(4)], roll(core.actors.length), roll(999), 4096);
  };

  /** Time of every sort with the cause eviction, in brackets that nest. */
  const makeSomeRoom = (d: number, page: number | undefined): void => {
    core.beginMakingRoom();
    core.spend(roll(500), SPENT_ON[roll(SPENT_ON.length)]);
    if (page !== undefined && chance(50)) pool.evict(d, page, timing());
    core.beginMakingRoom();
    if (chance(50)) core.transfer(d, HOST, 1 + roll(5000));
    if (chance(20)) core.stall(d, roll(300), 'wait');
    core.endMakingRoom();
    if (chance(30)) core.drain();
    if (chance(30)) core.tlbInvalidate(d);
    if (chance(20)) core.waitUntil(core.now() + roll(300));
    core.endMakingRoom();
  };

  const somebodyForgets = (page: number): void => {
    const mask = pageMask([page]);
    if (chance(50)) {
      core.unmap(roll(core.actors.length), blockOf(page), mask);
      return;
    }
    for (let actor = 0; actor < core.actors.length; actor++) core.unmap(actor, blockOf(page), mask);
    core.discard(blockOf(page), mask, chance(50) ? undefined : roll(core.actors.length));
    pool.settle();
  };

  /** Makes the page usable in one of the ways there are. False: no memory. */
  const give = (actor: number, page: number, trigger: Trigger, wanted: Rights): boolean => {
    const exists = core.residence(page) !== 0;
    if (exists && chance(25)) {
      mapPages(actor, [page], wanted);
      const holder = Math.floor(Math.log2(core.residence(page)));
      if (actor !== HOST && holder !== actor && chance(60))
        core.armCounter(actor, blockOf(page), 1 + roll(chance(50) ? 5 : 30));
      return true;
    }
    if (!exists && wanted === RIGHTS.read && chance(20)) {
      core.map(actor, blockOf(page), pageMask([page]), RIGHTS.read, 1);
      return true;
    }
    const pages = bring(page, actor, trigger);
    if (pages === null) {
      if (!exists) core.populate(blockOf(page), pageMask([page]), HOST);
      mapPages(actor, [page], wanted);
      return true;
    }
    mapPages(actor, pages, chance(70) ? strongest : wanted);
    return true;
  };

  const serve = (d: number, faults: FaultBuffer, i: number): void => {
    const page = faults.page[i];
    const wanted: Rights =
      faults.access[i] === ACCESS.read ? RIGHTS.read : faults.access[i] === ACCESS.write ? RIGHTS.write : strongest;
    if (core.mapping(d, page) >= wanted) {
      if (chance(50)) faults.stale(i);
      else faults.duplicate(i);
      return;
    }
    const fate = roll(100);
    if (fate < 3) faults.fail(i);
    else if (fate < 12) faults.defer(i, core.now() + roll(50_000) - 2000);
    else if (fate < 17) faults.serve(i);
    else if (fate < 21) faults.duplicate(i);
    else {
      give(d, page, 'deviceFault', wanted);
      faults.serve(i);
    }
  };

  const ownCopies: ModelHooks = {
    copy(event) {
      mischief();
      core.transfer(roll(core.actors.length), event.actor, event.sizeBytes);
    },
    invalidate(event) {
      mischief();
      if (core.vmaAt(event.firstPage) !== null) somebodyForgets(event.firstPage);
    },
  };

  return {
    deviceFaults(d, faults) {
      mischief();
      const patient = callsInARow++ < 50;
      for (let i = 0; i < faults.count; i++) {
        core.countOwn('seen', faults.record[i] + faults.firstPage[i] * 3 + faults.lastPage[i] * 5 + faults.access[i]);
        core.countOwn('seen', faults.timeNs[i] + faults.thread[i] * 7);
      }
      for (let i = 0; i < faults.count; i++) {
        if (patient && chance(20)) continue;
        if (patient) serve(d, faults, i);
        else faults.fail(i);
      }
      if (chance(25)) faults.flush();
      if (!patient) callsInARow = 0;
      if (chance(30)) callsInARow = 0;
    },
    hostFault(page, access, record) {
      mischief();
      core.countOwn('seen', record * 11 + access);
      if (chance(4)) return 'failed';
      if (chance(10)) return 'retry';
      give(HOST, page, 'hostFault', access === ACCESS.read ? RIGHTS.read : strongest);
      return 'retry';
    },
    alloc: (vma, event) => {
      mischief();
      core.countOwn('seen', vma.firstPage + vma.lastPage * 3 + event.sizeBytes + event.record);
    },
    free: (pieces, event) => {
      mischief();
      for (const piece of pieces) core.countOwn('seen', piece.firstPage * 3 + piece.lastPage + event.record);
      pool.forget(pieces);
    },
    prefetch(event) {
      mischief();
      const fate = roll(10);
      if (fate === 0) return 'ignored';
      if (fate === 1) return 'rejected';
      for (let page = event.firstPage; page <= Math.min(event.lastPage, event.firstPage + 20); page++) {
        if (core.vmaAt(page) === null || chance(20)) continue;
        const pages = bring(page, event.target, 'hint');
        if (pages && chance(70)) mapPages(event.target, pages, strongest);
      }
      return 'applied';
    },
    advise() {
      mischief();
      return (['applied', 'ignored', 'rejected'] as const)[roll(3)];
    },
    launch(event) {
      mischief();
      for (const id of event.allocations) core.count('roundTrips', id + 1);
      const vma = core.vmasIn(0, 2 ** 40).find((v) => event.allocations.includes(v.allocation.id));
      if (!vma || chance(50)) return;
      const pages = bring(vma.firstPage, event.actor, 'launch');
      if (pages) mapPages(event.actor, pages, strongest);
    },
    sync: () => mischief(),
    wake(token) {
      mischief();
      if (core.actors.length < 2) return;
      const d = 1 + (token % (core.actors.length - 1));
      const oldest = pool.oldest(d);
      if (oldest !== undefined && chance(50)) somebodyForgets(oldest);
    },
    counter(d, block, touched) {
      mischief();
      core.countOwn('seen', touched * 13);
      const vma = core.vmasIn(block * BLOCK_PAGES, (block + 1) * BLOCK_PAGES - 1)[0];
      if (!vma || chance(30)) return;
      const page = Math.max(vma.firstPage, block * BLOCK_PAGES);
      if (core.residence(page) === 0) return;
      const pages = bring(page, d, 'counter');
      if (pages) mapPages(d, pages, strongest);
    },
    finish: () => mischief(),
    ...(atomics ? ownCopies : {}),
  };
}
