/**
 * Loops over columns of rows, in AssemblyScript: columns are made narrow for keeping and wide for use, rows get their page
 * ids, and are counted. They do what `src/trace/kernel/plain.ts` does; addresses are in bytes.
 */

const FOUND: usize = 0;
/** Room for three vectors, free between calls. */
const LANES: usize = 16;
const CONTINUES: u32 = 16;
const LAST_ACCESS: u32 = 2;
const NO_CODE: u32 = 255;
const LINE_SHIFT: i32 = 6;

/** Least and greatest number of a column into FOUND[0] and [1], and into [2] every bit in which two of them differ. */
export function scan(column: usize, rows: i32): void {
  const first = load<u32>(column);
  let least = first;
  let greatest = first;
  let bits: u32 = 0;
  const ones = i32x4.splat(first);
  let leasts = ones;
  let greatests = ones;
  let differs = i32x4.splat(0);
  const end = column + (<usize>rows << 2);
  let at = column;
  for (; at + 16 <= end; at += 16) {
    const x = v128.load(at);
    leasts = i32x4.min_u(leasts, x);
    greatests = i32x4.max_u(greatests, x);
    differs = v128.or(differs, v128.xor(x, ones));
  }
  for (; at < end; at += 4) {
    const x = load<u32>(at);
    least = min(least, x);
    greatest = max(greatest, x);
    bits |= x ^ first;
  }
  v128.store(LANES, leasts);
  v128.store(LANES, greatests, 16);
  v128.store(LANES, differs, 32);
  for (let lane: usize = LANES; lane < LANES + 16; lane += 4) {
    least = min(least, load<u32>(lane));
    greatest = max(greatest, load<u32>(lane, 16));
    bits |= load<u32>(lane, 32);
  }
  store<u32>(FOUND, least);
  store<u32>(FOUND, greatest, 4);
  store<u32>(FOUND, bits, 8);
}

@inline
function narrowed(column: usize, bases: v128, shift: u32): v128 {
  return i32x4.shr_u(i32x4.sub(v128.load(column), bases), shift);
}

@inline
function narrowTo<T>(column: usize, rows: i32, base: u32, shift: u32, to: usize): void {
  const bases = i32x4.splat(base);
  let i: usize = 0;
  for (; i + 8 <= <usize>rows; i += 8) {
    const at = column + (i << 2);
    const low = narrowed(at, bases, shift);
    const high = narrowed(at + 16, bases, shift);
    if (sizeof<T>() == 4) {
      v128.store(to + (i << 2), low);
      v128.store(to + (i << 2), high, 16);
      continue;
    }
    // The numbers fit: nothing is cut off.
    const eight = i16x8.narrow_i32x4_u(low, high);
    if (sizeof<T>() == 2) v128.store(to + (i << 1), eight);
    else v128.store_lane<u64>(to + i, i8x16.narrow_i16x8_u(eight, eight), 0);
  }
  for (; i < <usize>rows; i++) {
    store<T>(to + i * sizeof<T>(), <T>((load<u32>(column + (i << 2)) - base) >> shift));
  }
}

/** (number - base) >> shift, in `bytes` bytes each. */
export function narrow(column: usize, rows: i32, base: u32, shift: u32, bytes: i32, to: usize): void {
  if (bytes == 1) narrowTo<u8>(column, rows, base, shift, to);
  else if (bytes == 2) narrowTo<u16>(column, rows, base, shift, to);
  else narrowTo<u32>(column, rows, base, shift, to);
}

@inline
function widenFrom<T>(from: usize, rows: i32, base: u32, shift: u32, column: usize): void {
  const bases = i32x4.splat(base);
  let i: usize = 0;
  for (; i + 8 <= <usize>rows; i += 8) {
    const at = from + i * sizeof<T>();
    const to = column + (i << 2);
    let low: v128;
    let high: v128;
    if (sizeof<T>() == 1) {
      const eight = v128.load_ext<u8>(at);
      low = i32x4.extend_low_i16x8_u(eight);
      high = i32x4.extend_high_i16x8_u(eight);
    } else if (sizeof<T>() == 2) {
      low = v128.load_ext<u16>(at);
      high = v128.load_ext<u16>(at, 8);
    } else {
      low = v128.load(at);
      high = v128.load(at, 16);
    }
    v128.store(to, i32x4.add(bases, i32x4.shl(low, shift)));
    v128.store(to, i32x4.add(bases, i32x4.shl(high, shift)), 16);
  }
  for (; i < <usize>rows; i++) {
    store<u32>(column + (i << 2), base + ((<u32>load<T>(from + i * sizeof<T>())) << shift));
  }
}

export function widen(from: usize, bytes: i32, rows: i32, base: u32, shift: u32, column: usize): void {
  if (bytes == 1) widenFrom<u8>(from, rows, base, shift, column);
  else if (bytes == 2) widenFrom<u16>(from, rows, base, shift, column);
  else widenFrom<u32>(from, rows, base, shift, column);
}

export function fill(rows: i32, number: u32, column: usize): void {
  const numbers = i32x4.splat(number);
  let i: usize = 0;
  for (; i + 4 <= <usize>rows; i += 4) v128.store(column + (i << 2), numbers);
  for (; i < <usize>rows; i++) store<u32>(column + (i << 2), number);
}

/** From each time to the next; false if one is beyond 32 bits. */
export function steps(times: usize, rows: i32, to: usize): bool {
  // The first step is none.
  store<u32>(to, 0);
  const most = f64x2.splat(4294967295.0);
  let beyond = i64x2.splat(0);
  let i: usize = 1;
  for (; i + 2 <= <usize>rows; i += 2) {
    const at = times + (i << 3);
    const two = f64x2.sub(v128.load(at), v128.load(at - 8));
    beyond = v128.or(beyond, f64x2.gt(two, most));
    // Saturates.
    v128.store_lane<u64>(to + (i << 2), i32x4.trunc_sat_f64x2_u_zero(two), 0);
  }
  let fits = !v128.any_true(beyond);
  for (; i < <usize>rows; i++) {
    const at = times + (i << 3);
    const step = load<f64>(at) - load<f64>(at - 8);
    if (step > 4294967295.0) fits = false;
    store<u32>(to + (i << 2), <u32>step);
  }
  return fits;
}

/** The reverse. */
export function sums(from: usize, rows: i32, first: f64, times: usize): void {
  let time = <i64>first;
  for (let i: usize = 0; i < <usize>rows; i++) {
    time += <i64>load<u32>(from + (i << 2));
    store<f64>(times + (i << 3), <f64>time);
  }
}

/** Page id of a row; of one that is no access, its event. */
@inline
function idOf(kind: u32, word: u32, spot: u32, wordId: usize, touched: usize): u32 {
  if ((kind & 15) > LAST_ACCESS) return word;
  const before = load<i32>(touched + (<usize>word << 2)) & ~(-1 << <i32>(spot >> 12));
  return load<u32>(wordId + (<usize>word << 2)) + <u32>popcnt(before);
}

/** Entries of `finals` of four rows. */
@inline
function finalsOf(kinds: usize, finals: usize): v128 {
  let four = v128.load_zero<u32>(finals + (<usize>load<u32>(kinds) << 2));
  four = v128.load_lane<u32>(finals + (<usize>load<u32>(kinds, 4) << 2), four, 1);
  four = v128.load_lane<u32>(finals + (<usize>load<u32>(kinds, 8) << 2), four, 2);
  return v128.load_lane<u32>(finals + (<usize>load<u32>(kinds, 12) << 2), four, 3);
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
  kinds: usize,
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
    const kind = v128.load(kinds + at);
    const begins = v128.and(spot, i32x4.splat(4095));
    const last = i32x4.sub(i32x4.add(begins, v128.load(bytes + at)), ones);
    const counts = i32x4.add(i32x4.shr_s(last, 12), ones);
    v128.store_lane<u64>(pages + (i << 1), i16x8.narrow_i32x4_u(counts, counts), 0);
    v128.store_lane<u64>(offset + (i << 1), i16x8.narrow_i32x4_u(begins, begins), 0);
    const final = finalsOf(kinds + at, finals);
    store<u32>(op + i, bytesOf(final));
    store<u32>(actor + i, bytesOf(i32x4.shr_u(final, 8)));
    store<u32>(code + i, bytesOf(v128.or(i32x4.shr_u(final, 16), i32x4.ne(counts, ones))));
    // The first lane counts for all after it, and so on.
    const begun = i32x4.sub(ones, v128.and(i32x4.shr_u(kind, 4), ones));
    const two = i32x4.add(begun, v128.shuffle<u32>(begun, i32x4.splat(0), 4, 0, 1, 2));
    const four = i32x4.add(two, v128.shuffle<u32>(two, i32x4.splat(0), 4, 4, 0, 1));
    v128.store(records + at, i32x4.add(four, i32x4.splat(record)));
    record += i32x4.extract_lane(four, 3);
    for (let end = at + 16, row = at; row < end; row += 4) {
      const id = idOf(load<u32>(kinds + row), load<u32>(words + row), load<u32>(spots + row), wordId, touched);
      store<u32>(page + row, id);
    }
  }
  for (; i < <usize>rows; i++) {
    const kind = load<u32>(kinds + (i << 2));
    const final = load<u32>(finals + (kind << 2));
    const spot = load<u32>(spots + (i << 2));
    const begins = spot & 4095;
    const count = ((<i32>(begins + load<u32>(bytes + (i << 2)) - 1)) >> 12) + 1;
    record += kind & CONTINUES ? 0 : 1;
    store<u32>(records + (i << 2), record);
    store<u32>(page + (i << 2), idOf(kind, load<u32>(words + (i << 2)), spot, wordId, touched));
    store<u16>(pages + (i << 1), <u16>count);
    store<u16>(offset + (i << 1), <u16>begins);
    store<u8>(op + i, <u8>final);
    store<u8>(actor + i, <u8>(final >> 8));
    store<u8>(code + i, <u8>(count == 1 ? final >> 16 : NO_CODE));
  }
}

/**
 * Counts access rows `from` .. `to` - 1, up to the first that is none; gives that row. Counts of 64 bits: by actor touches,
 * bytes, and records by op. In FOUND[0] the last actor before, and after; FOUND[1] counts its changes.
 */
export function countRows(
  from: i32,
  to: i32,
  op: usize,
  actor: usize,
  pages: usize,
  bytes: usize,
  counts: usize,
): i32 {
  let last = load<i32>(FOUND);
  let changes = load<i32>(FOUND, 4);
  let row = from;
  for (; row < to; row++) {
    const i = <usize>row;
    const access = <u32>load<u8>(op + i);
    if ((access & 0x7f) > LAST_ACCESS) break;
    const a = <i32>load<u8>(actor + i);
    // Touches, bytes, and one count for each op; the second and later rows of a record count as none.
    const mine = counts + <usize>(a * 40);
    store<i64>(mine, load<i64>(mine) + <i64>load<u16>(pages + (i << 1)));
    store<i64>(mine, load<i64>(mine, 8) + <i64>load<u32>(bytes + (i << 2)), 8);
    const ofOp = mine + (<usize>(access & 0x7f) << 3);
    store<i64>(ofOp, load<i64>(ofOp, 16) + <i64>((access >> 7) ^ 1), 16);
    changes += <i32>(a != last);
    last = a;
  }
  store<i32>(FOUND, last);
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
  actor: usize,
  page: usize,
  offset: usize,
  bytes: usize,
  bits: usize,
): void {
  for (let row = from; row < to; ) {
    const end = min(row + AHEAD_ROWS, to);
    let seen: i32 = 0;
    for (let ahead = row; ahead < end; ahead++) {
      seen |= load<i32>(bits + (<usize>load<u32>(page + (<usize>ahead << 2)) << 3));
    }
    // Else nobody would need what was looked at.
    store<i32>(LANES, seen);
    for (; row < end; row++) markRow(<usize>row, actor, page, offset, bytes, bits);
  }
}

@inline
function markRow(i: usize, actor: usize, page: usize, offset: usize, bytes: usize, bits: usize): void {
  const begin = <i32>load<u16>(offset + (i << 1));
  const last = (begin + load<i32>(bytes + (i << 2)) - 1) >> LINE_SHIFT;
  const first = begin >> LINE_SHIFT;
  const line = bits + (<usize>load<u32>(page + (i << 2)) << 3);
  const device = <i32>load<u8>(actor + i);
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
