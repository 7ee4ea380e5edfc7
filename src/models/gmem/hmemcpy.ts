/** `hmemcpy` of `olk66`: piecewise DMA between CPU and device pages, with the migrations that its faults cause. */
import { BLOCK_BYTES } from '../../replay/mask.ts';
import { ERRNO } from './config.ts';
import type { Place } from './driver.ts';
import { devFault, hostFaultLocked } from './fault.ts';
import { type GmMapping, STATE } from './mapping.ts';
import type { Gm } from './stack.ts';

/**
 * Copies to where `dst` must live (`device` 0 = host). 0 even if pieces were skipped: an unmapped source, a
 * destination that cannot come, source and destination on the same side.
 */
export function hmemcpy(gm: Gm, device: number, dst: Place, src: Place, sizeBytes: number): number {
  if (device < 0 || device >= gm.core.actors.length) return ERRNO.invalid;
  if (sizeBytes === 0) return 0;
  if (!inVma(gm, src, sizeBytes) || !inVma(gm, dst, sizeBytes)) return ERRNO.invalid;
  let done = 0;
  for (const piece of pieces(src.offsetBytes, dst.offsetBytes, sizeBytes)) {
    if (!copyPiece(gm, device, moved(dst, done), moved(src, done), piece)) gm.core.countOwn('hmemcpySkipped');
    done += piece;
  }
  return 0;
}

/**
 * Lengths repeat as 2 MiB - max(so, do), |so - do|, min(so, do), cut at the end. With both offsets non-zero that is
 * one cut a page more than page borders need.
 */
export function pieces(srcOffset: number, dstOffset: number, sizeBytes: number): number[] {
  const cycle = [
    BLOCK_BYTES - Math.max(srcOffset, dstOffset),
    Math.abs(srcOffset - dstOffset),
    Math.min(srcOffset, dstOffset),
  ].filter((n) => n > 0);
  const lengths: number[] = [];
  for (let left = sizeBytes, i = 0; left > 0; i++) {
    const length = Math.min(left, cycle[i % cycle.length]);
    lengths.push(length);
    left -= length;
  }
  return lengths;
}

function copyPiece(gm: Gm, device: number, dst: Place, src: Place, sizeBytes: number): boolean {
  const from = gm.table.get(src.block);
  if (!from || from.state === STATE.nomap) return false;
  if (!reached(gm, device, gm.table.get(dst.block)) && !faultIn(gm, device, dst)) return false;
  const to = gm.table.get(dst.block);
  if (!to) return false;
  // The destination's fault may have evicted the source meanwhile.
  if (from.state === STATE.cpu && to.state === STATE.device) {
    gm.driver.peerHmemcpy('H2D', dst, src, sizeBytes, device);
    return true;
  }
  if (from.state === STATE.device && to.state === STATE.cpu) {
    gm.driver.peerHmemcpy('D2H', dst, src, sizeBytes, from.device);
    return true;
  }
  gm.core.warn('hmemcpy from host to host or from device to device is not implemented: nothing is copied');
  return false;
}

/** As written the test is "on a device", not "on this device". */
function reached(gm: Gm, device: number, m: GmMapping | undefined): boolean {
  if (!m) return false;
  if (device === 0) return m.state === STATE.cpu;
  return m.state === STATE.device && (m.device === device || !gm.config.everyDevice);
}

function faultIn(gm: Gm, device: number, dst: Place): boolean {
  if (device > 0) return devFault(gm, device, dst.block, 'none', 'copy') === 0;
  gm.core.countOwn('copyHostFaults');
  return hostFaultLocked(gm, dst.block, 'copy') === 0;
}

function inVma(gm: Gm, at: Place, sizeBytes: number): boolean {
  const last = at.block + Math.floor((at.offsetBytes + sizeBytes - 1) / BLOCK_BYTES);
  return gm.space.inOneVma(at.block, last);
}

function moved(at: Place, bytes: number): Place {
  const offset = at.offsetBytes + bytes;
  return { block: at.block + Math.floor(offset / BLOCK_BYTES), offsetBytes: offset % BLOCK_BYTES };
}
