import type { CompiledTrace } from '../../src/trace/compiled.ts';
import type { Arena } from '../../src/trace/kernel/arena.ts';

/** Everything in a compiled trace that does not depend on how the text was written, as plain data. */
export function snapshot(trace: CompiledTrace, arena?: Arena) {
  const { name: _, sha256: __, metadata: ___, chunks, lives, ...rest } = trace;
  const rows: (number | null)[][] = [];
  for (const c of chunks(arena)) {
    for (let i = 0; i < c.rows; i++) {
      const thread = c.thread === null ? null : c.thread[i];
      rows.push([
        c.record[i],
        c.op[i],
        c.actor[i],
        c.timeNs[i],
        c.page[i],
        c.pages[i],
        c.offset[i],
        c.bytes[i],
        thread,
      ]);
    }
  }
  return { ...rest, lives: { ...lives }, rows };
}
