/**
 * Touches that were served one after another: the way of `InFlight.tryAgain` for those that simply complete, without the
 * calls. Anything else - a page that is not usable yet, a first use of a guess, an armed access counter - ends it, and
 * the touch takes the long way.
 */
import { PLACE_BITS, wordOfPlace } from './address-space.ts';
import type { FaultFrame } from './fault-frame.ts';
import { ACCESS, OUTCOME } from './faults.ts';
import type { Machine } from './machine.ts';
import { M } from './metrics.ts';
import { KINDS, type Mmu } from './mmu.ts';
import type { WaitingPages } from './waiting-pages.ts';
import type { WaitingTouches } from './waiting-touches.ts';

export class ServedRun {
  constructor(
    private readonly machine: Machine,
    private readonly mmu: Mmu,
    private readonly waitingPages: WaitingPages,
    /** By actor. */
    private readonly frames: readonly FaultFrame[],
    private readonly laneBit: number,
  ) {}

  /** Completes the touches of entries from..last; gives the first one that it does not take. */
  take(device: number, queue: WaitingTouches, from: number, last: number): number {
    if (this.machine.costs !== null || !this.mmu.running.has(device)) return from;
    const frame = this.frames[device];
    if (!frame.canComplete) return this.complete(device, queue, from, last);
    const end = frame.complete(from, last);
    this.bookRemote(frame.remoteTouches, frame.remoteBytes);
    return end;
  }

  private bookRemote(touches: number, bytes: number): void {
    const { books } = this.machine;
    books[M['remote.device.accesses']] += touches;
    books[M['remote.device.bytes']] += bytes;
  }

  /** What `completeTouches` of `kernel/complete-faults.ts` is held to, and what takes its place where it cannot be had. */
  private complete(device: number, queue: WaitingTouches, from: number, last: number): number {
    const { machine, mmu, waitingPages, laneBit } = this;
    const { id: ids, access, bytes, outcome } = queue;
    const { words } = mmu.memory;
    const { ofPage } = machine.space;
    const { pages } = machine;
    const readable = pages.readable[device];
    const writable = pages.writable[device];
    const atomics = pages.tellsAtomics ? pages.atomics[device] : writable;
    const here = pages.resident[device];
    const guessed = pages.speculated[device];
    const reliant = pages.remote.reliant[device];
    const counterLeft = pages.remote.counterLeft[device];
    const reads = mmu.baseOf(device, ACCESS.read);
    const writes = mmu.baseOf(device, ACCESS.write);
    const atomicsApart = mmu.own === KINDS ? mmu.baseOf(device, ACCESS.atomic) : -1;
    let remoteTouches = 0;
    let remoteBytes = 0;
    let i = from;
    for (; i <= last; i++) {
      if (outcome[i] !== OUTCOME.served && outcome[i] !== OUTCOME.duplicate && outcome[i] !== OUTCOME.stale) break;
      const id = ids[i];
      const place = ofPage[2 * id];
      const slot = place >>> PLACE_BITS;
      const word = wordOfPlace(place);
      const bit = 1 << (place & 31);
      const kind = access[i];
      const rights = kind === ACCESS.read ? readable : kind === ACCESS.write ? writable : atomics;
      if ((rights[word] & bit) === 0 || (guessed[word] & bit) !== 0 || counterLeft[slot] !== 0) break;
      if (waitingPages.isShared(id)) break;
      ofPage[2 * id + 1] &= ~laneBit;
      if ((here[word] & bit) === 0 && pages.residenceAt(word, bit) !== 0) {
        remoteTouches++;
        remoteBytes += bytes[i];
        if ((reliant[word] & bit) === 0) {
          reliant[word] |= bit;
          remoteTouches -= mmu.running.touchesOf(device, id);
          remoteBytes -= mmu.running.bytesOf(device, id);
        }
      }
      words[reads + id] |= laneBit;
      if ((writable[word] & bit) !== 0) words[writes + id] |= laneBit;
      if (atomicsApart >= 0 && (atomics[word] & bit) !== 0) words[atomicsApart + id] |= laneBit;
    }
    this.bookRemote(remoteTouches, remoteBytes);
    return i;
  }
}
