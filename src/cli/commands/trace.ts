import { Command } from 'commander';
import { formatSize } from '../../replay/sizes.ts';
import { formatCount, formatDuration, visible } from '../../report/text.ts';
import { type TraceInfo, traceInfo } from '../../trace/index.ts';
import { columns, json } from '../columns.ts';
import { answer, type Io } from '../io.ts';
import { answerFormat } from '../options.ts';
import { readTrace } from '../read-trace.ts';
import { warn } from '../warn.ts';

interface Options {
  format: 'table' | 'json';
  traceFormat?: string;
  quiet?: true;
}

export function traceCommand(io: Io): Command {
  const command = new Command('trace').summary('look at a trace').description('Look at a trace without replaying it.');
  command.addCommand(
    withOptions(new Command('info').summary('what a trace contains').description('Say what a trace contains.'))
      .option('--format <name>', 'table or json', answerFormat, 'table')
      .action(async (path: string, options: Options) => {
        const trace = await readTrace(io, path, options.traceFormat, options.quiet === true);
        const info = traceInfo(trace);
        await answer(io, options.format === 'json' ? json(info) : infoTable(info));
        if (!options.quiet) for (const text of trace.warnings) warn(io, text);
      }),
  );
  command.addCommand(
    withOptions(
      new Command('check')
        .summary('whether a trace is valid')
        .description(
          'Read a whole trace and say whether it is valid; exit status 2 and the first error when it is not.',
        ),
    ).action(async (path: string, options: Options) => {
      const trace = await readTrace(io, path, options.traceFormat, options.quiet === true);
      await answer(io, `${visible(path)}: valid, ${formatCount(trace.records)} records\n`);
      if (!options.quiet) for (const text of trace.warnings) warn(io, text);
    }),
  );
  return command;
}

function withOptions(command: Command): Command {
  return command
    .argument('<trace>', 'a trace file, plain or gzip; - reads standard input')
    .option('--trace-format <name>', 'how the trace is written (default: found from its content)')
    .option('--quiet', 'no progress, no warnings');
}

function infoTable(info: TraceInfo): string {
  const ops = Object.entries(info.recordsByOp)
    .filter(([, n]) => n > 0)
    .map(([op, n]) => `${op} ${formatCount(n)}`);
  const facts = columns([
    ['trace', visible(info.name)],
    ['sha256', info.sha256],
    ...Object.entries(info.metadata).map(([key, value]) => [visible(key), visible(value)]),
    ['records', formatCount(info.records)],
    ['by operation', ops.join(', ') || 'none'],
    ['accesses', `${formatCount(info.accesses)}, touching ${formatCount(info.touches)} pages in turn`],
    ['footprint', formatSize(info.footprintBytes)],
    ['live 2 MiB blocks', `${formatSize(info.liveBlockBytes)} at most at once`],
    ['touched by devices', `${formatSize(info.deviceLineBytes)} in 64-byte lines`],
    ['duration', info.hasTime ? formatDuration(info.durationNs) : 'no times'],
    ['threads', formatCount(info.threads)],
    ['hand-overs', `${formatCount(info.handOvers)} changes of the acting side`],
  ]);
  const actors = columns([
    ['actor', 'accesses', 'touches', 'bytes', 'live peak'],
    ...info.actors.map((a) => [
      a.name,
      formatCount(a.accesses),
      formatCount(a.touches),
      formatSize(a.bytes),
      a.livePeakBytes > 0 ? formatSize(a.livePeakBytes) : '-',
    ]),
  ]);
  const allocations = columns([
    [`allocation${info.inferredAllocations ? ' (inferred)' : ''}`, 'kind', 'size'],
    ...info.allocations.slice(0, 20).map((a) => [visible(a.name), a.kind, formatSize(a.sizeBytes)]),
  ]);
  const more = info.allocations.length > 20 ? `... and ${formatCount(info.allocations.length - 20)} more\n` : '';
  return `${facts}\n${actors}\n${info.allocations.length > 0 ? allocations : 'no allocations\n'}${more}`;
}
