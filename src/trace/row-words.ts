/** The middle of a plain row, `ACTOR,OP,0x`: found as a whole, by comparing four 32-bit words. */

import { SPOT_KIND_SHIFT } from './kernel/layout.ts';

/** Words of an entry: the sixteen bytes, masks of the last two words, length (0 = empty) and actor, kind of row. */
const ENTRY_WORDS = 8;
export const MASK_2 = 4;
export const MASK_3 = 5;
export const LENGTH_AND_ACTOR = 6;
export const KIND = 7;
export const ACTOR_SHIFT = 8;

const ENTRIES_BITS = 12;
const SHORTEST = 8;
export const LONGEST = 16;

/** The entries; the next one of the same hash lies `ENTRY_WORDS` further. */
export const WORDS = ENTRY_WORDS << ENTRIES_BITS;
export const NEXT = ENTRY_WORDS;

/** Where the search for a middle with these first eight bytes begins. */
export function wordsHash(first: number, second: number): number {
  return (Math.imul(Math.imul(first, 0x9e3779b1) ^ second, 0x85ebca6b) >>> (32 - ENTRIES_BITS)) * ENTRY_WORDS;
}

/** Adds a middle, of rows of kind number `kind`, unless it is too long or too short to be kept. */
export function addWords(table: Int32Array, actorName: string, actor: number, opWord: string, kind: number): void {
  const bytes = Buffer.alloc(LONGEST);
  const text = `${actorName},${opWord},0x`;
  if (text.length < SHORTEST || text.length > LONGEST) return;
  bytes.write(text, 'latin1');
  const masks = Buffer.alloc(LONGEST).fill(0xff, 0, text.length);
  let entry = wordsHash(bytes.readInt32LE(0), bytes.readInt32LE(4));
  while (table[entry + LENGTH_AND_ACTOR] !== 0) entry = (entry + NEXT) % WORDS;
  for (let w = 0; w < 4; w++) table[entry + w] = bytes.readInt32LE(w * 4);
  table[entry + MASK_2] = masks.readInt32LE(8);
  table[entry + MASK_3] = masks.readInt32LE(12);
  table[entry + LENGTH_AND_ACTOR] = text.length | (actor << ACTOR_SHIFT);
  table[entry + KIND] = kind << SPOT_KIND_SHIFT;
}
