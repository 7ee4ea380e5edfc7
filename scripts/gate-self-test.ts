/**
 * Proves that the regression gate can fail: plants a regression in a copy of a reference report and asks the built
 * program. Run after the build, on every CI run: `npx tsx scripts/gate-self-test.ts`.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { main } from '../src/cli/main.ts';
import type { Result, RunResult } from '../src/index.ts';
import { METRIC_NAMES, METRICS } from '../src/replay/metrics.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const PROGRAM = join(ROOT, 'bin', 'gmem-eval.js');
const TRACE = join(ROOT, 'traces', 'cyclic.csv');
const REFERENCE = join(ROOT, 'reports', 'cyclic.json');

const folder = mkdtempSync(join(tmpdir(), 'gmem-eval-gate-'));
let wrong = 0;

function expect(what: string, status: number | null, wanted: number): void {
  const good = status === wanted;
  if (!good) wrong++;
  console.log(`${good ? 'ok' : 'WRONG'}: ${what}: status ${status}${good ? '' : `, not ${wanted}`}`);
}

function program(...args: string[]): number | null {
  return spawnSync(process.execPath, [PROGRAM, ...args], { stdio: 'ignore' }).status;
}

function file(name: string, result: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof result === 'string' ? result : JSON.stringify(result));
  return path;
}

/** The result of the present program, and a copy that has the runs of the reference report. */
function referenceResult(fresh: string): Result {
  const { runs } = JSON.parse(readFileSync(REFERENCE, 'utf8')) as { runs: RunResult[] };
  return { ...(JSON.parse(readFileSync(fresh, 'utf8')) as Result), runs };
}

/** A copy with one metric of one run one step worse. */
function planted(result: Result, run: number, metric: keyof typeof METRICS): Result {
  const copy = structuredClone(result);
  const { metrics } = copy.runs[run];
  metrics[metric] = (metrics[metric] ?? 0) + (METRICS[metric].direction === 'lower' ? 1 : -1);
  return copy;
}

async function quietly(...args: string[]): Promise<number> {
  const nowhere = {
    write(_: string, done?: () => void) {
      done?.();
      return true;
    },
  };
  return main(args, { stdout: nowhere, stderr: nowhere, env: {} });
}

async function selfTest(): Promise<void> {
  const sizes = ['--oversub', '1.25'];
  const fresh = join(folder, 'fresh.json');
  expect('a run', program('run', TRACE, ...sizes, '--format', 'json', '--out', fresh), 0);
  const result = JSON.parse(readFileSync(fresh, 'utf8')) as Result;
  expect('run --baseline with its own result', program('run', TRACE, ...sizes, '--baseline', fresh), 0);
  // The new result is worse than this baseline: more was better there, fewer were enough.
  const better = structuredClone(result);
  better.runs[0].metrics['faults.device'] = result.runs[0].metrics['faults.device']! - 1;
  expect(
    'run --baseline after a regression',
    program('run', TRACE, ...sizes, '--baseline', file('better.json', better)),
    1,
  );

  const reference = referenceResult(fresh);
  const base = file('base.json', reference);
  expect('equal results', program('compare', base, base), 0);
  expect('a planted regression', program('compare', base, file('one.json', planted(reference, 0, 'faults.device'))), 1);
  expect(
    'a run too few',
    program('compare', base, file('few.json', { ...reference, runs: reference.runs.slice(1) })),
    2,
  );
  const cut = file('cut.json', readFileSync(base, 'utf8').slice(0, -100));
  expect('a result that was cut off', program('compare', base, cut), 2);
  expect('no result', program('compare', base, join(folder, 'none.json')), 2);

  // Each metric that has a better side, each time in another run.
  const judged = METRIC_NAMES.filter((name) => METRICS[name].direction !== 'neutral');
  for (const [i, metric] of judged.entries()) {
    const run = i % reference.runs.length;
    if (reference.runs[run].metrics[metric] === null) continue;
    const worse = file('worse.json', planted(reference, run, metric));
    expect(`${metric} one step worse in run ${run}`, await quietly('compare', base, worse), 1);
  }
}

try {
  await selfTest();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(wrong === 0 ? 'the gate can fail' : `${wrong} wrong: the gate cannot be trusted`);
process.exitCode = wrong === 0 ? 0 : 1;
