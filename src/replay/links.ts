/** The links of one run (one for each ordered pair of locations) and the zeroing engine of each memory. */
import { copyNs, type LinkSpeed, type Platform } from '../platforms/platform.ts';
import { PAGE_BYTES } from './mask.ts';
import { HOST } from './model.ts';

export class Links {
  /** When each link is free of queued work. Index: from * locations + to; (at, at) is the engine that zeroes memory. */
  readonly freeNs: Float64Array;
  /** What evictions, and what all else, have put on each link since it was last free. */
  private readonly evictionNs: Float64Array;
  private readonly otherNs: Float64Array;

  constructor(
    private readonly locations: number,
    private readonly platform: Platform,
  ) {
    this.freeNs = new Float64Array(locations * locations);
    this.evictionNs = new Float64Array(locations * locations);
    this.otherNs = new Float64Array(locations * locations);
  }

  index(from: number, to: number): number {
    return from * this.locations + to;
  }

  speedOf(from: number, to: number): LinkSpeed {
    const { link } = this.platform;
    return to === HOST ? link.d2h : from === HOST ? link.h2d : link.d2d;
  }

  /** Puts `ns` of work on the link and gives its start, no earlier than `nowNs`. */
  occupy(from: number, to: number, ns: number, nowNs: number, evicts: boolean): number {
    const link = this.index(from, to);
    this.put(link, ns, nowNs, evicts);
    const startNs = Math.max(nowNs, this.freeNs[link]);
    this.freeNs[link] = startNs + ns;
    return startNs;
  }

  /**
   * A copy over the host: it starts when both links are free; the first leg's link is free again when the last leg of
   * the last piece begins.
   */
  occupyStaged(from: number, to: number, ns: number, lastLegNs: number, nowNs: number, evicts: boolean): number {
    const first = this.index(from, HOST);
    const second = this.index(HOST, to);
    this.put(first, ns, nowNs, evicts);
    this.put(second, ns, nowNs, evicts);
    const startNs = Math.max(nowNs, this.freeNs[first], this.freeNs[second]);
    this.freeNs[first] = startNs + ns - lastLegNs;
    this.freeNs[second] = startNs + ns;
    return startNs;
  }

  private put(link: number, ns: number, nowNs: number, evicts: boolean): void {
    if (this.freeNs[link] <= nowNs) this.evictionNs[link] = this.otherNs[link] = 0;
    if (evicts) this.evictionNs[link] += ns;
    else this.otherNs[link] += ns;
  }

  /** Of a wait for the link to be free: what is due to evictions. */
  evictionShare(link: number, waitNs: number): number {
    const evictionNs = this.evictionNs[link];
    if (evictionNs === 0) return 0;
    const otherNs = this.otherNs[link];
    return otherNs === 0 ? waitNs : Math.floor((waitNs * evictionNs) / (evictionNs + otherNs));
  }

  /** The link that a staged copy waits for. */
  laterLeg(from: number, to: number): number {
    const first = this.index(from, HOST);
    const second = this.index(HOST, to);
    return this.freeNs[second] > this.freeNs[first] ? second : first;
  }

  /** The link whose queued work ends last. */
  lastBusy(): number {
    let last = 0;
    for (let i = 1; i < this.freeNs.length; i++) if (this.freeNs[i] > this.freeNs[last]) last = i;
    return last;
  }
}

/** Time of one contiguous run cut into copy operations of at most `perCopy` pages. */
export function runNs(link: LinkSpeed, pages: number, perCopy: number): number {
  const whole = Math.floor(pages / perCopy);
  const rest = pages % perCopy;
  const wholeNs = whole > 0 ? whole * copyNs(link, perCopy * PAGE_BYTES) : 0;
  return wholeNs + (rest > 0 ? copyNs(link, rest * PAGE_BYTES) : 0);
}
