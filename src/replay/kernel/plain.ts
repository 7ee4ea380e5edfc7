/**
 * The kernel in TypeScript: what the WebAssembly one is held to, and what runs where that one cannot. Constants are the
 * functions' own: V8 does not take those of other modules for constant.
 */
import type { Kernel } from './kernel.ts';
import * as layout from './layout.ts';

export function plainKernel(words: Int32Array, bytes: Uint8Array): Kernel {
  const code = bytes.subarray(layout.CODE_AT, layout.CODE_AT + layout.ROOM_ROWS);
  return {
    settledRows(allLanes, from, to) {
      const { PLAIN_AT, LAST_ROW_AT } = layout;
      const pageAt = layout.PAGE_AT / 4;
      for (let row = from; row < to; row++) {
        const c = code[row];
        const base = words[PLAIN_AT + c];
        if (base < 0 || words[base + words[pageAt + row]] !== allLanes) return row;
        words[LAST_ROW_AT + c] = row;
      }
      return to;
    },

    countedRows(allLanes, from, to) {
      const { COUNTED_AT, COUNTED_STRIDE, LAST_ROW_AT, BYTES_SHIFT, TOUCHES_MASK, COUNT_LIMIT } = layout;
      const pageAt = layout.PAGE_AT / 4;
      const bytesAt = layout.BYTES_AT / 4;
      for (let row = from; row < to; row++) {
        const c = code[row];
        const base = words[COUNTED_AT + c];
        const word = base + words[pageAt + row] * COUNTED_STRIDE;
        if (base < 0 || words[word] !== allLanes) return row;
        const sum = words[word + 1] + ((words[bytesAt + row] << BYTES_SHIFT) | 1);
        if (sum >= COUNT_LIMIT || (sum & TOUCHES_MASK) === TOUCHES_MASK) return row;
        words[word + 1] = sum;
        words[LAST_ROW_AT + c] = row;
      }
      return to;
    },

    watchedRows(allLanes, from, to) {
      const { COUNTED_AT, COUNTED_STRIDE, LEFT_AT, LAST_ROW_AT, BYTES_SHIFT, TOUCHES_MASK, COUNT_LIMIT, GROUP_SHIFT } =
        layout;
      const pageAt = layout.PAGE_AT / 4;
      const bytesAt = layout.BYTES_AT / 4;
      for (let row = from; row < to; row++) {
        const c = code[row];
        const base = words[COUNTED_AT + c];
        const id = words[pageAt + row];
        const word = base + id * COUNTED_STRIDE;
        if (base < 0 || words[word] !== allLanes) return row;
        const sum = words[word + 1] + ((words[bytesAt + row] << BYTES_SHIFT) | 1);
        const group = words[LEFT_AT + c] + (id >> GROUP_SHIFT);
        const left = words[group] - 1;
        if (sum >= COUNT_LIMIT || (sum & TOUCHES_MASK) === TOUCHES_MASK || left <= 0) return row;
        words[group] = left;
        words[word + 1] = sum;
        words[LAST_ROW_AT + c] = row;
      }
      return to;
    },
  };
}
