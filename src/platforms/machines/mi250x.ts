import { ASSUMED, ASSUMED_SOURCES } from '../assumed.ts';
import type { Platform } from '../platform.ts';

const host = { copyOverheadNs: ASSUMED.copyOverheadNs, bytesPerNs: 36 };

export default {
  name: 'mi250x',
  title: 'One die (GCD) of an Instinct MI250X beside an EPYC 7A53, linked by Infinity Fabric',
  inFlight: ASSUMED.inFlight,
  faultLatencyNs: ASSUMED.faultLatencyNs,
  link: { h2d: host, d2h: host, d2d: { copyOverheadNs: ASSUMED.copyOverheadNs, bytesPerNs: 200 } },
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
  remoteBytesPerNs: 36,
  topology: { coherent: true, ats: false, peer: 'fast' },
  sources: {
    ...ASSUMED_SOURCES,
    'link.h2d.bytesPerNs':
      'ICS 2024 study of shared virtual memory on this machine, read through notes: host link 36 GB/s',
    'link.d2h.bytesPerNs':
      'ICS 2024 study of shared virtual memory on this machine, read through notes: host link 36 GB/s',
    'link.d2d.bytesPerNs': 'the same study: 200 GB/s between the two dies of a package',
    'link.h2d.copyOverheadNs': 'assumed: as on PCIe 4',
    'link.d2h.copyOverheadNs': 'assumed: as on PCIe 4',
    'link.d2d.copyOverheadNs': 'assumed: as on PCIe 4',
    'host.bytesPerNs': 'assumed: about three quarters of eight channels of DDR4-3200 (204.8 GB/s)',
    'device.memoryBytes': 'the same study: 64 GB HBM2E a die',
    'device.bytesPerNs': 'rocm.docs.amd.com, MI250 microarchitecture: 1.6 TB/s a die',
    remoteBytesPerNs: 'assumed: single accesses reach the bandwidth of copies',
    topology: 'Linux amdkfd, kfd_migrate.c: memory of devices with xgmi.connected_to_cpu is registered as coherent',
  },
} satisfies Platform;
