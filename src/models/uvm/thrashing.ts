/**
 * Thrashing detection and mitigation (uvm_perf_thrashing.c), fault by fault: none, throttle, or pin. The class keeps
 * what the driver keeps per VA space; the state of a block hangs on the block. Times are absolute nanoseconds.
 */

import { addPage, clearMask, hasPage, nextPage, type PageMask, removePage } from '../../replay/mask.ts';
import { decide, LEAVE, THROTTLE } from './thrashing-decide.ts';
import { Lapse } from './thrashing-lapse.ts';
import {
  type BlockThrashing,
  NO_HINT,
  newPage,
  type PageState,
  type PageView,
  type ThrashingHint,
  type ThrashingSettings,
} from './thrashing-state.ts';
import { has, type Topology } from './topology.ts';

/** Time stamps are kept in 58 bits. */
const STAMP_NS = 64;
const MAX_EVENTS = 7;
const MAX_THROTTLES = 255;
/** The unpin worker also takes pages that are due within this time. */
const TIMER_GRANULARITY_NS = 20_000;
/** Delayed work is rounded up to timer ticks. */
const TICK_NS = 1_000_000;

/** Pages found thrashing by most events. */
const NO_PAGES: number[] = [];

interface Pin {
  readonly block: BlockThrashing;
  readonly page: number;
  readonly deadline: number;
}

function cut(time: number): number {
  return time - (time % STAMP_NS);
}

export class ThrashingDetector {
  readonly #settings: ThrashingSettings;
  readonly #topology: Topology;
  readonly #napNs: number;
  readonly #epochNs: number;
  readonly #pinNs: number;
  /** Asks for `unpinDue` at a time, or takes the request back (null). */
  readonly #schedule: (timeNs: number | null) => void;
  readonly #lapse: Lapse;
  /** By deadline: pages are pinned in the order of time. */
  #pins: Pin[] = [];

  constructor(settings: ThrashingSettings, topology: Topology, schedule: (timeNs: number | null) => void) {
    this.#settings = settings;
    this.#topology = topology;
    this.#schedule = schedule;
    this.#lapse = new Lapse(settings);
    this.#napNs = this.lapseNs * settings.napLapses;
    this.#epochNs = this.lapseNs * settings.epochLapses;
    this.#pinNs = this.lapseNs * settings.pinLapses;
  }

  /** Events of one page closer than this are consecutive. */
  get lapseNs(): number {
    return this.#lapse.ns;
  }

  /** Pages first..last moved to `processor` by a fault, an access counter or prefetch. Returns pages found thrashing. */
  migrated(
    block: BlockThrashing,
    processor: number,
    first: number,
    last: number,
    now: number,
    prefetch = false,
  ): number[] {
    if (!this.#settings.enabled) return NO_PAGES;
    if (!prefetch && block.pages !== null && this.#allPinned(block, first, last)) return NO_PAGES;
    return this.#event(block, processor, first, last, now, true);
  }

  /** The rights of `processor` on pages first..last were lowered because another one writes. */
  revoked(block: BlockThrashing, processor: number, first: number, last: number, now: number): number[] {
    if (!this.#settings.enabled) return NO_PAGES;
    return this.#event(block, processor, first, last, now, false);
  }

  /** The user or read duplication moved the pages: that takes precedence, their history goes. */
  reset(block: BlockThrashing, first: number, last: number): void {
    if (block.pages === null) return;
    for (let page = nextPage(block.thrashing, first); page >= 0 && page <= last; ) {
      this.#resetPage(block, page);
      page = nextPage(block.thrashing, page + 1);
    }
  }

  isPinned(block: BlockThrashing, page: number): boolean {
    return block.pages?.get(page)?.pinned ?? false;
  }

  /** Pages that fight or are pinned: neither grown to 64 KiB nor prefetched. Null = none. */
  thrashingPages(block: BlockThrashing): PageMask | null {
    return this.#settings.enabled && block.thrashingPages > 0 ? block.thrashing : null;
  }

  #allPinned(block: BlockThrashing, first: number, last: number): boolean {
    for (let page = first; page <= last; page++) if (!this.isPinned(block, page)) return false;
    return true;
  }

  #event(
    block: BlockThrashing,
    processor: number,
    first: number,
    last: number,
    now: number,
    migration: boolean,
  ): number[] {
    let detected = NO_PAGES;
    if (block.pages === null) {
      const met = block.lastStamp !== 0 && block.lastProcessor !== processor && now - block.lastStamp <= this.lapseNs;
      if (met) block.pages = new Map();
    }
    if (block.pages !== null) {
      for (let page = first; page <= last; page++) {
        let state = block.pages.get(page);
        if (state === undefined) block.pages.set(page, (state = newPage()));
        if (!this.#pageEvent(block, state, page, processor, now, migration)) continue;
        if (detected === NO_PAGES) detected = [];
        detected.push(page);
      }
    }
    block.lastStamp = now;
    block.lastProcessor = processor;
    return detected;
  }

  /** True when the page is found thrashing. */
  #pageEvent(
    block: BlockThrashing,
    state: PageState,
    page: number,
    processor: number,
    now: number,
    migration: boolean,
  ): boolean {
    const last = state.stamp;
    const { threshold } = this.#settings;
    state.processors |= 1 << processor;
    state.stamp = cut(now);
    if (last === 0) return false;
    if (now - last <= this.lapseNs) {
      state.events = Math.min(MAX_EVENTS, state.events + 1);
      if (state.events === threshold && !hasPage(block.thrashing, page)) {
        addPage(block.thrashing, page);
        block.thrashingPages++;
      }
      if (state.events >= threshold) block.lastThrashingStamp = now;
      if (migration) state.migrated = true;
      else state.revoked = true;
      return state.events === threshold;
    }
    if (state.events >= threshold && !state.pinned) this.#resetPage(block, page);
    return false;
  }

  #resetPage(block: BlockThrashing, page: number): void {
    const state = block.pages!.get(page)!;
    this.#endThrottling(state);
    if (state.pinned) this.#unpin(block, state, page);
    state.stamp = 0;
    state.migrated = false;
    state.revoked = false;
    state.events = 0;
    state.processors = 0;
    if (hasPage(block.thrashing, page)) {
      removePage(block.thrashing, page);
      block.thrashingPages--;
    }
  }

  #endThrottling(state: PageState): void {
    if (state.throttled === 0) return;
    state.throttled = 0;
    state.throttleEnd = 0;
  }

  #unpin(block: BlockThrashing, state: PageState, page: number): void {
    if (this.#pinNs > 0) {
      const before = this.#pins.length;
      this.#pins = this.#pins.filter((pin) => pin.block !== block || pin.page !== page);
      if (before > 0 && this.#pins.length === 0) this.#schedule(null);
    }
    state.pinnedTo = -1;
    state.pinned = false;
  }

  #pin(block: BlockThrashing, state: PageState, page: number, now: number, residency: number, resident: number): void {
    if (!state.pinned || !has(resident, residency)) this.#endThrottling(state);
    if (!state.pinned) {
      if (this.#pinNs > 0) {
        this.#pins.push({ block, page, deadline: now + this.#pinNs });
        if (this.#pins.length === 1) this.#schedule(now + Math.ceil(this.#pinNs / TICK_NS) * TICK_NS);
      }
      state.throttles = 0;
      state.pinned = true;
      block.everPinned = true;
    }
    state.pinnedTo = residency;
  }

  /** The unpin worker: forgets pages that were pinned long enough; `unmap` takes their remote mappings first. */
  unpinDue(now: number, unmap: (block: BlockThrashing, page: number) => void): void {
    while (this.#pins.length > 0) {
      const pin = this.#pins[0];
      if (pin.deadline > now + TIMER_GRANULARITY_NS) {
        const microseconds = Math.floor((pin.deadline - now) / 1000);
        this.#schedule(now + Math.ceil((microseconds * 1000) / TICK_NS) * TICK_NS);
        return;
      }
      unmap(pin.block, pin.page);
      this.#resetPage(pin.block, pin.page);
    }
  }

  /** What to do about a fault of `requester` on the page. */
  hint(block: BlockThrashing, page: number, view: PageView, requester: number, now: number): ThrashingHint {
    const settings = this.#settings;
    if (!settings.enabled || block.pages === null) return NO_HINT;
    if (
      block.lastThrashingStamp !== 0 &&
      now - block.lastThrashingStamp > this.#epochNs &&
      !block.everPinned &&
      block.resets < settings.maxResets
    ) {
      block.resets++;
      block.pages = null;
      clearMask(block.thrashing);
      block.thrashingPages = 0;
      block.lastProcessor = -1;
      block.lastStamp = 0;
      block.lastThrashingStamp = 0;
      return NO_HINT;
    }
    const state = block.pages.get(page);
    if (state === undefined || state.events < settings.threshold) return NO_HINT;
    if (has(state.throttled, requester)) {
      if (now < state.throttleEnd && requester !== state.favoured) return this.#throttle(state, requester);
      state.throttled &= ~(1 << requester);
      if (state.throttled === 0) state.throttleEnd = 0;
    }
    this.#lapse.adjust(now - state.stamp);
    if (now - state.stamp > this.lapseNs && !state.pinned) return NO_HINT;
    state.processors |= 1 << requester;
    this.#updatePeriod(state, requester, now);
    const pinTo =
      state.pinned && state.revoked && requester !== state.favoured
        ? THROTTLE
        : decide(this.#topology, settings.pinThreshold, state, view, requester);
    if (pinTo === LEAVE) return NO_HINT;
    if (pinTo === THROTTLE) return this.#throttle(state, requester);
    this.#pin(block, state, page, now, pinTo, view.resident);
    return { kind: 'pin', residency: pinTo, processors: state.processors };
  }

  #throttle(state: PageState, requester: number): ThrashingHint {
    if (!has(state.throttled, requester)) {
      state.throttled |= 1 << requester;
      if (!state.pinned) state.throttles = Math.min(MAX_THROTTLES, state.throttles + 1);
    }
    return { kind: 'throttle', endNs: state.throttleEnd };
  }

  /** Begins a new period when the last has passed; nobody is favoured twice running. */
  #updatePeriod(state: PageState, requester: number, now: number): void {
    if (now > state.throttleEnd) {
      state.throttleEnd = cut(now + this.#napNs);
      state.favoured = state.favoured === requester ? -1 : requester;
    } else if (state.favoured < 0) {
      state.favoured = requester;
    }
  }

  /** The block's pages first..last are gone: drops their pins without a callback. */
  forget(block: BlockThrashing, first: number, last: number): void {
    this.reset(block, first, last);
    for (let page = first; page <= last; page++) block.pages?.delete(page);
  }

  /** Whom the page's pin maps (the processors that fight over it). */
  processorsOf(block: BlockThrashing, page: number): number {
    return block.pages?.get(page)?.processors ?? 0;
  }
}
