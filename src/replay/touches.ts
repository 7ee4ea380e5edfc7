/**
 * What happens when a touch is possible: local or remote, first use of a guess, access counters; and from when on it
 * needs no attention (the MMU word, and for remote pages the running counts).
 */
import type { Access } from './faults.ts';
import type { Machine } from './machine.ts';
import { BLOCK_BYTES, BLOCK_PAGES, releaseScratch, scratchMark, wordOf } from './mask.ts';
import { M } from './metrics.ts';
import type { Mmu } from './mmu.ts';
import { HOST, type ModelHooks } from './model.ts';

export class Touches {
  constructor(
    private readonly machine: Machine,
    private readonly mmu: Mmu,
    private readonly hooks: ModelHooks,
    private readonly laneBit: number,
  ) {}

  granted(actor: number, slot: number, inBlock: number, access: number): boolean {
    return access < this.machine.pages.kindsAt(actor, wordOf(slot, inBlock), 1 << (inBlock & 31));
  }

  /**
   * The touch happens: local or remote, first use of a guess. No running count stands for it: its page does not rely on
   * them, or the pass does not count it. True when it may be settled.
   */
  complete(actor: number, slot: number, inBlock: number, bytes: number): boolean {
    const { machine } = this;
    const word = wordOf(slot, inBlock);
    const bit = 1 << (inBlock & 31);
    if ((machine.pages.speculated[actor][word] & bit) !== 0) {
      machine.pages.speculated[actor][word] &= ~bit;
      machine.books[M['speculation.used']]++;
    }
    if ((machine.pages.resident[actor][word] & bit) !== 0 || machine.pages.residenceAt(word, bit) === 0) return true;
    this.bookRemote(actor, slot, inBlock, bytes, 1);
    if (actor === HOST || machine.pages.remote.counterLeft[actor][slot] === 0) return true;
    if (this.mmu.watched.slotDue(actor, slot)) machine.pages.remote.reckon(actor, slot);
    const left = --machine.pages.remote.counterLeft[actor][slot];
    if (left === 0) this.notifyCounter(actor, slot, inBlock);
    else this.mmu.watched.passSlot(actor, slot);
    return left > 1;
  }

  /**
   * A touch that needs one look only: its page, this bit of this word of the state, is here and granted, and nobody waits
   * for it. The clock has no part in it. False = it takes the long way.
   */
  completeLocal(actor: number, id: number, access: Access, word: number, bit: number): boolean {
    const { books, pages } = this.machine;
    if ((pages.resident[actor][word] & bit) === 0) return false;
    const kinds = pages.kindsAt(actor, word, bit);
    if (access >= kinds) return false;
    const speculated = pages.speculated[actor];
    if ((speculated[word] & bit) !== 0) {
      speculated[word] &= ~bit;
      books[M['speculation.used']]++;
    }
    this.mmu.settleKinds(actor, id, kinds, this.laneBit);
    return true;
  }

  private notifyCounter(device: number, slot: number, inBlock: number): void {
    const { machine } = this;
    const block = machine.space.slotBlock[slot];
    const context = machine.events.trigger;
    machine.events.trigger = 'counter';
    machine.disarmMigration();
    machine.events.emit('counter', device, block * BLOCK_PAGES, BLOCK_BYTES, machine.clockNs, 0);
    const mark = scratchMark();
    this.hooks.counter?.(device, block, block * BLOCK_PAGES + inBlock);
    releaseScratch(mark);
    machine.drain();
    machine.events.trigger = context;
    machine.limitsChanged = true;
  }

  /** From now on this touch needs no attention: of a remote page the running counts stand for the next ones. */
  settle(actor: number, slot: number, inBlock: number, id: number): void {
    const { machine, mmu } = this;
    const word = wordOf(slot, inBlock);
    const bit = 1 << (inBlock & 31);
    const remote = (machine.pages.resident[actor][word] & bit) === 0 && machine.pages.residenceAt(word, bit) !== 0;
    if (remote && !machine.pages.remote.relies(actor, slot, inBlock)) {
      mmu.running.start(actor);
      machine.pages.remote.rely(actor, slot, inBlock, id);
    }
    mmu.settleKinds(actor, id, machine.pages.kindsAt(actor, word, bit), this.laneBit);
  }

  /**
   * A touch that the running counts have is about to be looked at: if its page relies on them, it is taken out of what
   * they stand for, and is then one like any other.
   */
  withdraw(actor: number, slot: number, inBlock: number, bytes: number): void {
    const { pages } = this.machine;
    if (!pages.remote.relies(actor, slot, inBlock)) return;
    pages.withdraw(actor, slot, inBlock);
    this.bookRemote(actor, slot, inBlock, bytes, -1);
  }

  /** A settled touch that the pass does not count: only a remote one has to be booked here. */
  bookSettled(actor: number, id: number, bytes: number): void {
    const { machine } = this;
    const slot = machine.space.slotOfId(id);
    const inBlock = machine.space.inBlockOfId(id);
    if (!machine.pages.remote.relies(actor, slot, inBlock)) return;
    this.bookRemote(actor, slot, inBlock, bytes, 1);
  }

  /** One touch more, or less. */
  private bookRemote(actor: number, slot: number, inBlock: number, bytes: number, sign: 1 | -1): void {
    const { books, costs, space } = this.machine;
    books[actor === HOST ? M['remote.host.accesses'] : M['remote.device.accesses']] += sign;
    books[actor === HOST ? M['remote.host.bytes'] : M['remote.device.bytes']] += sign * bytes;
    costs?.remote(space.slotBlock[slot] * BLOCK_PAGES + inBlock, sign * bytes);
  }
}
