/** Raises faults that follow each other, in AssemblyScript: what `src/replay/fault-run.ts` does in TypeScript. */
import { addBeyond, at, countIn } from './counting';
import {
  ACTORS,
  ALL_LANES,
  BLOCK_PAGES,
  BYTES_HIGH,
  BYTES_LOW,
  COUNT,
  COUNT_HIGH,
  COUNT_LOW,
  DELAY,
  DEVICE,
  DUE,
  FAULT_ACCESS,
  FAULT_BYTES,
  FAULT_FIRST,
  FAULT_ID,
  FAULT_LAST,
  FAULT_MAPPED,
  FAULT_PAGE,
  FAULT_RECORD,
  FAULT_THREAD,
  FAULT_TIME,
  FETCHED,
  FOUND,
  FOUND_COUNT,
  KIND_WORDS,
  LANE_BIT,
  LOOKED,
  MMU_ACTOR,
  MMU_KIND,
  MMU_KINDS,
  MMU_WORDS,
  MOST,
  OF_PAGE,
  PLACE_BITS,
  READABLE,
  ROW_BYTES,
  ROW_CODE,
  ROW_OP,
  ROW_PAGE,
  ROW_RECORD,
  ROW_TIME,
  SLOT_BLOCK,
  STATE_ACTOR,
  UNIT,
  double,
  part,
  stateWord,
  word,
} from './fault-frame';

const KINDS: u32 = 3;
const CONTINUES: u32 = 0x80;

/** Rows that are looked at together, at first and at most: as many as there is room for from `FOUND` on. */
const FIRST_ROWS: i32 = 8;
const MOST_ROWS: i32 = 128;

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
    const own = ownRows(frame, row, window);
    gatherWords(frame, row, own);
    const looked = findFaults(frame, row, own);
    fetchFound(frame);
    const raised = raiseFound(frame, looked);
    if (load<i32>(frame, COUNT_LOW) >= 0) countRows(frame, row, raised);
    row = raised;
    if (row < window) break;
  }
  return row;
}

/** The first of the rows from..end-1 that is no touch of this device, is due later or of a size that needs attention. */
function ownRows(frame: usize, from: i32, end: i32): i32 {
  const dueNs = load<f64>(frame, DUE);
  const codes = part(frame, ROW_CODE);
  const times = part(frame, ROW_TIME);
  const touched = part(frame, ROW_BYTES);
  const firstCode = <u32>load<i32>(frame, DEVICE) * KINDS;
  let row = from;
  while (row < end && <u32>load<u8>(codes + <usize>row) - firstCode < KINDS) row++;
  // Times do not decrease.
  while (row > from && load<f64>(double(times, row - 1)) >= dueNs) row--;
  // Of a touch whose bytes are no matter, or may be summed up, any number will do.
  if (load<i32>(frame, COUNT_LOW) < 0 || load<i32>(frame, BYTES_LOW) >= 0) return row;
  const unit = load<i32>(frame, UNIT);
  const last = row;
  row = from;
  while (row < last && load<i32>(word(touched, row)) == unit) row++;
  return row;
}

/** Address of the words of this device for touches of the kind that the row at `code` has. */
@inline
function wordsOf(kinds: usize, code: usize): usize {
  return part(kinds + at(<i32>load<u8>(code)), KIND_WORDS);
}

/** Copies the words that rows from..end-1, touches of this device, want. It asks nothing: many words are waited for at once. */
function gatherWords(frame: usize, from: i32, end: i32): void {
  const kinds = frame - at(load<i32>(frame, DEVICE) * KINDS);
  let code = part(frame, ROW_CODE) + <usize>from;
  let page = word(part(frame, ROW_PAGE), from);
  let to = frame + LOOKED;
  const last = page + at(end - from);
  for (; page + 12 < last; code += 4, page += 16, to += 16) {
    store<i32>(to, load<i32>(word(wordsOf(kinds, code), load<i32>(page))));
    store<i32>(to, load<i32>(word(wordsOf(kinds, code + 1), load<i32>(page, 4))), 4);
    store<i32>(to, load<i32>(word(wordsOf(kinds, code + 2), load<i32>(page, 8))), 8);
    store<i32>(to, load<i32>(word(wordsOf(kinds, code + 3), load<i32>(page, 12))), 12);
  }
  for (; page < last; code++, page += 4, to += 4) store<i32>(to, load<i32>(word(wordsOf(kinds, code), load<i32>(page))));
}

/** Notes which of the rows from..end-1, whose words were gathered, fault; gives the first one that cannot be taken. */
function findFaults(frame: usize, from: i32, end: i32): i32 {
  const all = load<i32>(frame, ALL_LANES);
  const laneBit = load<i32>(frame, LANE_BIT);
  let looked = frame + LOOKED;
  let found = frame + FOUND;
  let row = from;
  for (; row < end; row++, looked += 4) {
    const settled = load<i32>(looked);
    if ((settled | laneBit) != all) break;
    store<i32>(found, row);
    found += <usize>(settled != all) << 2;
  }
  const n = <i32>(found - frame - FOUND) >>> 2;
  const room = load<i32>(frame, MOST) - load<i32>(frame, COUNT);
  if (n > room) row = load<i32>(frame + FOUND + at(room));
  store<i32>(frame, min(n, room), FOUND_COUNT);
  return row;
}

/** Looks at what `raiseFound` wants of the pages found: all of it is under way to the caches before any of it is used. */
function fetchFound(frame: usize): void {
  const pages = part(frame, ROW_PAGE);
  const ofPage = part(frame, OF_PAGE);
  const actors = load<i32>(frame, ACTORS);
  const stride = at(load<i32>(frame, MMU_ACTOR));
  const hosts = at(load<i32>(frame, MMU_WORDS));
  const writes = part(frame, KIND_WORDS + 4);
  const readable = part(frame, READABLE);
  const mine = readable + <usize>load<i32>(frame, DEVICE) * part(frame, STATE_ACTOR);
  const found = frame + FOUND;
  const n = load<i32>(frame, FOUND_COUNT);
  let sum: i32 = 0;
  for (let k = 0; k < n; k++) {
    const id = load<i32>(word(pages, load<i32>(word(found, k))));
    sum += load<i32>(double(ofPage, id)) + load<i32>(word(hosts, id)) + load<i32>(word(writes, id));
  }
  for (let other = 1, its = hosts + stride; other < actors; other++, its += stride) {
    if (other == load<i32>(frame, DEVICE)) continue;
    for (let k = 0; k < n; k++) sum += load<i32>(word(its, load<i32>(word(pages, load<i32>(word(found, k))))));
  }
  for (let k = 0; k < n; k++) {
    const state = stateWord(load<u32>(double(ofPage, load<i32>(word(pages, load<i32>(word(found, k)))))));
    sum += load<i32>(readable + state) + load<i32>(mine + state);
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
      let its = word(at(base), id);
      // What is not settled for reads is settled for nothing.
      if ((load<i32>(there) & bit) != 0 && (load<i32>(its) & laneBit) != 0) {
        for (let kind = 0; kind < kinds; kind++, its += at(kindStride)) store<i32>(its, load<i32>(its) & ~laneBit);
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
  const low = at(load<i32>(frame, COUNT_LOW));
  const high = at(load<i32>(frame, COUNT_HIGH));
  const pages = part(frame, ROW_PAGE);
  let page = word(pages, from);
  const last = word(pages, end);
  for (; page + 12 < last; page += 16) {
    countIn(low, high, load<i32>(page));
    countIn(low, high, load<i32>(page, 4));
    countIn(low, high, load<i32>(page, 8));
    countIn(low, high, load<i32>(page, 12));
  }
  for (; page < last; page += 4) countIn(low, high, load<i32>(page));
  if (load<i32>(frame, BYTES_LOW) < 0) return;
  const touched = part(frame, ROW_BYTES);
  const sumLow = at(load<i32>(frame, BYTES_LOW));
  const sumHigh = at(load<i32>(frame, BYTES_HIGH));
  const unit = load<i32>(frame, UNIT);
  for (let row = from; row < end; row++) {
    const beyond = load<i32>(word(touched, row)) - unit;
    if (beyond != 0) addBeyond(sumLow, sumHigh, load<i32>(word(pages, row)), beyond);
  }
}
