/** What the core calls GMEM for. Each hook works on local time and spends at its end what passed. */

import { type FaultBuffer, OUTCOME } from '../../replay/faults.ts';
import { createLinuxMm } from '../../replay/linux-mm.ts';
import { andNotMask, BLOCK_BYTES, BLOCK_PAGES, blockOf, copyMask, newMask } from '../../replay/mask.ts';
import { type Core, HOST, type ModelHooks, RIGHTS, type Vma } from '../../replay/model.ts';
import type { AllocEvent, InvalidateEvent } from '../../trace/compiled.ts';
import type { TaskTime } from './clock.ts';
import { ERRNO, type GmConfig } from './config.ts';
import { firstPageOf } from './driver.ts';
import { createExplicitMemory } from './explicit.ts';
import { devFault, hostFaultLocked } from './fault.ts';
import { createHintHooks } from './hint-hooks.ts';
import { type GmMapping, STATE } from './mapping.ts';
import { isPeerShared, tracedSpace } from './space.ts';
import { createStack, lock, unlock } from './stack.ts';
import { dropTable, negotiateVa, unmapPiece } from './vma.ts';

export function createHooks(core: Core, config: GmConfig): ModelHooks {
  const gm = createStack(core, config, tracedSpace(core));
  const linux = createLinuxMm(core, { driver: {} });
  const explicit = createExplicitMemory(core);
  /** Local start and latest end of the faults of one hand-over, which different pages serve at once. */
  let handOver: { readonly startNs: number; readonly end: TaskTime } | null = null;
  /** The mmap lock was last held exclusively from..until. */
  const exclusive = { fromNs: 0, untilNs: 0 };
  /** Up to here the actors were synchronised: nobody can have waited for a lock held before. */
  let barrierNs = core.now();
  let launched = false;
  /** When the last device faults were served. */
  let servedNs = -1;

  function run<T>(work: () => T): T {
    gm.clock.begin(core.now());
    const result = work();
    gm.clock.spend();
    return result;
  }

  function waited(sinceNs: number, heldFromNs: number, heldUntilNs: number): void {
    const ns = heldUntilNs - Math.max(sinceNs, heldFromNs, barrierNs);
    if (ns > 0) core.countOwn('lockWait.ns', ns);
  }

  function deviceFaults(device: number, faults: FaultBuffer): void {
    let i = 0;
    while (faults.outcome[i] !== OUTCOME.pending) i++;
    gm.clock.begin(handOver?.startNs ?? core.now());
    handOver ??= { startNs: core.now(), end: gm.clock.save() };
    serveOne(device, faults, i);
    if (gm.clock.ns > handOver.end.ns) gm.clock.save(handOver.end);
    for (let k = 0; k < faults.count; k++) if (faults.outcome[k] === OUTCOME.pending) return;
    gm.clock.resume(handOver.end);
    gm.clock.spend();
    servedNs = core.now();
    handOver = null;
  }

  /** One fault message: the device's per-page lock holds back every other thread that touches the 2 MiB. */
  function serveOne(device: number, faults: FaultBuffer, i: number): void {
    const page = faults.page[i];
    const block = blockOf(page);
    const vma = core.vmaAt(page);
    if (core.mapping(device, page) !== RIGHTS.none) {
      faults.stale(i);
      return;
    }
    if (vma === null || !isPeerShared(vma)) {
      serveOrdinary(device, faults, i, vma);
      return;
    }
    waited(faults.timeNs[i], exclusive.fromNs, Math.min(exclusive.untilNs, gm.clock.ns));
    const known = gm.table.get(block);
    if (known) waited(faults.timeNs[i], known.lockedFromNs, Math.min(known.lockedUntilNs, gm.clock.ns));
    core.count('roundTrips');
    core.count('services');
    const code = devFault(gm, device, block, 'none', 'deviceFault');
    if (code !== 0 || core.mapping(device, page) === RIGHTS.none) {
      if (code === 0) {
        core.countOwn('stuck');
        core.warn('a device fault reports success and maps nothing: the device is stuck, the access fails');
      } else
        core.warn(
          `a device fault fails with ${code === ERRNO.nomem ? 'out of memory' : `code ${code}`}: the access fails`,
        );
      faults.fail(i);
      return;
    }
    faults.serve(i);
    for (let k = i + 1; k < faults.count; k++) {
      if (faults.outcome[k] !== OUTCOME.pending || blockOf(faults.page[k]) !== block) continue;
      if (core.mapping(device, faults.page[k]) !== RIGHTS.none) faults.duplicate(k);
    }
  }

  function serveOrdinary(device: number, faults: FaultBuffer, i: number, vma: Vma | null): void {
    if (vma?.allocation.kind === 'device' && explicit.deviceFault(device, vma)) {
      faults.serve(i);
      return;
    }
    core.warn('a device touches memory that is not mapped MAP_PEER_SHARED: the access fails');
    faults.fail(i);
  }

  function hostFault(page: number): 'retry' | 'failed' {
    const block = blockOf(page);
    if (launched) {
      barrierNs = core.now();
      launched = false;
    }
    const known = gm.table.get(block);
    // When the CPU issued is not told. If device faults were served this very moment, it was there before: it waited
    // for the page as long as the mutex was held.
    const trapNs = core.now() - core.platform.host.faultNs;
    if (known && servedNs === trapNs) waited(known.lockedFromNs, known.lockedFromNs, known.lockedUntilNs);
    const result = run(() => hostFaultLocked(gm, block, 'hostFault'));
    if (result === 0) return 'retry';
    const why =
      result === 2 ? 'SIGBUS: the page is pinned on a device' : result === 1 ? 'out of memory' : 'kernel crash';
    core.warn(`a CPU access fails (${why})`);
    return 'failed';
  }

  /** Memory of another kind joins or leaves a 2 MiB page: what moves together changes. */
  function rejoin(block: number): void {
    const m = gm.table.get(block);
    if (!m) return;
    const before = copyMask(newMask(), m.mask);
    m.mask = gm.space.maskOf(block);
    const left = andNotMask(before, m.mask);
    for (let actor = 0; actor < core.actors.length; actor++) core.unmap(actor, block, left, 0);
    core.discard(block, left);
    if (m.state === STATE.nomap) return;
    core.populate(block, m.mask, m.device, { timing: 'none' });
    if (m.state === STATE.device) core.map(m.device, block, m.mask, RIGHTS.write, 0);
    else if (m.cpuEntry) core.map(HOST, block, m.mask, RIGHTS.write, 0);
  }

  function alloc(vma: Vma, event: AllocEvent): void {
    const first = blockOf(vma.firstPage);
    const last = blockOf(vma.lastPage);
    rejoin(first);
    if (last !== first) rejoin(last);
    const { kind } = vma.allocation;
    if (kind === 'device' || kind === 'pinned') explicit.alloc(vma);
    // An inferred allocation was mapped before the trace begins.
    if (kind !== 'managed' || event.record < 0 || gm.attached.length === 0) return;
    run(() => negotiateVa(gm, () => first, (last - first + 1) * BLOCK_BYTES));
  }

  function free(pieces: readonly Vma[]): void {
    const startNs = core.now();
    const shared = pieces.filter(isPeerShared).map((piece) => wholeBlocks(piece, pieces));
    // As written, the device part is skipped for the whole range when its first VMA is an ordinary one.
    const viaHook = !config.literal || config.generation.deviceOwnsMemory || isPeerShared(pieces[0]);
    if (shared.length > 0) {
      core.count('notifier.invalidations');
      run(() => {
        for (const [first, last] of shared) if (first <= last) unmapPiece(gm, first, last, viaHook);
        for (const [first, last] of shared) dropTable(gm, first, last);
      });
    }
    for (const piece of pieces) {
      const { kind } = piece.allocation;
      if (kind === 'device' || kind === 'pinned') explicit.free(piece);
      if (kind === 'system' || kind === 'file') linux.munmap(piece.firstPage, piece.lastPage);
    }
    exclusive.fromNs = startNs;
    exclusive.untilNs = core.now();
  }

  /** The 2 MiB pages that go with a piece: those in which no other peer-shared memory stays. */
  function wholeBlocks(piece: Vma, going: readonly Vma[]): [number, number] {
    let first = blockOf(piece.firstPage);
    let last = blockOf(piece.lastPage);
    const stays = (block: number) => {
      const start = block * BLOCK_PAGES;
      return core.vmasIn(start, start + BLOCK_PAGES - 1).some((vma) => {
        if (!isPeerShared(vma)) return false;
        const from = Math.max(vma.firstPage, start);
        const to = Math.min(vma.lastPage, start + BLOCK_PAGES - 1);
        let gone = 0;
        for (const g of going) {
          if (g.allocation.id !== vma.allocation.id) continue;
          gone += Math.max(0, Math.min(g.lastPage, to) - Math.max(g.firstPage, from) + 1);
        }
        return gone < to - from + 1;
      });
    };
    if (stays(first)) first++;
    if (last >= first && stays(last)) last--;
    return [first, last];
  }

  function invalidate(event: InvalidateEvent): void {
    const home = event.sort === 'fork' || event.sort === 'hostio';
    run(() => {
      for (const m of gm.table.inRange(blockOf(event.firstPage), blockOf(event.lastPage))) {
        if (home) comeHome(m);
        else dropDeviceEntries(m);
      }
    });
  }

  function comeHome(m: GmMapping): void {
    if (m.state !== STATE.device) return;
    core.count('notifier.invalidations');
    if (hostFaultLocked(gm, m.block, 'hostFault') !== 0) {
      core.warn('a page pinned on a device does not come home for fork or host I/O');
    }
  }

  function dropDeviceEntries(m: GmMapping): void {
    const page = firstPageOf(m);
    const holders = gm.attached.filter((d) => core.mapping(d, page) !== RIGHTS.none);
    if (holders.length === 0) return;
    core.count('notifier.invalidations');
    lock(gm, m);
    for (const d of holders) gm.driver.peerInvalidate(d, m);
    unlock(gm, m);
  }

  return {
    deviceFaults,
    hostFault(page, access) {
      const vma = core.vmaAt(page);
      if (vma && isPeerShared(vma)) return hostFault(page);
      const { kind } = vma?.allocation ?? { kind: 'system' };
      if (kind === 'system' || kind === 'file') return linux.hostFault(page, access);
      core.warn('the CPU touches explicit memory of a device: the access fails');
      return 'failed';
    },
    alloc,
    free,
    ...createHintHooks(gm, linux, run),
    invalidate,
    launch() {
      launched = true;
    },
    sync() {
      launched = false;
      barrierNs = core.now();
    },
    wake(token) {
      gm.clock.begin(core.now());
      gm.device?.swapd(token);
    },
  };
}
