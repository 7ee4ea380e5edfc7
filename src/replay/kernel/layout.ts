/**
 * Where things lie in the memory that the hit path works on (`memory.ts`): columns of the rows at hand, tables by
 * dispatch byte, then everything that `PassMemory.take` gives out. Both kernels, this one's TypeScript and the one in
 * `kernel/rows.ts` (AssemblyScript), know these numbers; a test holds them to each other.
 */

/** Rows whose columns fit. */
export const ROOM_ROWS = 1 << 16;
/** Every value of a dispatch byte. */
export const CODES = 256;

/** Columns, in bytes: dispatch byte, page id, bytes touched. */
export const CODE_AT = 0;
export const PAGE_AT = CODE_AT + ROOM_ROWS;
export const BYTES_AT = PAGE_AT + 4 * ROOM_ROWS;

/**
 * Tables by dispatch byte, in words: where the MMU words of such rows begin for each of the two loops (-1 = not in this
 * one), where the groups do that are watched, and the last row passed.
 */
export const PLAIN_AT = (BYTES_AT + 4 * ROOM_ROWS) / 4;
export const COUNTED_AT = PLAIN_AT + CODES;
export const LEFT_AT = COUNTED_AT + CODES;
export const LAST_ROW_AT = LEFT_AT + CODES;
export const FREE_AT = LAST_ROW_AT + CODES;

/** Words of a page that is counted: its MMU word, and its running count right after it, in the same cache line. */
export const COUNTED_STRIDE = 2;

/**
 * A running count is one number, touches in the low bits, bytes above. It is moved to wider ones before either could
 * overflow.
 */
export const BYTES_SHIFT = 11;
export const TOUCHES_MASK = (1 << BYTES_SHIFT) - 1;
export const COUNT_LIMIT = 2 ** 30;

/** Access counters are watched by groups of 2^GROUP_SHIFT ids: about a block, but without a look at a table. */
export const GROUP_SHIFT = 9;
