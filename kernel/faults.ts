/**
 * Loops over touches that fault, in AssemblyScript: raising those that follow each other, completing those that were
 * served. They do what `src/replay/fault-run.ts` and `src/replay/served-run.ts` do in TypeScript; the frame is that of
 * `src/replay/kernel/layout.ts`.
 */
import { addBeyond, at, countIn, hasCarried } from './counting';

const KINDS: u32 = 3;
const CONTINUES: u32 = 0x80;
const PLACE_BITS: i32 = 9;
const BLOCK_PAGES: i32 = 512;

/** Parts of a frame, in bytes. */
const DUE: usize = 0;
const DELAY: usize = 8;
const REMOTE_TOUCHES: usize = 16;
const REMOTE_BYTES: usize = 24;
const ALL_LANES: usize = 32;
const LANE_BIT: usize = 36;
const ROW_CODE: usize = 40;
const ROW_OP: usize = 44;
const ROW_PAGE: usize = 48;
const ROW_TIME: usize = 52;
const ROW_RECORD: usize = 56;
const ROW_BYTES: usize = 60;
const MMU_WORDS: usize = 64;
const MMU_ACTOR: usize = 68;
const MMU_KIND: usize = 72;
const MMU_KINDS: usize = 76;
const COUNT_LOW: usize = 80;
const COUNT_HIGH: usize = 84;
const BYTES_LOW: usize = 88;
const BYTES_HIGH: usize = 92;
const UNIT: usize = 96;
const OF_PAGE: usize = 100;
const SLOT_BLOCK: usize = 104;
const ACTORS: usize = 108;
const DEVICE: usize = 112;
const STATE_ACTOR: usize = 116;
const READABLE: usize = 120;
const RESIDENT: usize = 124;
const WRITABLE: usize = 128;
const ATOMICS: usize = 132;
const SPECULATED: usize = 136;
const RELIANT: usize = 140;
const COUNTER_LEFT: usize = 144;
const COUNT: usize = 148;
const MOST: usize = 152;
const FAULT_ID: usize = 156;
const FAULT_PAGE: usize = 160;
const FAULT_ACCESS: usize = 164;
const FAULT_BYTES: usize = 168;
const FAULT_RECORD: usize = 172;
const FAULT_FIRST: usize = 176;
const FAULT_LAST: usize = 180;
const FAULT_TIME: usize = 184;
const FAULT_THREAD: usize = 188;
const FAULT_MAPPED: usize = 192;
const FAULT_OUTCOME: usize = 196;
const SHARED_IDS: usize = 200;
const FOUND_COUNT: usize = 204;
const FETCHED: usize = 208;
const FOUND: usize = 256;

/** Rows that are looked at together, at first and at most: as many as there is room for from `FOUND` on. */
const FIRST_ROWS: i32 = 8;
const MOST_ROWS: i32 = 64;

/** Of a waiting touch. */
const READ: u32 = 0;
const WRITE: u32 = 1;
const SERVED: u32 = 1;
const STALE: u32 = 3;

/** A number of the frame. */
@inline
function part(frame: usize, offset: usize): usize {
  return <usize>load<u32>(frame + offset);
}

/** In an array of words: that of entry `i`. */
@inline
function word(array: usize, i: i32): usize {
  return array + at(i);
}

/** In an array of doubles. */
@inline
function double(array: usize, i: i32): usize {
  return array + (<usize>(<u32>i) << 3);
}

/** Of the page at this place, in the state of pages, the word that has its bit. */
@inline
function stateWord(place: u32): usize {
  return <usize>(((place >>> PLACE_BITS) << 4) + ((place & (BLOCK_PAGES - 1)) >>> 5)) << 2;
}

/**
 * Takes rows from..end-1; gives the first one that it does not take. The row at `end` exists.
 *
 * Some rows at a time are looked at in loops that ask little of a row each, so that many wait for memory at once and none
 * for whether another one faults.
 */
export function raiseRows(frame: usize, from: i32, end: i32): i32 {
  let row = from;
  for (let some: i32 = FIRST_ROWS; row < end; some = min(2 * some, MOST_ROWS)) {
    const window = min(row + some, end);
    const looked = findFaults(frame, row, window);
    fetchFound(frame);
    const raised = raiseFound(frame, looked);
    if (load<i32>(frame, COUNT_LOW) >= 0) countRows(frame, row, raised);
    row = raised;
    if (row < window) break;
  }
  return row;
}

/** Notes which of the rows from..end-1 fault; gives the first one that cannot be taken, whatever the others are. */
function findFaults(frame: usize, from: i32, end: i32): i32 {
  const dueNs = load<f64>(frame, DUE);
  const all = load<i32>(frame, ALL_LANES);
  const laneBit = load<i32>(frame, LANE_BIT);
  const codes = part(frame, ROW_CODE);
  const pages = part(frame, ROW_PAGE);
  const times = part(frame, ROW_TIME);
  const touched = part(frame, ROW_BYTES);
  const device = load<i32>(frame, DEVICE);
  const firstCode = <u32>device * KINDS;
  const kindStride = load<i32>(frame, MMU_KIND);
  const lastKind = <u32>(load<i32>(frame, MMU_KINDS) - 1);
  const words = at(load<i32>(frame, MMU_WORDS) + device * load<i32>(frame, MMU_ACTOR));
  // Of a touch whose bytes are no matter, or may be summed up, any number will do.
  const anyBytes = load<i32>(frame, COUNT_LOW) < 0 || load<i32>(frame, BYTES_LOW) >= 0;
  const unit = load<i32>(frame, UNIT);
  const room = load<i32>(frame, MOST) - load<i32>(frame, COUNT);
  let found = frame + FOUND;
  const full = found + at(room);
  let row = from;
  for (; row < end; row++) {
    const access = <u32>load<u8>(codes + <usize>row) - firstCode;
    if (access >= KINDS || load<f64>(double(times, row)) >= dueNs) break;
    if (!anyBytes && load<i32>(word(touched, row)) != unit) break;
    const settled = load<i32>(word(words, <i32>min(access, lastKind) * kindStride + load<i32>(word(pages, row))));
    if ((settled | laneBit) != all) break;
    if (settled != all && found == full) break;
    store<i32>(found, row);
    found += <usize>(settled != all) << 2;
  }
  store<i32>(frame, <i32>(found - frame - FOUND) >>> 2, FOUND_COUNT);
  return row;
}

/** Looks at what `raiseFound` wants of the pages found: all of it is under way to the caches before any of it is used. */
function fetchFound(frame: usize): void {
  const pages = part(frame, ROW_PAGE);
  const ofPage = part(frame, OF_PAGE);
  const words = at(load<i32>(frame, MMU_WORDS));
  const stride = at(load<i32>(frame, MMU_KIND));
  const all = <usize>(load<i32>(frame, ACTORS) * load<i32>(frame, MMU_KINDS)) * stride;
  const found = frame + FOUND;
  const n = load<i32>(frame, FOUND_COUNT);
  let sum: i32 = 0;
  for (let k = 0; k < n; k++) {
    const id = load<i32>(word(pages, load<i32>(word(found, k))));
    sum += load<i32>(double(ofPage, id));
    const its = word(words, id);
    for (let to = its + all, at = its; at < to; at += stride) sum += load<i32>(at);
  }
  // A loop whose result nobody wants would be left out.
  store<i32>(frame, sum, FETCHED);
}

/** Raises the faults found; gives the first of their rows that cannot be taken, or `end`. */
function raiseFound(frame: usize, end: i32): i32 {
  const delayNs = load<f64>(frame, DELAY);
  const laneBit = load<i32>(frame, LANE_BIT);
  const codes = part(frame, ROW_CODE);
  const ops = part(frame, ROW_OP);
  const pages = part(frame, ROW_PAGE);
  const times = part(frame, ROW_TIME);
  const records = part(frame, ROW_RECORD);
  const touched = part(frame, ROW_BYTES);
  const device = load<i32>(frame, DEVICE);
  const firstCode = <u32>device * KINDS;
  const actorStride = load<i32>(frame, MMU_ACTOR);
  const kindStride = load<i32>(frame, MMU_KIND);
  const kinds = load<i32>(frame, MMU_KINDS);
  const firstWords = load<i32>(frame, MMU_WORDS);
  const ofPage = part(frame, OF_PAGE);
  const slotBlock = part(frame, SLOT_BLOCK);
  const actors = load<i32>(frame, ACTORS);
  const stateStride = part(frame, STATE_ACTOR);
  const readable = part(frame, READABLE);
  const mine = readable + <usize>device * stateStride;
  const ids = part(frame, FAULT_ID);
  const faultPages = part(frame, FAULT_PAGE);
  const accesses = part(frame, FAULT_ACCESS);
  const bytes = part(frame, FAULT_BYTES);
  const faultRecords = part(frame, FAULT_RECORD);
  const firstPages = part(frame, FAULT_FIRST);
  const lastPages = part(frame, FAULT_LAST);
  const faultTimes = part(frame, FAULT_TIME);
  const threads = part(frame, FAULT_THREAD);
  const mapped = part(frame, FAULT_MAPPED);
  const first = load<i32>(frame, COUNT);
  const found = frame + FOUND;
  const n = load<i32>(frame, FOUND_COUNT);
  let k = 0;
  let stopped = end;
  for (; k < n; k++) {
    const row = load<i32>(word(found, k));
    const id = load<i32>(word(pages, row));
    const page = double(ofPage, id);
    const place = load<u32>(page);
    const state = stateWord(place);
    const bit = 1 << (place & 31);
    const waits = load<i32>(page, 4);
    if (
      ((waits & laneBit) | (load<i32>(mine + state) & bit)) != 0 ||
      (<u32>load<u8>(ops + <usize>row, 1) & CONTINUES) != 0
    ) {
      stopped = row;
      break;
    }
    for (let other = 0, there = readable + state, base = firstWords; other < actors; other++) {
      if ((load<i32>(there) & bit) != 0) {
        for (let kind = 0, its = word(at(base), id); kind < kinds; kind++, its += at(kindStride)) {
          store<i32>(its, load<i32>(its) & ~laneBit);
        }
      }
      there += stateStride;
      base += actorStride;
    }
    store<i32>(page, waits | laneBit, 4);
    const i = first + k;
    const faulted = load<f64>(double(slotBlock, <i32>(place >>> PLACE_BITS))) * BLOCK_PAGES + <f64>(place & (BLOCK_PAGES - 1));
    store<i32>(word(ids, i), id);
    store<f64>(double(faultPages, i), faulted);
    store<u8>(accesses + <usize>i, <u32>load<u8>(codes + <usize>row) - firstCode);
    store<i32>(word(bytes, i), load<i32>(word(touched, row)));
    store<f64>(double(faultRecords, i), <f64>load<u32>(word(records, row)));
    store<f64>(double(firstPages, i), faulted);
    store<f64>(double(lastPages, i), faulted);
    store<f64>(double(faultTimes, i), load<f64>(double(times, row)) + delayNs);
    store<i32>(word(threads, i), -1);
    store<u8>(mapped + <usize>i, 0);
  }
  store<i32>(frame, first + k, COUNT);
  return stopped;
}

/** Counts the touches of the rows from..end-1. */
function countRows(frame: usize, from: i32, end: i32): void {
  const pages = part(frame, ROW_PAGE);
  const touched = part(frame, ROW_BYTES);
  const low = at(load<i32>(frame, COUNT_LOW));
  const high = at(load<i32>(frame, COUNT_HIGH));
  const sumLow = at(load<i32>(frame, BYTES_LOW));
  const sumHigh = at(load<i32>(frame, BYTES_HIGH));
  const unit = load<i32>(frame, UNIT);
  for (let row = from; row < end; row++) {
    const id = load<i32>(word(pages, row));
    countIn(low, high, id);
    const beyond = load<i32>(word(touched, row)) - unit;
    if (beyond != 0) addBeyond(sumLow, sumHigh, id, beyond);
  }
}

/** Completes the touches of entries from..last; gives the first one that it does not take. The device's touches are counted. */
export function completeTouches(frame: usize, from: i32, last: i32): i32 {
  const laneBit = load<i32>(frame, LANE_BIT);
  const device = load<i32>(frame, DEVICE);
  const kindStride = load<i32>(frame, MMU_KIND);
  const reads = at(load<i32>(frame, MMU_WORDS) + device * load<i32>(frame, MMU_ACTOR));
  const writes = reads + at(kindStride);
  const atomicsApart = load<i32>(frame, MMU_KINDS) == 3 ? writes + at(kindStride) : 0;
  const low = at(load<i32>(frame, COUNT_LOW));
  const high = at(load<i32>(frame, COUNT_HIGH));
  const sums = load<i32>(frame, BYTES_LOW) >= 0;
  const sumLow = at(load<i32>(frame, BYTES_LOW));
  const sumHigh = at(load<i32>(frame, BYTES_HIGH));
  const unit = <f64>load<i32>(frame, UNIT);
  const ofPage = part(frame, OF_PAGE);
  const actors = load<i32>(frame, ACTORS);
  const stateStride = part(frame, STATE_ACTOR);
  const readable = part(frame, READABLE) + <usize>device * stateStride;
  const writable = part(frame, WRITABLE);
  const atomics = part(frame, ATOMICS);
  const resident = part(frame, RESIDENT);
  const here = resident + <usize>device * stateStride;
  const guessed = part(frame, SPECULATED);
  const reliant = part(frame, RELIANT);
  const counterLeft = part(frame, COUNTER_LEFT);
  const ids = part(frame, FAULT_ID);
  const accesses = part(frame, FAULT_ACCESS);
  const bytes = part(frame, FAULT_BYTES);
  const outcomes = part(frame, FAULT_OUTCOME);
  const shared = load<i32>(frame, SHARED_IDS);
  const carried = hasCarried();
  let remoteTouches: f64 = 0;
  let remoteBytes: f64 = 0;
  let i = from;
  for (; i <= last; i++) {
    const outcome = <u32>load<u8>(outcomes + <usize>i);
    if (outcome < SERVED || outcome > STALE) break;
    const id = load<i32>(word(ids, i));
    const page = double(ofPage, id);
    const place = load<u32>(page);
    const state = stateWord(place);
    const bit = 1 << (place & 31);
    const kind = <u32>load<u8>(accesses + <usize>i);
    const rights = kind == READ ? readable : kind == WRITE ? writable : atomics;
    if ((load<i32>(rights + state) & bit) == 0 || (load<i32>(guessed + state) & bit) != 0) break;
    if (load<i32>(word(counterLeft, <i32>(place >>> PLACE_BITS))) != 0 || (shared & (1 << (id & 31))) != 0) break;
    store<i32>(page, load<i32>(page, 4) & ~laneBit, 4);
    if ((load<i32>(here + state) & bit) == 0) {
      let elsewhere = 0;
      for (let l = 0, there = resident + state; l < actors; l++, there += stateStride) elsewhere |= load<i32>(there);
      if ((elsewhere & bit) != 0) {
        remoteTouches += 1;
        remoteBytes += <f64>load<u32>(word(bytes, i));
        if ((load<i32>(reliant + state) & bit) == 0) {
          store<i32>(reliant + state, load<i32>(reliant + state) | bit);
          let touches = <f64>load<u8>(low + <usize>id);
          if (carried) touches += 256 * <f64>load<i32>(word(high, id));
          remoteTouches -= touches;
          remoteBytes -= unit * touches;
          if (sums) {
            remoteBytes -= <f64>load<i16>(sumLow + (<usize>id << 1)) + 65536 * <f64>load<i32>(word(sumHigh, id));
          }
        }
      }
    }
    const read = word(reads, id);
    store<i32>(read, load<i32>(read) | laneBit);
    if ((load<i32>(writable + state) & bit) != 0) {
      const write = word(writes, id);
      store<i32>(write, load<i32>(write) | laneBit);
    }
    if (atomicsApart != 0 && (load<i32>(atomics + state) & bit) != 0) {
      const atomic = word(atomicsApart, id);
      store<i32>(atomic, load<i32>(atomic) | laneBit);
    }
  }
  store<f64>(frame, remoteTouches, REMOTE_TOUCHES);
  store<f64>(frame, remoteBytes, REMOTE_BYTES);
  return i;
}
