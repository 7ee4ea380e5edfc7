/** What nobody published for any of these machines, assumed alike for all of them so that it cancels in comparisons. */

export const ASSUMED = {
  inFlight: 256,
  faultLatencyNs: 10_000,
  copyOverheadNs: 1_000,
  hostFaultNs: 700,
  hostZeroBytesPerNs: 10,
  hostTlbShootdownNs: 2_000,
  deviceTlbInvalidateNs: 1_000,
} as const;

export const ASSUMED_SOURCES = {
  inFlight: 'assumed: touches of one device that wait at once; no vendor states it',
  faultLatencyNs: 'assumed: 10 us from raising a device fault until the driver can fetch it',
  'host.faultNs': 'assumed: trap, walk and return of a minor fault on a current x86 or Arm server core',
  'host.zeroBytesPerNs': 'assumed: one core clearing pages',
  'host.tlbShootdownNs': 'assumed: one inter-processor interrupt round on a busy server',
  'device.tlbInvalidateNs': 'assumed: one register write and its acknowledgement over the link',
  'device.zeroBytesPerNs': 'assumed: the copy engine fills at the bandwidth of device memory',
} as const;

/** PCIe 3 x16 as measured under demand migration; profiles of other PCIe 3 devices borrow it. */
export const PCIE3 = {
  h2d: { copyOverheadNs: 770, bytesPerNs: 12.2 },
  d2h: { copyOverheadNs: 750, bytesPerNs: 13.4 },
} as const;

export const PCIE3_SOURCES = {
  h2d:
    'fit of 0.77 us + 0.0839 us/KiB to six copy sizes, 4 to 1020 KiB, on a GTX 1080 Ti: ' +
    'DebashisGanguly/gpgpu-sim_UVMSmart, micro-benchmarks/getHWPrefetcherP*.cu (embedded profiler output)',
  d2h:
    'line through two copy sizes (4 KiB in 1.06 us, 60 KiB in 5.35 us) on a GTX 1080 Ti: ' +
    'DebashisGanguly/gpgpu-sim_UVMSmart, micro-benchmarks/getHWPrefetcherP*.cu (embedded profiler output)',
} as const;

/** PCIe 4 x16. */
export const PCIE4 = { copyOverheadNs: ASSUMED.copyOverheadNs, bytesPerNs: 24 } as const;

export const PCIE4_SOURCES = {
  bytesPerNs:
    'about 24 GB/s effective on a 32 GB/s link: copy-size curve in DebashisGanguly/gpgpu-sim_UVMSmart, ' +
    'src/gpgpu-sim/gpu-sim.cc',
  copyOverheadNs: 'assumed: 1 us, rounded up from the 0.77 us measured on PCIe 3',
} as const;
