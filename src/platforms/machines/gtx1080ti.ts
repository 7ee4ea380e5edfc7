import { ASSUMED, ASSUMED_SOURCES, PCIE3, PCIE3_SOURCES } from '../assumed.ts';
import type { Platform } from '../platform.ts';

export default {
  name: 'gtx1080ti',
  title: 'GTX 1080 Ti on PCIe 3 x16',
  inFlight: ASSUMED.inFlight,
  faultLatencyNs: ASSUMED.faultLatencyNs,
  link: { h2d: PCIE3.h2d, d2h: PCIE3.d2h, d2d: PCIE3.h2d },
  host: {
    bytesPerNs: 40,
    zeroBytesPerNs: ASSUMED.hostZeroBytesPerNs,
    faultNs: ASSUMED.hostFaultNs,
    tlbShootdownNs: ASSUMED.hostTlbShootdownNs,
  },
  device: {
    memoryBytes: 11 * 2 ** 30,
    bytesPerNs: 484,
    zeroBytesPerNs: 484,
    tlbInvalidateNs: ASSUMED.deviceTlbInvalidateNs,
  },
  remoteBytesPerNs: 12.2,
  topology: { coherent: false, ats: false, peer: 'none' },
  sources: {
    ...ASSUMED_SOURCES,
    'link.h2d': PCIE3_SOURCES.h2d,
    'link.d2h': PCIE3_SOURCES.d2h,
    'link.d2d': 'assumed: as from host to device; without peer access copies go through the host anyway',
    'host.bytesPerNs': 'assumed: a desktop with two to four channels of DDR4',
    'device.memoryBytes': "vendor's product page, recalled: 11 GB",
    'device.bytesPerNs': "vendor's product page, recalled: 484 GB/s",
    remoteBytesPerNs:
      'assumed: single accesses reach the bandwidth of copies when merged to 128 bytes (EMOGI, VLDB 2020)',
    topology: 'assumed: PCIe is not coherent; peer access is off unless a program asks for it',
  },
} satisfies Platform;
