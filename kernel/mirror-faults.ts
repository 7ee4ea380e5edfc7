/** Serves faults of a device that maps what the host maps, in AssemblyScript: see `Core.mirrorFaults` in `src/replay/model.ts`. */
import {
  COUNT,
  DEVICE,
  FAULT_ACCESS,
  FAULT_ID,
  FAULT_OUTCOME,
  FIRST_MARKED,
  LAST_MARKED,
  OF_PAGE,
  READABLE,
  RESIDENT,
  SHARED_IDS,
  STATE_ACTOR,
  WRITABLE,
  double,
  part,
  stateWord,
  word,
} from './fault-frame';

/** Of a touch that waits. */
const READ: u32 = 0;
const WRITE: u32 = 1;
const PENDING: u32 = 0;
const SERVED: u32 = 1;

/** Gives how many of the pending faults it has served, and leaves the numbers of the first and of the last one. */
export function mirrorFaults(frame: usize): i32 {
  const count = load<i32>(frame, COUNT);
  const ofPage = part(frame, OF_PAGE);
  const toDevice = <usize>load<i32>(frame, DEVICE) * part(frame, STATE_ACTOR);
  const hostReadable = part(frame, READABLE);
  const readable = hostReadable + toDevice;
  const writable = part(frame, WRITABLE);
  const hostWritable = writable - toDevice;
  const here = part(frame, RESIDENT) + toDevice;
  const ids = part(frame, FAULT_ID);
  const accesses = part(frame, FAULT_ACCESS);
  const outcomes = part(frame, FAULT_OUTCOME);
  const shared = load<i32>(frame, SHARED_IDS);
  const strongest = strongestAccess(accesses, count);
  let served = 0;
  let first = count;
  let last = -1;
  for (let i = 0; i < count; i++) {
    const id = load<i32>(word(ids, i));
    const place = load<u32>(double(ofPage, id));
    const state = stateWord(place);
    const bit = 1 << (place & 31);
    const access = <u32>load<u8>(accesses + <usize>i);
    const mine = load<i32>(readable + state);
    const written = load<i32>(hostWritable + state);
    const granted = access == READ ? load<i32>(hostReadable + state) : access == WRITE ? written : 0;
    if ((granted & ~(mine | load<i32>(here + state)) & bit) == 0) continue;
    // Some stronger fault of the same page may have to come first.
    if (access != strongest && (shared & (1 << (id & 31))) != 0) continue;
    if (<u32>load<u8>(outcomes + <usize>i) != PENDING) continue;
    store<i32>(readable + state, mine | bit);
    // What is not mapped has no right to be written either.
    store<i32>(writable + state, load<i32>(writable + state) | (written & bit));
    store<u8>(outcomes + <usize>i, SERVED);
    served++;
    first = min(first, i);
    last = i;
  }
  store<i32>(frame, first, FIRST_MARKED);
  store<i32>(frame, last, LAST_MARKED);
  return served;
}

function strongestAccess(accesses: usize, count: i32): u32 {
  let strongest: u32 = 0;
  for (let i = 0; i < count; i++) strongest = max(strongest, <u32>load<u8>(accesses + <usize>i));
  return strongest;
}
