/**
 * The loop that most rows of most traces go through, in AssemblyScript: `[TIME,]ACTOR,OP,0xADDR,SIZE[,[THREAD]][,]`.
 * It takes the rows that `src/trace/plain-loop.ts` takes, and stores the same; the layout is that of
 * `src/trace/kernel/layout.ts`. Digits are read all at once, as bytes of a vector or of a
 * 64-bit number.
 */

const ROOM_ROWS: usize = 65536;
const FOUND: usize = 0;
const LAST_TIME: usize = 64;
const VECTORS: usize = 128;
const WORDS: usize = 4096;
const WORDS_BYTES: usize = 4096 * 32;
const CACHE: usize = WORDS + WORDS_BYTES;
const CACHE_BYTES: usize = 8192 * 32;
const OPEN: usize = CACHE + CACHE_BYTES;
const THREADS: usize = OPEN + 256 * 4;
const TIME: usize = THREADS + 256 * 256 * 4;
const WORD: usize = TIME + 8 * ROOM_ROWS;
const SPOT: usize = WORD + 4 * ROOM_ROWS;
const BYTES: usize = SPOT + 4 * ROOM_ROWS;
const THREAD: usize = BYTES + 4 * ROOM_ROWS;

const SECOND_PLACE: usize = CACHE_BYTES / 2;
const CACHE_BITS: u32 = 13;
const MASK_WORDS: i32 = 16;
const ACTOR_WORDS: i32 = 8;

const ZEROS: u64 = 0x3030303030303030;
const ABOVE_NINE: u64 = 0x7676767676767676;
const HIGH_BITS: u64 = 0x8080808080808080;
const COMMA: u32 = 44;
const CARRIAGE_RETURN: u32 = 13;
const NEWLINE: u32 = 10;

/** The high bit of each byte that was no digit; right up to the first such byte. `x` is text ^ ZEROS. */
@inline
function noDigits(x: u64): u64 {
  return ((x + ABOVE_NINE) | x) & HIGH_BITS;
}

/** The number of the first `digits` bytes, 1..8, of text ^ ZEROS. */
@inline
function decimal(x: u64, digits: u64): u64 {
  x <<= 64 - (digits << 3);
  x = (x * 10 + (x >> 8)) & 0x00ff00ff00ff00ff;
  x = (x * 100 + (x >> 16)) & 0x0000ffff0000ffff;
  return (x * 10000 + (x >> 32)) & 0xffffffff;
}

/**
 * A number of digits other than that of the row before. The store keeps it a branch, which the processor foresees: it does
 * not wait for the digits to know where the next value begins.
 */
@inline
function noted(digits: i32): i32 {
  store<i32>(FOUND, digits);
  return digits;
}

/** How many of the bytes, from the first on, are marked. */
@inline
function leading(marks: v128): i32 {
  return ctz(~i8x16.bitmask(marks));
}

/** The bytes before `count`, the last one first, then zeros. */
@inline
function reversed(bytes: v128, count: i32, order: v128): v128 {
  return i8x16.swizzle(bytes, i8x16.sub(i8x16.splat(<i8>(count - 1)), order));
}

@inline
function wordsDiffer(entry: usize, first: u64, second: u64): u64 {
  return (first ^ load<u64>(entry)) | ((second ^ load<u64>(entry, 8)) & load<u64>(entry, 16));
}

/** Not 0 if the entry is not of the block, or does not cover those pages. */
@inline
function uncovered(entry: usize, block: i32, first: i32, last: i32): i32 {
  const covered = load<i32>(entry, 8);
  return (load<i32>(entry) ^ block) | ((first - (covered & 0xffff)) >> 31) | (((covered >> 16) - last) >> 31);
}

/**
 * Reads rows that begin at `at` or later, before `end`, into rows `row` .. `endRow` - 1, up to the first that is not plain.
 * Gives where that begins; the row is in FOUND[0].
 */
export function plainRows(
  at: usize,
  end: usize,
  row: i32,
  endRow: i32,
  withTime: bool,
  withThread: bool,
  withArg: bool,
  launchesOpen: bool,
  touched: usize,
  touchedBy: usize,
): usize {
  let lastTime = <i64>load<f64>(LAST_TIME);
  let next: usize = at;
  let timeDigits: i32 = 0;
  let addressDigits: i32 = 0;
  let sizeDigits: i32 = 0;
  // Taken from memory once, they stay in registers; constants would be made anew in each row.
  const order = v128.load(VECTORS);
  const zeros = v128.load(VECTORS, 16);
  const ten = v128.load(VECTORS, 32);
  const lowBytes = v128.load(VECTORS, 48);
  const ten16 = v128.load(VECTORS, 64);
  const by100 = v128.load(VECTORS, 80);
  const by10000 = v128.load(VECTORS, 96);
  const cases = v128.load(VECTORS, 112);
  const smallA = v128.load(VECTORS, 128);
  const six = v128.load(VECTORS, 144);
  const lowBits = v128.load(VECTORS, 160);
  const nine = v128.load(VECTORS, 176);
  for (; at < end && row < endRow; at = next) {
    let p = at;
    let time: i64 = 0;
    if (withTime) {
      const x = i8x16.sub(v128.load(p), zeros);
      const digits = leading(i8x16.lt_u(x, ten));
      if (digits == 0 || digits > 15) break;
      // Sixteen digits, the last one first: eight numbers below 100, four below 10,000, two below 10^8.
      const y = reversed(x, digits, order);
      const hundreds = i16x8.add(v128.and(y, lowBytes), i16x8.mul(i16x8.shr_u(y, 8), ten16));
      const tenThousands = i32x4.dot_i16x8_s(hundreds, by100);
      const packed = i16x8.narrow_i32x4_u(tenThousands, tenThousands);
      const eights = i32x4.dot_i16x8_s(packed, by10000);
      time = <i64>(<u32>i32x4.extract_lane(eights, 0)) + <i64>(<u32>i32x4.extract_lane(eights, 1)) * 100000000;
      if (digits != timeDigits) timeDigits = noted(digits);
      p += timeDigits;
      if (<u32>load<u8>(p) != COMMA || time < lastTime) break;
      p++;
    }

    const first8 = load<u64>(p);
    const second8 = load<u64>(p, 8);
    const hash = (((<u32>first8 * 0x9e3779b1) ^ <u32>(first8 >> 32)) * 0x85ebca6b) >> 20;
    let words = <usize>hash << 5;
    if (wordsDiffer(WORDS + words, first8, second8) != 0) {
      words = (words + 32) & (WORDS_BYTES - 1);
      if (wordsDiffer(WORDS + words, first8, second8) != 0) break;
    }
    const lengthAndActor = load<u32>(WORDS + words, 24);
    if (lengthAndActor == 0) break;
    p += <usize>(lengthAndActor & 255);
    const actor = <i32>(lengthAndActor >> 8);
    const kind = load<i32>(WORDS + words, 28);

    const x = v128.load(p);
    const digit = i8x16.sub(x, zeros);
    const letter = i8x16.lt_u(i8x16.sub(v128.or(x, cases), smallA), six);
    const hexDigits = leading(v128.or(i8x16.lt_u(digit, ten), letter));
    if (hexDigits < 2 || hexDigits > 13) break;
    // A letter is 9 more than its low bits. Sixteen digits, the last one first: eight bytes of two digits.
    const y = reversed(i8x16.add(v128.and(x, lowBits), v128.and(letter, nine)), hexDigits, order);
    const pairs = v128.and(v128.or(y, i16x8.shr_u(y, 4)), lowBytes);
    const address = <u64>i64x2.extract_lane(i8x16.narrow_i16x8_u(pairs, pairs), 0);
    if (hexDigits != addressDigits) addressDigits = noted(hexDigits);
    p += addressDigits;
    if (<u32>load<u8>(p) != COMMA) break;
    p++;

    const s = load<u64>(p) ^ ZEROS;
    const sizeStops = noDigits(s);
    const decimals = ctz(sizeStops) >> 3;
    if (sizeStops == 0 || decimals == 0) break;
    const size = <i32>decimal(s, decimals);
    if (size == 0) break;
    if (<i32>decimals != sizeDigits) sizeDigits = noted(<i32>decimals);
    p += sizeDigits;

    let thread: i32 = -1;
    if (withThread) {
      if (<u32>load<u8>(p) != COMMA) break;
      p++;
      const t = load<u64>(p) ^ ZEROS;
      const digits = ctz(noDigits(t) | 0x80000000) >> 3;
      if (digits != 0) {
        if (digits > 2 && (noDigits(t) & 0x80000000) == 0) break;
        const n = <u32>decimal(t, digits);
        if (n >= 256) break;
        thread = load<i32>(THREADS + (<usize>(((<u32>actor) << 8) + n) << 2));
        if (thread < 0) break;
        p += <usize>digits;
      }
    }
    if (withArg) {
      if (<u32>load<u8>(p) != COMMA) break;
      p++;
    }
    if (<u32>load<u8>(p) == CARRIAGE_RETURN) p++;
    if (<u32>load<u8>(p) != NEWLINE) break;
    next = p + 1;

    const block = <i32>(address >> 21);
    const first = <i32>(address >> 12) & 511;
    const offset = <i32>address & 4095;
    const last = first + ((offset + size - 1) >> 12);
    let entry =
      CACHE + (<usize>((<u32>block ^ (<u32>block >> CACHE_BITS) ^ (<u32>block >> (2 * CACHE_BITS))) & 8191) << 5);
    if (uncovered(entry, block, first, last) != 0) {
      entry = ((entry - CACHE) ^ SECOND_PLACE) + CACHE;
      if (uncovered(entry, block, first, last) != 0) break;
    }
    if (launchesOpen && (actor == 0 || load<i32>(entry, 16) != load<i32>(OPEN + (<usize>actor << 2)))) break;
    if (first >> 5 != last >> 5) break;
    const life = load<i32>(entry, 4);
    const word = life * MASK_WORDS + (first >> 5);
    const touchedWord = touched + (<usize>word << 2);
    store<i32>(touchedWord, load<i32>(touchedWord) | ((-1 << (first & 31)) & (<i32>(<u32>-1 >> (31 - (last & 31))))));
    const actorWord = touchedBy + (<usize>(life * ACTOR_WORDS + (actor >> 5)) << 2);
    store<i32>(actorWord, load<i32>(actorWord) | (1 << (actor & 31)));

    const to = <usize>row << 2;
    store<f64>(TIME + (to << 1), <f64>time);
    store<i32>(WORD + to, word);
    store<i32>(SPOT + to, offset | ((first & 31) << 12) | kind);
    store<i32>(BYTES + to, size);
    if (withThread) store<i32>(THREAD + to, thread);
    row++;
    lastTime = time;
  }
  store<f64>(LAST_TIME, <f64>lastTime);
  store<i32>(FOUND, row);
  return at;
}
