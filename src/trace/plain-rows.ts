/**
 * Plain rows, `[TIME,]ACTOR,OP,0xADDR,SIZE[,[THREAD]][,]`: accesses of known actors to pages that the block cache knows.
 * They are read, checked and stored by one loop, in WebAssembly or in TypeScript; at any other row it stops and leaves
 * that row to its caller.
 */

import type { TraceCompiler } from './compiler.ts';
import { HEX_PAIRS, NO_HEX } from './digit-pairs.ts';
import { COPY_AT, COPY_BYTES, LAST_TIME_AT } from './kernel/layout.ts';
import type { Exports } from './kernel/wasm-columns.ts';
import { plainRows } from './plain-loop.ts';
import { addWords, LONGEST } from './row-words.ts';

const COMMA = 44;
const ZERO = 48;
const NINE = 57;

/** A row that begins this far from the end of what is there, or further, is read without looking out for the end. */
const LONGEST_PLAIN_ROW = 96;
/** Of the loop in TypeScript. */
const ROWS_AT_ONCE = 512;
const MOST_TIME_DIGITS = 15;
/** Below 2^52 the number of a block is a 31-bit integer. */
const MOST_HEX_DIGITS = 13;

export interface PlainColumns {
  readonly time: boolean;
  readonly thread: boolean;
  /** A last column that is empty. */
  readonly arg: boolean;
}

/** Of the row before: digits of the next are taken to be as many. */
export interface Digits {
  time: number;
  hex: number;
  /** The number of hex digits before that. */
  otherHex: number;
}

export class PlainRows {
  readonly #into: TraceCompiler;
  readonly #columns: PlainColumns;
  readonly #digits: Digits = { time: 1, hex: 2, otherHex: 2 };
  /** Whole lines. */
  #lines: Buffer = Buffer.alloc(0);
  /** The same and a little beyond, for the loop in TypeScript. */
  #ahead: Buffer = this.#lines;
  #view = new DataView(this.#lines.buffer, 0, 0);
  /** Up to where the lines are in the memory of the loop in WebAssembly, and at which address they begin there. */
  #there = 0;
  #address = 0;
  readonly #lastTime: Float64Array;

  constructor(into: TraceCompiler, columns: PlainColumns) {
    this.#into = into;
    this.#columns = columns;
    into.loops.words.fill(0);
    this.#lastTime = new Float64Array(into.loops.words.buffer, LAST_TIME_AT, 1);
  }

  addWords(actorName: string, actor: number, opWord: string, op: number): void {
    addWords(this.#into.loops.words, actorName, actor, opWord, this.#into.kinds.numberOf(op, actor));
  }

  /** Lines that `read` is to be called for. */
  begin(lines: Buffer): void {
    this.#lines = lines;
    this.#there = 0;
    if (lines.buffer === this.#into.loops.text.buffer) {
      this.#there = lines.length;
      this.#address = lines.byteOffset;
    }
    // What lies behind the lines in memory may be anything, but must be there.
    const beyond = Math.min(LONGEST_PLAIN_ROW, lines.buffer.byteLength - lines.byteOffset - lines.length);
    this.#view = new DataView(lines.buffer, lines.byteOffset, lines.length + beyond);
    this.#ahead = Buffer.from(lines.buffer, lines.byteOffset, lines.length + beyond);
  }

  /** Reads rows from `start` on and gives the end of the last one. */
  read(start: number, firstLine: number): number {
    const { exports } = this.#into.loops;
    let at = start;
    for (let line = firstLine; at < this.#lines.length; ) {
      const { records } = this.#into;
      const from = at;
      at = exports === null ? this.#readSome(at, line) : this.#readMany(exports, at, line);
      line += this.#into.records - records;
      if (at === from) break;
    }
    return at;
  }

  /** With the loop in WebAssembly. */
  #readMany(exports: Exports, start: number, line: number): number {
    const { rows, memory, launches, records } = this.#into;
    if (start >= this.#end()) this.#copy(start);
    const end = this.#end();
    rows.makeRoom(records - 1);
    const { time, thread, arg } = this.#columns;
    const firstRow = rows.rows;
    const address = this.#address;
    this.#lastTime[0] = this.#into.endNs;
    const at = exports.plainRows(
      start + address,
      end + address,
      firstRow,
      rows.capacity,
      time ? 1 : 0,
      thread ? 1 : 0,
      arg ? 1 : 0,
      launches.openCount > 0 ? 1 : 0,
      memory.blocks.touched.byteOffset,
      memory.blocks.touchedBy.byteOffset,
    );
    rows.rows = this.#into.loops.found[0];
    this.#into.endNs = this.#lastTime[0];
    this.#count(firstRow, line);
    return at - address;
  }

  /** A row that begins before it is there as a whole. */
  #end(): number {
    return this.#there === this.#lines.length ? this.#there : this.#there - LONGEST_PLAIN_ROW;
  }

  /** The next lines, into the memory of the loop. */
  #copy(start: number): void {
    const lines = this.#lines;
    // Words are copied, where from and to lie alike; else bytes.
    const aside = (lines.byteOffset + start) & 7;
    this.#there = Math.min(lines.length, start + COPY_BYTES);
    this.#into.loops.copy.set(lines.subarray(start, this.#there), aside);
    this.#address = COPY_AT + aside - start;
  }

  /** With the loop in TypeScript. */
  #readSome(start: number, line: number): number {
    const { rows, records } = this.#into;
    const end = this.#ahead.length - LONGEST_PLAIN_ROW;
    if (start >= end) return start;
    rows.makeRoom(records - 1);
    const firstRow = rows.rows;
    const endRow = Math.min(firstRow + ROWS_AT_ONCE, rows.capacity);
    const at = plainRows(this.#into, this.#columns, this.#digits, this.#ahead, this.#view, start, end, endRow);
    this.#count(firstRow, line);
    if (at === start && this.#measure(at)) return this.#readSome(start, line);
    return at;
  }

  /** What is known of all rows together. */
  #count(firstRow: number, firstLine: number): void {
    const into = this.#into;
    const read = into.rows.rows - firstRow;
    if (read === 0) return;
    if (into.records === 0) into.startNs = into.rows.draft.timeNs[firstRow];
    into.records += read;
    into.lastLine = firstLine + read - 1;
  }

  /** Whether a number of digits was not as expected in the row at hand. */
  #measure(start: number): boolean {
    const buffer = this.#ahead;
    const known = this.#digits;
    let at = start;
    let changed = false;
    if (this.#columns.time) {
      const digits = digitsAt(buffer, start);
      if (digits === 0 || digits > MOST_TIME_DIGITS || buffer[start + digits] !== COMMA) return false;
      changed = digits !== known.time;
      known.time = digits;
      at += digits + 1;
    }
    // `ACTOR,OP,0x`
    const end = at + LONGEST;
    for (let commas = 0; commas < 2 && at < end; at++) if (buffer[at] === COMMA) commas++;
    const address = at + 2;
    const digits = hexDigitsAt(buffer, address);
    if (digits < 2 || digits > MOST_HEX_DIGITS || buffer[address + digits] !== COMMA) return false;
    if (digits === known.hex) return changed;
    known.otherHex = known.hex;
    known.hex = digits;
    return true;
  }
}

/** How many decimal digits follow each other; it stops at one too many. */
function digitsAt(buffer: Buffer, start: number): number {
  let digits = 0;
  while (digits <= MOST_TIME_DIGITS && ZERO <= buffer[start + digits] && buffer[start + digits] <= NINE) digits++;
  return digits;
}

/** How many hex digits follow each other; it stops at one too many. */
function hexDigitsAt(buffer: Buffer, start: number): number {
  let digits = 0;
  while (digits <= MOST_HEX_DIGITS && HEX_PAIRS[buffer[start + digits]] < NO_HEX) digits++;
  return digits;
}
