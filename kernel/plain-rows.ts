/**
 * The loop that most rows of most traces go through, in AssemblyScript: `[TIME,]ACTOR,OP,0xADDR,SIZE[,[THREAD]][,]`.
 * It takes the rows that `src/trace/plain-loop.ts` takes, and stores the same; the layout is that of
 * `src/trace/kernel/layout.ts`. Digits are read eight at a time, as bytes of a 64-bit number.
 *
 * Where the next row begins is found first, by the next line end: then the rows do not wait for each other, and the
 * processor works on several at once.
 */

const ROOM_ROWS: usize = 65536;
const FOUND: usize = 0;
const LAST_TIME: usize = 64;
const POWERS: usize = 128;
const WORDS: usize = 4096;
const WORDS_BYTES: usize = 4096 * 32;
const CACHE: usize = WORDS + WORDS_BYTES;
const CACHE_BYTES: usize = 8192 * 32;
const OPEN: usize = CACHE + CACHE_BYTES;
const THREADS: usize = OPEN + 256 * 4;
const TIME: usize = THREADS + 256 * 256 * 4;
const WORD: usize = TIME + 8 * ROOM_ROWS;
const SPOT: usize = WORD + 4 * ROOM_ROWS;
const KIND: usize = SPOT + 4 * ROOM_ROWS;
const BYTES: usize = KIND + 4 * ROOM_ROWS;
const THREAD: usize = BYTES + 4 * ROOM_ROWS;

const SECOND_PLACE: usize = CACHE_BYTES / 2;
const CACHE_BITS: u32 = 13;
const MASK_WORDS: i32 = 16;
const ACTOR_WORDS: i32 = 8;

const ZEROS: u64 = 0x3030303030303030;
const ABOVE_NINE: u64 = 0x7676767676767676;
const HIGH_BITS: u64 = 0x8080808080808080;
const LOW_BITS: u64 = 0x0101010101010101;
const COMMAS: u64 = 0x2c2c2c2c2c2c2c2c;
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

/** All high bits, if all eight bytes are hex digits. */
@inline
function hexDigits(x: u64): u64 {
  const letters = x | 0x2020202020202020;
  const digit = (x + 0x5050505050505050) & ~(x + 0x4646464646464646);
  const letter = (letters + 0x1f1f1f1f1f1f1f1f) & ~(letters + 0x1919191919191919);
  return (digit | letter) & ~x & HIGH_BITS;
}

/** The number of eight hex digits, the first of which is the lowest byte. */
@inline
function hex(x: u64): u64 {
  x = (x & 0x0f0f0f0f0f0f0f0f) + 9 * ((x >> 6) & LOW_BITS);
  x = ((x << 4) | (x >> 8)) & 0x00ff00ff00ff00ff;
  x = ((x << 8) | (x >> 16)) & 0x0000ffff0000ffff;
  return ((x << 16) | (x >> 32)) & 0xffffffff;
}

/** Bit i is set if byte `at` + i is a line end; 48 bytes. */
@inline
function lineEnds(at: usize): u64 {
  const end = i8x16.splat(<i8>NEWLINE);
  return (
    <u64>(<u32>i8x16.bitmask(i8x16.eq(v128.load(at), end))) |
    ((<u64>(<u32>i8x16.bitmask(i8x16.eq(v128.load(at, 16), end)))) << 16) |
    ((<u64>(<u32>i8x16.bitmask(i8x16.eq(v128.load(at, 32), end)))) << 32)
  );
}

@inline
function wordsDiffer(entry: usize, first: u64, second: u64): bool {
  return ((first ^ load<u64>(entry)) | ((second ^ load<u64>(entry, 8)) & load<u64>(entry, 16))) != 0;
}

@inline
function uncovered(entry: usize, block: i32, first: i32, last: i32): bool {
  const covered = load<i32>(entry, 8);
  return load<i32>(entry) != block || (covered & 0xffff) > first || covered >> 16 < last;
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
  for (; at < end && row < endRow; at = next) {
    const ends = lineEnds(at);
    next = at + <usize>ctz(ends) + 1;
    let p = at;
    let time: i64 = 0;
    if (withTime) {
      let x = load<u64>(p) ^ ZEROS;
      let stops = noDigits(x);
      if (stops != 0) {
        const digits = ctz(stops) >> 3;
        if (digits == 0) break;
        time = decimal(x, digits);
        p += <usize>digits;
      } else {
        time = decimal(x, 8);
        p += 8;
        x = load<u64>(p) ^ ZEROS;
        stops = noDigits(x);
        if (stops == 0) break;
        const digits = ctz(stops) >> 3;
        if (digits != 0) {
          time = time * load<i64>(POWERS + (<usize>digits << 3)) + decimal(x, digits);
          p += <usize>digits;
        }
      }
      if (<u32>load<u8>(p) != COMMA || time < lastTime) break;
      p++;
    }

    const first8 = load<u64>(p);
    const second8 = load<u64>(p, 8);
    const hash = (((<u32>first8 * 0x9e3779b1) ^ <u32>(first8 >> 32)) * 0x85ebca6b) >> 20;
    let words = <usize>hash << 5;
    if (wordsDiffer(WORDS + words, first8, second8)) {
      words = (words + 32) & (WORDS_BYTES - 1);
      if (wordsDiffer(WORDS + words, first8, second8)) break;
    }
    const length = load<u32>(WORDS + words, 24);
    if (length == 0) break;
    p += <usize>length;
    const kind = load<u32>(WORDS + words, 28);
    const actor = <i32>(kind >> 5);

    const y = load<u64>(p);
    let z = y ^ COMMAS;
    let commas = (z - LOW_BITS) & ~z & HIGH_BITS;
    let low: u64;
    let address: u64;
    if (commas != 0) {
      const digits = ctz(commas) >> 3;
      if (digits < 2) break;
      // Zeros before the digits.
      low = (y << (64 - (digits << 3))) | (ZEROS >> (digits << 3));
      if (hexDigits(low) != HIGH_BITS) break;
      address = hex(low);
      p += <usize>digits + 1;
    } else {
      z = load<u64>(p, 8) ^ COMMAS;
      commas = (z - LOW_BITS) & ~z & HIGH_BITS;
      const more = ctz(commas) >> 3;
      if (commas == 0 || more > 5) break;
      low = load<u64>(p + <usize>more);
      const high = more == 0 ? ZEROS : (y << (64 - (more << 3))) | (ZEROS >> (more << 3));
      if ((hexDigits(low) & hexDigits(high)) != HIGH_BITS) break;
      address = (hex(high) << 32) | hex(low);
      p += <usize>more + 9;
    }

    const s = load<u64>(p) ^ ZEROS;
    const sizeStops = noDigits(s);
    const sizeDigits = ctz(sizeStops) >> 3;
    if (sizeStops == 0 || sizeDigits == 0) break;
    const size = <i32>decimal(s, sizeDigits);
    if (size == 0) break;
    p += <usize>sizeDigits;

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
    if (ends == 0) next = p + 1;

    const block = <i32>(address >> 21);
    const first = <i32>(address >> 12) & 511;
    const offset = <i32>address & 4095;
    const last = first + ((offset + size - 1) >> 12);
    let entry =
      CACHE + (<usize>((<u32>block ^ (<u32>block >> CACHE_BITS) ^ (<u32>block >> (2 * CACHE_BITS))) & 8191) << 5);
    if (uncovered(entry, block, first, last)) {
      entry = ((entry - CACHE) ^ SECOND_PLACE) + CACHE;
      if (uncovered(entry, block, first, last)) break;
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
    store<i32>(SPOT + to, offset | ((first & 31) << 12));
    store<u32>(KIND + to, kind);
    store<i32>(BYTES + to, size);
    if (withThread) store<i32>(THREAD + to, thread);
    row++;
    lastTime = time;
  }
  store<f64>(LAST_TIME, <f64>lastTime);
  store<i32>(FOUND, row);
  return at;
}
