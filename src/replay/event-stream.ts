/** Lines of `--events` of one run. Without a listener nothing is built. */
import type { EventLine } from './lane.ts';
import { endOfRun, nextPage, PAGE_BYTES, type PageMask } from './mask.ts';

export class EventStream {
  private seq = 0;
  /** Context that every line carries. */
  trigger: string | null = null;
  batch: number | null = null;
  record = -1;
  /** `seq` of the first line of the present call of the model. */
  callSeq = 0;

  constructor(
    private readonly actors: readonly string[],
    private readonly listener: ((event: EventLine) => void) | null,
  ) {}

  get on(): boolean {
    return this.listener !== null;
  }

  /** `seq` of the next line. */
  get nextSeq(): number {
    return this.seq;
  }

  emit(
    kind: string,
    actor: number,
    /** null: the bytes have no one place (an explicit copy). */
    firstPage: number | null,
    sizeBytes: number,
    timeNs: number,
    durationNs: number,
    more?: { from?: number; to?: number; trigger?: string; record?: number; offsetBytes?: number },
  ): void {
    if (this.listener === null) return;
    this.listener({
      seq: this.seq++,
      timeNs,
      durationNs,
      kind,
      actor: this.actors[actor],
      trigger: more?.trigger ?? this.trigger,
      from: more?.from === undefined ? null : this.actors[more.from],
      to: more?.to === undefined ? null : this.actors[more.to],
      addr: firstPage === null ? null : hexAddress(firstPage, more?.offsetBytes ?? 0),
      size: sizeBytes,
      batch: this.batch,
      record: more?.record ?? this.record,
    });
  }

  /** One line for each contiguous run of a mask in the block that begins at `blockFirstPage`. */
  emitRuns(
    kind: string,
    actor: number,
    blockFirstPage: number,
    mask: PageMask,
    timeNs: number,
    more?: { to?: number },
  ): void {
    for (let first = nextPage(mask, 0); first >= 0; ) {
      const last = endOfRun(mask, first);
      this.emit(kind, actor, blockFirstPage + first, (last - first + 1) * PAGE_BYTES, timeNs, 0, more);
      first = nextPage(mask, last + 1);
    }
  }
}

/** Addresses reach 2^57, beyond exact numbers: page number and offset are put together as text. */
export function hexAddress(page: number, offsetBytes: number): string {
  if (page * PAGE_BYTES <= Number.MAX_SAFE_INTEGER) return `0x${(page * PAGE_BYTES + offsetBytes).toString(16)}`;
  return `0x${page.toString(16)}${offsetBytes.toString(16).padStart(3, '0')}`;
}
