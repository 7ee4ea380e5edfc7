/**
 * Loops over columns of rows, in AssemblyScript: columns are made narrow for keeping and wide for use. They do what
 * `src/trace/kernel/plain.ts` does; addresses are in bytes.
 */

const FOUND: usize = 0;
/** Room for three vectors, free between calls. */
const LANES: usize = 16;

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
    // What is greater than fits would become the greatest that fits.
    const lows = i32x4.splat(65535);
    const eight = i16x8.narrow_i32x4_u(v128.and(low, lows), v128.and(high, lows));
    if (sizeof<T>() == 2) v128.store(to + (i << 1), eight);
    else v128.store_lane<u64>(to + i, i8x16.narrow_i16x8_u(eight, eight), 0);
  }
  for (; i < <usize>rows; i++) {
    store<T>(to + i * sizeof<T>(), <T>((load<u32>(column + (i << 2)) - base) >> shift));
  }
}

/** (number - base) >> shift, in `bytes` bytes each: of two the lowest, one and four must have room. */
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

/** Adds bytes << shift to a column. */
export function raise(from: usize, rows: i32, shift: u32, column: usize): void {
  let i: usize = 0;
  for (; i + 8 <= <usize>rows; i += 8) {
    const to = column + (i << 2);
    const eight = v128.load_ext<u8>(from + i);
    const low = i32x4.shl(i32x4.extend_low_i16x8_u(eight), shift);
    const high = i32x4.shl(i32x4.extend_high_i16x8_u(eight), shift);
    v128.store(to, i32x4.add(v128.load(to), low));
    v128.store(to, i32x4.add(v128.load(to, 16), high), 16);
  }
  for (; i < <usize>rows; i++) {
    const to = column + (i << 2);
    store<u32>(to, load<u32>(to) + ((<u32>load<u8>(from + i)) << shift));
  }
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
