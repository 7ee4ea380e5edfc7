import { ASSUMED, ASSUMED_SOURCES } from '../assumed.ts';
import type { Platform } from '../platform.ts';

const instant = { copyOverheadNs: 0, bytesPerNs: Number.POSITIVE_INFINITY };

/** Counts without time: what a stack does, undisturbed by how long it takes. */
export default {
  name: 'zero',
  title: 'Nothing takes time: counts only',
  inFlight: ASSUMED.inFlight,
  faultLatencyNs: 0,
  link: { h2d: instant, d2h: instant, d2d: instant },
  host: {
    bytesPerNs: Number.POSITIVE_INFINITY,
    zeroBytesPerNs: Number.POSITIVE_INFINITY,
    faultNs: 0,
    tlbShootdownNs: 0,
  },
  device: {
    memoryBytes: Number.POSITIVE_INFINITY,
    bytesPerNs: Number.POSITIVE_INFINITY,
    zeroBytesPerNs: Number.POSITIVE_INFINITY,
    tlbInvalidateNs: 0,
  },
  remoteBytesPerNs: Number.POSITIVE_INFINITY,
  timeless: true,
  topology: { coherent: false, ats: false, peer: 'none' },
  sources: { inFlight: ASSUMED_SOURCES.inFlight, '*': 'by definition: no machine, every duration is 0' },
} satisfies Platform;
