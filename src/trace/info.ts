/** What `trace info` tells of a trace, as plain data. */

import { BLOCK_BYTES } from '../replay/mask.ts';
import { type Allocation, type CompiledTrace, LAST_ACCESS, OP, OP_NAMES } from './compiled.ts';

export interface ActorInfo {
  readonly name: string;
  readonly accesses: number;
  readonly reads: number;
  readonly writes: number;
  readonly atomics: number;
  readonly touches: number;
  readonly bytes: number;
  /** Most bytes of live 2 MiB blocks at once that it touches; 0 for the CPU. */
  readonly livePeakBytes: number;
}

export interface TraceInfo {
  readonly name: string;
  readonly sha256: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly records: number;
  readonly accesses: number;
  readonly touches: number;
  readonly recordsByOp: Readonly<Record<string, number>>;
  /** Actors with records of their own, in their final order. */
  readonly actors: readonly ActorInfo[];
  readonly footprintBytes: number;
  /** Distinct 64-byte lines touched by devices x 64. */
  readonly deviceLineBytes: number;
  /** Most bytes of touched 2 MiB blocks alive at once. */
  readonly liveBlockBytes: number;
  readonly allocations: readonly Pick<Allocation, 'name' | 'kind' | 'sizeBytes'>[];
  readonly inferredAllocations: boolean;
  readonly hasTime: boolean;
  readonly startNs: number;
  readonly durationNs: number;
  readonly threads: number;
  readonly handOvers: number;
  readonly warnings: readonly string[];
}

export function traceInfo(trace: CompiledTrace): TraceInfo {
  const recordsByOp: Record<string, number> = {};
  let accesses = 0;
  for (const [op, name] of OP_NAMES.entries()) {
    if (op <= LAST_ACCESS) accesses += trace.recordsByOp[op];
    recordsByOp[name] = trace.recordsByOp[op];
  }
  const byOp = accessesByActorAndOp(trace);
  const actors = trace.actors.map((name, a) => ({
    name,
    accesses: trace.accessesByActor[a],
    reads: byOp[a][OP.read],
    writes: byOp[a][OP.write],
    atomics: byOp[a][OP.atomic],
    touches: trace.touchesByActor[a],
    bytes: trace.bytesByActor[a],
    livePeakBytes: trace.livePeakBytes[a],
  }));
  return {
    name: trace.name,
    sha256: trace.sha256,
    metadata: trace.metadata,
    records: trace.records,
    accesses,
    touches: trace.touchesByActor.reduce((sum, n) => sum + n, 0),
    recordsByOp,
    actors: actors.filter((_, a) => trace.actorHasRecords[a]),
    footprintBytes: trace.footprintBytes,
    deviceLineBytes: trace.deviceLineBytes,
    liveBlockBytes: trace.slots * BLOCK_BYTES,
    allocations: trace.allocations.map(({ name, kind, sizeBytes }) => ({ name, kind, sizeBytes })),
    inferredAllocations: trace.inferredAllocations,
    hasTime: trace.hasTime,
    startNs: trace.startNs,
    durationNs: trace.durationNs,
    threads: trace.threads,
    handOvers: trace.handOvers,
    warnings: trace.warnings,
  };
}

function accessesByActorAndOp(trace: CompiledTrace): Float64Array[] {
  const counts = trace.actors.map(() => new Float64Array(LAST_ACCESS + 1));
  for (const { rows, op, actor } of trace.chunks()) {
    // The later rows of one record carry CONTINUES, and so lie above every op.
    for (let i = 0; i < rows; i++) if (op[i] <= LAST_ACCESS) counts[actor[i]][op[i]]++;
  }
  return counts;
}
