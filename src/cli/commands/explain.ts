import { Command } from 'commander';
import { ConfigurationError } from '../../replay/configuration-error.ts';
import { hexAddress } from '../../replay/event-stream.ts';
import { BLOCK_PAGES, blockOf, MASK_WORDS } from '../../replay/mask.ts';
import { type Plan, type PlannedRun, planRuns, runsOf } from '../../replay/plan.ts';
import { casesOf } from '../../report/cases.ts';
import type { Life } from '../../report/explain/life.ts';
import type { Found, Question } from '../../report/explain/observe.ts';
import { type PageReport, pageJson, pageMarkdown, pageTable } from '../../report/explain/page.ts';
import type { Tally } from '../../report/explain/tally.ts';
import { type TopReport, topJson, topMarkdown, topTable } from '../../report/explain/top.ts';
import { buildResult, type Result } from '../../report/result.ts';
import { visible } from '../../report/text.ts';
import { toolVersion } from '../../report/version.ts';
import type { Allocation, CompiledTrace } from '../../trace/compiled.ts';
import { ADDRESS_PAGES, NUMBER_OK, parseBytes } from '../../trace/numbers.ts';
import { answer, type Io } from '../io.ts';
import { listed, repeated, wholeNumber } from '../options.ts';
import { OutputFile } from '../output-file.ts';
import { startProgress } from '../progress.ts';
import { type TraceOptions, withTrace } from '../read-trace.ts';
import { loadModels, replayObserved, replayRuns } from '../replay-runs.ts';
import { type ReplayThreads, withThreads } from '../replay-threads.ts';
import { openSharedTrace, shareTrace } from '../shared-trace.ts';
import { warn } from '../warn.ts';
import { warningsOf } from './run.ts';

interface Options extends TraceOptions {
  page?: string;
  top?: number;
  models?: string[];
  set?: string[];
  platform?: string;
  oversub?: string[];
  deviceMemory?: string[];
  inFlight?: number;
  format: string;
  out: string;
}

const FORMATS = {
  table: { page: pageTable, top: topTable },
  json: { page: pageJson, top: topJson },
  md: { page: pageMarkdown, top: topMarkdown },
} as const;

export function explainCommand(io: Io): Command {
  return new Command('explain')
    .summary('tell why: the life of a page, or what cost most')
    .description(
      'Replay a trace and tell why it went as it did: the life of one page in every stack and where the stacks part ' +
        '(--page), or the pages and allocations that cost most and what would help (--top). docs/explain.md says how ' +
        'costs are shared.',
    )
    .argument('<trace>', 'a trace file, plain, gzip or compiled; - reads standard input')
    .option('--page <address>', 'the page that holds this address, 0x hex or decimal')
    .option('--top <n>', 'so many pages and allocations of each stack, the dearest first', (text: string) =>
      wholeNumber('--top', text),
    )
    .option('-m, --models <list>', 'stacks to run: NAME[:PRESET], a module (./mine.js), or all, by commas', listed)
    .option('--set <model.param=value>', 'set a parameter of a model, or host.page, host.zeroPage', repeated)
    .option('--platform <name|file>', 'machine profile, see `gmem-eval platforms`')
    .option('--oversub <ratio>', 'give each device FOOTPRINT / RATIO bytes', listed)
    .option('--device-memory <size>', 'give devices this much: 16GiB, or gpu0=16GiB/gpu1=64GiB', listed)
    .option('--in-flight <n>', 'touches of a device that may wait at once (default: of the platform)', (text: string) =>
      wholeNumber('--in-flight', text),
    )
    .option('--format <name>', `report: ${Object.keys(FORMATS).join(', ')}`, 'table')
    .option('--out <file|->', 'where the report goes; - is standard output', '-')
    .option('--trace-format <name>', 'how the trace is written (default: found from its content)')
    .option('--no-cache', 'read the trace itself, and keep no compiled form of it')
    .option('--quiet', 'no progress, no warnings')
    .action((trace: string, options: Options) => withThreads((threads) => explain(threads, io, trace, options)));
}

async function explain(threads: ReplayThreads, io: Io, path: string, options: Options): Promise<void> {
  const question = questionOf(options);
  formatOf(options.format);
  if (options.out === '') throw new ConfigurationError('--out: empty', 'give a file, or - for standard output');
  const plan = await planRuns(options);
  if (plan.sizes.length > 1) {
    throw new ConfigurationError('several memory sizes', 'give --oversub or --device-memory one: explain tells of one');
  }
  loadModels(threads, plan, 1);
  const file = options.out === '-' ? null : new OutputFile(options.out);
  try {
    const { text, result } = await withTrace(io, path, options, (read) =>
      explainTrace(io, openSharedTrace(shareTrace(read)), options, plan, question, threads),
    );
    if (file === null) await answer(io, text);
    file?.write(text);
    file?.commit();
    if (options.quiet !== true) for (const each of warningsOf(result)) warn(io, each);
  } finally {
    file?.discard();
  }
}

async function explainTrace(
  io: Io,
  trace: CompiledTrace,
  options: Options,
  plan: Plan,
  question: Question,
  threads: ReplayThreads,
): Promise<{ text: string; result: Result }> {
  const format = formatOf(options.format);
  if (question.kind === 'life') mustBeKnown(trace, question.page, options.page!);
  const { result, found, unlimitedNs } = await observe(io, trace, plan, question, options.quiet === true, threads);
  if (question.kind === 'life') mustHaveLived(trace, found as Life[], question.page, options.page!);
  const text =
    question.kind === 'life'
      ? format.page(pageReport(trace, result, found as Life[], question.page))
      : format.top(topReport(trace, result, found as Tally[], unlimitedNs, question.top));
  return { text, result };
}

function questionOf({ page, top }: Options): Question {
  if ((page === undefined) === (top === undefined)) {
    throw new ConfigurationError(
      page === undefined ? 'neither --page nor --top' : '--page and --top together',
      'give one of the two: --page ADDRESS for the life of a page, --top N for what cost most',
    );
  }
  return page === undefined ? { kind: 'tally', top: top! } : { kind: 'life', page: pageOf(page) };
}

function pageOf(text: string): number {
  const address = { pages: 0, bytes: 0 };
  if (parseBytes(text, address) === NUMBER_OK && address.pages < ADDRESS_PAGES) return address.pages;
  throw new ConfigurationError(`--page ${text}: not an address`, 'give 0x hex or decimal, below 2^57');
}

function formatOf(name: string): (typeof FORMATS)[keyof typeof FORMATS] {
  if (Object.hasOwn(FORMATS, name)) return FORMATS[name as keyof typeof FORMATS];
  throw new ConfigurationError(`--format ${name}: no such format here`, `known are ${Object.keys(FORMATS).join(', ')}`);
}

/** Addresses that no stack can know are told before the replay. */
function mustBeKnown(trace: CompiledTrace, page: number, text: string): void {
  if (trace.lives.count === 0) {
    throw new ConfigurationError(`--page ${text}: the trace touches no page at all`, 'give a trace with accesses');
  }
  // A stack may move the whole block, whatever of it is allocated.
  const block = blockOf(page);
  if (!isAllocated(trace, page) && !trace.lives.block.includes(block)) throw outside(trace, page, text);
}

/** Pages that nothing touches have lives too, where a stack moves more than was asked for. */
function mustHaveLived(trace: CompiledTrace, lives: readonly Life[], page: number, text: string): void {
  if (lives.some(({ lines, remoteBytes }) => lines.length > 0 || remoteBytes > 0)) return;
  if (!isAllocated(trace, page)) throw outside(trace, page, text);
  const touched = nearestTouched(trace, page);
  throw touched === page
    ? new ConfigurationError(`--page ${text}: no stack did anything with this page`, 'give other stacks with -m')
    : new ConfigurationError(
        `--page ${text}: nothing touches this page, and no stack did anything with it`,
        `the nearest page touched is ${hexAddress(touched, 0)}`,
      );
}

function isAllocated({ allocations }: CompiledTrace, page: number): boolean {
  return allocations.some((a) => a.firstPage <= page && page <= a.lastPage);
}

function outside(trace: CompiledTrace, page: number, text: string): ConfigurationError {
  const distance = (a: Allocation): number => (a.firstPage > page ? a.firstPage - page : page - a.lastPage);
  const { name, firstPage, lastPage } = trace.allocations.reduce((a, b) => (distance(b) < distance(a) ? b : a));
  return new ConfigurationError(
    `--page ${text}: outside of every allocation of the trace`,
    `the nearest is ${visible(name)}, ${hexAddress(firstPage, 0)} to ${hexAddress(lastPage, 0xfff)}; ` +
      `the nearest page touched is ${hexAddress(nearestTouched(trace, page), 0)}`,
  );
}

function nearestTouched({ lives }: CompiledTrace, page: number): number {
  let nearest = Number.POSITIVE_INFINITY;
  for (let life = 0; life < lives.count; life++) {
    const start = lives.block[life] * BLOCK_PAGES;
    const away = page < start ? start - page : page - (start + BLOCK_PAGES - 1);
    if (away >= Math.abs(nearest - page)) continue;
    for (let i = 0; i < BLOCK_PAGES; i++) {
      if (((lives.touched[life * MASK_WORDS + (i >> 5)] >>> (i & 31)) & 1) === 0) continue;
      if (Math.abs(start + i - page) < Math.abs(nearest - page)) nearest = start + i;
    }
  }
  return nearest;
}

interface Observed {
  readonly result: Result;
  readonly found: Found[];
  /** Of each run whose memory is limited: its time without a limit. */
  readonly unlimitedNs: (number | null)[];
}

async function observe(
  io: Io,
  trace: CompiledTrace,
  plan: Plan,
  question: Question,
  quiet: boolean,
  threads: ReplayThreads,
): Promise<Observed> {
  const runs = runsOf(plan, trace);
  const progress = startProgress(io, quiet, `replaying ${runs.length} runs`, 'records');
  try {
    const onProgress = (records: number): void => progress.update(records, trace.records);
    const options = { check: false, jobs: 1, events: null, onProgress, threads };
    const unlimitedNs =
      question.kind === 'tally' ? await timesWithoutLimit(trace, runs, options) : runs.map(() => null);
    const { lanes, found } = await replayObserved(trace, runs, options, question);
    const result = buildResult(trace, plan, runs, lanes, { version: toolVersion(), check: false });
    return { result, found, unlimitedNs };
  } finally {
    progress.stop();
  }
}

async function timesWithoutLimit(
  trace: CompiledTrace,
  runs: readonly PlannedRun[],
  options: Parameters<typeof replayRuns>[2],
): Promise<(number | null)[]> {
  const limited = runs.filter(({ spec }) => spec.capacityBytes !== null);
  if (limited.length === 0) return runs.map(() => null);
  const unlimited = limited.map((run) => ({
    ...run,
    oversubscription: null,
    spec: { ...run.spec, capacityBytes: null },
  }));
  const lanes = await replayRuns(trace, unlimited, options);
  return runs.map((run) => (limited.includes(run) ? lanes[limited.indexOf(run)].metrics['time.total.ns'] : null));
}

function pageReport(trace: CompiledTrace, result: Result, found: readonly Life[], page: number): PageReport {
  return {
    trace: { name: trace.name, sha256: trace.sha256 },
    page: hexAddress(page, 0),
    allocations: trace.allocations.filter((a) => a.firstPage <= page && page <= a.lastPage).map((a) => a.name),
    platform: result.manifest.platform.name,
    stacks: casesOf([result]).map(({ stack, size }, i) => ({ stack, size, life: found[i] })),
  };
}

function topReport(
  trace: CompiledTrace,
  result: Result,
  found: readonly Tally[],
  unlimitedNs: readonly (number | null)[],
  top: number,
): TopReport {
  return {
    trace: { name: trace.name, sha256: trace.sha256 },
    platform: result.manifest.platform.name,
    top,
    allocations: trace.allocations.map(({ name, firstPage, record }) => ({
      name,
      addr: hexAddress(firstPage, 0),
      record,
    })),
    stacks: casesOf([result]).map((each, i) => ({
      stack: each.stack,
      size: each.size,
      facts: {
        metrics: each.run.metrics,
        short: Object.entries(result.manifest.trace.livePeakBytes).flatMap(([device, needBytes]) => {
          const haveBytes = each.run.effectiveCapacityBytes?.[device] ?? Number.POSITIVE_INFINITY;
          return needBytes > haveBytes ? [{ device, needBytes, haveBytes }] : [];
        }),
        footprintBytes: trace.footprintBytes,
        unlimitedNs: unlimitedNs[i],
      },
      tally: found[i],
    })),
  };
}
