/**
 * The loops of the hit path in AssemblyScript, compiled by `npx tsx scripts/kernel.ts` into `src/replay/kernel/wasm.ts`.
 * They do what `src/replay/kernel/plain.ts` does; the layout is that of `src/replay/kernel/layout.ts`.
 */

const ROOM_ROWS: usize = 1 << 16;
const CODES: usize = 256;
const CODE: usize = 0;
const PAGE: usize = CODE + ROOM_ROWS;
const BYTES: usize = PAGE + 4 * ROOM_ROWS;
const PLAIN: usize = BYTES + 4 * ROOM_ROWS;
const COUNTED: usize = PLAIN + 4 * CODES;
const LEFT: usize = COUNTED + 4 * CODES;
const LAST_ROW: usize = LEFT + 4 * CODES;

const BYTES_SHIFT: i32 = 11;
const TOUCHES_MASK: i32 = (1 << BYTES_SHIFT) - 1;
const COUNT_LIMIT: i32 = 1 << 30;
const GROUP_SHIFT: i32 = 9;

/** Address of a word. */
@inline
function at(word: i32): usize {
  return (<usize>(<u32>word)) << 2;
}

@inline
function column(begin: usize, row: i32): i32 {
  return load<i32>(begin + at(row));
}

export function settledRows(allLanes: i32, from: i32, to: i32): i32 {
  for (let row = from; row < to; row++) {
    const c = <usize>load<u8>(CODE + <usize>row) << 2;
    const base = load<i32>(PLAIN + c);
    if (base < 0) return row;
    if (load<i32>(at(base + column(PAGE, row))) != allLanes) return row;
    store<i32>(LAST_ROW + c, row);
  }
  return to;
}

export function countedRows(allLanes: i32, from: i32, to: i32): i32 {
  for (let row = from; row < to; row++) {
    const c = <usize>load<u8>(CODE + <usize>row) << 2;
    const base = load<i32>(COUNTED + c);
    if (base < 0) return row;
    const word = at(base + 2 * column(PAGE, row));
    if (load<i32>(word) != allLanes) return row;
    const sum = load<i32>(word + 4) + ((column(BYTES, row) << BYTES_SHIFT) | 1);
    if (sum >= COUNT_LIMIT || (sum & TOUCHES_MASK) == TOUCHES_MASK) return row;
    store<i32>(word + 4, sum);
    store<i32>(LAST_ROW + c, row);
  }
  return to;
}

export function watchedRows(allLanes: i32, from: i32, to: i32): i32 {
  for (let row = from; row < to; row++) {
    const c = <usize>load<u8>(CODE + <usize>row) << 2;
    const base = load<i32>(COUNTED + c);
    if (base < 0) return row;
    const id = column(PAGE, row);
    const word = at(base + 2 * id);
    if (load<i32>(word) != allLanes) return row;
    const sum = load<i32>(word + 4) + ((column(BYTES, row) << BYTES_SHIFT) | 1);
    const group = at(load<i32>(LEFT + c) + (id >> GROUP_SHIFT));
    const left = load<i32>(group) - 1;
    if (sum >= COUNT_LIMIT || (sum & TOUCHES_MASK) == TOUCHES_MASK || left <= 0) return row;
    store<i32>(group, left);
    store<i32>(word + 4, sum);
    store<i32>(LAST_ROW + c, row);
  }
  return to;
}
