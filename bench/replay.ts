/**
 * Touches a second of the replay where every touch hits: 64-byte reads, uniform random over 1 Mi resident pages (4 GiB),
 * one run and 32 runs in one pass, beside a bare loop that reads the same page ids and tests one word each.
 * `npx tsx bench/replay.ts [ROUNDS]`
 */
import { replay } from '../src/replay/engine.ts';
import type { LaneSpec } from '../src/replay/lane.ts';
import { planRuns, runsOf } from '../src/replay/plan.ts';
import { allModels } from '../src/replay/registry.ts';
import { type CompiledTrace, OP, type TraceChunk } from '../src/trace/compiled.ts';
import { compileTraceText } from '../src/trace/index.ts';

const PAGES = 1 << 20;
const BLOCK_BYTES = 2 ** 21;
const BASE = 0x40000000;
const CHUNK_ROWS = 1 << 16;
const CHUNKS = 16;
/** The random chunks are walked this often, so that the first touches do not count. */
const REPEATS = 16;

/** xorshift32: the same touches every time. */
function random(): () => number {
  let x = 0x2545f491;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

/** A device writes and reads 4 GiB block by block, which settles every page; then come the random reads, as columns. */
async function makeTrace(): Promise<{ resident: CompiledTrace; random: TraceChunk[] }> {
  const rows = ['actor,op,addr,size,arg', `gpu0,alloc,${BASE},${PAGES * 4096},a`];
  for (const op of ['write', 'read']) {
    for (let at = BASE; at < BASE + PAGES * 4096; at += BLOCK_BYTES) rows.push(`gpu0,${op},${at},${BLOCK_BYTES},`);
  }
  const resident = await compileTraceText(`${rows.join('\n')}\n`);
  const next = random();
  const chunks = Array.from({ length: CHUNKS }, (_, c): TraceChunk => {
    const column = <T extends { fill(n: number): T }>(values: T, n: number): T => values.fill(n);
    return {
      rows: CHUNK_ROWS,
      record: Uint32Array.from({ length: CHUNK_ROWS }, (_, i) => resident.records + c * CHUNK_ROWS + i),
      op: column(new Uint8Array(CHUNK_ROWS), OP.read),
      actor: column(new Uint8Array(CHUNK_ROWS), 1),
      // Actor 1 reads one page.
      code: column(new Uint8Array(CHUNK_ROWS), 1 * 3 + OP.read),
      timeNs: new Float64Array(CHUNK_ROWS),
      page: Int32Array.from({ length: CHUNK_ROWS }, () => next() % PAGES),
      pages: column(new Uint16Array(CHUNK_ROWS), 1),
      offset: Uint16Array.from({ length: CHUNK_ROWS }, () => (next() % 64) * 64),
      bytes: column(new Uint32Array(CHUNK_ROWS), 64),
      thread: null,
    };
  });
  return { resident, random: chunks };
}

/** CPU seconds of the random part alone: the trace itself takes the time when the engine asks for its chunks. */
function secondsOfRandom(trace: CompiledTrace, chunks: readonly TraceChunk[], specs: readonly LaneSpec[]): number {
  let begin = process.cpuUsage();
  let seconds = 0;
  replay(
    {
      ...trace,
      *chunks() {
        yield* trace.chunks();
        // The engine is one chunk behind what it asks for.
        yield chunks[0];
        begin = process.cpuUsage();
        for (let i = 0; i < REPEATS; i++) yield* chunks;
        seconds = secondsSince(begin);
      },
    },
    specs,
  );
  return seconds;
}

function secondsSince(begin: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1e6;
}

/** The least that a replay could do: one word a touch. */
function bareLoop(chunks: readonly TraceChunk[], repeats: number): number {
  const words = new Int32Array(PAGES).fill(-1);
  let misses = 0;
  for (let i = 0; i < repeats; i++) {
    for (const { page, rows } of chunks) for (let row = 0; row < rows; row++) if (words[page[row]] !== -1) misses++;
  }
  return misses;
}

async function main(): Promise<void> {
  const rounds = Number(process.argv[2] ?? 3);
  const { resident, random: chunks } = await makeTrace();
  const model = (await allModels())[0].name;
  const plan = await planRuns({ models: [model], platform: 'zero' });
  const [{ spec }] = runsOf(plan, resident);
  const touches = CHUNKS * CHUNK_ROWS * REPEATS;
  const rate = (seconds: number): string => `${(touches / seconds / 1e6).toFixed(0)} M touches/s`;
  for (let round = 0; round < rounds; round++) {
    const begin = process.cpuUsage();
    bareLoop(chunks, REPEATS);
    const bare = secondsSince(begin);
    const measured = [1, 32].map((lanes) => {
      const specs = Array.from({ length: lanes }, () => spec);
      return secondsOfRandom(resident, chunks, specs);
    });
    console.log(
      `bare loop ${rate(bare)}; ${model}, 1 run ${rate(measured[0])} (${(measured[0] / bare).toFixed(2)} x the time); 32 runs ${rate(measured[1])} (${(measured[1] / bare).toFixed(2)} x)`,
    );
  }
}

await main();
