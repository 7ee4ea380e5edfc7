/** What is wrong with a trace, where, and what to do: `FILE:LINE: message`. */
export class TraceError extends Error {
  override name = 'TraceError';
  /** Path as given, `<stdin>` for standard input. */
  readonly file: string;
  /** Line of the uncompressed text from 1; null when the whole file is meant. */
  readonly line: number | null;

  constructor(file: string, line: number | null, message: string) {
    super(line === null ? `${file}: ${message}` : `${file}:${line}: ${message}`);
    this.file = file;
    this.line = line;
  }
}

/** A value of the trace as it may stand in a message: quoted, without control characters, not too long. */
export function quoted(text: string): string {
  const short = text.length > 60 ? `${text.slice(0, 57)}...` : text;
  // JSON leaves DEL and C1 controls alone; a terminal does not.
  return JSON.stringify(short).replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
