/** Columns that the loops of reading work on. */

/**
 * Rows as they are read, before pages have ids and actors their order. Times and threads are as in the compiled trace;
 * `word` of an access is the index of the mask word of its first page in `LiveBlocks.touched`, of another record its event.
 */
export interface DraftColumns {
  readonly timeNs: Float64Array;
  readonly word: Uint32Array;
  /** Offset in the first page, that page's bit in the mask word << `SPOT_BIT_SHIFT`, kind of row << `SPOT_KIND_SHIFT`. */
  readonly spot: Uint32Array;
  readonly bytes: Uint32Array;
  readonly thread: Int32Array;
}

/** Columns of a `TraceChunk`. */
export interface FinalColumns {
  readonly record: Uint32Array;
  readonly op: Uint8Array;
  readonly actor: Uint8Array;
  readonly code: Uint8Array;
  readonly timeNs: Float64Array;
  readonly page: Int32Array;
  readonly pages: Uint16Array;
  readonly offset: Uint16Array;
  readonly bytes: Uint32Array;
  readonly thread: Int32Array;
}
