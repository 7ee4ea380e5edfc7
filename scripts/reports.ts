/**
 * Remakes the reference reports, `reports/NAME.json`: every committed trace through the default stacks with unlimited
 * memory and oversubscribed 1.25 and 2 times; and the result that the README shows. With `--check` nothing is written: any difference is printed by run and
 * metric, and the status is 1.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { main } from '../src/cli/main.ts';
import { compileTrace, type Result, type RunResult, replay } from '../src/index.ts';
import { showcase } from './showcase.ts';

const TRACES = new URL('../traces/', import.meta.url);
const REPORTS = new URL('../reports/', import.meta.url);
const RATIOS = [1.25, 2];

/** A result less what changes without any change of behaviour: the version, sources, wording. */
interface Report {
  readonly trace: Result['trace'] & { readonly name: string; readonly sha256: string };
  readonly options: Result['manifest']['options'];
  readonly runs: readonly RunResult[];
}

async function makeReport(file: string): Promise<Report> {
  const trace = await compileTrace(fileURLToPath(new URL(file, TRACES)));
  const unlimited = await replay(trace);
  const limited = await replay(trace, { oversub: RATIOS });
  const { name, sha256 } = unlimited.manifest.trace;
  return {
    trace: { name, sha256, ...unlimited.trace },
    options: limited.manifest.options,
    runs: [...unlimited.runs, ...limited.runs],
  };
}

/** One line a value, so that a difference in git reads well. */
function textOf(report: Report): string {
  return `${JSON.stringify(report, null, 1)}\n`;
}

const runName = (run: RunResult): string =>
  `${run.model}${run.preset === null ? '' : `:${run.preset}`} ${run.oversubscription ?? 'unlimited'}`;

/** What differs, one line each. */
function differences(name: string, before: Report, after: Report): string[] {
  const lines: string[] = [];
  const note = (where: string, a: unknown, b: unknown): void => {
    if (JSON.stringify(a) !== JSON.stringify(b)) {
      lines.push(`${name}: ${where}: ${JSON.stringify(a)} -> ${JSON.stringify(b)}`);
    }
  };
  note('trace', before.trace, after.trace);
  note('options', before.options, after.options);
  note('runs', before.runs.map(runName), after.runs.map(runName));
  for (const run of after.runs) {
    const old = before.runs.find((r) => runName(r) === runName(run));
    if (old === undefined) continue;
    const { metrics: oldMetrics, ...oldRest } = old;
    const { metrics, ...rest } = run;
    for (const metric of new Set([...Object.keys(oldMetrics), ...Object.keys(metrics)])) {
      note(`${runName(run)}: ${metric}`, oldMetrics[metric], metrics[metric]);
    }
    for (const key of Object.keys({ ...oldRest, ...rest }) as (keyof typeof rest)[])
      note(`${runName(run)}: ${key}`, oldRest[key], rest[key]);
  }
  return lines;
}

async function reports(): Promise<number> {
  const check = process.argv.includes('--check');
  mkdirSync(REPORTS, { recursive: true });
  const traces = readdirSync(TRACES).filter((file) => /\.csv(\.gz)?$/.test(file));
  const found: string[] = [];
  const names = traces.map((file) => `${basename(file).replace(/\.csv(\.gz)?$/, '')}.json`);
  for (const [i, file] of traces.entries()) {
    const report = await makeReport(file);
    const at = new URL(names[i], REPORTS);
    const before = readReport(at);
    if (before === null) found.push(`${names[i]}: ${check ? 'missing' : 'new'}`);
    else found.push(...differences(names[i], before, report));
    if (!check) writeFileSync(at, textOf(report));
  }
  for (const stale of readdirSync(REPORTS).filter((name) => name.endsWith('.json') && !names.includes(name))) {
    found.push(`${stale}: no such trace${check ? '' : ', removed'}`);
    if (!check) rmSync(new URL(stale, REPORTS));
  }
  found.push(...(await readmeResult(check)));
  for (const line of found) console.log(line);
  console.log(`${names.length} reports, ${found.length} differences${check ? '' : ' written'}`);
  if (check && found.length > 0) console.log('run `npm run reports` and commit what changed, with the reason');
  return check && found.length > 0 ? 1 : 0;
}

/** The block after `<!-- result: COMMAND -->` in the README is what that command prints. */
async function readmeResult(check: boolean): Promise<string[]> {
  const readme = new URL('../README.md', import.meta.url);
  const text = readFileSync(readme, 'utf8');
  const parts = /^([\s\S]*<!-- result: gmem-eval (.*) -->\n```text\n)([\s\S]*?)(```[\s\S]*)$/.exec(text);
  if (parts === null) return ['README.md: no result'];
  const [, before, command, shown, after] = parts;
  const printed = await output(command.split(' '));
  if (printed === shown) return [];
  if (!check) writeFileSync(readme, before + printed + after);
  return [`README.md: the result shown is not what \`gmem-eval ${command}\` prints`];
}

async function output(args: readonly string[]): Promise<string> {
  let text = '';
  const stdout = {
    write(part: string, done?: () => void) {
      text += part;
      done?.();
      return true;
    },
  };
  const status = await main([...args, '--quiet'], {
    stdout,
    stderr: process.stderr,
    env: { GMEM_EVAL_CACHE_SIZE: '0' },
  });
  if (status !== 0) throw new Error(`gmem-eval ${args.join(' ')}: status ${status}`);
  return text;
}

function readReport(at: URL): Report | null {
  try {
    return JSON.parse(readFileSync(at, 'utf8')) as Report;
  } catch {
    return null;
  }
}

const check = process.argv.includes('--check');
const status = await reports();
const changed = await showcase(check);
process.exitCode = check && changed > 0 ? 1 : status;
