import { ASSUMED, ASSUMED_SOURCES } from '../assumed.ts';
import type { Platform } from '../platform.ts';

export default {
  name: 'gh200',
  title: 'GH200: Grace CPU and Hopper GPU on a coherent NVLink-C2C',
  inFlight: ASSUMED.inFlight,
  faultLatencyNs: ASSUMED.faultLatencyNs,
  link: {
    h2d: { copyOverheadNs: ASSUMED.copyOverheadNs, bytesPerNs: 375 },
    d2h: { copyOverheadNs: ASSUMED.copyOverheadNs, bytesPerNs: 297 },
    d2d: { copyOverheadNs: ASSUMED.copyOverheadNs, bytesPerNs: 58 },
  },
  host: {
    bytesPerNs: 486,
    zeroBytesPerNs: ASSUMED.hostZeroBytesPerNs,
    faultNs: ASSUMED.hostFaultNs,
    tlbShootdownNs: ASSUMED.hostTlbShootdownNs,
  },
  device: {
    memoryBytes: 96 * 2 ** 30,
    bytesPerNs: 3_400,
    zeroBytesPerNs: 3_400,
    tlbInvalidateNs: ASSUMED.deviceTlbInvalidateNs,
  },
  remoteBytesPerNs: 328,
  topology: { coherent: true, ats: true, peer: 'none' },
  sources: {
    ...ASSUMED_SOURCES,
    'link.h2d.bytesPerNs':
      'measured on the machine: Schieffer et al. (ICPP 2024, through summaries) (375 GB/s of 450), dnhkng.github.io 2026-04-25 GH200 benchmarks (377-380)',
    'link.d2h.bytesPerNs':
      'measured on the machine: Schieffer et al. (ICPP 2024, through summaries) (297 GB/s), dnhkng.github.io GH200 benchmarks (297-298)',
    'link.d2d.bytesPerNs':
      'measured on the machine: dnhkng.github.io GH200 benchmarks, GPU to GPU without a peer path (58 GB/s)',
    'link.h2d.copyOverheadNs': 'assumed: as on PCIe 4',
    'link.d2h.copyOverheadNs': 'assumed: as on PCIe 4',
    'link.d2d.copyOverheadNs': 'assumed: as on PCIe 4',
    'host.bytesPerNs':
      'measured on the machine: Schieffer et al. (ICPP 2024, through summaries), STREAM on the CPU (486 GB/s)',
    'device.memoryBytes': "vendor's data sheet, recalled: 96 GB HBM3",
    'device.bytesPerNs':
      'measured on the machine: Schieffer et al. (ICPP 2024, through summaries), STREAM on the GPU (3,400 GB/s)',
    remoteBytesPerNs:
      'measured on the machine: dnhkng.github.io GH200 benchmarks, GPU kernel reading host memory in place (328-339 GB/s)',
    topology: 'NVLink-C2C is cache-coherent and the GPU translates through the page table of the CPU (ATS)',
  },
} satisfies Platform;
