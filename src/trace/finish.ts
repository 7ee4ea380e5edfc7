/** The second half of compiling: when the whole trace was read, pages get their ids and actors their order. */

import { BLOCK_PAGES, MASK_WORDS, PAGE_BYTES, popcount32 } from '../replay/mask.ts';
import {
  type Allocation,
  type BlockLives,
  type CompiledTrace,
  dispatchCode,
  LAST_ACCESS,
  OP,
  type TraceChunk,
  type TraceEvent,
} from './compiled.ts';
import type { DraftEvent, TraceCompiler } from './compiler.ts';
import { LineCounter } from './lines.ts';
import { type Numbering, numberPages } from './page-ids.ts';
import type { RowChunk } from './rows.ts';

export function finishTrace(compiler: TraceCompiler, name: string, sha256: string): CompiledTrace {
  const { actors, events } = compiler;
  const { blocks, allocations } = compiler.memory;
  const footprintBytes = blocks.finish() * PAGE_BYTES;
  const numbering = numberPages(blocks, events.length);
  if (numbering.pageIds >= 2 ** 31) compiler.fail('the trace touches more than 8 TiB of live memory at once', null);
  const finalActor = actors.finalOrder();
  const chunks = compiler.rows.finish();
  const deviceLineBytes = numberRows(chunks, compiler, numbering, finalActor);
  const inferred = allocations.length === 0 && blocks.count > 0;
  const inferredRuns = inferred ? inferAllocations(numbering.lives) : [];

  const byFinal = <T extends { [i: number]: unknown; length: number }>(from: T, into: T): T => {
    for (let a = 0; a < actors.names.length; a++) into[finalActor[a]] = from[a];
    return into;
  };
  const perActor = (counts: Float64Array) => byFinal(counts, new Float64Array(actors.names.length));
  const livePeakBytes = perActor(numbering.livePeakBytes);
  livePeakBytes[0] = 0;
  if (compiler.records === 0) compiler.warnings.push('the trace has a header but no records: every count is 0');

  return {
    name,
    sha256,
    metadata: compiler.metadata,
    actors: byFinal(actors.names, Array<string>(actors.names.length)),
    actorHasRecords: byFinal(actors.hasRecords, Array<boolean>(actors.names.length)),
    records: compiler.records,
    recordsByOp: compiler.recordsByOp,
    accessesByActor: perActor(compiler.accesses),
    touchesByActor: perActor(compiler.touches),
    bytesByActor: perActor(compiler.bytes),
    footprintBytes,
    deviceLineBytes,
    livePeakBytes,
    startNs: compiler.startNs,
    durationNs: compiler.endNs - compiler.startNs,
    handOvers: compiler.handOvers,
    hasTime: compiler.hasTime,
    hasAtomics: compiler.recordsByOp[OP.atomic] > 0,
    threads: actors.threads,
    inferredAllocations: inferred,
    allocations: inferred ? inferredRuns : allocations.map((a) => ({ ...a, actor: finalActor[a.actor] })),
    events: finishEvents(compiler, finalActor, inferredRuns),
    lives: numbering.lives,
    pageIds: numbering.pageIds,
    slots: numbering.slots,
    warnings: compiler.warnings,
    chunks: () => chunks as Iterable<TraceChunk>,
  };
}

/** Rows name lives until here; from here on page ids and final actors. Returns `deviceLineBytes`. */
function numberRows(chunks: RowChunk[], compiler: TraceCompiler, numbering: Numbering, finalActor: Uint8Array): number {
  const { count, touched, endEvent } = compiler.memory.blocks;
  const { firstId, before, pageIds } = numbering;
  const lines = new LineCounter(pageIds);
  const idOf = (life: number, pageInBlock: number) => {
    const word = life * MASK_WORDS + (pageInBlock >> 5);
    return firstId[life] + before[word] + popcount32(touched[word] & ((1 << (pageInBlock & 31)) - 1));
  };
  const pagesOf = (life: number) => {
    const last = life * MASK_WORDS + MASK_WORDS - 1;
    return before[last] + popcount32(touched[last]);
  };
  const endedBy = new Map<number, number[]>();
  for (let life = 0; life < count; life++) {
    if (endEvent[life] < 0) continue;
    const ended = endedBy.get(endEvent[life]);
    if (ended === undefined) endedBy.set(endEvent[life], [life]);
    else ended.push(life);
  }

  const onEvent = (event: number) => {
    for (const life of endedBy.get(event) ?? []) lines.forget(firstId[life], pagesOf(life));
    for (const { life, first, last } of compiler.memory.partialFrees.get(event) ?? []) {
      const from = idOf(life, first);
      const to = last === BLOCK_PAGES - 1 ? firstId[life] + pagesOf(life) : idOf(life, last + 1);
      lines.forget(from, to - from);
    }
    for (const { life, pageInBlock, offset, bytes } of compiler.copyTouches.get(event) ?? []) {
      lines.touch(idOf(life, pageInBlock), offset, bytes);
    }
  };

  for (const chunk of chunks) {
    const { rows, op, actor, code, page, pages, offset, bytes, pageInBlock } = chunk;
    if (pageInBlock === null) continue;
    for (let i = 0; i < rows; i++) {
      const device = actor[i] !== 0;
      actor[i] = finalActor[actor[i]];
      code[i] = dispatchCode(op[i], actor[i], pages[i]);
      if ((op[i] & 0x7f) > LAST_ACCESS) {
        onEvent(page[i]);
        continue;
      }
      const id = idOf(page[i], pageInBlock[i]);
      page[i] = id;
      if (device) lines.touch(id, offset[i], bytes[i]);
    }
    chunk.pageInBlock = null;
  }
  return lines.totalBytes();
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
