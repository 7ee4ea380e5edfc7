/** A machine profile: sizes and speeds of hardware, never costs of driver code (those are model parameters). */

export interface LinkSpeed {
  /** Start of a copy until its first byte moves, per copy operation. */
  readonly copyOverheadNs: number;
  /** 1 byte/ns = 1 GB/s. */
  readonly bytesPerNs: number;
}

export interface Platform {
  readonly name: string;
  readonly title: string;
  /** Touches of a device that may wait at once. */
  readonly inFlight: number;
  /** From raising a device fault until the driver can fetch it. */
  readonly faultLatencyNs: number;
  readonly link: { readonly h2d: LinkSpeed; readonly d2h: LinkSpeed; readonly d2d: LinkSpeed };
  readonly host: {
    readonly bytesPerNs: number;
    readonly zeroBytesPerNs: number;
    /** Trap, page-table walk and return of one CPU fault, without what the stack does for it. */
    readonly faultNs: number;
    /** One shootdown of a contiguous range on all CPUs. */
    readonly tlbShootdownNs: number;
  };
  readonly device: {
    readonly memoryBytes: number;
    readonly bytesPerNs: number;
    readonly zeroBytesPerNs: number;
    readonly tlbInvalidateNs: number;
  };
  /** Bytes/ns of single accesses over the host link without migration. */
  readonly remoteBytesPerNs: number;
  /** True: nothing takes time, driver work included, whatever a model asks for. */
  readonly timeless?: boolean;
  readonly topology: {
    /** CPU and devices reach each other's memory cache-coherently (NVLink-C2C and the like). */
    readonly coherent: boolean;
    /** Devices translate through the CPU page table. */
    readonly ats: boolean;
    /** Between devices: none (staged through the host), peer access, or a fast link with native atomics. */
    readonly peer: 'none' | 'p2p' | 'fast';
  };
  /** Dotted field name (or its parent, or `*`) -> where the number comes from; `assumed: ...` marks what nobody published. */
  readonly sources: Readonly<Record<string, string>>;
}

/** Nanoseconds of one copy operation. Every duration is a whole number of nanoseconds, so clocks stay exact. */
export function copyNs(link: LinkSpeed, bytes: number): number {
  return Math.round(link.copyOverheadNs + bytes / link.bytesPerNs);
}
