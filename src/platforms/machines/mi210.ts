import { ASSUMED, ASSUMED_SOURCES, PCIE4, PCIE4_SOURCES } from '../assumed.ts';
import type { Platform } from '../platform.ts';

export default {
  name: 'mi210',
  title: 'Instinct MI210 on PCIe 4 x16',
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
    memoryBytes: 64 * 2 ** 30,
    bytesPerNs: 1_600,
    zeroBytesPerNs: 1_600,
    tlbInvalidateNs: ASSUMED.deviceTlbInvalidateNs,
  },
  remoteBytesPerNs: 24,
  topology: { coherent: false, ats: false, peer: 'p2p' },
  sources: {
    ...ASSUMED_SOURCES,
    'link.h2d.bytesPerNs': PCIE4_SOURCES.bytesPerNs,
    'link.h2d.copyOverheadNs': PCIE4_SOURCES.copyOverheadNs,
    'link.d2h.bytesPerNs': PCIE4_SOURCES.bytesPerNs,
    'link.d2h.copyOverheadNs': PCIE4_SOURCES.copyOverheadNs,
    'link.d2d': 'assumed: peer access over PCIe, as between host and device',
    'host.bytesPerNs': 'assumed: about three quarters of eight channels of DDR4-3200 (204.8 GB/s)',
    'device.memoryBytes': 'tweaktown.com news 83275: 64 GB HBM2e',
    'device.bytesPerNs': 'tweaktown.com news 83275: 4096 bit at 3.2 Gbit/s a pin, 1.6 TB/s',
    remoteBytesPerNs:
      'assumed: single accesses reach the bandwidth of copies when merged to 128 bytes (EMOGI, VLDB 2020)',
    topology: 'assumed: PCIe is not coherent; the whole memory is visible to peers (large BAR)',
  },
} satisfies Platform;
