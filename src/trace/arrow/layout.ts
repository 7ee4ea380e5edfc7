/** Where things lie in a compiled trace. The page for people is docs/compiled-trace.md. */

import type { TraceChunk } from '../compiled.ts';

/** Raised when a reader of the version before would read the file wrongly. */
export const FORMAT_VERSION = 1;

/** Begins and ends every Arrow file. */
export const ARROW_MAGIC = 'ARROW1';

/** Keys of the schema's metadata. */
export const KEY = { format: 'gmem-eval.format', trace: 'gmem-eval.trace' } as const;
/** Key of the footer's metadata: what lies between the record batches and the footer. */
export const SECTIONS_KEY = 'gmem-eval.sections';

type ColumnKey = Exclude<keyof TraceChunk, 'rows' | 'arena'>;
type Kind = typeof Float64Array | typeof Int32Array | typeof Uint32Array | typeof Uint16Array | typeof Uint8Array;

export interface Column {
  readonly key: ColumnKey;
  /** Name of the Arrow field. */
  readonly field: string;
  readonly type: 'uint' | 'int' | 'float';
  readonly Kind: Kind;
}

/** Every column of a chunk, in the order of the file. */
const FIELDS: { readonly [K in ColumnKey]: Omit<Column, 'key'> } = {
  record: { field: 'record', type: 'uint', Kind: Uint32Array },
  timeNs: { field: 'time_ns', type: 'float', Kind: Float64Array },
  actor: { field: 'actor', type: 'uint', Kind: Uint8Array },
  op: { field: 'op', type: 'uint', Kind: Uint8Array },
  page: { field: 'page', type: 'int', Kind: Int32Array },
  pages: { field: 'pages', type: 'uint', Kind: Uint16Array },
  offset: { field: 'offset', type: 'uint', Kind: Uint16Array },
  bytes: { field: 'bytes', type: 'uint', Kind: Uint32Array },
  code: { field: 'code', type: 'uint', Kind: Uint8Array },
  thread: { field: 'thread', type: 'int', Kind: Int32Array },
};
const COLUMNS = (Object.keys(FIELDS) as ColumnKey[]).map((key): Column => ({ key, ...FIELDS[key] }));

export function columnsOf(withThread: boolean): readonly Column[] {
  return withThread ? COLUMNS : COLUMNS.filter((column) => column.key !== 'thread');
}

/** Arrow asks for 8 and recommends 64. */
const ALIGN_BYTES = 64;

export interface BodyLayout {
  /** By column: where its values begin in the body, and how many bytes they take. */
  readonly offset: readonly number[];
  readonly length: readonly number[];
  readonly totalBytes: number;
}

export function bodyLayout(columns: readonly Column[], rows: number): BodyLayout {
  const length = columns.map(({ Kind }) => rows * Kind.BYTES_PER_ELEMENT);
  let totalBytes = 0;
  const offset = length.map((bytes) => {
    const at = totalBytes;
    totalBytes += Math.ceil(bytes / ALIGN_BYTES) * ALIGN_BYTES;
    return at;
  });
  return { offset, length, totalBytes };
}

/** A run of bytes between the record batches and the footer. */
export interface Section {
  readonly name: 'batches' | 'lives' | 'allocations' | 'events';
  readonly offset: number;
  readonly bytes: number;
  /** Hex. */
  readonly checksum: string;
}

/** A record batch in the file: its message, then its body. */
export interface Block {
  readonly offset: number;
  readonly messageBytes: number;
  readonly bodyBytes: number;
}
