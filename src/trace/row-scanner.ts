/**
 * The fast way through comma-separated rows. Rows in the usual order of columns go through the loop of `plain-rows.ts`;
 * access records that it leaves, and those in other orders, are read byte by byte here; any other line (an event, blanks
 * around a value, something wrong) goes as text to the reader that also serves csv-parse. A quote ends the fast way: from
 * its line on csv-parse decodes.
 */

import { PAGE_BYTES } from '../replay/mask.ts';
import { OP } from './compiled.ts';
import type { TraceCompiler } from './compiler.ts';
import { type PlainColumns, PlainRows } from './plain-rows.ts';
import { Range } from './range.ts';
import { type Lines, rejectNul } from './source.ts';

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;
const QUOTE = 34;
const HASH = 35;
const COMMA = 44;
const ZERO = 48;
const SMALL_X = 120;

/** Digits that a double holds exactly whatever they are. */
const EXACT_DECIMAL = 15;
const EXACT_HEX = 13;

/** What a column holds. */
export const FIELD = { time: 0, actor: 1, op: 2, addr: 3, size: 4, thread: 5, arg: 6 } as const;

const ACCESS_WORDS = [
  ['read', OP.read],
  ['r', OP.read],
  ['write', OP.write],
  ['w', OP.write],
  ['atomic', OP.atomic],
  ['a', OP.atomic],
] as const;

/** Finds short ASCII words in a buffer without making strings. */
class WordTable {
  readonly #words: Buffer[] = [];
  readonly #values: number[] = [];
  /** Index + 1 into the lists by hash; a word that finds its place taken is simply not known here. */
  readonly #slots = new Uint8Array(256);

  add(word: string, value: number): void {
    const bytes = Buffer.from(word);
    let hash = 0;
    for (const byte of bytes) hash = (Math.imul(hash, 31) + byte) | 0;
    if (this.#slots[hash & 255] !== 0 || this.#words.length === 255) return;
    this.#words.push(bytes);
    this.#values.push(value);
    this.#slots[hash & 255] = this.#words.length;
  }

  /** Value of the word in start..end with that hash, or -1. */
  find(buffer: Buffer, start: number, end: number, hash: number): number {
    const index = this.#slots[hash & 255] - 1;
    if (index < 0) return -1;
    const word = this.#words[index];
    if (word.length !== end - start) return -1;
    for (let i = 0; i < word.length; i++) if (buffer[start + i] !== word[i]) return -1;
    return this.#values[index];
  }
}

export class RowScanner {
  readonly #into: TraceCompiler;
  /** Reads a line the slow way; the first such line is the header. */
  readonly #readFields: (fields: string[], line: number) => void;
  readonly #actors = new WordTable();
  readonly #ops = new WordTable();
  readonly #range = new Range();
  #actorsKnown = 0;
  #fields: readonly number[] = [];
  /** null when the columns come in another order. */
  #plain: PlainRows | null = null;
  /** The lines that are being scanned. */
  #buffer: Buffer = Buffer.alloc(0);

  constructor(into: TraceCompiler, readFields: (fields: string[], line: number) => void) {
    this.#into = into;
    this.#readFields = readFields;
    for (const [word, op] of ACCESS_WORDS) this.#ops.add(word, op);
  }

  /** The header was read: what each column holds. */
  columns(fields: readonly number[]): void {
    this.#fields = fields;
    const columns = plainColumns(fields);
    if (columns === null) return;
    this.#plain = new PlainRows(this.#into, columns);
    // The header has rows behind it, in a short trace all of them.
    this.#plain.begin(this.#buffer);
  }

  /** Reads whole lines. What it gives back is left: it begins with a line that needs csv-parse. */
  scan({ buffer, line: firstLine }: Lines): Lines {
    this.#buffer = buffer;
    this.#plain?.begin(buffer);
    let line = firstLine;
    let at = 0;
    for (; at < buffer.length; line++) {
      if (this.#fields.length > 0) this.#learnActors();
      if (this.#plain !== null) {
        const before = this.#into.records;
        at = this.#plain.read(at, line);
        line += this.#into.records - before;
      }
      if (at === buffer.length) break;
      const next = this.#fields.length > 0 ? this.#access(buffer, at, line) : -1;
      if (next >= 0) at = next;
      else {
        const newline = buffer.indexOf(NEWLINE, at);
        if (!this.#readLine(buffer, at, newline, line)) break;
        at = newline + 1;
      }
    }
    return { buffer: buffer.subarray(at), line };
  }

  #learnActors(): void {
    const { names } = this.#into.actors;
    for (; this.#actorsKnown < names.length; this.#actorsKnown++) {
      const actor = this.#actorsKnown;
      this.#actors.add(names[actor], actor);
      for (const [word, op] of ACCESS_WORDS) this.#plain?.addWords(names[actor], actor, word, op);
    }
  }

  /** A line that is no plain access. False when it needs csv-parse. */
  #readLine(buffer: Buffer, start: number, newline: number, line: number): boolean {
    rejectNul(this.#into.file, buffer.subarray(start, newline), line);
    if (buffer[start] === HASH) return true;
    const end = newline > start && buffer[newline - 1] === CARRIAGE_RETURN ? newline - 1 : newline;
    if (buffer.subarray(start, end).includes(QUOTE)) return false;
    if (end > start) this.#readFields(buffer.toString('utf8', start, end).split(','), line);
    return true;
  }

  /** Reads a line if it is a plain access and gives the start of the next; -1 = it is not, nothing was done. */
  #access(buffer: Buffer, start: number, line: number): number {
    const fields = this.#fields;
    const columns = fields.length;
    let at = start;
    let timeNs = 0;
    let actor = -1;
    let op = -1;
    let address = 0;
    let size = 0;
    let thread = -1;
    let hasThread = false;
    for (let column = 0; column < columns; column++) {
      const from = at;
      let byte = buffer[at];
      switch (fields[column]) {
        case FIELD.addr: {
          if (byte === ZERO && buffer[at + 1] === SMALL_X) {
            at += 2;
            byte = buffer[at];
            address = 0;
            for (;;) {
              let digit = byte - ZERO;
              if (digit > 9) digit = byte >= 97 && byte <= 102 ? byte - 87 : -1;
              if (digit < 0) break;
              address = address * 16 + digit;
              byte = buffer[++at];
            }
            if (at === from + 2 || at > from + 2 + EXACT_HEX) return -1;
            break;
          }
          address = 0;
          while (byte >= ZERO && byte <= 57) {
            address = address * 10 + byte - ZERO;
            byte = buffer[++at];
          }
          if (at === from || at > from + EXACT_DECIMAL) return -1;
          break;
        }
        case FIELD.time:
        case FIELD.size:
        case FIELD.thread: {
          let value = 0;
          while (byte >= ZERO && byte <= 57) {
            value = value * 10 + byte - ZERO;
            byte = buffer[++at];
          }
          if (at > from + EXACT_DECIMAL) return -1;
          if (fields[column] === FIELD.thread) {
            hasThread = at > from;
            thread = value;
          } else if (at === from) return -1;
          else if (fields[column] === FIELD.time) timeNs = value;
          else size = value;
          break;
        }
        case FIELD.arg:
          while (byte !== COMMA && byte !== NEWLINE && byte !== CARRIAGE_RETURN) {
            if (byte === QUOTE || byte === 0) return -1;
            byte = buffer[++at];
          }
          break;
        default: {
          let hash = 0;
          while (byte !== COMMA && byte !== NEWLINE && byte !== CARRIAGE_RETURN) {
            hash = (Math.imul(hash, 31) + byte) | 0;
            byte = buffer[++at];
          }
          if (fields[column] === FIELD.op) {
            op = this.#ops.find(buffer, from, at, hash);
            if (op < 0) return -1;
          } else {
            actor = this.#actors.find(buffer, from, at, hash);
            if (actor < 0) return -1;
          }
        }
      }
      if (column < columns - 1) {
        if (byte !== COMMA) return -1;
        at++;
      } else {
        if (byte === CARRIAGE_RETURN) byte = buffer[++at];
        if (byte !== NEWLINE) return -1;
        at++;
      }
    }
    return this.#emit(line, op, actor, timeNs, hasThread ? thread : -1, address, size) ? at : -1;
  }

  #emit(
    line: number,
    op: number,
    actor: number,
    timeNs: number,
    thread: number,
    address: number,
    size: number,
  ): boolean {
    const into = this.#into;
    const page = Math.floor(address / PAGE_BYTES);
    const sizePages = Math.floor(size / PAGE_BYTES);
    if (size === 0) return false;
    if (!this.#range.set(page, address - page * PAGE_BYTES, sizePages, size - sizePages * PAGE_BYTES)) return false;
    into.line = line;
    into.access(op, actor, timeNs, thread < 0 ? -1 : into.actors.thread(actor, thread), this.#range);
    return true;
  }
}

/** `[time,]actor,op,addr,size[,thread][,arg]`, else null. */
function plainColumns(fields: readonly number[]): PlainColumns | null {
  const time = fields.includes(FIELD.time);
  const thread = fields.includes(FIELD.thread);
  const arg = fields.includes(FIELD.arg);
  const usual: number[] = [FIELD.actor, FIELD.op, FIELD.addr, FIELD.size];
  if (time) usual.unshift(FIELD.time);
  if (thread) usual.push(FIELD.thread);
  if (arg) usual.push(FIELD.arg);
  return fields.join() === usual.join() ? { time, thread, arg } : null;
}
