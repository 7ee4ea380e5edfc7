import { ASSUMED, ASSUMED_SOURCES } from '../assumed.ts';
import type { Platform } from '../platform.ts';

const pcie = { copyOverheadNs: ASSUMED.copyOverheadNs, bytesPerNs: 25 };

export default {
  name: 'ascend910',
  title: 'Ascend 910 on PCIe 4 x16',
  inFlight: ASSUMED.inFlight,
  faultLatencyNs: ASSUMED.faultLatencyNs,
  link: { h2d: pcie, d2h: pcie, d2d: { copyOverheadNs: ASSUMED.copyOverheadNs, bytesPerNs: 30 } },
  host: {
    bytesPerNs: 150,
    zeroBytesPerNs: ASSUMED.hostZeroBytesPerNs,
    faultNs: ASSUMED.hostFaultNs,
    tlbShootdownNs: ASSUMED.hostTlbShootdownNs,
  },
  device: {
    memoryBytes: 32 * 2 ** 30,
    bytesPerNs: 1_200,
    zeroBytesPerNs: 1_200,
    tlbInvalidateNs: ASSUMED.deviceTlbInvalidateNs,
  },
  remoteBytesPerNs: 25,
  topology: { coherent: false, ats: false, peer: 'fast' },
  sources: {
    ...ASSUMED_SOURCES,
    'link.h2d': 'assumed: PCIe 4 x16 at 25 GB/s; no measurement was published',
    'link.d2h': 'assumed: PCIe 4 x16 at 25 GB/s; no measurement was published',
    'link.d2d.bytesPerNs': 'besthub.dev, Ascend 910 overview: HCCS 240 Gbit/s',
    'link.d2d.copyOverheadNs': 'assumed: as on PCIe 4',
    'host.bytesPerNs': 'assumed: about three quarters of eight channels of DDR4-3200 (204.8 GB/s)',
    'device.memoryBytes':
      "the openEuler 5.10 driver registers 0x8_0000_0000 to 0xF_FFFF_FFFF, 32 GiB, as the device's memory",
    'device.bytesPerNs': 'assumed: 1.2 TB/s, recalled from the launch of the product',
    remoteBytesPerNs: 'assumed: single accesses reach the bandwidth of copies',
    topology: 'assumed: PCIe to the host is not coherent, HCCS joins the devices',
  },
} satisfies Platform;
