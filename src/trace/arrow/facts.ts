/** What a compiled trace holds besides its rows, as text and bytes. */

import {
  type Allocation,
  type BlockLives,
  CONTINUES,
  type CompiledTrace,
  OP_NAMES,
  type TraceEvent,
} from '../compiled.ts';

/** Everything but rows and the lists that grow with a trace. */
export type Facts = Omit<CompiledTrace, 'chunks' | 'lives' | 'allocations' | 'events'>;

type CountKey = { [K in keyof Facts]: Facts[K] extends Float64Array ? K : never }[keyof Facts];

/** All facts that JSON has no type for. */
const COUNTED: { readonly [K in CountKey]: true } = {
  recordsByOp: true,
  accessesByActor: true,
  touchesByActor: true,
  bytesByActor: true,
  livePeakBytes: true,
};
const COUNTS = Object.keys(COUNTED) as CountKey[];

/** JSON for the schema's metadata; `ops` and `continues` are for readers of other kinds. */
export function factsText(trace: CompiledTrace): string {
  const { chunks: _, lives: __, allocations: ___, events: ____, ...facts } = trace;
  const counts = Object.fromEntries(COUNTS.map((key) => [key, Array.from(trace[key])]));
  return JSON.stringify({ ...facts, ...counts, ops: OP_NAMES, continues: CONTINUES });
}

export function parseFacts(text: string): Facts {
  const { ops: _, continues: __, ...facts } = JSON.parse(text);
  for (const key of COUNTS) facts[key] = Float64Array.from(facts[key]);
  return facts;
}

/** Lines of JSON in pieces that are never one huge string. */
export function* jsonLines(items: readonly (Allocation | TraceEvent)[]): Generator<Uint8Array> {
  const PIECE = 4096;
  for (let at = 0; at < items.length; at += PIECE) {
    yield Buffer.from(
      items
        .slice(at, at + PIECE)
        .map((item) => `${JSON.stringify(item)}\n`)
        .join(''),
    );
  }
}

const WORDS = 16;

/** The columns of `lives` one after the other, the 8-byte one first. */
export function* livesBytes({ count, ...lives }: BlockLives): Generator<Uint8Array> {
  const columns = [
    lives.block.subarray(0, count),
    lives.slot.subarray(0, count),
    lives.firstId.subarray(0, count),
    lives.touched.subarray(0, count * WORDS),
    lives.beginEvent.subarray(0, count),
    lives.endEvent.subarray(0, count),
  ];
  for (const { buffer, byteOffset, byteLength } of columns) yield new Uint8Array(buffer, byteOffset, byteLength);
}

const LIFE_BYTES = 8 + 4 * (4 + WORDS);

/** Over shared memory, where every thread may look at it. */
export function livesIn(bytes: SharedArrayBuffer): BlockLives {
  const count = bytes.byteLength / LIFE_BYTES;
  let at = 8 * count;
  const int32 = (n: number) => {
    const column = new Int32Array(bytes, at, n);
    at += 4 * n;
    return column;
  };
  return {
    count,
    block: new Float64Array(bytes, 0, count),
    slot: int32(count),
    firstId: int32(count),
    touched: int32(count * WORDS),
    beginEvent: int32(count),
    endEvent: int32(count),
  };
}
