/**
 * What `reports/` shows beside the reference reports: the results of a few committed traces as `run` writes them (`reports/baseline/`, for
 * `compare`), a report page over them (`reports/report/`), and figures (`reports/figures/`). When only
 * checked, a file that differs is named. Bitmaps are only asked to be there: their edges may differ
 * by processor.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { main } from '../src/cli/main.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const SIZES = 'none,1.25,1.5,2';
const TRACES = ['stream_triad.csv.gz', 'spmv_cg.csv.gz', 'transformer.csv.gz', 'cyclic.csv'];
const FIGURES = [
  { kind: 'slowdown-vs-oversubscription', result: 'transformer', options: [] },
  { kind: 'migration', result: 'stream_triad', options: ['--sizes', '1.25'] },
  { kind: 'faults', result: 'spmv_cg', options: ['--sizes', '1.25'] },
  { kind: 'time-breakdown', result: 'stream_triad', options: ['--sizes', '2'] },
  { kind: 'heatmap', result: 'cyclic', options: ['--sizes', '1.25', '--events', 'cyclic.jsonl'] },
] as const;

const silent = {
  write(_: string, done?: () => void) {
    done?.();
    return true;
  },
};

async function command(...args: string[]): Promise<void> {
  const status = await main([...args], { stdout: silent, stderr: process.stderr, env: { GMEM_EVAL_CACHE_SIZE: '0' } });
  if (status !== 0) throw new Error(`gmem-eval ${args.join(' ')}: status ${status}`);
}

/** Makes everything in a folder of its own and gives it by the name that it has below `reports/`. */
async function make(folder: string): Promise<Map<string, Buffer>> {
  for (const name of ['baseline', 'report', 'figures']) mkdirSync(join(folder, name));
  const results = TRACES.map((trace) => join(folder, 'baseline', trace.replace(/\.csv(\.gz)?$/, '.json')));
  for (const [i, trace] of TRACES.entries()) {
    const events = trace === 'cyclic.csv' ? ['--events', join(folder, 'cyclic.jsonl')] : [];
    const options = ['--oversub', SIZES, '--format', 'json', '--quiet', '--out', results[i], ...events];
    await command('run', join(ROOT, 'traces', trace), ...options);
  }
  await command('report', ...results, '--out', join(folder, 'report'));
  for (const { kind, result, options } of FIGURES) {
    const given = options.map((option) => (option.endsWith('.jsonl') ? join(folder, option) : option));
    for (const ending of ['png', 'svg', 'pdf']) {
      const out = join(folder, 'figures', `${kind}.${ending}`);
      const data = ending === 'pdf' ? ['--data'] : [];
      await command(
        'figure',
        join(folder, 'baseline', `${result}.json`),
        '--kind',
        kind,
        '--out',
        out,
        ...given,
        ...data,
      );
    }
  }
  const made = new Map<string, Buffer>();
  for (const name of ['baseline', 'report', 'figures']) {
    for (const file of readdirSync(join(folder, name))) {
      made.set(`${name}/${file}`, readFileSync(join(folder, name, file)));
    }
  }
  return made;
}

function committed(name: string): Buffer | null {
  try {
    return readFileSync(join(ROOT, 'reports', name));
  } catch {
    return null;
  }
}

/** Gives the number of files that differ. */
export async function showcase(check: boolean): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'gmem-eval-showcase-'));
  let differences = 0;
  try {
    const made = await make(folder);
    for (const [name, content] of made) {
      const before = committed(name);
      const same = before !== null && (name.endsWith('.png') || before.equals(content));
      if (!same) {
        differences++;
        console.log(`reports/${name}: ${before === null ? 'missing' : 'differs'}${check ? '' : ', written'}`);
      }
      if (!check) {
        mkdirSync(join(ROOT, 'reports', name, '..'), { recursive: true });
        writeFileSync(join(ROOT, 'reports', name), content);
      }
    }
    console.log(`${made.size} files, ${differences} differences`);
  } finally {
    rmSync(folder, { recursive: true });
  }
  return differences;
}
