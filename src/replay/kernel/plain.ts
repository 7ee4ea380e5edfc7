/**
 * The kernel in TypeScript: what the WebAssembly one is held to, and what runs where that one cannot. Constants are the
 * functions' own: V8 does not take those of other modules for constant.
 */
import type { Kernel } from './kernel.ts';
import * as layout from './layout.ts';

export function plainKernel(words: Int32Array, bytes: Uint8Array, halves: Int16Array): Kernel {
  /** One touch, by an actor with this entry. */
  const count = (entry: number, id: number): void => {
    const { LOW, HIGH, CARRIED_AT } = layout;
    const low = 4 * words[entry + LOW] + id;
    const touches = bytes[low] + 1;
    bytes[low] = touches;
    if (touches !== 256) return;
    words[words[entry + HIGH] + id]++;
    words[CARRIED_AT] = 1;
  };

  const passRows = (
    counting: boolean,
    watching: boolean,
    allLanes: number,
    code: number,
    page: number,
    from: number,
    to: number,
  ): number => {
    const { TABLE_AT, ENTRY_WORDS, ACTOR_BIT, LEFT, GROUP_SHIFT, SEEN_AT } = layout;
    const pageAt = page / 4;
    let seen = 0;
    let row = from;
    for (; row < to; row++) {
      const entry = TABLE_AT + bytes[code + row] * ENTRY_WORDS;
      const base = words[entry];
      const id = words[pageAt + row];
      if (base < 0 || words[base + id] !== allLanes) break;
      if (watching) {
        const group = words[entry + LEFT] + (id >> GROUP_SHIFT);
        if (words[group] <= 0) break;
        words[group]--;
      }
      if (counting) count(entry, id);
      seen |= words[entry + ACTOR_BIT];
    }
    words[SEEN_AT] = seen;
    return row;
  };

  return {
    settledRows: (...rows) => passRows(false, false, ...rows),
    countedRows: (...rows) => passRows(true, false, ...rows),
    watchedRows: (...rows) => passRows(true, true, ...rows),

    countBytes(unit, code, page, touched, from, to) {
      const { TABLE_AT, ENTRY_WORDS, SUM_LOW, SUM_HIGH } = layout;
      const pageAt = page / 4;
      const bytesAt = touched / 4;
      for (let row = from; row < to; row++) {
        const beyond = words[bytesAt + row] - unit;
        const entry = TABLE_AT + bytes[code + row] * ENTRY_WORDS;
        if (beyond === 0 || words[entry + SUM_LOW] < 0) continue;
        const id = words[pageAt + row];
        const low = 2 * words[entry + SUM_LOW] + id;
        const sum = halves[low] + beyond;
        halves[low] = sum;
        if (halves[low] !== sum) words[words[entry + SUM_HIGH] + id] += (sum - halves[low]) >> 16;
      }
    },

    unlikeRows(unit, touched, from, to) {
      for (let i = touched / 4 + from; i < touched / 4 + to; i++) if (words[i] !== unit) return 1;
      return 0;
    },
  };
}
