/**
 * Where things lie in the memory that the hit path works on (`memory.ts`): what belongs to reading, room for columns that
 * lie elsewhere, a table by dispatch byte, then everything that `Arena.take` gives out. Both kernels, the one in TypeScript
 * and the one in `kernel` (AssemblyScript), know these numbers; tests hold them to each other.
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

/**
 * The frame of the faults of one device in one run (`fault-frame.ts`), in words from where it begins. Addresses are in
 * bytes; columns of the chunk and of the pending faults begin with their entry 0.
 */
/** Doubles: trace time from which a record needs attention, delay of the device, touches and bytes found remote. */
export const DUE = 0;
export const DELAY = 2;
export const REMOTE_TOUCHES = 4;
export const REMOTE_BYTES = 6;
/** Bits of every run, and of this one. */
export const ALL_LANES = 8;
export const LANE_BIT = 9;
/** Columns of the chunk. */
export const ROW_CODE = 10;
export const ROW_OP = 11;
export const ROW_PAGE = 12;
export const ROW_TIME = 13;
export const ROW_RECORD = 14;
export const ROW_BYTES = 15;
/** Words of the MMU: where the first actor's begin, words from one actor's to the next one's, from kind to kind; kinds. */
export const MMU_WORDS = 16;
export const MMU_ACTOR = 17;
export const MMU_KIND = 18;
export const MMU_KINDS = 19;
/** As in the table: `COUNT_LOW` is -1 for a device whose touches are not counted. */
export const COUNT_LOW = 20;
export const COUNT_HIGH = 21;
export const BYTES_LOW = 22;
export const BYTES_HIGH = 23;
/** Bytes of a touch that need no sum. */
export const UNIT = 24;
/** Of the address space: `ofPage`, `slotBlock`. */
export const OF_PAGE = 25;
export const SLOT_BLOCK = 26;
/** Number of actors, and the device's. */
export const ACTORS = 27;
export const DEVICE = 28;
/** State of pages: bytes from one actor's words to the next one's, then where words begin, of the first actor... */
export const STATE_ACTOR = 29;
export const READABLE = 30;
export const RESIDENT = 31;
/** ...and of the device. */
export const WRITABLE = 32;
export const ATOMICS = 33;
export const SPECULATED = 34;
export const RELIANT = 35;
export const COUNTER_LEFT = 36;
/** Pending faults, and how many there may be. */
export const COUNT = 37;
export const MOST = 38;
/** Their columns. */
export const FAULT_ID = 39;
export const FAULT_PAGE = 40;
export const FAULT_ACCESS = 41;
export const FAULT_BYTES = 42;
export const FAULT_RECORD = 43;
export const FAULT_FIRST = 44;
export const FAULT_LAST = 45;
export const FAULT_TIME = 46;
export const FAULT_THREAD = 47;
export const FAULT_MAPPED = 48;
export const FAULT_OUTCOME = 49;
/** The last five bits of a page id that several touches may wait on have their bit set. */
export const SHARED_IDS = 50;
/** Rows found to fault: how many, and which. */
export const FOUND_COUNT = 51;
/** Written by a loop that only looks. */
export const FETCHED = 52;
/** Of the device: address of the first word for reads, for writes, for atomics. */
export const KIND_WORDS = 53;
/** Faults that a loop has marked: numbers of the first and of the last one. */
export const FIRST_MARKED = 56;
export const LAST_MARKED = 57;
export const FOUND = 64;
/** Words of the rows that are looked at together. Of the rows found, one entry is written beyond the last. */
export const LOOKED = FOUND + 128 + 64;
export const FRAME_WORDS = LOOKED + 128;
