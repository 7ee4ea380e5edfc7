import { ASSUMED, ASSUMED_SOURCES, PCIE3 } from '../assumed.ts';
import type { Platform } from '../platform.ts';

export default {
  name: 't4',
  title: 'Tesla T4 on PCIe 3 x16',
  inFlight: ASSUMED.inFlight,
  faultLatencyNs: ASSUMED.faultLatencyNs,
  link: { h2d: PCIE3.h2d, d2h: PCIE3.d2h, d2d: PCIE3.h2d },
  host: {
    bytesPerNs: 100,
    zeroBytesPerNs: ASSUMED.hostZeroBytesPerNs,
    faultNs: ASSUMED.hostFaultNs,
    tlbShootdownNs: ASSUMED.hostTlbShootdownNs,
  },
  device: {
    memoryBytes: 16 * 2 ** 30,
    bytesPerNs: 320,
    zeroBytesPerNs: 320,
    tlbInvalidateNs: ASSUMED.deviceTlbInvalidateNs,
  },
  remoteBytesPerNs: 12.2,
  topology: { coherent: false, ats: false, peer: 'none' },
  sources: {
    ...ASSUMED_SOURCES,
    link: 'assumed: as measured on a GTX 1080 Ti, the same generation and width of PCIe (profile gtx1080ti)',
    'host.bytesPerNs': 'assumed: six channels of server DDR4, about three quarters of their peak',
    'device.memoryBytes': 'sysrqmts.com, Tesla T4: 16 GB',
    'device.bytesPerNs': 'sysrqmts.com, Tesla T4: 320 GB/s',
    remoteBytesPerNs:
      'assumed: single accesses reach the bandwidth of copies when merged to 128 bytes (EMOGI, VLDB 2020)',
    topology: 'assumed: PCIe is not coherent; peer access is off unless a program asks for it',
  },
} satisfies Platform;
