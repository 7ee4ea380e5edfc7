/** Touches that wait on one device in one run: the fault buffer that the model sees, and what the engine adds to it. */
import { FaultBuffer, OUTCOME, type RoomFor } from './faults.ts';

const FIRST_ROOM = 64;

export class WaitingTouches extends FaultBuffer {
  /** Page id, bytes of the touch, and whether the page had some mapping when the fault was raised. */
  id: Int32Array;
  bytes: Uint32Array;
  hadMapping: Uint8Array;
  /** Order number of the request, for deferred touches. */
  order: Float64Array;

  constructor(roomFor?: RoomFor) {
    super(FIRST_ROOM, roomFor);
    this.id = new Int32Array(...this.roomFor(4 * FIRST_ROOM), FIRST_ROOM);
    this.bytes = new Uint32Array(...this.roomFor(4 * FIRST_ROOM), FIRST_ROOM);
    this.hadMapping = new Uint8Array(...this.roomFor(FIRST_ROOM), FIRST_ROOM);
    this.order = new Float64Array(...this.roomFor(8 * FIRST_ROOM), FIRST_ROOM);
  }

  push(
    id: number,
    page: number,
    access: number,
    bytes: number,
    record: number,
    firstPage: number,
    lastPage: number,
    timeNs: number,
    thread: number,
    hadMapping: number,
  ): void {
    const i = this.count++;
    if (i >= this.page.length) this.grow();
    this.id[i] = id;
    this.page[i] = page;
    this.access[i] = access;
    this.bytes[i] = bytes;
    this.record[i] = record;
    this.firstPage[i] = firstPage;
    this.lastPage[i] = lastPage;
    this.timeNs[i] = timeNs;
    this.thread[i] = thread;
    this.hadMapping[i] = hadMapping;
    this.outcome[i] = 0;
  }

  /** Appends entry `i` of another list. */
  pushFrom(from: WaitingTouches, i: number, timeNs: number): void {
    this.push(
      from.id[i],
      from.page[i],
      from.access[i],
      from.bytes[i],
      from.record[i],
      from.firstPage[i],
      from.lastPage[i],
      timeNs,
      from.thread[i],
      from.hadMapping[i],
    );
    this.wakeNs[this.count - 1] = from.wakeNs[i];
    this.order[this.count - 1] = from.order[i];
  }

  /** Entry `from` takes the place of entry `to`. */
  moveEntry(from: number, to: number): void {
    if (from === to) return;
    this.id[to] = this.id[from];
    this.page[to] = this.page[from];
    this.access[to] = this.access[from];
    this.bytes[to] = this.bytes[from];
    this.record[to] = this.record[from];
    this.firstPage[to] = this.firstPage[from];
    this.lastPage[to] = this.lastPage[from];
    this.timeNs[to] = this.timeNs[from];
    this.thread[to] = this.thread[from];
    this.hadMapping[to] = this.hadMapping[from];
    this.wakeNs[to] = this.wakeNs[from];
    this.order[to] = this.order[from];
    this.outcome[to] = this.outcome[from];
  }

  /** Before a call of the model: nothing is marked. */
  unmark(): void {
    this.outcome.fill(OUTCOME.pending, 0, this.count);
    this.firstMarked = this.count;
    this.lastMarked = -1;
    this.flushed = false;
    this.fetches = 1;
  }

  /** The entries from `from` on move down to begin at `to`; the list ends after them. */
  closeGap(to: number, from: number): void {
    if (to < from) {
      const { count } = this;
      this.id.copyWithin(to, from, count);
      this.page.copyWithin(to, from, count);
      this.access.copyWithin(to, from, count);
      this.bytes.copyWithin(to, from, count);
      this.record.copyWithin(to, from, count);
      this.firstPage.copyWithin(to, from, count);
      this.lastPage.copyWithin(to, from, count);
      this.timeNs.copyWithin(to, from, count);
      this.thread.copyWithin(to, from, count);
      this.hadMapping.copyWithin(to, from, count);
      this.wakeNs.copyWithin(to, from, count);
      this.order.copyWithin(to, from, count);
      this.outcome.copyWithin(to, from, count);
    }
    this.count -= from - to;
  }

  holds(id: number): boolean {
    for (let i = 0; i < this.count; i++) if (this.id[i] === id) return true;
    return false;
  }

  holdsThread(thread: number): boolean {
    for (let i = 0; i < this.count; i++) if (this.thread[i] === thread) return true;
    return false;
  }

  holdsRecord(record: number): boolean {
    for (let i = 0; i < this.count; i++) if (this.record[i] === record) return true;
    return false;
  }

  private grow(): void {
    const { roomFor } = this;
    const room = this.page.length * 2;
    this.page = copied(new Float64Array(...roomFor(8 * room), room), this.page);
    this.access = copied(new Uint8Array(...roomFor(room), room), this.access);
    this.record = copied(new Float64Array(...roomFor(8 * room), room), this.record);
    this.firstPage = copied(new Float64Array(...roomFor(8 * room), room), this.firstPage);
    this.lastPage = copied(new Float64Array(...roomFor(8 * room), room), this.lastPage);
    this.timeNs = copied(new Float64Array(...roomFor(8 * room), room), this.timeNs);
    this.thread = copied(new Int32Array(...roomFor(4 * room), room), this.thread);
    this.outcome = copied(new Uint8Array(...roomFor(room), room), this.outcome);
    this.wakeNs = copied(new Float64Array(...roomFor(8 * room), room), this.wakeNs);
    this.id = copied(new Int32Array(...roomFor(4 * room), room), this.id);
    this.bytes = copied(new Uint32Array(...roomFor(4 * room), room), this.bytes);
    this.hadMapping = copied(new Uint8Array(...roomFor(room), room), this.hadMapping);
    this.order = copied(new Float64Array(...roomFor(8 * room), room), this.order);
  }
}

function copied<T extends Float64Array | Int32Array | Uint32Array | Uint8Array>(to: T, from: T): T {
  to.set(from);
  return to;
}
