/** Both engines on the small hand-made traces of the repository, with every model and too little memory. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { allModels } from '../../src/replay/registry.ts';
import { compileTraceFile } from '../../src/trace/index.ts';
import { timedPlatform } from '../helpers/platforms.ts';
import { runTrace } from '../helpers/run.ts';

const folder = fileURLToPath(new URL('../../traces/', import.meta.url));
const names = readdirSync(folder).filter((name) => name.endsWith('.csv'));
const models = await allModels();

describe.each(names)('%s', (name) => {
  test('both engines agree', async () => {
    const trace = await compileTraceFile(folder + name);
    // A long sweep shows nothing more than a short one, and the reference engine is slow.
    const touches = trace.touchesByActor.reduce((sum, n) => sum + n, 0);
    if (touches > 6_000) return;
    const peakBlocks = Math.max(...trace.livePeakBytes) / 2 ** 21;
    const capacity = Math.max(1, Math.floor(peakBlocks / 1.5)) * 2 ** 21;
    for (const model of models) {
      const run = runTrace(model, trace, { platform: timedPlatform, inFlight: 256, capacity, check: false });
      expect(run.metrics['accesses.device'], model.name).toBeGreaterThan(0);
    }
  });
});
