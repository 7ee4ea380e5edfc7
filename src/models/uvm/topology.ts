/** Who can reach whose memory, as processor masks (bit 0 = CPU, bit n = GPU n), from the platform's topology. */

import type { Platform } from '../../platforms/platform.ts';

export interface Topology {
  readonly processors: number;
  /** canAccess[p]: processors whose memory p can map. */
  readonly canAccess: readonly number[];
  /** accessibleFrom[p]: processors that can map p's memory. */
  readonly accessibleFrom: readonly number[];
  /** hasFastLink[p]: processors joined to p by NVLink or C2C. */
  readonly hasFastLink: readonly number[];
  /** nativeAtomics[p]: processors whose atomics on p's memory need no page fault. */
  readonly nativeAtomics: readonly number[];
}

/**
 * GPUs always reach system memory. The CPU reaches video memory only on coherent machines; GPUs reach each other
 * with peer access. Native atomics need a fast link (uvm_va_space.c).
 */
export function makeTopology(shape: Platform['topology'], processors: number): Topology {
  const canAccess: number[] = [];
  const hasFastLink: number[] = [];
  const nativeAtomics: number[] = [];
  const gpus = (1 << processors) - 2;
  for (let p = 0; p < processors; p++) {
    const self = 1 << p;
    const peers = gpus & ~self;
    if (p === 0) {
      canAccess.push(self | (shape.coherent ? gpus : 0));
      hasFastLink.push(shape.coherent ? gpus : 0);
    } else {
      canAccess.push(self | 1 | (shape.peer === 'none' ? 0 : peers));
      hasFastLink.push((shape.coherent ? 1 : 0) | (shape.peer === 'fast' ? peers : 0));
    }
    nativeAtomics.push(self | hasFastLink[p]);
  }
  const accessibleFrom = canAccess.map((_, to) =>
    canAccess.reduce((mask, reach, from) => mask | ((reach >> to) & 1 ? 1 << from : 0), 0),
  );
  return { processors, canAccess, accessibleFrom, hasFastLink, nativeAtomics };
}

export function has(mask: number, processor: number): boolean {
  return ((mask >>> processor) & 1) !== 0;
}

export function lowest(mask: number): number {
  return mask === 0 ? -1 : 31 - Math.clz32(mask & -mask);
}

/** Calls `visit` for each processor of the mask, ascending. */
export function forEachProcessor(mask: number, visit: (processor: number) => void): void {
  for (let rest = mask; rest !== 0; rest &= rest - 1) visit(lowest(rest));
}

/** Of the candidates, the one nearest to `from`: itself, fast links, reachable memory, anything; GPUs before the CPU. */
export function closest(topology: Topology, candidates: number, from: number): number {
  if (has(candidates, from)) return from;
  const fast = candidates & topology.hasFastLink[from];
  const near = fast !== 0 ? fast : candidates & topology.canAccess[from];
  if (near === 0) return lowest(candidates);
  return (near & ~1) !== 0 ? lowest(near & ~1) : 0;
}
