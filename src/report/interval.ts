/**
 * Interval samples: the events of a run folded. In each interval of N records one line stands for all events of one
 * kind, actor, trigger, from and to in one 2 MiB block: `size` is their sum, `count` how many they were, `timeNs` the first
 * one's time and `durationNs` up to the end of the last. Sizes still add up to the metrics.
 */
import type { EventLine } from '../replay/lane.ts';

/** A folded line; `seq` counts the folded lines. */
export interface Sample extends EventLine {
  readonly count: number;
}

type Growing = { -readonly [K in keyof Sample]: Sample[K] };

const BLOCK_BYTES = 2 ** 21;
/** Addresses reach 2^57, beyond exact numbers. */
const BORDER = BigInt(BLOCK_BYTES);

export class IntervalSamples {
  private interval = 0;
  private seq = 0;
  private readonly samples = new Map<string, Growing>();

  constructor(
    private readonly records: number,
    private readonly write: (sample: Sample) => void,
  ) {}

  /** Events come in order; one that tells of an earlier record (a fault served late) belongs to the present interval. */
  add(event: EventLine): void {
    const interval = Math.floor(Math.max(event.record, 0) / this.records);
    if (interval > this.interval) {
      this.flush();
      this.interval = interval;
    }
    if (event.addr === null) {
      this.fold(event, null, event.size);
      return;
    }
    const first = BigInt(event.addr);
    const end = first + BigInt(event.size);
    for (let at = first; at < end; ) {
      const border = at - (at % BORDER) + BORDER;
      const next = border < end ? border : end;
      this.fold(event, `0x${(border - BORDER).toString(16)}`, Number(next - at));
      at = next;
    }
  }

  private fold(event: EventLine, addr: string | null, size: number): void {
    const { kind, actor, trigger, from, to, timeNs, durationNs } = event;
    const key = `${kind} ${actor} ${trigger} ${from} ${to} ${addr}`;
    const sample = this.samples.get(key);
    if (sample === undefined) {
      const record = this.interval * this.records;
      this.samples.set(key, { ...event, addr, size, batch: null, record, count: 1 });
      return;
    }
    const startNs = Math.min(sample.timeNs, timeNs);
    sample.durationNs = Math.max(sample.timeNs + sample.durationNs, timeNs + durationNs) - startNs;
    sample.timeNs = startNs;
    sample.size += size;
    sample.count++;
  }

  /** Writes the present interval. Call it at the end, too. */
  flush(): void {
    for (const sample of this.samples.values()) this.write({ ...sample, seq: this.seq++ });
    this.samples.clear();
  }
}
