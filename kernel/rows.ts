/**
 * The loops of the hit path in AssemblyScript, compiled by `npx tsx scripts/kernel.ts` into `src/replay/kernel/wasm.ts`.
 * They do what `src/replay/kernel/plain.ts` does; the layout is that of `src/replay/kernel/layout.ts`.
 *
 * Four rows are taken at once, and four that have the dispatch byte of the first row, which is most of them in most
 * traces, share one look at the table. The last rows, and four among which some row stops the loop, go one by one.
 */

import { addBeyond, at, countIn, ENTRY_SHIFT, SEEN, TABLE } from './counting';

/** Where the parts of an entry are. */
const WORD: usize = TABLE;
const LOW: usize = TABLE + 8;
const HIGH: usize = TABLE + 12;
const SUM_LOW: usize = TABLE + 16;
const SUM_HIGH: usize = TABLE + 20;
const LEFT: usize = TABLE + 24;

const GROUP_SHIFT: i32 = 9;
/** Rows that are counted down before they are looked at: few, so that their columns stay in the nearest cache. */
const TURN_ROWS: i32 = 1 << 12;

/** Entry of the row whose dispatch byte is at this address, and of the three after it: offsets have to be constants. */
@inline
function entry(code: usize): usize {
  return (<usize>load<u8>(code)) << ENTRY_SHIFT;
}
@inline
function entry1(code: usize): usize {
  return (<usize>load<u8>(code, 1)) << ENTRY_SHIFT;
}
@inline
function entry2(code: usize): usize {
  return (<usize>load<u8>(code, 2)) << ENTRY_SHIFT;
}
@inline
function entry3(code: usize): usize {
  return (<usize>load<u8>(code, 3)) << ENTRY_SHIFT;
}

/** The dispatch byte there, four times: four rows that are alike have it. */
@inline
function four(code: usize): u32 {
  return <u32>load<u8>(code) * 0x01010101;
}

export function settledRows(allLanes: i32, code: usize, page: usize, from: i32, to: i32): i32 {
  /** Of the entries of all rows passed: the upper half has the bits of their actors. */
  let seen: i64 = 0;
  let c = code + from;
  let p = page + at(from);
  const end = code + to;
  const codes = four(c);
  const common = load<i64>(entry(c), WORD);
  const base = at(<i32>common);
  if (<i32>common >= 0) {
    for (; c + 3 < end; c += 4, p += 16) {
      if (load<u32>(c) == codes) {
        const words =
          load<i32>(base + at(load<i32>(p))) &
          load<i32>(base + at(load<i32>(p, 4))) &
          load<i32>(base + at(load<i32>(p, 8))) &
          load<i32>(base + at(load<i32>(p, 12)));
        if (words != allLanes) break;
        seen |= common;
      } else {
        const w = load<i64>(entry(c), WORD);
        const x = load<i64>(entry1(c), WORD);
        const y = load<i64>(entry2(c), WORD);
        const z = load<i64>(entry3(c), WORD);
        const any = w | x | y | z;
        if (<i32>any < 0) break;
        const words =
          load<i32>(at(<i32>w + load<i32>(p))) &
          load<i32>(at(<i32>x + load<i32>(p, 4))) &
          load<i32>(at(<i32>y + load<i32>(p, 8))) &
          load<i32>(at(<i32>z + load<i32>(p, 12)));
        if (words != allLanes) break;
        seen |= any;
      }
    }
  }
  for (; c < end; c++, p += 4) {
    const one = load<i64>(entry(c), WORD);
    if (<i32>one < 0) break;
    if (load<i32>(at(<i32>one + load<i32>(p))) != allLanes) break;
    seen |= one;
  }
  store<i32>(SEEN, <i32>(seen >> 32));
  return <i32>(c - code);
}

@inline
function countOf(entry: usize, id: i32): void {
  countIn(at(load<i32>(entry, LOW)), at(load<i32>(entry, HIGH)), id);
}

/**
 * `settledRows`, and counts their touches: waiting for words and for counts overlaps. A loop of its own: made from one
 * source with a constant that tells them apart, the other took a fifth longer over sequential touches.
 */
export function countedRows(allLanes: i32, code: usize, page: usize, from: i32, to: i32): i32 {
  let seen: i64 = 0;
  let c = code + from;
  let p = page + at(from);
  const end = code + to;
  const codes = four(c);
  const common = load<i64>(entry(c), WORD);
  const base = at(<i32>common);
  const low = at(load<i32>(entry(c), LOW));
  const high = at(load<i32>(entry(c), HIGH));
  if (<i32>common >= 0) {
    for (; c + 3 < end; c += 4, p += 16) {
      const w = load<i32>(p);
      const x = load<i32>(p, 4);
      const y = load<i32>(p, 8);
      const z = load<i32>(p, 12);
      if (load<u32>(c) == codes) {
        const words =
          load<i32>(base + at(w)) & load<i32>(base + at(x)) & load<i32>(base + at(y)) & load<i32>(base + at(z));
        if (words != allLanes) break;
        seen |= common;
        countIn(low, high, w);
        countIn(low, high, x);
        countIn(low, high, y);
        countIn(low, high, z);
      } else {
        const ofW = load<i64>(entry(c), WORD);
        const ofX = load<i64>(entry1(c), WORD);
        const ofY = load<i64>(entry2(c), WORD);
        const ofZ = load<i64>(entry3(c), WORD);
        const any = ofW | ofX | ofY | ofZ;
        if (<i32>any < 0) break;
        const words =
          load<i32>(at(<i32>ofW + w)) & load<i32>(at(<i32>ofX + x)) & load<i32>(at(<i32>ofY + y)) & load<i32>(at(<i32>ofZ + z));
        if (words != allLanes) break;
        seen |= any;
        countOf(entry(c), w);
        countOf(entry1(c), x);
        countOf(entry2(c), y);
        countOf(entry3(c), z);
      }
    }
  }
  for (; c < end; c++, p += 4) {
    const one = load<i64>(entry(c), WORD);
    const id = load<i32>(p);
    if (<i32>one < 0) break;
    if (load<i32>(at(<i32>one + id)) != allLanes) break;
    seen |= one;
    countOf(entry(c), id);
  }
  store<i32>(SEEN, <i32>(seen >> 32));
  return <i32>(c - code);
}

/** Counts one touch of the group down; negative = it must not pass. */
@inline
function countDown(groups: usize, id: i32): i32 {
  const group = groups + at(id >> GROUP_SHIFT);
  const left = load<i32>(group) - 1;
  store<i32>(group, left);
  return left;
}

@inline
function giveBack(groups: usize, id: i32): void {
  const group = groups + at(id >> GROUP_SHIFT);
  store<i32>(group, load<i32>(group) + 1);
}

/** Counts rows down, eight at once; gives the first one, or `to`, that may be due or that is for nobody but the caller. */
function countDownRows(code: usize, page: usize, from: i32, to: i32): i32 {
  let c = code + from;
  let p = page + at(from);
  const end = code + to;
  const eight = <u64>load<u8>(c) * 0x0101010101010101;
  const groups = at(load<i32>(entry(c), LEFT));
  if (load<i32>(entry(c), WORD) < 0) return from;
  while (c < end) {
    if (c + 7 < end && load<u64>(c) == eight) {
      const least =
        countDown(groups, load<i32>(p)) |
        countDown(groups, load<i32>(p, 4)) |
        countDown(groups, load<i32>(p, 8)) |
        countDown(groups, load<i32>(p, 12)) |
        countDown(groups, load<i32>(p, 16)) |
        countDown(groups, load<i32>(p, 20)) |
        countDown(groups, load<i32>(p, 24)) |
        countDown(groups, load<i32>(p, 28));
      if (least >= 0) {
        c += 8;
        p += 32;
        continue;
      }
      for (let q = p; q < p + 32; q += 4) giveBack(groups, load<i32>(q));
    }
    for (const some = min(c + 8, end); c < some; c++, p += 4) {
      if (load<i32>(entry(c), WORD) < 0) return <i32>(c - code);
      const own = at(load<i32>(entry(c), LEFT));
      if (countDown(own, load<i32>(p)) >= 0) continue;
      giveBack(own, load<i32>(p));
      return <i32>(c - code);
    }
  }
  return to;
}

/** `countedRows` up to the first that may be due. */
export function watchedRows(allLanes: i32, code: usize, page: usize, from: i32, to: i32): i32 {
  let seen: i32 = 0;
  let row = from;
  while (row < to) {
    const end = min(row + TURN_ROWS, to);
    const watched = countDownRows(code, page, row, end);
    const first = row;
    if (watched > first) {
      row = countedRows(allLanes, code, page, first, watched);
      seen |= load<i32>(SEEN);
    }
    for (let other = row; other < watched; other++) {
      giveBack(at(load<i32>(entry(code + other), LEFT)), load<i32>(page + at(other)));
    }
    if (row < end) break;
  }
  store<i32>(SEEN, seen);
  return row;
}

/** 1 = some of the rows touch other than `unit` bytes. */
export function unlikeRows(unit: i32, bytes: usize, from: i32, to: i32): i32 {
  let b = bytes + at(from);
  const end = bytes + at(to);
  const units = i32x4.splat(unit);
  for (; b + 64 <= end; b += 64) {
    const differ = v128.or(
      v128.or(v128.xor(v128.load(b), units), v128.xor(v128.load(b, 16), units)),
      v128.or(v128.xor(v128.load(b, 32), units), v128.xor(v128.load(b, 48), units)),
    );
    if (v128.any_true(differ)) return 1;
  }
  for (; b < end; b += 4) if (load<i32>(b) != unit) return 1;
  return 0;
}

export function countBytes(unit: i32, code: usize, page: usize, bytes: usize, from: i32, to: i32): void {
  for (let row = from; row < to; row++) {
    const beyond = load<i32>(bytes + at(row)) - unit;
    if (beyond == 0) continue;
    const own = entry(code + row);
    const first = load<i32>(own, SUM_LOW);
    if (first < 0) continue;
    addBeyond(at(first), at(load<i32>(own, SUM_HIGH)), load<i32>(page + at(row)), beyond);
  }
}
