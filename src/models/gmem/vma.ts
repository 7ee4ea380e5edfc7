/** Address negotiation at mmap and what munmap does to pages on devices. */
import { BLOCK_BYTES } from '../../replay/mask.ts';
import { HOST } from '../../replay/model.ts';
import { GM, VA_ATTEMPTS } from './config.ts';
import { dropRange } from './hints.ts';
import { type GmMapping, STATE } from './mapping.ts';
import { defect, type Gm, pageOf, toNomap } from './stack.ts';

/**
 * Asks the devices for the range that the host picked; a refusal for want of address space keeps that range reserved
 * and tries another, ten times at most. Any other error ends it. Returns the block agreed on, or null (ENOMEM).
 */
export function negotiateVa(gm: Gm, pick: () => number, sizeBytes: number): number | null {
  const asked = askedDevices(gm);
  for (let attempt = 0; attempt < VA_ATTEMPTS; attempt++) {
    const block = pick();
    let code: number = GM.ok;
    for (const device of asked) {
      code = gm.driver.peerVaAllocFixed(device, block, sizeBytes);
      if (code !== GM.ok) break;
    }
    if (code === GM.ok && asked.length > 0) return block;
    // The refused mapping is taken down again.
    gm.core.count('notifier.invalidations');
    if (code !== GM.nomem) return null;
  }
  return null;
}

/** As written, `olk66` knows the device attached last and no other. */
export function askedDevices(gm: Gm): readonly number[] {
  const lastOnly = !gm.config.everyDevice && !gm.config.generation.asksEveryDevice;
  return lastOnly ? gm.attached.slice(-1) : gm.attached;
}

/**
 * One VMA piece goes. `viaHook` false: the code's device part is skipped, so the device keeps its mappings while its
 * pages return to the free list.
 */
export function unmapPiece(gm: Gm, firstBlock: number, lastBlock: number, viaHook: boolean): void {
  const mappings = gm.table.inRange(firstBlock, lastBlock);
  if (viaHook) {
    dropRange(gm, mappings, unmapPage);
    if (gm.config.generation.freesVa) {
      for (const device of askedDevices(gm)) {
        gm.driver.peerVaFree(device, firstBlock, (lastBlock - firstBlock + 1) * BLOCK_BYTES);
      }
    }
  } else {
    for (const m of mappings) if (m.state === STATE.device) forgetWithoutDevice(gm, m);
  }
}

/** Ordinary unmapping of CPU pages, then the logical table of the VMA is dropped. */
export function dropTable(gm: Gm, firstBlock: number, lastBlock: number): void {
  let calls = 1;
  for (const m of gm.table.inRange(firstBlock, lastBlock)) {
    if (m.state === STATE.cpu && m.cpuEntry) {
      // One contiguous CPU range, one shootdown.
      gm.core.unmap(HOST, m.block, m.mask, calls);
      if (calls === 1) gm.clock.pass(gm.core.platform.host.tlbShootdownNs, 'mapping');
      calls = 0;
      for (const d of gm.attached) gm.core.unmap(d, m.block, m.mask);
    }
    gm.core.discard(m.block, m.mask);
    gm.table.delete(m.block);
  }
}

function unmapPage(gm: Gm, m: GmMapping, invalidate: boolean): void {
  if (m.state !== STATE.device) return;
  const { device } = m;
  const code = gm.driver.peerUnmap(m, 'free', false, m.devicePage, 'hint', invalidate);
  gm.memory.released(m);
  // The pages go whatever the driver says.
  if (code !== GM.ok) {
    defect(gm, 'munmap releases a page that the device refused to unmap', pageOf(m));
    keepStale(gm, device, m);
  }
  toNomap(m);
}

function forgetWithoutDevice(gm: Gm, m: GmMapping): void {
  defect(gm, 'device pages are freed while the device keeps its mappings', pageOf(m));
  keepStale(gm, m.device, m);
  gm.memory.released(m);
  toNomap(m);
}

/** The device goes on using a page that is no longer its own: no fault will say so. */
function keepStale(gm: Gm, device: number, m: GmMapping): void {
  gm.stale.add(`${device}:${m.block}`);
  gm.core.unmap(device, m.block, m.mask, 0);
  gm.core.discard(m.block, m.mask);
}
