/** Device memory as the fault path sees it, whoever owns it. */
import type { GmMapping } from './mapping.ts';

export interface DeviceMemory {
  /** A 2 MiB page of the device, after imports or evictions if need be; null = out of memory. */
  take(device: number): number | null;
  /** A page that was taken but never mapped goes back. */
  giveBack(device: number, devicePage: number): void;
  /** Mapped: from now on the page may become a victim. */
  appended(device: number, m: GmMapping): void;
  /** A hint on a resident page: it becomes the last victim. */
  refreshed(m: GmMapping): void;
  /** The page left the device: off the list, its memory is free again. */
  released(m: GmMapping): void;
}

/** What an allocator needs of the fault path to write one victim back. */
export type EvictPage = (m: GmMapping) => 'evicted' | 'noHostPage' | 'refused';
