/**
 * `amdgpu_gmc_filter_faults`: without a retry CAM the driver itself drops faults that it took up a moment ago. A ring of the
 * last 256 faults, found through a hash; an entry holds for a number of interrupt time-stamp ticks. (The driver also asks for
 * entries to be removed, but by page number where addresses are stored, and so never finds one.)
 */

/** `AMDGPU_GMC_FAULT_RING_ORDER`, `_HASH_ORDER`. */
const ENTRIES = 256;
/** `AMDGPU_GMC_FAULT_TIMEOUT`: ticks of the interrupt time stamp. */
const FAULT_TIMEOUT_TICKS = 5000;
/** The time stamp counts at 100 MHz. */
export const TICK_NS = 10;
/** Multiplier of `hash_64` (include/linux/hash.h). */
const GOLDEN_RATIO = 0x61c8864680b583ebn;

interface Entry {
  key: bigint;
  stamp: number;
  next: number;
}

export class FaultFilter {
  readonly #ring: Entry[] = Array.from({ length: ENTRIES }, () => ({ key: 0n, stamp: 0, next: 0 }));
  readonly #buckets = new Uint8Array(ENTRIES);
  #head = 0;
  #newest = 0;

  /** True when a fault of `page` with this time stamp is dropped. */
  drops(page: number, stamp: number): boolean {
    if (stamp < this.#newest) return true;
    this.#newest = stamp;
    const oldest = Math.max(stamp, FAULT_TIMEOUT_TICKS + 1) - FAULT_TIMEOUT_TICKS;
    // The slot about to be used again still counts: there is no room.
    if (this.#ring[this.#head].stamp >= oldest) return true;
    const key = keyOf(page * 4096);
    const bucket = bucketOf(key);
    if (this.#holds(key, bucket, oldest)) return true;
    this.#ring[this.#head] = { key, stamp, next: this.#buckets[bucket] };
    this.#buckets[bucket] = this.#head;
    this.#head = (this.#head + 1) % ENTRIES;
    return false;
  }

  /** Walks a bucket's chain from the newest entry; it ends where an entry was used again by a later fault. */
  #holds(key: bigint, bucket: number, oldest: number): boolean {
    let entry = this.#ring[this.#buckets[bucket]];
    while (entry.stamp >= oldest) {
      if (entry.key === key) return true;
      const { stamp } = entry;
      entry = this.#ring[entry.next];
      if (entry.stamp >= stamp) break;
    }
    return false;
  }
}

/** The low bits name the process; one is traced. */
function keyOf(address: number): bigint {
  return BigInt(address) << 4n;
}

function bucketOf(key: bigint): number {
  return Number(BigInt.asUintN(64, key * GOLDEN_RATIO) >> 56n);
}
