/** Rows and a table for the loops of the hit path, in the memory of a pass. */
import * as layout from '../../src/replay/kernel/layout.ts';
import type { PassMemory } from '../../src/replay/kernel/memory.ts';
import type { TraceChunk } from '../../src/trace/compiled.ts';

/** Bits of all runs. */
export const ALL = 0b101;
export const UNIT = 64;
/** Of a row that is no access, `page` is anything. */
export const NOBODY = 255;

export interface Row {
  readonly code: number;
  readonly page: number;
  readonly bytes: number;
}

export function chunkOf(rows: readonly Row[]): TraceChunk {
  return {
    rows: rows.length,
    code: Uint8Array.from(rows, ({ code }) => code),
    page: Int32Array.from(rows, ({ page, code }) => (code === NOBODY ? 2 ** 30 : page)),
    bytes: Uint32Array.from(rows, ({ bytes }) => bytes),
  } as unknown as TraceChunk;
}

/** A table in which one actor reads with code 0; where its words, low counts and groups begin. */
export function oneActor(memory: PassMemory, pages: number): { word: number; low: number; left: number } {
  const word = memory.take(pages);
  const low = memory.take(pages);
  const high = memory.take(pages);
  const left = memory.take(8);
  const entry = [word, 1, low, high, -1, -1, left];
  memory.words.set(entry, layout.TABLE_AT);
  memory.words.fill(ALL, word, word + pages);
  return { word, low, left };
}
