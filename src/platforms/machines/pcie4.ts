import { ASSUMED, ASSUMED_SOURCES, PCIE4, PCIE4_SOURCES } from '../assumed.ts';
import type { Platform } from '../platform.ts';

/** The default: no particular product. */
export default {
  name: 'pcie4',
  title: 'A discrete accelerator on PCIe 4 x16, no particular product',
  inFlight: ASSUMED.inFlight,
  faultLatencyNs: ASSUMED.faultLatencyNs,
  link: { h2d: PCIE4, d2h: PCIE4, d2d: PCIE4 },
  host: {
    bytesPerNs: 150,
    zeroBytesPerNs: ASSUMED.hostZeroBytesPerNs,
    faultNs: ASSUMED.hostFaultNs,
    tlbShootdownNs: ASSUMED.hostTlbShootdownNs,
  },
  device: {
    memoryBytes: 32 * 2 ** 30,
    bytesPerNs: 1_000,
    zeroBytesPerNs: 1_000,
    tlbInvalidateNs: ASSUMED.deviceTlbInvalidateNs,
  },
  remoteBytesPerNs: 24,
  topology: { coherent: false, ats: false, peer: 'none' },
  sources: {
    ...ASSUMED_SOURCES,
    'link.h2d.bytesPerNs': PCIE4_SOURCES.bytesPerNs,
    'link.h2d.copyOverheadNs': PCIE4_SOURCES.copyOverheadNs,
    'link.d2h.bytesPerNs': PCIE4_SOURCES.bytesPerNs,
    'link.d2h.copyOverheadNs': PCIE4_SOURCES.copyOverheadNs,
    'link.d2d': 'assumed: as between host and device; without peer access copies go through the host anyway',
    'host.bytesPerNs': 'assumed: about three quarters of eight channels of DDR4-3200 (204.8 GB/s)',
    'device.memoryBytes': 'assumed: a middle size',
    'device.bytesPerNs': "assumed: the round 1 TB/s with which the kernel's Documentation/mm/hmm.rst compares PCIe",
    remoteBytesPerNs:
      'assumed: single accesses reach the bandwidth of copies when merged to 128 bytes (EMOGI, VLDB 2020)',
    topology: 'assumed: PCIe is not coherent; peer access is off unless a program asks for it',
  },
} satisfies Platform;
