/**
 * The loops of the hit path in AssemblyScript, compiled by `npx tsx scripts/kernel.ts` into `src/replay/kernel/wasm.ts`.
 * They do what `src/replay/kernel/plain.ts` does; the layout is that of `src/replay/kernel/layout.ts`.
 *
 * Four rows are taken at once, and four that have the dispatch byte of the first row, which is most of them in most
 * traces, share one look at the table. The last rows, and four among which some row stops the loop, go one by one.
 */

const ROOM_ROWS: usize = 1 << 13;
const CODES: usize = 256;
const CODE: usize = 0;
const PAGE: usize = CODE + ROOM_ROWS;
const BYTES: usize = PAGE + 4 * ROOM_ROWS;
const TABLE: usize = BYTES + 4 * ROOM_ROWS;
/** log2 of the bytes of an entry. */
const ENTRY_SHIFT: usize = 5;
const SEEN: usize = TABLE + (CODES << ENTRY_SHIFT);
const CARRIED: usize = SEEN + 4;
/** Where the parts of an entry are. */
const WORD: usize = TABLE;
const LOW: usize = TABLE + 8;
const HIGH: usize = TABLE + 12;
const SUM_LOW: usize = TABLE + 16;
const SUM_HIGH: usize = TABLE + 20;
const LEFT: usize = TABLE + 24;

const GROUP_SHIFT: i32 = 9;

/** Address of a word. */
@inline
function at(word: i32): usize {
  return (<usize>(<u32>word)) << 2;
}

/** Entry of a row, and of the three after it: offsets have to be constants where `load` is written. */
@inline
function entry(row: i32): usize {
  return (<usize>load<u8>(<usize>row, CODE)) << ENTRY_SHIFT;
}
@inline
function entry1(row: i32): usize {
  return (<usize>load<u8>(<usize>row, CODE + 1)) << ENTRY_SHIFT;
}
@inline
function entry2(row: i32): usize {
  return (<usize>load<u8>(<usize>row, CODE + 2)) << ENTRY_SHIFT;
}
@inline
function entry3(row: i32): usize {
  return (<usize>load<u8>(<usize>row, CODE + 3)) << ENTRY_SHIFT;
}

/** Page id of a row, and of the three after it. */
@inline
function page(row: i32): i32 {
  return load<i32>(at(row), PAGE);
}
@inline
function page1(row: i32): i32 {
  return load<i32>(at(row), PAGE + 4);
}
@inline
function page2(row: i32): i32 {
  return load<i32>(at(row), PAGE + 8);
}
@inline
function page3(row: i32): i32 {
  return load<i32>(at(row), PAGE + 12);
}

/** Have four rows from here on this dispatch byte, given four times? */
@inline
function alike(row: i32, four: u32): bool {
  return load<u32>(CODE + <usize>row) == four;
}

@inline
function four(row: i32): u32 {
  return <u32>load<u8>(CODE + <usize>row) * 0x01010101;
}

export function settledRows(allLanes: i32, from: i32, to: i32): i32 {
  /** Of the entries of all rows passed: the upper half has the bits of their actors. */
  let seen: i64 = 0;
  let row = from;
  const codes = four(from);
  const common = load<i64>(entry(from), WORD);
  const base = at(<i32>common);
  if (<i32>common >= 0) {
    for (; row < to - 3; row += 4) {
      if (alike(row, codes)) {
        const words =
          load<i32>(base + at(page(row))) &
          load<i32>(base + at(page1(row))) &
          load<i32>(base + at(page2(row))) &
          load<i32>(base + at(page3(row)));
        if (words != allLanes) break;
        seen |= common;
      } else {
        const a = load<i64>(entry(row), WORD);
        const b = load<i64>(entry1(row), WORD);
        const c = load<i64>(entry2(row), WORD);
        const d = load<i64>(entry3(row), WORD);
        const any = a | b | c | d;
        if (<i32>any < 0) break;
        const words =
          load<i32>(at(<i32>a + page(row))) &
          load<i32>(at(<i32>b + page1(row))) &
          load<i32>(at(<i32>c + page2(row))) &
          load<i32>(at(<i32>d + page3(row)));
        if (words != allLanes) break;
        seen |= any;
      }
    }
  }
  for (; row < to; row++) {
    const one = load<i64>(entry(row), WORD);
    if (<i32>one < 0) break;
    if (load<i32>(at(<i32>one + page(row))) != allLanes) break;
    seen |= one;
  }
  store<i32>(SEEN, <i32>(seen >> 32));
  return row;
}

/** Counts one touch of the group down; negative = it must not pass. */
@inline
function countDown(groups: usize, id: i32): i32 {
  const group = groups + at(id >> GROUP_SHIFT);
  const left = load<i32>(group) - 1;
  store<i32>(group, left);
  return left - 1;
}

@inline
function giveBack(groups: usize, id: i32): void {
  const group = groups + at(id >> GROUP_SHIFT);
  store<i32>(group, load<i32>(group) + 1);
}

export function watchRows(from: i32, to: i32): i32 {
  let row = from;
  const codes = four(from);
  const groups = at(load<i32>(entry(from), LEFT));
  while (row < to) {
    if (row < to - 3 && alike(row, codes)) {
      const a = page(row);
      const b = page1(row);
      const c = page2(row);
      const d = page3(row);
      const least = countDown(groups, a) | countDown(groups, b) | countDown(groups, c) | countDown(groups, d);
      if (least >= 0) {
        row += 4;
        continue;
      }
      giveBack(groups, a);
      giveBack(groups, b);
      giveBack(groups, c);
      giveBack(groups, d);
    }
    for (const end = min(row + 4, to); row < end; row++) {
      const own = at(load<i32>(entry(row), LEFT));
      if (countDown(own, page(row)) >= 0) continue;
      giveBack(own, page(row));
      return row;
    }
  }
  return to;
}

function carry(high: usize, id: i32): void {
  store<i32>(high + at(id), load<i32>(high + at(id)) + 1);
  store<i32>(CARRIED, 1);
}

@inline
function count(low: usize, high: usize, id: i32): void {
  const counts = <i32>load<u8>(low + <usize>id) + 1;
  store<u8>(low + <usize>id, counts);
  if (counts == 256) carry(high, id);
}

@inline
function countOne(entry: usize, id: i32): void {
  count(at(load<i32>(entry, LOW)), at(load<i32>(entry, HIGH)), id);
}

export function countRows(from: i32, to: i32): void {
  let row = from;
  const codes = four(from);
  const low = at(load<i32>(entry(from), LOW));
  const high = at(load<i32>(entry(from), HIGH));
  for (; row < to - 3; row += 4) {
    if (alike(row, codes)) {
      count(low, high, page(row));
      count(low, high, page1(row));
      count(low, high, page2(row));
      count(low, high, page3(row));
    } else {
      countOne(entry(row), page(row));
      countOne(entry1(row), page1(row));
      countOne(entry2(row), page2(row));
      countOne(entry3(row), page3(row));
    }
  }
  for (; row < to; row++) countOne(entry(row), page(row));
}

export function countBytes(unit: i32, from: i32, to: i32): void {
  for (let row = from; row < to; row++) {
    const beyond = load<i32>(at(row), BYTES) - unit;
    if (beyond == 0) continue;
    const own = entry(row);
    const first = load<i32>(own, SUM_LOW);
    if (first < 0) continue;
    const low = at(first) + ((<usize>page(row)) << 1);
    const sum = <i32>load<i16>(low) + beyond;
    store<i16>(low, sum);
    const carry = (sum - <i32>(<i16>sum)) >> 16;
    if (carry == 0) continue;
    const high = at(load<i32>(own, SUM_HIGH) + page(row));
    store<i32>(high, load<i32>(high) + carry);
  }
}
