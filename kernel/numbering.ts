/**
 * Loops over draft rows whose pages have ids, in AssemblyScript: final columns of rows, and what is counted by row. They do
 * what `src/trace/kernel/plain.ts` does; addresses are in bytes, the layout is that of `src/trace/kernel/layout.ts`.
 */

const FOUND: usize = 0;
/** Free between calls. */
const SEEN: usize = 16;
const OP_BITS: u32 = 127;
const LAST_ACCESS: u32 = 2;
/** Of a spot. */
const KIND_SHIFT: u32 = 17;
const NO_CODE: u32 = 255;
const LINE_SHIFT: i32 = 6;

/** Op, actor and dispatch byte of a row. */
@inline
function finalOf(spot: u32, finals: usize): u32 {
  return load<u32>(finals + (<usize>(spot >> KIND_SHIFT) << 2));
}

@inline
function actorOf(final: u32): u32 {
  return (final >> 8) & 255;
}

/** Pages that a row touches; 0 for one without bytes. */
@inline
function pagesOf(spot: u32, bytes: i32): i32 {
  return ((<i32>(spot & 4095) + bytes - 1) >> 12) + 1;
}

/** Page id of an access. */
@inline
function idOf(word: u32, spot: u32, wordId: usize, touched: usize): u32 {
  const before = load<i32>(touched + (<usize>word << 2)) & ~(-1 << <i32>(spot >> 12));
  return load<u32>(wordId + (<usize>word << 2)) + <u32>popcnt(before);
}

/** What `finalOf` gives of four rows. */
@inline
function finalsOf(spots: usize, finals: usize): v128 {
  let four = i32x4.splat(finalOf(load<u32>(spots), finals));
  four = i32x4.replace_lane(four, 1, finalOf(load<u32>(spots, 4), finals));
  four = i32x4.replace_lane(four, 2, finalOf(load<u32>(spots, 8), finals));
  return i32x4.replace_lane(four, 3, finalOf(load<u32>(spots, 12), finals));
}

/** Page id of a row; of one that is no access, its event. */
@inline
function pageOf(word: u32, spot: u32, finals: usize, wordId: usize, touched: usize): u32 {
  return (finalOf(spot, finals) & OP_BITS) > LAST_ACCESS ? word : idOf(word, spot, wordId, touched);
}

/** The lowest bytes of four numbers. */
@inline
function bytesOf(four: v128): u32 {
  return i32x4.extract_lane(v128.shuffle<u8>(four, four, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12), 0);
}

/** Final columns of draft rows, four at once; `record` is that of the row before the first. */
export function numberRows(
  rows: i32,
  record: u32,
  words: usize,
  spots: usize,
  bytes: usize,
  finals: usize,
  wordId: usize,
  touched: usize,
  records: usize,
  page: usize,
  pages: usize,
  offset: usize,
  op: usize,
  actor: usize,
  code: usize,
): void {
  const ones = i32x4.splat(1);
  let i: usize = 0;
  for (; i + 4 <= <usize>rows; i += 4) {
    const at = i << 2;
    const spot = v128.load(spots + at);
    const begins = v128.and(spot, i32x4.splat(4095));
    const last = i32x4.sub(i32x4.add(begins, v128.load(bytes + at)), ones);
    const counts = i32x4.add(i32x4.shr_s(last, 12), ones);
    v128.store_lane<u64>(pages + (i << 1), i16x8.narrow_i32x4_u(counts, counts), 0);
    v128.store_lane<u64>(offset + (i << 1), i16x8.narrow_i32x4_u(begins, begins), 0);
    const final = finalsOf(spots + at, finals);
    store<u32>(op + i, bytesOf(final));
    store<u32>(actor + i, bytesOf(i32x4.shr_u(final, 8)));
    store<u32>(code + i, bytesOf(v128.or(i32x4.shr_u(final, 16), i32x4.ne(counts, ones))));
    // The first lane counts for all after it, and so on.
    const begun = i32x4.sub(ones, v128.and(i32x4.shr_u(final, 7), ones));
    const two = i32x4.add(begun, v128.shuffle<u32>(begun, i32x4.splat(0), 4, 0, 1, 2));
    const four = i32x4.add(two, v128.shuffle<u32>(two, i32x4.splat(0), 4, 4, 0, 1));
    v128.store(records + at, i32x4.add(four, i32x4.splat(record)));
    record += i32x4.extract_lane(four, 3);
    for (let end = at + 16, row = at; row < end; row += 4) {
      store<u32>(page + row, pageOf(load<u32>(words + row), load<u32>(spots + row), finals, wordId, touched));
    }
  }
  for (; i < <usize>rows; i++) {
    const spot = load<u32>(spots + (i << 2));
    const final = finalOf(spot, finals);
    const begins = spot & 4095;
    const count = pagesOf(spot, load<i32>(bytes + (i << 2)));
    record += ((final >> 7) & 1) ^ 1;
    store<u32>(records + (i << 2), record);
    store<u32>(page + (i << 2), pageOf(load<u32>(words + (i << 2)), spot, finals, wordId, touched));
    store<u16>(pages + (i << 1), <u16>count);
    store<u16>(offset + (i << 1), <u16>begins);
    store<u8>(op + i, <u8>final);
    store<u8>(actor + i, <u8>(final >> 8));
    store<u8>(code + i, <u8>(count == 1 ? final >> 16 : NO_CODE));
  }
}

/**
 * Counts access rows `from` .. `to` - 1, up to the first that is none, and tells their page ids; gives that row. Counts of
 * 64 bits: by kind of row rows, touches, bytes. In FOUND[0] the last actor before, and after; FOUND[1] counts its changes.
 */
export function countRows(
  from: i32,
  to: i32,
  words: usize,
  spots: usize,
  bytes: usize,
  finals: usize,
  wordId: usize,
  touched: usize,
  counts: usize,
  page: usize,
): i32 {
  let last = load<u32>(FOUND);
  let changes = load<i32>(FOUND, 4);
  let row = from;
  for (; row < to; row++) {
    const at = <usize>row << 2;
    const spot = load<u32>(spots + at);
    const final = finalOf(spot, finals);
    if ((final & OP_BITS) > LAST_ACCESS) break;
    store<u32>(page + at, idOf(load<u32>(words + at), spot, wordId, touched));
    const size = load<i32>(bytes + at);
    const mine = counts + <usize>((spot >> KIND_SHIFT) * 24);
    store<i64>(mine, load<i64>(mine) + 1);
    store<i64>(mine, load<i64>(mine, 8) + <i64>pagesOf(spot, size), 8);
    store<i64>(mine, load<i64>(mine, 16) + <i64>size, 16);
    const actor = actorOf(final);
    changes += <i32>(actor != last);
    last = actor;
  }
  store<u32>(FOUND, last);
  store<i32>(FOUND, changes, 4);
  return row;
}

/** Rows whose words of lines are looked at ahead of their use. */
const AHEAD_ROWS: i32 = 256;

/**
 * Sets a bit for each line that devices touch in rows `from` .. `to` - 1. Their words lie all over the memory; to look at
 * many of them in a loop that does nothing else lets the processor fetch them at once.
 */
export function markLines(
  from: i32,
  to: i32,
  spots: usize,
  bytes: usize,
  finals: usize,
  page: usize,
  bits: usize,
): void {
  for (let row = from; row < to; ) {
    const end = min(row + AHEAD_ROWS, to);
    let seen: i32 = 0;
    for (let ahead = row; ahead < end; ahead++) {
      seen |= load<i32>(bits + (<usize>load<u32>(page + (<usize>ahead << 2)) << 3));
    }
    // Else nobody would need what was looked at.
    store<i32>(SEEN, seen);
    for (; row < end; row++) markRow(<usize>row << 2, spots, bytes, finals, page, bits);
  }
}

@inline
function markRow(at: usize, spots: usize, bytes: usize, finals: usize, page: usize, bits: usize): void {
  const spot = load<u32>(spots + at);
  const begin = <i32>(spot & 4095);
  const last = (begin + load<i32>(bytes + at) - 1) >> LINE_SHIFT;
  const first = begin >> LINE_SHIFT;
  const line = bits + (<usize>load<u32>(page + at) << 3);
  const device = <i32>actorOf(finalOf(spot, finals));
  const head = -1 << (first & 31);
  const tail = <i32>(<u32>-1 >> (31 - (last & 31)));
  const firstWord = line + (<usize>(first >> 5) << 2);
  const lastWord = line + (<usize>(last >> 5) << 2);
  if (firstWord == lastWord) {
    // The host has number 0: its rows set no bit.
    store<i32>(firstWord, load<i32>(firstWord) | (head & tail & (-device >> 31)));
  } else if (device != 0) {
    store<i32>(firstWord, load<i32>(firstWord) | head);
    memory.fill(firstWord + 4, 255, lastWord - firstWord - 4);
    store<i32>(lastWord, load<i32>(lastWord) | tail);
  }
}

/** How many bits of so many words are set. */
export function countBits(at: usize, words: i32): f64 {
  let sums = i64x2.splat(0);
  const end = at + (<usize>words << 2);
  for (; at + 16 <= end; at += 16) {
    const pairs = i16x8.extadd_pairwise_i8x16_u(i8x16.popcnt(v128.load(at)));
    const fours = i32x4.extadd_pairwise_i16x8_u(pairs);
    sums = i64x2.add(sums, i64x2.add(i64x2.extend_low_i32x4_u(fours), i64x2.extend_high_i32x4_u(fours)));
  }
  let n = i64x2.extract_lane(sums, 0) + i64x2.extract_lane(sums, 1);
  for (; at < end; at += 4) n += popcnt<i64>(load<u32>(at));
  return <f64>n;
}
