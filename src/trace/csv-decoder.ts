/** Comma-separated text to records, by csv-parse. */

import { type CsvError, Parser } from 'csv-parse';
import { TraceError } from './errors.ts';
import { countLines, type Lines, rejectNul } from './source.ts';

const NEWLINE = 10;
const HASH = 35;
const QUOTE = 34;

/** Takes a record and the line that it stands in; may throw. */
export type OnRecord = (fields: string[], line: number) => void;

/** csv-parse, but each record goes straight to `onRecord` with its line, not through a queue. */
export class RecordDecoder extends Parser {
  readonly #file: string;
  readonly #linesBefore: number;
  readonly #onRecord: OnRecord;

  constructor(file: string, firstLine: number, onRecord: OnRecord) {
    super({
      comment: '#',
      comment_no_infix: true,
      skip_empty_lines: true,
      relax_column_count: true,
      record_delimiter: ['\n', '\r\n'],
    });
    this.#file = file;
    this.#linesBefore = firstLine - 1;
    this.#onRecord = onRecord;
    // The write that failed reports it.
    this.on('error', () => {});
  }

  /** Reads whole lines; gives what is left: nothing, and the number of the line after them. */
  decode(lines: Lines): Promise<Lines> {
    rejectNul(this.#file, lines.buffer, lines.line);
    rejectOpenQuotes(this.#file, lines);
    const after = { buffer: lines.buffer.subarray(lines.buffer.length), line: lines.line + countLines(lines.buffer) };
    return new Promise((resolve, reject) => {
      // A copy: the parser keeps the last bytes until it is given more.
      this.write(Buffer.from(lines.buffer), (error) => (error ? reject(this.#explain(error)) : resolve(after)));
    });
  }

  finish(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.once('error', (error) => reject(this.#explain(error)));
      this.end(resolve);
    });
  }

  override push(record: string[] | null): boolean {
    if (record === null) return super.push(null);
    this.#onRecord(record, this.#line());
    return true;
  }

  /** Line of the last record: each record is one line, since no value contains a line end. */
  #line(): number {
    const { records, comment_lines, empty_lines } = this.info;
    return this.#linesBefore + records + comment_lines + empty_lines;
  }

  #explain(error: Error): unknown {
    const { code } = error as CsvError;
    if (code !== 'CSV_INVALID_CLOSING_QUOTE' && code !== 'INVALID_OPENING_QUOTE') return error;
    const what = 'a quote stands inside a value; quote the whole value and double the quotes in it ("")';
    return new TraceError(this.#file, this.#line() + 1, what);
  }
}

/** Quotes pair up within a line. Checked first: an open quote would swallow the rest of the file. */
function rejectOpenQuotes(file: string, { buffer, line }: Lines): void {
  if (!buffer.includes(QUOTE)) return;
  let odd = false;
  let comment = buffer[0] === HASH;
  for (let i = 0; i < buffer.length; i++) {
    if (buffer[i] === QUOTE) odd = !odd;
    else if (buffer[i] === NEWLINE) {
      if (odd && !comment) {
        throw new TraceError(
          file,
          line,
          'a quoted value is not closed on its line; close it, or double the quote ("")',
        );
      }
      odd = false;
      line++;
      comment = buffer[i + 1] === HASH;
    }
  }
}
