/** Hands out page ids and slots: dense, and used again when a block's life has ended. */

import { BLOCK_BYTES, MASK_WORDS, popcount32 } from '../replay/mask.ts';
import type { BlockLives } from './compiled.ts';
import { ACTOR_WORDS, type LiveBlocks } from './live-blocks.ts';

export interface Numbering {
  readonly lives: BlockLives;
  readonly pageIds: number;
  readonly slots: number;
  /** By life in order of first touch (as rows name it): first id, and that of the first touched page of each mask word. */
  readonly firstId: Int32Array;
  readonly wordId: Int32Array;
  /** By actor in order of appearance: most bytes of live blocks at once that it touches. */
  readonly livePeakBytes: Float64Array;
  /** By life in order of first touch: its place in `lives`. */
  readonly place: Int32Array;
}

/** Runs of free ids, ascending, merged; the lowest that fits is taken. */
class IdPool {
  /** Ids ever handed out at once. */
  top = 0;
  readonly #start: number[] = [];
  readonly #length: number[] = [];

  take(count: number): number {
    const runs = this.#start.length;
    for (let r = 0; r < runs; r++) {
      if (this.#length[r] < count) continue;
      const id = this.#start[r];
      this.#start[r] += count;
      this.#length[r] -= count;
      if (this.#length[r] === 0) this.#drop(r);
      return id;
    }
    let id = this.top;
    if (runs > 0 && this.#start[runs - 1] + this.#length[runs - 1] === this.top) {
      id = this.#start[runs - 1];
      this.#drop(runs - 1);
    }
    this.top = id + count;
    return id;
  }

  give(id: number, count: number): void {
    let low = 0;
    let high = this.#start.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#start[middle] < id) low = middle + 1;
      else high = middle;
    }
    const joinsLeft = low > 0 && this.#start[low - 1] + this.#length[low - 1] === id;
    const joinsRight = low < this.#start.length && id + count === this.#start[low];
    if (joinsLeft) {
      this.#length[low - 1] += count + (joinsRight ? this.#length[low] : 0);
      if (joinsRight) this.#drop(low);
    } else if (joinsRight) {
      this.#start[low] = id;
      this.#length[low] += count;
    } else {
      this.#start.splice(low, 0, id);
      this.#length.splice(low, 0, count);
    }
  }

  #drop(run: number): void {
    this.#start.splice(run, 1);
    this.#length.splice(run, 1);
  }
}

/** `blocks.touched` must be complete. `events` = number of events, `actors` = number of actors. `newWords` gives zeros. */
export function numberPages(
  blocks: LiveBlocks,
  events: number,
  actors: number,
  newWords: (n: number) => Int32Array,
): Numbering {
  const { count, block, beginEvent, endEvent, touched, touchedBy } = blocks;
  const wordId = newWords(count * MASK_WORDS);
  const pages = new Uint16Array(count);
  for (let life = 0; life < count; life++) {
    let n = 0;
    for (let w = life * MASK_WORDS; w < (life + 1) * MASK_WORDS; w++) {
      wordId[w] = n;
      n += popcount32(touched[w]);
    }
    pages[life] = n;
  }

  // Ids ascend with the address within one allocation, so lives that begin together are numbered by address.
  const byBegin = Uint32Array.from({ length: count }, (_, i) => i).sort(
    (a, b) => beginEvent[a] - beginEvent[b] || block[a] - block[b],
  );
  const byEnd = byBegin.filter((life) => endEvent[life] >= 0).sort((a, b) => endEvent[a] - endEvent[b] || a - b);

  const ids = new IdPool();
  const freeSlots: number[] = [];
  let slots = 0;
  const firstId = new Int32Array(count);
  const slotOf = new Int32Array(count);
  const live = new Float64Array(actors);
  const peak = new Float64Array(actors);
  const touches = (actor: number, life: number) => (touchedBy[life * ACTOR_WORDS + (actor >> 5)] >>> (actor & 31)) & 1;

  let nextBegin = 0;
  let nextEnd = 0;
  for (let event = -1; event < events && nextBegin < count; event++) {
    for (; nextEnd < byEnd.length && endEvent[byEnd[nextEnd]] === event; nextEnd++) {
      const life = byEnd[nextEnd];
      ids.give(firstId[life], pages[life]);
      freeSlots.push(slotOf[life]);
      for (let a = 0; a < actors; a++) live[a] -= touches(a, life);
    }
    for (; nextBegin < count && beginEvent[byBegin[nextBegin]] === event; nextBegin++) {
      const life = byBegin[nextBegin];
      firstId[life] = ids.take(pages[life]);
      slotOf[life] = freeSlots.pop() ?? slots++;
      for (let a = 0; a < actors; a++) {
        live[a] += touches(a, life);
        if (live[a] > peak[a]) peak[a] = live[a];
      }
    }
  }

  for (let w = 0; w < wordId.length; w++) wordId[w] += firstId[Math.floor(w / MASK_WORDS)];
  const sortedTouched = new Int32Array(count * MASK_WORDS);
  for (let i = 0; i < count; i++) {
    const from = byBegin[i] * MASK_WORDS;
    sortedTouched.set(touched.subarray(from, from + MASK_WORDS), i * MASK_WORDS);
  }
  const place = new Int32Array(count);
  for (let i = 0; i < count; i++) place[byBegin[i]] = i;
  const ordered = <T extends Float64Array | Int32Array>(column: T, into: T): T => {
    for (let i = 0; i < count; i++) into[i] = column[byBegin[i]];
    return into;
  };
  return {
    lives: {
      count,
      block: ordered(block, new Float64Array(count)),
      slot: ordered(slotOf, new Int32Array(count)),
      firstId: ordered(firstId, new Int32Array(count)),
      touched: sortedTouched,
      beginEvent: ordered(beginEvent, new Int32Array(count)),
      endEvent: ordered(endEvent, new Int32Array(count)),
    },
    pageIds: ids.top,
    slots,
    firstId,
    wordId,
    place,
    livePeakBytes: peak.map((blocksAtOnce) => blocksAtOnce * BLOCK_BYTES),
  };
}
