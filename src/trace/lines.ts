/** Distinct 64-byte lines touched by devices: a bit a line of every page id in use. */

import { popcount32 } from '../replay/mask.ts';
import type { ReadMemory } from './kernel/memory.ts';

const LINE_SHIFT = 6;
const WORDS_PER_PAGE = 2;

export class LineCounter {
  /** Two words a page id. */
  readonly bits: Int32Array;
  readonly #memory: ReadMemory;
  #counted = 0;

  constructor(memory: ReadMemory, pageIds: number) {
    this.#memory = memory;
    this.bits = memory.int32(pageIds * WORDS_PER_PAGE);
  }

  /** `bytes` bytes from `offset` of page `id`; the pages that follow have the ids that follow. */
  touch(id: number, offset: number, bytes: number): void {
    markLines(this.bits, id, offset, bytes);
  }

  /** The pages begin anew: what was touched stays counted, a touch to come counts again. */
  forget(firstId: number, pages: number): void {
    const end = (firstId + pages) * WORDS_PER_PAGE;
    for (let w = firstId * WORDS_PER_PAGE; w < end; w++) {
      if (this.bits[w] === 0) continue;
      this.#counted += popcount32(this.bits[w]);
      this.bits[w] = 0;
    }
  }

  totalBytes(): number {
    return (this.#counted + this.#memory.columns.countBits(this.bits)) * 2 ** LINE_SHIFT;
  }
}

export function markLines(bits: Int32Array, id: number, offset: number, bytes: number): void {
  const firstLine = offset >> LINE_SHIFT;
  const lastLine = (offset + bytes - 1) >> LINE_SHIFT;
  const base = id * WORDS_PER_PAGE;
  const firstWord = base + (firstLine >> 5);
  const lastWord = base + (lastLine >> 5);
  const head = -1 << (firstLine & 31);
  const tail = -1 >>> (31 - (lastLine & 31));
  if (firstWord === lastWord) {
    bits[firstWord] |= head & tail;
    return;
  }
  bits[firstWord] |= head;
  bits.fill(-1, firstWord + 1, lastWord);
  bits[lastWord] |= tail;
}
