/** One batch of replayable faults: fetched entries by address, merged to one fault a page. */

import { ACCESS, type Access, type FaultBuffer } from '../../replay/faults.ts';

/** Reused from batch to batch: nothing in it outlives the call that loads it. Columns are valid up to `count`. */
export class FaultBatch {
  /** Pages with faults. */
  count = 0;
  page = new Float64Array(0);
  /** The strongest access that waits. */
  access = new Uint8Array(0);
  /** Entries of fault i: order[first[i]] is served, up to order[first[i + 1] - 1] are its duplicates. */
  first = new Int32Array(1);
  /** 1 = part of the service of its block that goes on. */
  inService = new Uint8Array(0);
  /** Entries of the buffer by address, then strongest first, then age. */
  order = new Int32Array(0);
  #spare = new Int32Array(0);
  /** By entry: what it is sorted by. */
  #key = new Float64Array(0);

  /** Takes the first `fetched` entries of the buffer. */
  load(buffer: FaultBuffer, fetched: number): void {
    if (fetched > this.page.length) this.#grow(fetched);
    for (let i = 0; i < fetched; i++) {
      this.order[i] = i;
      this.#key[i] = buffer.page[i] * 4 + (ACCESS.atomic - buffer.access[i]);
    }
    this.#sort(fetched);
    this.count = 0;
    for (let k = 0; k < fetched; k++) {
      const entry = this.order[k];
      const page = buffer.page[entry];
      if (this.count > 0 && this.page[this.count - 1] === page) continue;
      this.page[this.count] = page;
      this.access[this.count] = buffer.access[entry];
      this.first[this.count++] = k;
    }
    this.first[this.count] = fetched;
  }

  accessOf(fault: number): Access {
    return this.access[fault] as Access;
  }

  #grow(fetched: number): void {
    const room = Math.max(fetched, 2 * this.page.length);
    this.page = new Float64Array(room);
    this.access = new Uint8Array(room);
    this.first = new Int32Array(room + 1);
    this.inService = new Uint8Array(room);
    this.order = new Int32Array(room);
    this.#spare = new Int32Array(room);
    this.#key = new Float64Array(room);
  }

  /** Merge sort from the bottom up: equal keys keep the order of age. */
  #sort(n: number): void {
    const key = this.#key;
    for (let width = 1; width < n; width *= 2) {
      const from = this.order;
      const to = this.#spare;
      for (let start = 0; start < n; start += 2 * width) {
        const middle = Math.min(start + width, n);
        const end = Math.min(start + 2 * width, n);
        let left = start;
        let right = middle;
        for (let k = start; k < end; k++) {
          const takeLeft = left < middle && (right >= end || key[from[left]] <= key[from[right]]);
          to[k] = takeLeft ? from[left++] : from[right++];
        }
      }
      this.order = to;
      this.#spare = from;
    }
  }

  // --- what became of a fault ------------------------------------------------------------------------------------
  serve(buffer: FaultBuffer, fault: number): void {
    buffer.serve(this.order[this.first[fault]]);
    this.#markDuplicates(buffer, fault);
  }

  stale(buffer: FaultBuffer, fault: number): void {
    buffer.stale(this.order[this.first[fault]]);
    this.#markDuplicates(buffer, fault);
  }

  fail(buffer: FaultBuffer, fault: number): void {
    buffer.fail(this.order[this.first[fault]]);
    this.#markDuplicates(buffer, fault);
  }

  /** Every waiting touch of the page is put off, so that none is fetched over and over meanwhile. */
  defer(buffer: FaultBuffer, fault: number, wakeNs: number): void {
    for (let k = this.first[fault]; k < this.first[fault + 1]; k++) buffer.defer(this.order[k], wakeNs);
  }

  #markDuplicates(buffer: FaultBuffer, fault: number): void {
    for (let k = this.first[fault] + 1; k < this.first[fault + 1]; k++) buffer.duplicate(this.order[k]);
  }
}
