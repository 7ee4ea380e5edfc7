/** The project's own trace format: comma-separated text with named columns (see traces/README.md). */

import { LAST_ACCESS, OP, OP_NAMES } from '../compiled.ts';
import type { TraceCompiler } from '../compiler.ts';
import type { RecordDecoder } from '../csv-decoder.ts';
import { quoted } from '../errors.ts';
import type { TraceFormat } from '../format.ts';
import {
  NUMBER_BAD,
  NUMBER_LARGE,
  NUMBER_OK,
  type PageBytes,
  parseBytes,
  parseInteger,
  parseTime,
} from '../numbers.ts';
import { Range } from '../range.ts';
import { rehearse } from '../rehearsal.ts';
import { FIELD, RowScanner } from '../row-scanner.ts';
import { type Lines, rejectNul, type TraceSource } from '../source.ts';

const NEWLINE = 10;
const HASH = 35;
const CARRIAGE_RETURN = 13;

const REQUIRED = ['actor', 'op', 'addr', 'size'] as const;
const COLUMNS = ['time_ns', ...REQUIRED, 'thread', 'arg'] as const;
type Column = (typeof COLUMNS)[number];

const FIELDS: Readonly<Record<Column, number>> = {
  time_ns: FIELD.time,
  actor: FIELD.actor,
  op: FIELD.op,
  addr: FIELD.addr,
  size: FIELD.size,
  thread: FIELD.thread,
  arg: FIELD.arg,
};

const OP_CODES = new Map<string, number>([
  ...OP_NAMES.map((name) => [name, OP[name]] as const),
  ['r', OP.read],
  ['w', OP.write],
  ['a', OP.atomic],
]);

export const format: TraceFormat = {
  name: 'csv',
  title: 'comma-separated text: time_ns,actor,op,addr,size,thread,arg in any order',
  detect: (head) => /^(\ufeff?#.*\r?\n|\r?\n)*\ufeff?[^\n]*\b(actor|op|addr)\b[^\n]*,/.test(head.toString('utf8')),
  read: readCsv,
};

async function readCsv(source: TraceSource, into: TraceCompiler): Promise<void> {
  if (into.loops.exports === null) rehearse();
  const scanner = new RowScanner(into, (fields, line) => reader.read(fields, line));
  const reader = new RecordReader(into, scanner);
  let decoder: RecordDecoder | null = null;
  let first = true;
  let inPreamble = true;
  const read = { lines: 0 };
  for await (const buffer of source.lines(read, into.loops.text)) {
    let lines: Lines = { buffer: first ? withoutByteOrderMark(buffer) : buffer, line: read.lines + 1 };
    first = false;
    if (inPreamble) {
      lines = readPreamble(lines, into);
      inPreamble = lines.buffer.length === 0;
    }
    if (decoder === null) {
      lines = scanner.scan(lines);
      if (lines.buffer.length > 0) {
        // Most traces need no csv-parse, and loading it takes as long as reading a small one.
        const { RecordDecoder } = await import('../csv-decoder.ts');
        decoder = new RecordDecoder(into.file, lines.line, (fields, line) => reader.read(fields, line));
      }
    }
    if (decoder !== null) lines = await decoder.decode(lines);
    read.lines = lines.line - 1;
  }
  if (inPreamble) into.fail(`the file has no header row: a trace begins with ${COLUMNS.slice(0, 5).join(',')}`, 1);
  await decoder?.finish();
}

function withoutByteOrderMark(buffer: Buffer): Buffer {
  return buffer[0] === 0xef && buffer[1] === 0xbb && buffer[2] === 0xbf ? buffer.subarray(3) : buffer;
}

/** Takes comments and empty lines off the beginning; `# key: value` is metadata. Gives what is left: the header row on. */
function readPreamble(lines: Lines, into: TraceCompiler): Lines {
  const { buffer } = lines;
  let { line } = lines;
  let start = 0;
  for (; start < buffer.length; line++) {
    const end = buffer.indexOf(NEWLINE, start);
    rejectNul(into.file, buffer.subarray(start, end), line);
    const empty = end === start || (end === start + 1 && buffer[start] === CARRIAGE_RETURN);
    if (buffer[start] !== HASH && !empty) break;
    const [, key, value] = /^#\s*([A-Za-z][\w.-]*):(?:\s+(.*?))?\s*$/.exec(buffer.toString('utf8', start, end)) ?? [];
    // A long value may go on in a second line of the same key.
    if (key)
      into.metadata[key] = Object.hasOwn(into.metadata, key) ? `${into.metadata[key]} ${value ?? ''}` : (value ?? '');
    start = end + 1;
  }
  return { buffer: buffer.subarray(start), line };
}

class RecordReader {
  readonly #into: TraceCompiler;
  readonly #scanner: RowScanner;
  readonly #address: PageBytes = { pages: 0, bytes: 0 };
  readonly #size: PageBytes = { pages: 0, bytes: 0 };
  readonly #range = new Range();
  readonly #source = new Range();
  #width = 0;
  #time = -1;
  #actor = -1;
  #op = -1;
  #addr = -1;
  #sizeAt = -1;
  #thread = -1;
  #arg = -1;

  constructor(into: TraceCompiler, scanner: RowScanner) {
    this.#into = into;
    this.#scanner = scanner;
  }

  read(fields: string[], line: number): void {
    this.#into.line = line;
    if (this.#width === 0) this.#readHeader(fields);
    else this.#readRow(fields);
  }

  #readHeader(fields: string[]): void {
    const into = this.#into;
    const names = fields.map((field) => field.trim());
    const known = `the columns are ${COLUMNS.join(', ')}`;
    if (names.some((name) => name.includes('\r'))) into.fail('lines end in CR alone; convert them to LF');
    for (const [i, name] of names.entries()) {
      if (!COLUMNS.includes(name as Column)) into.fail(`unknown column ${quoted(name)}; ${known}`);
      if (names.indexOf(name) !== i) into.fail(`the column ${quoted(name)} is there twice; ${known}`);
    }
    const missing = REQUIRED.filter((name) => !names.includes(name));
    if (missing.length > 0) {
      const plural = missing.length > 1 ? 's' : '';
      into.fail(`the header row lacks the column${plural} ${missing.join(', ')}; ${known}`);
    }
    const at = (name: Column) => names.indexOf(name);
    this.#width = names.length;
    this.#time = at('time_ns');
    this.#actor = at('actor');
    this.#op = at('op');
    this.#addr = at('addr');
    this.#sizeAt = at('size');
    this.#thread = at('thread');
    this.#arg = at('arg');
    this.#scanner.columns(names.map((name) => FIELDS[name as Column]));
    into.begin({ time: this.#time >= 0, thread: this.#thread >= 0 });
  }

  #readRow(fields: string[]): void {
    const into = this.#into;
    if (fields.length !== this.#width) {
      into.fail(
        `the row has ${fields.length} values, the header ${this.#width}; give each column a value, or leave it empty`,
      );
    }
    const timeNs = this.#time < 0 ? 0 : this.#readTime(fields[this.#time]);
    const op = OP_CODES.get(fields[this.#op]) ?? this.#failOp(fields[this.#op]);
    const actor = this.#readActor(fields[this.#actor]);
    const thread = this.#thread < 0 ? -1 : this.#readThread(actor, fields[this.#thread]);
    if (op <= LAST_ACCESS) {
      this.#readRange(fields[this.#addr], fields[this.#sizeAt]);
      into.access(op, actor, timeNs, thread, this.#range);
      return;
    }
    const arg = this.#arg < 0 ? '' : fields[this.#arg].trim();
    if (op === OP.launch) into.launch(actor, timeNs, thread);
    else if (op === OP.sync) into.sync(actor, timeNs, thread);
    else {
      this.#readRange(fields[this.#addr], fields[this.#sizeAt]);
      const range = this.#range;
      if (op === OP.alloc) into.alloc(actor, timeNs, thread, range, arg);
      else if (op === OP.free) into.free(actor, timeNs, thread, range);
      else if (op === OP.prefetch) into.prefetch(actor, timeNs, thread, range, arg);
      else if (op === OP.advise) into.advise(actor, timeNs, thread, range, arg);
      else if (op === OP.copy) into.copy(actor, timeNs, thread, range, this.#readCopySource(arg));
      else into.invalidate(actor, timeNs, thread, range, arg);
    }
  }

  #failOp(text: string): number {
    const trimmed = OP_CODES.get(text.trim());
    if (trimmed !== undefined) return trimmed;
    if (text.trim() === '') this.#into.fail('op is missing');
    this.#into.fail(`unknown op ${quoted(text)}: use ${OP_NAMES.join(', ')}`);
  }

  #readActor(text: string): number {
    const index = this.#into.actors.find(text);
    if (index >= 0) return index;
    const name = text.trim();
    if (name === '') this.#into.fail('actor is missing');
    return this.#into.actor(name);
  }

  #readTime(text: string): number {
    const value = parseTime(text);
    if (value >= 0 && value !== Number.POSITIVE_INFINITY) return value;
    const trimmed = text.trim();
    if (trimmed === '') this.#into.fail('time_ns is missing; give every record a time, or leave the column out');
    if (trimmed !== text) return this.#readTime(trimmed);
    if (value === Number.POSITIVE_INFINITY) this.#into.fail(`time_ns ${quoted(text)} is above 2^53 - 1`);
    this.#into.fail(`time_ns ${quoted(text)} is not a whole decimal number of nanoseconds`);
  }

  #readThread(actor: number, text: string): number {
    const trimmed = text.trim();
    if (trimmed === '') return -1;
    const thread = parseInteger(trimmed);
    if (Number.isNaN(thread)) this.#into.fail(`thread ${quoted(text)} is not an integer; leave it empty for none`);
    return this.#into.actors.thread(actor, thread);
  }

  #readRange(address: string, size: string): void {
    this.#readBytes('addr', address, this.#address);
    this.#readBytes('size', size, this.#size);
    const sizeBytes = this.#size;
    if (sizeBytes.pages === 0 && sizeBytes.bytes === 0) this.#into.fail('size is 0; it is at least 1 byte');
    const { pages, bytes } = this.#address;
    if (!this.#range.set(pages, bytes, sizeBytes.pages, sizeBytes.bytes)) this.#failRange(address, size);
  }

  #failRange(address: string, size: string): never {
    const end =
      this.#address.pages >= 2 ** 45 ? `addr ${quoted(address)}` : `addr ${quoted(address)} + size ${quoted(size)}`;
    this.#into.fail(`${end} leaves the address space: addresses lie below 2^57`);
  }

  #readCopySource(arg: string): Range {
    if (arg === '') this.#into.fail('copy needs its source address in arg, for example 0x10000000');
    if (!/^0x/i.test(arg)) this.#into.fail(`the source address ${quoted(arg)} in arg is not 0x hex`);
    this.#readBytes('the source address in arg', arg, this.#address);
    const { pages, bytes } = this.#address;
    if (!this.#source.set(pages, bytes, this.#size.pages, this.#size.bytes)) {
      this.#into.fail(
        `the source range of the copy at ${quoted(arg)} leaves the address space: addresses lie below 2^57`,
      );
    }
    return this.#source;
  }

  #readBytes(what: string, text: string, into: PageBytes): void {
    const problem = parseBytes(text, into);
    if (problem === NUMBER_OK) return;
    const trimmed = text.trim();
    if (trimmed === '') this.#into.fail(`${what} is missing`);
    if (trimmed !== text) this.#readBytes(what, trimmed, into);
    else if (problem === NUMBER_LARGE)
      this.#into.fail(`${what} ${quoted(text)} is out of range: addresses lie below 2^57`);
    else if (problem === NUMBER_BAD) this.#into.fail(`${what} ${quoted(text)} is not a number: use decimal or 0x hex`);
  }
}
