/**
 * The shape of a user's machine profile, in which `null` stands for "infinitely fast" or "unlimited". Apart from
 * `profile.ts`, since only files of users are checked against it and the checker is slow to load.
 */

import { z } from 'zod';

const speed = z.number().positive().nullable().describe('bytes per ns (1 = 1 GB/s); null = infinitely fast');
const duration = z.number().nonnegative().describe('ns');
const link = z.strictObject({
  copyOverheadNs: duration.describe('ns from the start of a copy until its first byte moves, per copy operation'),
  bytesPerNs: speed,
});

export const profileSchema = z.strictObject({
  $schema: z.string().optional(),
  name: z.string().min(1),
  title: z.string(),
  inFlight: z.int().min(1).describe('touches of one device that may wait at once'),
  faultLatencyNs: duration.describe('ns from raising a device fault until the driver can fetch it'),
  link: z.strictObject({ h2d: link, d2h: link, d2d: link }),
  host: z.strictObject({
    bytesPerNs: speed,
    zeroBytesPerNs: speed,
    faultNs: duration.describe('ns: trap, page-table walk and return of one CPU fault'),
    tlbShootdownNs: duration.describe('ns: one shootdown of a contiguous range on all CPUs'),
  }),
  device: z.strictObject({
    memoryBytes: z.number().positive().nullable().describe('bytes of device memory; null = unlimited'),
    bytesPerNs: speed,
    zeroBytesPerNs: speed,
    tlbInvalidateNs: duration,
  }),
  remoteBytesPerNs: speed.describe('bytes per ns of single accesses over the host link without migration'),
  timeless: z.boolean().optional().describe('true: nothing takes time, driver work included'),
  topology: z.strictObject({
    coherent: z.boolean(),
    ats: z.boolean(),
    peer: z.enum(['none', 'p2p', 'fast']),
  }),
  sources: z
    .record(z.string(), z.string())
    .describe(
      'dotted field name (or its parent, or *) to where the number comes from; "assumed: ..." when nobody published it',
    ),
});

export type Profile = z.infer<typeof profileSchema>;
