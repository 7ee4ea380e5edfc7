/** Completes touches whose faults were served, in AssemblyScript: what `src/replay/served-run.ts` does in TypeScript. */
import { at, hasCarried } from './counting';
import {
  ACTORS,
  ATOMICS,
  BYTES_HIGH,
  BYTES_LOW,
  COUNTER_LEFT,
  COUNT_HIGH,
  COUNT_LOW,
  DEVICE,
  FAULT_ACCESS,
  FAULT_BYTES,
  FAULT_ID,
  FAULT_OUTCOME,
  FETCHED,
  LANE_BIT,
  MMU_ACTOR,
  MMU_KIND,
  MMU_KINDS,
  MMU_WORDS,
  OF_PAGE,
  PLACE_BITS,
  READABLE,
  RELIANT,
  REMOTE_BYTES,
  REMOTE_TOUCHES,
  RESIDENT,
  SHARED_IDS,
  SPECULATED,
  STATE_ACTOR,
  UNIT,
  WRITABLE,
  double,
  part,
  stateWord,
  word,
} from './fault-frame';

/** Of a waiting touch. */
const READ: u32 = 0;
const WRITE: u32 = 1;
const SERVED: u32 = 1;
const STALE: u32 = 3;

/** Entries that are looked at together, at first and at most. */
const FIRST_ENTRIES: i32 = 8;
const MOST_ENTRIES: i32 = 256;

/** Completes the touches of entries from..last; gives the first one that it does not take. The device's touches are counted. */
export function completeTouches(frame: usize, from: i32, last: i32): i32 {
  store<f64>(frame, 0, REMOTE_TOUCHES);
  store<f64>(frame, 0, REMOTE_BYTES);
  let i = from;
  for (let some: i32 = FIRST_ENTRIES; i <= last; some = min(2 * some, MOST_ENTRIES)) {
    const end = min(i + some, last + 1);
    fetchCounts(frame, i, end);
    i = completeSome(frame, i, end);
    if (i < end) break;
  }
  return i;
}

/** Looks at the wide counts of the entries' pages, as `fetchFound` does at what it fetches. Bytes were counted a moment ago. */
function fetchCounts(frame: usize, from: i32, end: i32): void {
  if (!hasCarried()) return;
  const ids = part(frame, FAULT_ID);
  const high = at(load<i32>(frame, COUNT_HIGH));
  let sum: i32 = 0;
  for (let i = from; i < end; i++) sum += load<i32>(word(high, load<i32>(word(ids, i))));
  store<i32>(frame, sum, FETCHED);
}

/** The same of entries from..end-1 that were looked at. */
function completeSome(frame: usize, from: i32, end: i32): i32 {
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
  for (; i < end; i++) {
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
  store<f64>(frame, load<f64>(frame, REMOTE_TOUCHES) + remoteTouches, REMOTE_TOUCHES);
  store<f64>(frame, load<f64>(frame, REMOTE_BYTES) + remoteBytes, REMOTE_BYTES);
  return i;
}
