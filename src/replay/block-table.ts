/**
 * Slots by block number: a hash table with open addressing over typed arrays. A service asks for several blocks a
 * fault; a `Map` takes several times as long for numbers beyond 31 bits, which block numbers may be.
 */

const FREE = -1;
const FIRST_ROOM = 64;

export class BlockTable {
  size = 0;
  /** Block numbers; FREE = none. Both arrays have a power of two of entries, at most half of them taken. */
  private blocks = new Float64Array(FIRST_ROOM).fill(FREE);
  private slots = new Int32Array(FIRST_ROOM);

  /** Slot of the block, -1 = not in the table. */
  get(block: number): number {
    const at = this.place(block);
    return this.blocks[at] === block ? this.slots[at] : -1;
  }

  set(block: number, slot: number): void {
    let at = this.place(block);
    if (this.blocks[at] !== block) {
      if (2 * (this.size + 1) > this.blocks.length) {
        this.grow();
        at = this.place(block);
      }
      this.blocks[at] = block;
      this.size++;
    }
    this.slots[at] = slot;
  }

  delete(block: number): void {
    const { blocks, slots } = this;
    const last = blocks.length - 1;
    let hole = this.place(block);
    if (blocks[hole] !== block) return;
    this.size--;
    // Whoever was put further on because this place was taken moves up.
    for (let at = (hole + 1) & last; blocks[at] !== FREE; at = (at + 1) & last) {
      const home = hash(blocks[at]) & last;
      if (((at - home) & last) < ((at - hole) & last)) continue;
      blocks[hole] = blocks[at];
      slots[hole] = slots[at];
      hole = at;
    }
    blocks[hole] = FREE;
  }

  /** In no particular order. Do not change the table meanwhile. */
  forEach(visit: (block: number, slot: number) => void): void {
    const { blocks, slots } = this;
    for (let at = 0; at < blocks.length; at++) if (blocks[at] !== FREE) visit(blocks[at], slots[at]);
  }

  /** Where the block is, or where it would go. */
  private place(block: number): number {
    const { blocks } = this;
    const last = blocks.length - 1;
    let at = hash(block) & last;
    while (blocks[at] !== block && blocks[at] !== FREE) at = (at + 1) & last;
    return at;
  }

  private grow(): void {
    const { blocks, slots } = this;
    this.blocks = new Float64Array(2 * blocks.length).fill(FREE);
    this.slots = new Int32Array(2 * blocks.length);
    this.size = 0;
    for (let at = 0; at < blocks.length; at++) if (blocks[at] !== FREE) this.set(blocks[at], slots[at]);
  }
}

/** Neighbouring blocks stay neighbours, as they are asked for; the high bits keep distant ranges apart. */
function hash(block: number): number {
  return (block ^ Math.imul(block * 2 ** -20, 0x9e3779b1)) >>> 0;
}
