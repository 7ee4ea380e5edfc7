/**
 * Where things lie in the memory that the loops of reading work on, in bytes. `kernel/plain-rows.ts`,
 * `kernel/columns.ts` and `kernel/numbering.ts` say the same.
 */

/** Rows of the columns. */
export const ROOM_ROWS = 65_536;

/** What a loop tells beside its result, in 32-bit words. */
export const FOUND_AT = 0;
export const FOUND_BYTES = 64;
/** Time of the row before, a double. */
export const LAST_TIME_AT = 64;
/** Vectors that the loop over text takes from memory; by these bytes, again and again. */
export const VECTORS_AT = 128;
export const VECTORS: readonly (readonly number[])[] = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [0x30],
  [10],
  [255, 0],
  [10, 0],
  // 16-bit numbers: 1 and 100, 1 and 10,000.
  [1, 0, 100, 0],
  [1, 0, 10_000 & 255, 10_000 >> 8],
  [0x20],
  [0x61],
  [6],
  [15],
  [9],
];
/** `row-words.ts`. */
export const WORDS_AT = 4096;
export const WORDS_BYTES = 4096 * 32;
/** `BlockCache`. */
export const CACHE_AT = WORDS_AT + WORDS_BYTES;
export const CACHE_BYTES = 8192 * 32;
/** `LaunchTracker.openEvent`. */
export const OPEN_AT = CACHE_AT + CACHE_BYTES;
export const OPEN_BYTES = 256 * 4;
/** `ActorTable.knownThreads`. */
export const THREADS_AT = OPEN_AT + OPEN_BYTES;
export const THREADS_BYTES = 256 * 256 * 4;

/** Columns of draft rows. */
export const TIME_AT = THREADS_AT + THREADS_BYTES;
export const WORD_AT = TIME_AT + 8 * ROOM_ROWS;
export const SPOT_AT = WORD_AT + 4 * ROOM_ROWS;
export const BYTES_AT = SPOT_AT + 4 * ROOM_ROWS;
export const THREAD_AT = BYTES_AT + 4 * ROOM_ROWS;
/** Differences of times while they are packed or unpacked; page ids while rows are counted. */
export const STEP_AT = THREAD_AT + 4 * ROOM_ROWS;

/** By number of a kind of row: op | actor << 8 | dispatch byte << 16. */
export const FINAL_AT = STEP_AT + 4 * ROOM_ROWS;
export const KINDS = 8192;

/** Packed columns on their way in or out. */
export const PACKED_AT = FINAL_AT + 4 * KINDS;
export const PACKED_BYTES = 24 * ROOM_ROWS;

/** Text that is read straight into this memory, and that which is copied into it. */
export const TEXT_AT = PACKED_AT + PACKED_BYTES;
export const TEXT_BYTES = 512 * 1024;
/** What lies behind a text is there to be looked at. */
const BEYOND_BYTES = 4096;
export const COPY_AT = TEXT_AT + TEXT_BYTES + BEYOND_BYTES;
export const COPY_BYTES = 64 * 1024;
/** Here begins what is given out on demand. */
export const FREE_AT = COPY_AT + COPY_BYTES + BEYOND_BYTES;

/** Bits of a spot: offset in the first page, that page's bit in its mask word, number of the kind of row. */
export const SPOT_BIT_SHIFT = 12;
export const SPOT_KIND_SHIFT = 17;
