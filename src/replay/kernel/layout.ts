/**
 * Where things lie in the memory that the hit path works on (`memory.ts`): what belongs to reading, room for columns that
 * lie elsewhere, a table by dispatch byte, then everything that `Arena.take` gives out. Both kernels, the one in TypeScript
 * and the one in `kernel/rows.ts` (AssemblyScript), know these numbers; a test holds them to each other.
 */

import { WASM_PAGE_BYTES } from '../../trace/kernel/arena.ts';
import { FREE_AT as READING_END } from '../../trace/kernel/layout.ts';

/** In bytes: rows are unpacked by the loops of reading, whose layout comes first. */
export const START = Math.ceil(READING_END / WASM_PAGE_BYTES) * WASM_PAGE_BYTES;

/** Rows whose columns there is room for: few, so that they stay in the nearest cache. */
export const ROOM_ROWS = 1 << 13;
/** Every value of a dispatch byte. */
export const CODES = 256;

/** Room for columns of as many rows, in bytes: dispatch byte, page id, bytes touched. */
export const CODE_AT = START;
export const PAGE_AT = CODE_AT + ROOM_ROWS;
export const BYTES_AT = PAGE_AT + 4 * ROOM_ROWS;

/** The table, in words: `ENTRY_WORDS` for each dispatch byte. */
export const TABLE_AT = (BYTES_AT + 4 * ROOM_ROWS) / 4;
export const ENTRY_WORDS = 8;
/** Word of page id 0 in the MMU; -1 = such rows are for nobody but the caller. */
export const WORD = 0;
/** Bit of the actor among `SEEN_AT`. Right after `WORD`: both are read at once. */
export const ACTOR_BIT = 1;
/** Running counts: the word that the bytes of low counts begin at, the one of the high counts. */
export const LOW = 2;
export const HIGH = 3;
/** Sums of bytes beyond the unit: likewise, of half words and of words; -1 = nobody asks. */
export const SUM_LOW = 4;
export const SUM_HIGH = 5;
/** Word of the first group that is watched. */
export const LEFT = 6;

/** Word in which a loop leaves the bits of the actors whose rows it found settled. */
export const SEEN_AT = TABLE_AT + CODES * ENTRY_WORDS;
/** Word that is not 0 once some low count has run over: until then no high count has to be looked at. */
export const CARRIED_AT = SEEN_AT + 1;
/** From a cache line on. */
export const FREE_AT = Math.ceil((CARRIED_AT + 1) / 16) * 16;

/** One in a high count, and in a high sum. A low count is a byte, a low sum a half word with a sign. */
export const HIGH_COUNT = 1 << 8;
export const HIGH_SUM = 1 << 16;

/** Access counters are watched by groups of 2^GROUP_SHIFT ids: about a block, but without a look at a table. */
export const GROUP_SHIFT = 9;
