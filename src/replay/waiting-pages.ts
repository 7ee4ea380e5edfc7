/** Which pages some touch of a run waits on: a bit in the shared words, and a count where several do. */
import type { Mmu } from './mmu.ts';

export class WaitingPages {
  /** By page id: touches that wait on it beside the first. */
  private readonly more = new Map<number, number>();

  constructor(
    private readonly mmu: Mmu,
    private readonly laneBit: number,
  ) {}

  has(id: number): boolean {
    return (this.mmu.waiting[id] & this.laneBit) !== 0;
  }

  begin(id: number): void {
    if (!this.has(id)) this.mmu.waiting[id] |= this.laneBit;
    else this.more.set(id, (this.more.get(id) ?? 0) + 1);
  }

  end(id: number): void {
    const { more } = this;
    const others = more.size === 0 ? 0 : (more.get(id) ?? 0);
    if (others === 0) this.mmu.waiting[id] &= ~this.laneBit;
    else if (others === 1) more.delete(id);
    else more.set(id, others - 1);
  }
}
