/**
 * The hit path: loops over rows that touch one page each, until a row needs somebody's attention. Plain functions over
 * typed arrays, as small as can be: V8 compiles them once, to the same code in every process, which it did not do for a
 * loop inside a large method (docs/performance.md).
 *
 * `code` is the dispatch byte of a row (`TraceChunk.code`). `base[code]` is where the words of such rows begin in
 * `words`, -1 = these rows want a look whatever their words say. `lastRow[code]` becomes the last row passed.
 */

/** Every value of a dispatch byte. */
export const CODES = 256;

/** Rows a call at most: the loop is left and entered again, so that compiled code takes over soon. */
export const ROWS_PER_CALL = 1 << 13;

/**
 * Running counts of a page in one number, since a second place to look at costs as much as all the rest: touches in the
 * low bits, bytes above. They are moved to wider ones before either could overflow.
 */
const BYTES = 11;
const TOUCHES = (1 << BYTES) - 1;
const LIMIT = 2 ** 30;

/** Access counters are watched by groups of this many ids (a power of two): for a block, but without a look at a table. */
const GROUP = 9;

// The loops read their own constants: V8 does not take exported ones for constant.
export const BYTES_SHIFT = BYTES;
export const TOUCHES_MASK = TOUCHES;
export const COUNT_LIMIT = LIMIT;
export const GROUP_SHIFT = GROUP;

/** First row of from..to-1 that is not settled in every run, or `to`. */
export function settledRows(
  code: Uint8Array,
  page: Int32Array,
  words: Int32Array,
  base: Int32Array,
  lastRow: Int32Array,
  allLanes: number,
  from: number,
  to: number,
): number {
  for (let row = from; row < to; row++) {
    const c = code[row];
    const at = base[c];
    if (at < 0 || words[at + page[row]] !== allLanes) return row;
    lastRow[c] = row;
  }
  return to;
}

/** The same for actors whose touches are counted: `counts` of such rows begin at `countBase[code]`. */
export function countedRows(
  code: Uint8Array,
  page: Int32Array,
  bytes: Uint32Array,
  words: Int32Array,
  base: Int32Array,
  lastRow: Int32Array,
  counts: Int32Array,
  countBase: Int32Array,
  allLanes: number,
  from: number,
  to: number,
): number {
  for (let row = from; row < to; row++) {
    const c = code[row];
    const id = page[row];
    const at = base[c];
    if (at < 0 || words[at + id] !== allLanes) return row;
    const i = countBase[c] + id;
    const sum = counts[i] + ((bytes[row] << BYTES) | 1);
    if (sum >= LIMIT || (sum & TOUCHES) === TOUCHES) return row;
    counts[i] = sum;
    lastRow[c] = row;
  }
  return to;
}

/**
 * The same while some run has access counters armed: `left` holds how many touches may pass before one can be due, by
 * group of ids from `leftBase[code]` on. The row that may be that one is left to the caller.
 */
export function watchedRows(
  code: Uint8Array,
  page: Int32Array,
  bytes: Uint32Array,
  words: Int32Array,
  base: Int32Array,
  lastRow: Int32Array,
  counts: Int32Array,
  countBase: Int32Array,
  left: Int32Array,
  leftBase: Int32Array,
  allLanes: number,
  from: number,
  to: number,
): number {
  for (let row = from; row < to; row++) {
    const c = code[row];
    const id = page[row];
    const at = base[c];
    if (at < 0 || words[at + id] !== allLanes) return row;
    const i = countBase[c] + id;
    const sum = counts[i] + ((bytes[row] << BYTES) | 1);
    const group = leftBase[c] + (id >> GROUP);
    const more = left[group] - 1;
    if (sum >= LIMIT || (sum & TOUCHES) === TOUCHES || more <= 0) return row;
    left[group] = more;
    counts[i] = sum;
    lastRow[c] = row;
  }
  return to;
}

/** First of `n` words from `at` on that is not settled in every run, as its place; `n` = none. */
export function settledWords(words: Int32Array, at: number, n: number, allLanes: number): number {
  let i = 0;
  while (i < n && words[at + i] === allLanes) i++;
  return i;
}
