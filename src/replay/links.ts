/** The links of one run (one for each ordered pair of locations) and the zeroing engine of each memory. */
import { copyNs, type LinkSpeed, type Platform } from '../platforms/platform.ts';
import { PAGE_BYTES } from './mask.ts';
import { HOST } from './model.ts';

export class Links {
  /** When each (from, to) link, and each zeroing engine (at, at), is free of queued work. */
  private readonly freeNs: Float64Array;

  constructor(
    private readonly locations: number,
    private readonly platform: Platform,
  ) {
    this.freeNs = new Float64Array(locations * locations);
  }

  speedOf(from: number, to: number): LinkSpeed {
    const { link } = this.platform;
    return to === HOST ? link.d2h : from === HOST ? link.h2d : link.d2d;
  }

  /** Puts `ns` of work on the link and gives its start, no earlier than `nowNs`. */
  occupy(from: number, to: number, ns: number, nowNs: number): number {
    const link = from * this.locations + to;
    const startNs = Math.max(nowNs, this.freeNs[link]);
    this.freeNs[link] = startNs + ns;
    return startNs;
  }

  /**
   * A copy over the host: it starts when both links are free; the first leg's link is free again when the last leg of
   * the last piece begins.
   */
  occupyStaged(from: number, to: number, ns: number, lastLegNs: number, nowNs: number): number {
    const first = from * this.locations + HOST;
    const second = HOST * this.locations + to;
    const startNs = Math.max(nowNs, this.freeNs[first], this.freeNs[second]);
    this.freeNs[first] = startNs + ns - lastLegNs;
    this.freeNs[second] = startNs + ns;
    return startNs;
  }

  /** When all queued work is done. */
  get idleNs(): number {
    let idle = 0;
    for (let i = 0; i < this.freeNs.length; i++) if (this.freeNs[i] > idle) idle = this.freeNs[i];
    return idle;
  }
}

/** Time of one contiguous run cut into copy operations of at most `perCopy` pages. */
export function runNs(link: LinkSpeed, pages: number, perCopy: number): number {
  const whole = Math.floor(pages / perCopy);
  const rest = pages % perCopy;
  const wholeNs = whole > 0 ? whole * copyNs(link, perCopy * PAGE_BYTES) : 0;
  return wholeNs + (rest > 0 ? copyNs(link, rest * PAGE_BYTES) : 0);
}
