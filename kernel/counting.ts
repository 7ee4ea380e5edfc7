/**
 * What the loops over rows and those over faults share: the layout of `src/replay/kernel/layout.ts`, and the running counts
 * of touches and of bytes.
 */

/** Behind what belongs to reading. */
const START: usize = 72 << 16;
const ROOM_ROWS: usize = 1 << 13;
const CODES: usize = 256;
/** Behind room for columns: a byte, two words. */
export const TABLE: usize = START + 9 * ROOM_ROWS;
/** log2 of the bytes of an entry. */
export const ENTRY_SHIFT: usize = 5;
export const SEEN: usize = TABLE + (CODES << ENTRY_SHIFT);
const CARRIED: usize = SEEN + 4;

/** Address of a word. */
@inline
export function at(word: i32): usize {
  return (<usize>(<u32>word)) << 2;
}

function carry(high: usize, id: i32): void {
  store<i32>(high + at(id), load<i32>(high + at(id)) + 1);
  store<i32>(CARRIED, 1);
}

/** Has some low count run over? */
@inline
export function hasCarried(): bool {
  return load<i32>(CARRIED) != 0;
}

/** Counts one touch of a page; a low count that has run over begins at 0 again. */
@inline
export function countIn(low: usize, high: usize, id: i32): void {
  const counts = <i32>load<u8>(low + <usize>id) + 1;
  store<u8>(low + <usize>id, counts);
  if (counts == 256) carry(high, id);
}

/** Adds to the sum of bytes of a page what a touch is beyond the unit. */
@inline
export function addBeyond(low: usize, high: usize, id: i32, beyond: i32): void {
  const place = low + ((<usize>id) << 1);
  const sum = <i32>load<i16>(place) + beyond;
  store<i16>(place, sum);
  const carry = (sum - <i32>(<i16>sum)) >> 16;
  if (carry != 0) store<i32>(high + at(id), load<i32>(high + at(id)) + carry);
}
