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
function narrowTo<T>(column: usize, rows: i32, base: u32, shift: u32, to: usize): void {
  for (let i: usize = 0; i < <usize>rows; i++) {
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
  for (let i: usize = 0; i < <usize>rows; i++) {
    store<u32>(column + (i << 2), base + ((<u32>load<T>(from + i * sizeof<T>())) << shift));
  }
}

export function widen(from: usize, bytes: i32, rows: i32, base: u32, shift: u32, column: usize): void {
  if (bytes == 1) widenFrom<u8>(from, rows, base, shift, column);
  else if (bytes == 2) widenFrom<u16>(from, rows, base, shift, column);
  else widenFrom<u32>(from, rows, base, shift, column);
}

/** From each time to the next; false if one is beyond 32 bits. */
export function steps(times: usize, rows: i32, to: usize): bool {
  let before = load<f64>(times);
  let fits: bool = true;
  for (let i: usize = 0; i < <usize>rows; i++) {
    const time = load<f64>(times + (i << 3));
    const step = time - before;
    if (step > 4294967295.0) fits = false;
    // Saturates.
    store<u32>(to + (i << 2), <u32>step);
    before = time;
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

/** Final columns of draft rows; `record` is that of the row before the first. */
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
  for (let i: usize = 0; i < <usize>rows; i++) {
    const kind = load<u32>(kinds + (i << 2));
    const final = load<u32>(finals + (kind << 2));
    const spot = load<u32>(spots + (i << 2));
    const word = load<u32>(words + (i << 2));
    const begins = spot & 4095;
    const count = ((<i32>(begins + load<u32>(bytes + (i << 2)) - 1)) >> 12) + 1;
    let id = word;
    if ((kind & 15) <= LAST_ACCESS) {
      const before = load<i32>(touched + (<usize>word << 2)) & ~(-1 << <i32>(spot >> 12));
      id = load<u32>(wordId + (<usize>word << 2)) + <u32>popcnt(before);
    }
    record += kind & CONTINUES ? 0 : 1;
    store<u32>(records + (i << 2), record);
    store<u32>(page + (i << 2), id);
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

/** Sets a bit for each line that devices touch in rows `from` .. `to` - 1. */
export function markLines(
  from: i32,
  to: i32,
  actor: usize,
  page: usize,
  offset: usize,
  bytes: usize,
  bits: usize,
): void {
  for (let row = from; row < to; row++) {
    const i = <usize>row;
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
}
