/** Which pages some touch of a run waits on: a bit in the shared words, and a count where several do. */
import type { AddressSpace } from './address-space.ts';

export class WaitingPages {
  /** By page id: touches that wait on it beside the first. */
  private readonly more = new Map<number, number>();
  /** The last five bits of an id that is in `more` have their bit set: most others are told from it without a look. */
  mayBeShared = 0;

  constructor(
    private readonly space: AddressSpace,
    private readonly laneBit: number,
  ) {}

  /** Do several touches wait on this page? */
  isShared(id: number): boolean {
    return (this.mayBeShared & (1 << id)) !== 0 && this.more.has(id);
  }

  has(id: number): boolean {
    return (this.space.ofPage[2 * id + 1] & this.laneBit) !== 0;
  }

  begin(id: number): void {
    if (!this.has(id)) this.space.ofPage[2 * id + 1] |= this.laneBit;
    else {
      this.more.set(id, (this.more.get(id) ?? 0) + 1);
      this.mayBeShared |= 1 << id;
    }
  }

  end(id: number): void {
    const { more } = this;
    const others = more.size === 0 ? 0 : (more.get(id) ?? 0);
    if (others === 0) this.space.ofPage[2 * id + 1] &= ~this.laneBit;
    else if (others === 1) {
      more.delete(id);
      if (more.size === 0) this.mayBeShared = 0;
    } else more.set(id, others - 1);
  }
}
