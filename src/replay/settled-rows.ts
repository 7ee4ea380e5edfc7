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

/** A page's running counts are moved to wider ones before they reach this many bytes. */
export const COUNT_LIMIT = 2 ** 30;

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

/**
 * The same while some run needs the running counts: touches and bytes of a page in two neighbours of `counts`, which
 * begin at `countBase[code]`, -1 = not counted. With `left`, the touches of a block that may pass before some run's
 * access counter can be due: a row that may be that one is left to the caller.
 */
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
    const counted = countBase[c];
    if (counted >= 0) {
      const i = counted + 2 * id;
      const sum = counts[i + 1] + bytes[row];
      if (sum >= COUNT_LIMIT) return row;
      counts[i]++;
      counts[i + 1] = sum;
    }
    lastRow[c] = row;
  }
  return to;
}

/** The same while some run has access counters armed: `left` by slot of a page, from `leftBase[code]` on. */
export function watchedRows(
  code: Uint8Array,
  page: Int32Array,
  bytes: Uint32Array,
  words: Int32Array,
  base: Int32Array,
  lastRow: Int32Array,
  counts: Int32Array,
  countBase: Int32Array,
  idSlot: Int32Array,
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
    const counted = countBase[c];
    if (counted >= 0) {
      const i = counted + 2 * id;
      const sum = counts[i + 1] + bytes[row];
      if (sum >= COUNT_LIMIT) return row;
      const watched = leftBase[c];
      if (watched >= 0) {
        const more = left[watched + idSlot[id]];
        if (more <= 1) return row;
        left[watched + idSlot[id]] = more - 1;
      }
      counts[i]++;
      counts[i + 1] = sum;
    }
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
