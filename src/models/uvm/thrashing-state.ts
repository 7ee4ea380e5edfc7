/** What the thrashing detector keeps of a block and its pages, and how it may be set. */

import { newMask, type PageMask } from '../../replay/mask.ts';

export interface ThrashingSettings {
  readonly enabled: boolean;
  readonly threshold: number;
  readonly pinThreshold: number;
  readonly lapseUs: number;
  readonly adaptiveLapse: boolean;
  readonly lapseVotes: number;
  /** In lapses, as set at the start. */
  readonly napLapses: number;
  readonly epochLapses: number;
  /** 0 = for ever. */
  readonly pinLapses: number;
  readonly maxResets: number;
}

export interface PageState {
  stamp: number;
  migrated: boolean;
  revoked: boolean;
  events: number;
  pinned: boolean;
  throttleEnd: number;
  throttles: number;
  processors: number;
  throttled: number;
  pinnedTo: number;
  /** The processor that is not throttled in this period, -1 = none yet. */
  favoured: number;
}

export interface BlockThrashing {
  /** Per-page tracking; null until two processors met within a lapse. */
  pages: Map<number, PageState> | null;
  readonly thrashing: PageMask;
  thrashingPages: number;
  resets: number;
  lastProcessor: number;
  lastStamp: number;
  lastThrashingStamp: number;
  /** Ever pinned: never lowered. */
  everPinned: boolean;
}

export type ThrashingHint =
  | { readonly kind: 'none' }
  | { readonly kind: 'throttle'; readonly endNs: number }
  | { readonly kind: 'pin'; readonly residency: number; readonly processors: number };

export const NO_HINT: ThrashingHint = { kind: 'none' };

/** What the detector asks about a page. */
export interface PageView {
  /** Preferred location of the range, -1 = none. */
  readonly preferred: number;
  /** Processors where the page is resident; 0 = nowhere. */
  readonly resident: number;
}

export function newBlockThrashing(): BlockThrashing {
  return {
    pages: null,
    thrashing: newMask(),
    thrashingPages: 0,
    resets: 0,
    lastProcessor: -1,
    lastStamp: 0,
    lastThrashingStamp: 0,
    everPinned: false,
  };
}

export function newPage(): PageState {
  return {
    stamp: 0,
    migrated: false,
    revoked: false,
    events: 0,
    pinned: false,
    throttleEnd: 0,
    throttles: 0,
    processors: 0,
    throttled: 0,
    pinnedTo: -1,
    favoured: -1,
  };
}
