/** Device and CPU faults on peer-shared memory: `gm_dev_fault` and `do_peer_shared_anonymous_page`. */
import { BLOCK_BYTES } from '../../replay/mask.ts';
import type { Trigger } from '../../replay/metrics.ts';
import { RIGHTS } from '../../replay/model.ts';
import { ERRNO, GM } from './config.ts';
import { firstPageOf } from './driver.ts';
import { type GmMapping, STATE } from './mapping.ts';
import { defect, type Gm, lock, pageOf, toHost, toNomap, unlock } from './stack.ts';

/** Hint handed along with a device fault. */
export type Behavior = 'none' | 'willneed' | 'pinned' | 'unpinned';

/** gm_dev_fault: 0 = fine (which need not mean that the device has a mapping now), else a code of `config.ts`. */
export function devFault(gm: Gm, device: number, block: number, behavior: Behavior, trigger: Trigger): number {
  if (!gm.space.isPeerShared(block)) return GM.unknown;
  const m = gm.table.getOrCreate(block);
  lock(gm, m);
  const code = devFaultLocked(gm, device, m, behavior, trigger);
  unlock(gm, m);
  return code;
}

function devFaultLocked(gm: Gm, device: number, m: GmMapping, behavior: Behavior, trigger: Trigger): number {
  if (m.state === STATE.device) {
    if (m.device === device) return hintResident(gm, device, m, behavior);
    if (gm.config.everyDevice) return pullFromOtherDevice(gm, device, m, behavior, trigger);
    return faultOnOtherDevicesPage(gm, device, m, behavior);
  }
  if (m.state === STATE.nomap) return bring(gm, device, m, false, behavior, trigger);
  if (m.hostPageLost) {
    // The code finds no host page, sets NOMAP and reports success; the device has no mapping and the data is gone.
    defect(gm, 'a device fault finds the host page pointer lost and drops the page', pageOf(m));
    gm.core.discard(m.block, m.mask);
    toNomap(m);
    return GM.ok;
  }
  if (gm.config.replicate && m.cpuEntry && behavior === 'none') {
    gm.driver.peerReplicate(device, m);
    return GM.ok;
  }
  const had = gm.driver.zap(m);
  // Zapping a range without a CPU entry calls GMEM's own hook, which forgets the host page. A fault that then fails
  // has lost it; one that succeeds no longer needs it.
  m.hostPageLost = gm.config.literal && !had;
  if (!gm.driver.dmaMap(m) && !gm.config.literal) return GM.dma;
  return bring(gm, device, m, true, behavior, trigger);
}

/** Allocate on the device, then one `peer_map` that fills the page and enters it. */
function bring(gm: Gm, device: number, m: GmMapping, copy: boolean, behavior: Behavior, trigger: Trigger): number {
  const devicePage = gm.memory.take(device);
  if (devicePage === null) {
    leaveBehind(gm, m, copy);
    return ERRNO.nomem;
  }
  const code = gm.driver.peerMap(device, m, copy, devicePage, trigger);
  if (code !== GM.ok) {
    gm.memory.giveBack(device, devicePage);
    leaveBehind(gm, m, copy);
    return code;
  }
  if (copy) gm.driver.dmaUnmap(m);
  m.state = STATE.device;
  m.device = device;
  m.devicePage = devicePage;
  m.hostPageLost = false;
  m.onLru = false;
  m.pinned = keepsPins(gm) && behavior === 'pinned';
  if (m.pinned) gm.core.note('pin', device, pageOf(m), BLOCK_BYTES);
  gm.memory.appended(device, m);
  return GM.ok;
}

/** The device could not take the page. Meant: it stays with the CPU. */
function leaveBehind(gm: Gm, m: GmMapping, copy: boolean): void {
  if (!copy) return;
  if (!gm.config.literal) {
    gm.driver.dmaUnmap(m);
    return;
  }
  if (gm.config.generation.failedMapLosesData) {
    defect(gm, 'a failed peer_map leaves the page unmapped and loses its data', pageOf(m));
    gm.core.discard(m.block, m.mask);
    toNomap(m);
  } else if (m.hostPageLost) {
    defect(gm, 'a failed device fault on an evicted page loses the host page pointer', pageOf(m));
  }
}

/** The page is on this device already: only a hint means anything. */
function hintResident(gm: Gm, device: number, m: GmMapping, behavior: Behavior): number {
  if (gm.core.mapping(device, firstPageOf(m)) === RIGHTS.none && behavior === 'none') {
    // Its mapping was taken away by an invalidation; the data is still here.
    gm.driver.peerReenter(device, m);
    return GM.ok;
  }
  if (behavior === 'none') return GM.ok;
  if (gm.config.generation.hintRemaps) {
    gm.driver.peerReenter(device, m);
    gm.memory.refreshed(m);
    return GM.ok;
  }
  if (behavior === 'unpinned') {
    if (m.pinned) gm.core.note('unpin', m.device, pageOf(m), BLOCK_BYTES);
    m.pinned = false;
    return GM.ok;
  }
  if (behavior === 'pinned') {
    if (!m.pinned) gm.core.note('pin', m.device, pageOf(m), BLOCK_BYTES);
    m.pinned = true;
  }
  gm.memory.refreshed(m);
  return GM.ok;
}

/** Promised by the cover letter, in no code: through a host page, no CPU entry, one more exchange. */
function pullFromOtherDevice(gm: Gm, device: number, m: GmMapping, behavior: Behavior, trigger: Trigger): number {
  if (m.pinned) return GM.unknown;
  if (!gm.driver.allocHostPage(m)) return ERRNO.nomem;
  gm.driver.dmaMap(m);
  const code = gm.driver.peerUnmap(m, 'fault', true, m.devicePage, trigger, true);
  if (code !== GM.ok) return code;
  gm.memory.released(m);
  toHost(m, false);
  return bring(gm, device, m, true, behavior, trigger);
}

/** As written: the code tests "on a device", never "on this device". */
function faultOnOtherDevicesPage(gm: Gm, device: number, m: GmMapping, behavior: Behavior): number {
  if (behavior === 'none' || !gm.config.generation.hintRemaps) return hintResidentElsewhere(gm, m, behavior);
  // peer_map on the second device without a copy; the first device's mapping is not torn down and its data is not moved.
  defect(gm, "a hint maps another device's page without its data", pageOf(m));
  gm.memory.released(m);
  gm.core.unmap(m.device, m.block, m.mask, 0);
  gm.core.discard(m.block, m.mask);
  toNomap(m);
  return bring(gm, device, m, false, behavior, 'hint');
}

function hintResidentElsewhere(gm: Gm, m: GmMapping, behavior: Behavior): number {
  return behavior === 'none' ? GM.ok : hintResident(gm, m.device, m, behavior);
}

function keepsPins(gm: Gm): boolean {
  return gm.config.generation.pin === 'kept';
}

/** 0 = fine, 1 = out of memory, 2 = SIGBUS (VM_FAULT codes), -1 = the kernel would crash here. */
export type HostFaultResult = 0 | 1 | 2 | -1;

/** The CPU touched a peer-shared page that it has not mapped. Read and write alike: no zero page. */
export function hostFaultLocked(gm: Gm, block: number, trigger: Trigger): HostFaultResult {
  const m = gm.table.getOrCreate(block);
  lock(gm, m);
  const result = hostFaultOn(gm, m, trigger);
  unlock(gm, m);
  return result;
}

function hostFaultOn(gm: Gm, m: GmMapping, trigger: Trigger): HostFaultResult {
  const { driver } = gm;
  if (m.state === STATE.cpu) {
    if (m.hostPageLost) {
      defect(gm, 'a CPU fault follows a lost host page pointer and crashes', pageOf(m));
      return -1;
    }
    if (m.onLru && gm.config.literal) defect(gm, 'a folio on the LRU is added to it again', pageOf(m));
    m.onLru = true;
    driver.installCpuEntry(m);
    return 0;
  }
  if (m.state === STATE.device && m.pinned) return 2;
  if (!driver.allocHostPage(m)) {
    if (!gm.config.literal) return 1;
    defect(gm, 'a CPU fault without a host page puts a NULL folio and crashes', pageOf(m));
    return -1;
  }
  driver.zeroHostPage(m, m.state === STATE.nomap);
  if (m.state === STATE.device) {
    if (!driver.dmaMap(m)) return 2;
    const code = driver.peerUnmap(m, 'fault', true, m.devicePage, trigger, true);
    driver.dmaUnmap(m);
    if (code !== GM.ok) return 2;
    gm.memory.released(m);
  }
  toHost(m, true);
  driver.installCpuEntry(m);
  return 0;
}
