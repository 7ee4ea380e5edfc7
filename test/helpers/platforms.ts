/** Made-up machines whose numbers are easy to work with by hand. */
import type { LinkSpeed, Platform } from '../../src/platforms/platform.ts';

const freeLink: LinkSpeed = { copyOverheadNs: 0, bytesPerNs: Infinity };

/** Nothing takes time: counts can be worked out without a clock. */
export const unitPlatform: Platform = {
  name: 'unit',
  title: 'Nothing takes time',
  inFlight: 256,
  faultLatencyNs: 0,
  link: { h2d: freeLink, d2h: freeLink, d2d: freeLink },
  host: { bytesPerNs: Infinity, zeroBytesPerNs: Infinity, faultNs: 0, tlbShootdownNs: 0 },
  device: { memoryBytes: 2 ** 40, bytesPerNs: Infinity, zeroBytesPerNs: Infinity, tlbInvalidateNs: 0 },
  remoteBytesPerNs: Infinity,
  timeless: true,
  topology: { coherent: false, ats: false, peer: 'none' },
  sources: { '*': 'assumed: made up for tests' },
};

/**
 * Everything takes a round time. One 4 KiB page: 4,096 ns over the host links, 2,048 ns between devices, 1,024 ns to
 * zero on the host, 512 ns to zero on a device; a copy operation starts after 1,000 ns.
 */
export const timedPlatform: Platform = {
  name: 'timed',
  title: 'Round numbers',
  inFlight: 4,
  faultLatencyNs: 10_000,
  link: {
    h2d: { copyOverheadNs: 1_000, bytesPerNs: 1 },
    d2h: { copyOverheadNs: 1_000, bytesPerNs: 1 },
    d2d: { copyOverheadNs: 1_000, bytesPerNs: 2 },
  },
  host: { bytesPerNs: 8, zeroBytesPerNs: 4, faultNs: 300, tlbShootdownNs: 70 },
  device: { memoryBytes: 2 ** 30, bytesPerNs: 16, zeroBytesPerNs: 8, tlbInvalidateNs: 500 },
  remoteBytesPerNs: 2,
  topology: { coherent: false, ats: false, peer: 'p2p' },
  sources: { '*': 'assumed: made up for tests' },
};
