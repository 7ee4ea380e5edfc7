import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { ConfigurationError } from '../../replay/configuration-error.ts';
import { type Plan, planRuns, runsOf } from '../../replay/plan.ts';
import { formatNames, loadFormat, type ReportFormat } from '../../report/registry.ts';
import { buildResult, type Result } from '../../report/result.ts';
import { toolVersion } from '../../report/version.ts';
import type { CompiledTrace } from '../../trace/compiled.ts';
import type { Gate, GateOptions } from '../gate.ts';
import { answer, type Io, OutputError, wantsColor } from '../io.ts';
import { mustDiffer } from '../must-differ.ts';
import { listed, repeated, wholeNumber } from '../options.ts';
import { OutputFile } from '../output-file.ts';
import { startProgress } from '../progress.ts';
import { type TraceOptions, withTrace } from '../read-trace.ts';
import { loadModels, replayRuns } from '../replay-runs.ts';
import { type ReplayThreads, withThreads } from '../replay-threads.ts';
import { openSharedTrace, shareTrace } from '../shared-trace.ts';
import { warn } from '../warn.ts';

interface Options extends GateOptions, TraceOptions {
  models?: string[];
  set?: string[];
  platform?: string;
  oversub?: string[];
  deviceMemory?: string[];
  inFlight?: number;
  out: string;
  events?: string;
  interval?: number;
  check?: true;
  jobs: number;
  baseline?: string;
}

export function runCommand(io: Io): Command {
  return new Command('run')
    .summary('replay a trace through memory-management stacks')
    .description('Replay a trace through models of memory-management stacks and report what each of them does.')
    .argument('<trace>', 'a trace file, plain, gzip or compiled; - reads standard input')
    .option('-m, --models <list>', 'stacks to run: NAME[:PRESET], a module (./mine.js), or all, by commas', listed)
    .option('--set <model.param=value>', 'set a parameter of a model, or host.page, host.zeroPage', repeated)
    .option('--platform <name|file>', 'machine profile, see `gmem-eval platforms`')
    .option('--oversub <ratios>', 'give each device FOOTPRINT / RATIO bytes, one run a ratio', listed)
    .option(
      '--device-memory <sizes>',
      'give devices this much: 16GiB, or gpu0=16GiB/gpu1=64GiB, one run a size',
      listed,
    )
    .option('--in-flight <n>', 'touches of a device that may wait at once (default: of the platform)', (text: string) =>
      wholeNumber('--in-flight', text),
    )
    .option('--format <name>', `report: ${formatNames().join(', ')}`, 'table')
    .option('--out <dir|file|->', 'where the report goes; - is standard output', '-')
    .option(
      '--baseline <file>',
      'compare with this result instead: the report is that of `compare`, exit status 1 when worse',
    )
    .option('--update-baseline', 'write the new result to the baseline, and show what changed')
    .option('--report <format=file>', 'with --baseline: write this report too; may be repeated', repeated)
    .option('--config <file>', 'with --baseline: tolerances (default: gmem-eval.yaml here or in a folder above)')
    .option('--allow-missing', 'with --baseline: judge what both have; report what only one has')
    .option('--events <file>', 'write what happened, one JSON line an event')
    .option(
      '--interval <n>',
      'with --events: a line stands for the events of N records in a 2 MiB block',
      (text: string) => wholeNumber('--interval', text),
    )
    .option('--trace-format <name>', 'how the trace is written (default: found from its content)')
    .option('--no-cache', 'read the trace itself, and keep no compiled form of it')
    .option('--check', 'check the invariants of the simulation all along')
    .option('--jobs <n>', 'spread the runs over so many threads', (text: string) => wholeNumber('--jobs', text), 1)
    .option('--quiet', 'no progress, no warnings')
    .action((trace: string, options: Options) => withThreads((threads) => run(threads, io, trace, options)));
}

type RunFormat = Pick<ReportFormat, 'extension' | 'render'>;

async function run(threads: ReplayThreads, io: Io, path: string, options: Options): Promise<void> {
  const plan = await planRuns(options);
  loadModels(threads, plan, options.jobs);
  const gate = await gateOf(options, plan);
  const format = gate === null ? await loadFormat(options.format) : formatOf(gate);
  const reportPath = outPath(options.out, path, format);
  const { events: eventsPath } = options;
  if (options.interval !== undefined && eventsPath === undefined)
    throw new ConfigurationError('--interval without --events', 'name the file for the samples: --events FILE');
  mustDiffer([
    ...(reportPath === null ? [] : [{ option: '--out', path: reportPath }]),
    ...(eventsPath === undefined ? [] : [{ option: '--events', path: eventsPath }]),
    ...(gate?.targets ?? []),
  ]);
  const files: OutputFile[] = [];
  const open = (file: string): OutputFile => {
    const opened = new OutputFile(file);
    files.push(opened);
    return opened;
  };
  try {
    const report = reportPath === null ? null : open(reportPath);
    const events = eventsPath === undefined ? null : open(eventsPath);
    gate?.open(open);
    // Shared at once, so that the columns as compiled can go.
    const result = await withTrace(io, path, options, (read) =>
      evaluate(io, openSharedTrace(shareTrace(read)), options, plan, events, threads),
    );
    const text = format.render(result, { color: report === null && wantsColor(io) });
    report?.write(text);
    for (const file of files) file.commit();
    if (report === null) await answer(io, text);
    if (!options.quiet) for (const text of warningsOf(result)) warn(io, text);
  } finally {
    for (const file of files) file.discard();
  }
  gate?.conclude();
}

/** Null without --baseline, and then nothing may ask for one. */
async function gateOf(options: Options, plan: Plan): Promise<Gate | null> {
  if (options.baseline !== undefined) {
    const { knownOfModels, loadGate } = await import('../gate.ts');
    return loadGate(options.baseline, options, knownOfModels(plan.choices.map((choice) => choice.model)));
  }
  const asked = [
    options.updateBaseline && '--update-baseline',
    options.report && '--report',
    options.config !== undefined && '--config',
    options.allowMissing && '--allow-missing',
  ].find(Boolean);
  if (asked)
    throw new ConfigurationError(`${asked} without --baseline`, 'name the result to compare with: --baseline FILE');
  return null;
}

/** With a baseline the report is that of the comparison. */
function formatOf(gate: Gate): RunFormat {
  return {
    extension: gate.format.extension,
    render: (result, { color }) => gate.judge({ file: 'new result', result }, color),
  };
}

async function evaluate(
  io: Io,
  trace: CompiledTrace,
  options: Options,
  plan: Plan,
  events: OutputFile | null,
  threads: ReplayThreads,
): Promise<Result> {
  const quiet = options.quiet === true;
  const runs = runsOf(plan, trace);
  const check = options.check === true;
  const progress = startProgress(io, quiet, `replaying ${runs.length} runs`, 'records');
  try {
    const lanes = await replayRuns(trace, runs, {
      check,
      jobs: options.jobs,
      events,
      interval: options.interval ?? null,
      onProgress: (records) => progress.update(records, trace.records),
      threads,
    });
    return buildResult(trace, plan, runs, lanes, { version: toolVersion(), check });
  } finally {
    progress.stop();
  }
}

/** Null for standard output. A folder gets a file named after the trace. */
function outPath(out: string, trace: string, format: RunFormat): string | null {
  if (out === '-') return null;
  if (out === '') throw new ConfigurationError('--out: empty', 'give a file, a folder, or - for standard output');
  const isFolder = existsSync(out) ? statSync(out).isDirectory() : out.endsWith('/');
  if (!isFolder) return out;
  try {
    mkdirSync(out, { recursive: true });
  } catch (error) {
    throw new OutputError(out, error as Error);
  }
  const base = trace === '-' ? 'stdin' : trace.replace(/^.*[/\\]/, '').replace(/(\.csv)?(\.gz)?$|\.arrow$/, '');
  return join(out, `${base}.${format.extension}`);
}

/** Each once, with the stacks that gave it. */
export function warningsOf(result: Result): string[] {
  const texts = new Map<string, Set<string>>();
  for (const run of result.runs) {
    for (const text of run.warnings) texts.set(text, (texts.get(text) ?? new Set()).add(run.model));
  }
  const ofTrace = new Set(result.manifest.trace.warnings);
  return [...texts].map(([text, models]) => (ofTrace.has(text) ? text : `${[...models].join(', ')}: ${text}`));
}
