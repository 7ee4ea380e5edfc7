/** The second half of compiling: when the whole trace was read, pages get their ids and actors their order. */

import { BLOCK_PAGES, PAGE_BYTES } from '../replay/mask.ts';
import { type Allocation, type BlockLives, type CompiledTrace, OP, type TraceEvent } from './compiled.ts';
import type { DraftEvent, TraceCompiler } from './compiler.ts';
import { countRows } from './count-rows.ts';
import { chunksOfPacked, setFinals } from './packed-rows.ts';
import { numberPages } from './page-ids.ts';

export function finishTrace(compiler: TraceCompiler, name: string, sha256: string): CompiledTrace {
  const { actors, events, loops } = compiler;
  const { blocks, allocations } = compiler.memory;
  const footprintBytes = blocks.finish() * PAGE_BYTES;
  const numbering = numberPages(blocks, events.length, actors.names.length, (n) => loops.int32(n));
  if (numbering.pageIds >= 2 ** 31) compiler.fail('the trace touches more than 8 TiB of live memory at once', null);
  const finalActor = actors.finalOrder();
  const packed = compiler.rows.finish();
  const kinds = compiler.kinds.finish();
  setFinals(loops, kinds, finalActor);
  const counts = countRows(packed, compiler, numbering, actors.names.length, kinds.length);
  const inferred = allocations.length === 0 && blocks.count > 0;
  const inferredRuns = inferred ? inferAllocations(numbering.lives) : [];

  const byFinal = <T extends { [i: number]: unknown; length: number }>(from: T, into: T): T => {
    for (let a = 0; a < actors.names.length; a++) into[finalActor[a]] = from[a];
    return into;
  };
  const livePeakBytes = byFinal(numbering.livePeakBytes, new Float64Array(actors.names.length));
  livePeakBytes[0] = 0;
  if (compiler.records === 0) compiler.warnings.push('the trace has a header but no records: every count is 0');

  return {
    name,
    sha256,
    metadata: compiler.metadata,
    actors: byFinal(actors.names, Array<string>(actors.names.length)),
    actorHasRecords: counts.hasRecords,
    records: compiler.records,
    recordsByOp: counts.recordsByOp,
    accessesByActor: counts.accesses,
    touchesByActor: counts.touches,
    bytesByActor: counts.bytes,
    footprintBytes,
    deviceLineBytes: counts.deviceLineBytes,
    livePeakBytes,
    startNs: compiler.startNs,
    durationNs: compiler.endNs - compiler.startNs,
    handOvers: counts.handOvers,
    hasTime: compiler.hasTime,
    hasAtomics: counts.recordsByOp[OP.atomic] > 0,
    threads: actors.threads,
    inferredAllocations: inferred,
    allocations: inferred ? inferredRuns : allocations.map((a) => ({ ...a, actor: finalActor[a.actor] })),
    events: finishEvents(compiler, finalActor, inferredRuns),
    lives: numbering.lives,
    pageIds: numbering.pageIds,
    slots: numbering.slots,
    warnings: compiler.warnings,
    chunks: chunksOfPacked(
      { chunks: packed, withThread: compiler.rows.withThreads, place: numbering.place, kinds, finalActor },
      numbering.lives,
    ),
  };
}

/** Each maximal run of touched blocks is one allocation of whole blocks. */
function inferAllocations(lives: BlockLives): Allocation[] {
  const allocations: Allocation[] = [];
  for (let i = 0; i < lives.count; ) {
    const first = lives.block[i];
    let next = first;
    while (i < lives.count && lives.block[i] === next) {
      next++;
      i++;
    }
    const id = allocations.length;
    allocations.push({
      id,
      name: `inferred${id}`,
      kind: 'managed',
      vma: 'map',
      actor: 0,
      firstPage: first * BLOCK_PAGES,
      lastPage: next * BLOCK_PAGES - 1,
      sizeBytes: (next - first) * BLOCK_PAGES * PAGE_BYTES,
      record: -1,
    });
  }
  return allocations;
}

function finishEvents(compiler: TraceCompiler, finalActor: Uint8Array, inferred: Allocation[]): TraceEvent[] {
  const { launches } = compiler;
  const { blocks } = compiler.memory;
  const allocationOf = (life: number) => {
    const page = blocks.block[life] * BLOCK_PAGES;
    return inferred.findIndex((a) => a.firstPage <= page && page <= a.lastPage);
  };
  return compiler.events.map((event, index) => {
    const final: DraftEvent = { ...event, actor: finalActor[event.actor] };
    if ((event.op === 'prefetch' || event.op === 'advise') && (event.target as number) >= 0) {
      final.target = finalActor[event.target as number];
    }
    if (event.op === 'launch') {
      const touched = [...(launches.touched.get(index) ?? [])];
      const ids = inferred.length > 0 ? new Set(touched.map(allocationOf)) : new Set(touched);
      final.allocations = [...ids].sort((a, b) => a - b);
    }
    return final as unknown as TraceEvent;
  });
}
