/** A thread replays its rehearsal until its work is there. */

import { setImmediate, setTimeout } from 'node:timers/promises';
import { replay } from '../replay/engine.ts';
import type { ModelDefinition } from '../replay/model.ts';
import type { Rehearsal } from './rehearsal.ts';
import { openSharedTrace } from './shared-trace.ts';

/** Work that comes sooner is not worth it: a trace that is read so fast is replayed fast. */
const PATIENCE_MS = 150;
/** The first teaches most, and the second what the first led to; more costs more than it saves. */
const ROUNDS = 2;

/** `wanted`: is the work there? It waits for one replay of the rehearsal at most. */
export async function rehearse(
  { trace, lanes }: Rehearsal,
  load: (reference: string) => Promise<ModelDefinition>,
  wanted: () => boolean,
): Promise<void> {
  await setTimeout(PATIENCE_MS);
  try {
    const specs = await Promise.all(lanes.map(async (lane) => ({ ...lane, model: await load(lane.reference) })));
    for (let round = 0; round < ROUNDS && !wanted(); round++) {
      replay(openSharedTrace(trace), specs);
      await setImmediate();
    }
  } catch {
    // Whatever it is, the work itself will tell.
  }
}
