/** What differs between the three published code generations, the settings of one run, and the constants of the code. */
import { BLOCK_BYTES } from '../../replay/mask.ts';

export type GenerationName = 'olk66' | 'olk510' | 'rfc';

export interface Generation {
  readonly name: GenerationName;
  /** Device pages come from the device's own OS inside `peer_map`; else host GMEM hands them out. */
  readonly deviceOwnsMemory: boolean;
  /** A hint on a resident page calls `peer_map` again, so that the device can refresh it; else the host list moves. */
  readonly hintRemaps: boolean;
  /** MADV_PINNED / MADV_UNPINNED: `kept` by host GMEM, `passed` to the driver like a prefetch, or unknown. */
  readonly pin: 'kept' | 'passed' | 'unknown';
  readonly hmemcpy: boolean;
  /** munmap gives the range back to the device with `peer_va_free`. */
  readonly freesVa: boolean;
  /** Address space calls reach every attached device; else the code asks only the one attached last. */
  readonly asksEveryDevice: boolean;
  /** A failed `peer_map` leaves the page NOMAP and loses its data; else only a page without CPU entry is lost. */
  readonly failedMapLosesData: boolean;
  /** sizeof(struct gm_mapping) on 64 bit. */
  readonly mappingBytes: number;
  /** Registering device memory costs one `gm_mapping` and its xarray slot per 4 KiB. */
  readonly registersMemory: boolean;
}

export const GENERATIONS: Readonly<Record<GenerationName, Generation>> = {
  olk66: {
    name: 'olk66',
    deviceOwnsMemory: false,
    hintRemaps: false,
    pin: 'kept',
    hmemcpy: true,
    freesVa: true,
    asksEveryDevice: false,
    failedMapLosesData: false,
    mappingBytes: 56,
    registersMemory: false,
  },
  olk510: {
    name: 'olk510',
    deviceOwnsMemory: true,
    hintRemaps: true,
    pin: 'passed',
    hmemcpy: false,
    freesVa: false,
    asksEveryDevice: true,
    failedMapLosesData: true,
    mappingBytes: 48,
    registersMemory: true,
  },
  rfc: {
    name: 'rfc',
    deviceOwnsMemory: true,
    hintRemaps: true,
    pin: 'unknown',
    hmemcpy: false,
    freesVa: false,
    asksEveryDevice: true,
    failedMapLosesData: true,
    mappingBytes: 48,
    registersMemory: true,
  },
};

/** Settings of one run, parameters resolved. */
export interface GmConfig {
  readonly generation: Generation;
  readonly coupled: boolean;
  /** One invalidate per contiguous range instead of one a page (decoupled only). */
  readonly coalesce: boolean;
  /** The host writes device page tables by posted writes: `enter` and `release` cost no round trip. */
  readonly postedEntries: boolean;
  readonly everyDevice: boolean;
  readonly literal: boolean;
  readonly importPages: number;
  readonly importMessage: boolean;
  readonly replicate: boolean;
  readonly roundTripNs: number;
  readonly workOrder: 'rr' | 'fifo';
  readonly lowWatermarkBytes: number;
  readonly highWatermarkBytes: number;
}

/** Return codes as the code gives them: positive = GMEM's own, negative = errno. */
export const GM = { ok: 0, nomem: 1, exists: 2, dma: 3, migrating: 4, unknown: 5 } as const;
export const ERRNO = { nomem: -12, fault: -14, invalid: -22 } as const;

/** NUM_EVICT_PAGES: most victims of one eviction round. */
export const EVICT_BATCH = 16;
/** MAX_SWAP_RETRY_TIMES of the host allocator is 10: the first round and ten more. */
export const EVICT_ROUNDS = 11;
/** Work queue of hmadvise: GM_WORK_CONCURRENCY. */
export const PREFETCH_WORKERS = 4;
/** Ten retries after a refused address range. */
export const VA_ATTEMPTS = 11;
/** Retries of the device OS after a failed allocation; each evicts one page. */
export const DIRECT_EVICTIONS = 10;
/** Defaults of the device's swapd: wake below, evict until above. */
export const LOW_WATERMARK_BYTES = 64 * BLOCK_BYTES;
export const HIGH_WATERMARK_BYTES = 128 * BLOCK_BYTES;

/** struct gm_page: one per imported 2 MiB device page. */
export const GM_PAGE_BYTES = 80;
/**
 * Keys of the logical table are 512 apart, so each entry has an xarray leaf of its own (576 bytes for 64 slots) and an
 * eighth of the node above.
 */
export const XARRAY_BYTES_PER_ENTRY = 576 + 576 / 8;
/** Registered device memory: consecutive 4 KiB keys share leaves of 64. */
export const XARRAY_BYTES_PER_REGISTERED_PAGE = 576 / 64;
