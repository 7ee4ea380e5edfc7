/**
 * What the loops over faults share: the parts of their frame, as in `src/replay/kernel/layout.ts`, and how arrays of the
 * memory are looked at.
 */
import { at } from './counting';

export const PLACE_BITS: i32 = 9;
export const BLOCK_PAGES: i32 = 512;

/** Parts of a frame, in bytes. */
export const DUE: usize = 0;
export const DELAY: usize = 8;
export const REMOTE_TOUCHES: usize = 16;
export const REMOTE_BYTES: usize = 24;
export const ALL_LANES: usize = 32;
export const LANE_BIT: usize = 36;
export const ROW_CODE: usize = 40;
export const ROW_OP: usize = 44;
export const ROW_PAGE: usize = 48;
export const ROW_TIME: usize = 52;
export const ROW_RECORD: usize = 56;
export const ROW_BYTES: usize = 60;
export const MMU_WORDS: usize = 64;
export const MMU_ACTOR: usize = 68;
export const MMU_KIND: usize = 72;
export const MMU_KINDS: usize = 76;
export const COUNT_LOW: usize = 80;
export const COUNT_HIGH: usize = 84;
export const BYTES_LOW: usize = 88;
export const BYTES_HIGH: usize = 92;
export const UNIT: usize = 96;
export const OF_PAGE: usize = 100;
export const SLOT_BLOCK: usize = 104;
export const ACTORS: usize = 108;
export const DEVICE: usize = 112;
export const STATE_ACTOR: usize = 116;
export const READABLE: usize = 120;
export const RESIDENT: usize = 124;
export const WRITABLE: usize = 128;
export const ATOMICS: usize = 132;
export const SPECULATED: usize = 136;
export const RELIANT: usize = 140;
export const COUNTER_LEFT: usize = 144;
export const COUNT: usize = 148;
export const MOST: usize = 152;
export const FAULT_ID: usize = 156;
export const FAULT_PAGE: usize = 160;
export const FAULT_ACCESS: usize = 164;
export const FAULT_BYTES: usize = 168;
export const FAULT_RECORD: usize = 172;
export const FAULT_FIRST: usize = 176;
export const FAULT_LAST: usize = 180;
export const FAULT_TIME: usize = 184;
export const FAULT_THREAD: usize = 188;
export const FAULT_MAPPED: usize = 192;
export const FAULT_OUTCOME: usize = 196;
export const SHARED_IDS: usize = 200;
export const FOUND_COUNT: usize = 204;
export const FETCHED: usize = 208;
export const KIND_WORDS: usize = 212;
export const FIRST_MARKED: usize = 224;
export const LAST_MARKED: usize = 228;
export const FOUND: usize = 256;
export const LOOKED: usize = 1024;

/** A number of the frame. */
@inline
export function part(frame: usize, offset: usize): usize {
  return <usize>load<u32>(frame + offset);
}

/** In an array of words: that of entry `i`. */
@inline
export function word(array: usize, i: i32): usize {
  return array + at(i);
}

/** In an array of doubles. */
@inline
export function double(array: usize, i: i32): usize {
  return array + (<usize>(<u32>i) << 3);
}

/** Of the page at this place, in the state of pages, the word that has its bit. */
@inline
export function stateWord(place: u32): usize {
  return <usize>(place >>> 5) << 2;
}
