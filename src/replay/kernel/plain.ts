/**
 * The kernel in TypeScript: what the WebAssembly one is held to, and what runs where that one cannot. Constants are the
 * functions' own: V8 does not take those of other modules for constant.
 */
import type { Kernel } from './kernel.ts';
import * as layout from './layout.ts';

export function plainKernel(words: Int32Array, bytes: Uint8Array, halves: Int16Array): Kernel {
  const code = bytes.subarray(layout.CODE_AT, layout.CODE_AT + layout.ROOM_ROWS);
  return {
    settledRows(allLanes, from, to) {
      const { TABLE_AT, ENTRY_WORDS, ACTOR_BIT, SEEN_AT } = layout;
      const pageAt = layout.PAGE_AT / 4;
      let seen = 0;
      let row = from;
      for (; row < to; row++) {
        const entry = TABLE_AT + code[row] * ENTRY_WORDS;
        const base = words[entry];
        if (base < 0 || words[base + words[pageAt + row]] !== allLanes) break;
        seen |= words[entry + ACTOR_BIT];
      }
      words[SEEN_AT] = seen;
      return row;
    },

    watchRows(from, to) {
      const { TABLE_AT, ENTRY_WORDS, LEFT, GROUP_SHIFT } = layout;
      const pageAt = layout.PAGE_AT / 4;
      for (let row = from; row < to; row++) {
        const group = words[TABLE_AT + code[row] * ENTRY_WORDS + LEFT] + (words[pageAt + row] >> GROUP_SHIFT);
        if (words[group] <= 1) return row;
        words[group]--;
      }
      return to;
    },

    countRows(from, to) {
      const { TABLE_AT, ENTRY_WORDS, LOW, HIGH, CARRIED_AT } = layout;
      const pageAt = layout.PAGE_AT / 4;
      for (let row = from; row < to; row++) {
        const entry = TABLE_AT + code[row] * ENTRY_WORDS;
        const id = words[pageAt + row];
        const low = 4 * words[entry + LOW] + id;
        const count = bytes[low] + 1;
        bytes[low] = count;
        if (count !== 256) continue;
        words[words[entry + HIGH] + id]++;
        words[CARRIED_AT] = 1;
      }
    },

    countBytes(unit, from, to) {
      const { TABLE_AT, ENTRY_WORDS, SUM_LOW, SUM_HIGH } = layout;
      const pageAt = layout.PAGE_AT / 4;
      const bytesAt = layout.BYTES_AT / 4;
      for (let row = from; row < to; row++) {
        const beyond = words[bytesAt + row] - unit;
        const entry = TABLE_AT + code[row] * ENTRY_WORDS;
        if (beyond === 0 || words[entry + SUM_LOW] < 0) continue;
        const id = words[pageAt + row];
        const low = 2 * words[entry + SUM_LOW] + id;
        const sum = halves[low] + beyond;
        halves[low] = sum;
        if (halves[low] !== sum) words[words[entry + SUM_HIGH] + id] += (sum - halves[low]) >> 16;
      }
    },
  };
}
