import { Command } from 'commander';
import { formatSize } from '../../replay/sizes.ts';
import { formatCount, formatDuration, visible } from '../../report/text.ts';
import { type TraceInfo, traceInfo } from '../../trace/index.ts';
import { columns, json } from '../columns.ts';
import { compileToFile } from '../compile-trace.ts';
import { answer, type Io } from '../io.ts';
import { answerFormat } from '../options.ts';
import { type ReadFrom, type TraceOptions, withTrace } from '../read-trace.ts';
import { warn } from '../warn.ts';

interface InfoOptions extends TraceOptions {
  format: 'table' | 'json';
  verbose?: true;
}

export function traceCommand(io: Io): Command {
  const command = new Command('trace').summary('look at a trace').description('Look at a trace without replaying it.');
  command.addCommand(
    withOptions(new Command('info').summary('what a trace contains').description('Say what a trace contains.'))
      .option('--format <name>', 'table or json', answerFormat, 'table')
      .option('--verbose', 'in a table: say where the trace was read from')
      .action(async (path: string, options: InfoOptions) => {
        await withTrace(io, path, options, async (trace, from) => {
          const info = traceInfo(trace);
          const source = options.verbose ? originOf(from) : null;
          await answer(io, options.format === 'json' ? json(info) : infoTable(info, source));
          if (!options.quiet) for (const text of trace.warnings) warn(io, text);
        });
      }),
  );
  command.addCommand(
    withOptions(
      new Command('check')
        .summary('whether a trace is valid')
        .description(
          'Read a whole trace and say whether it is valid; exit status 2 and the first error when it is not.',
        ),
    ).action(async (path: string, options: TraceOptions) => {
      await withTrace(io, path, options, async (trace) => {
        // Rows of a compiled file are checked as they are read.
        for (const _chunk of trace.chunks());
        await answer(io, `${visible(path)}: valid, ${formatCount(trace.records)} records\n`);
        if (!options.quiet) for (const text of trace.warnings) warn(io, text);
      });
    }),
  );
  command.addCommand(
    withOptions(
      new Command('compile')
        .summary('write the compiled form of a trace')
        .description(
          'Write the compiled form of a trace, which is read much faster and in bounded memory, and is accepted ' +
            'wherever a trace is. An Arrow IPC file: docs/compiled-trace.md says what is in it.',
        ),
    )
      .requiredOption('-o, --out <file>', 'the compiled trace, usually NAME.arrow')
      .action((path: string, options: TraceOptions & { out: string }) => compileToFile(io, path, options)),
  );
  return command;
}

function withOptions(command: Command): Command {
  return command
    .argument('<trace>', 'a trace file, plain, gzip or compiled; - reads standard input')
    .option('--trace-format <name>', 'how the trace is written (default: found from its content)')
    .option('--no-cache', 'read the trace itself, and keep no compiled form of it')
    .option('--quiet', 'no progress, no warnings');
}

function originOf({ origin, entry }: ReadFrom): string {
  if (origin === 'cache') return `cache entry ${visible(entry!)}`;
  if (origin === 'compiled') return 'compiled trace';
  return entry === null ? 'text' : `text, kept as cache entry ${visible(entry)}`;
}

function infoTable(info: TraceInfo, source: string | null): string {
  const ops = Object.entries(info.recordsByOp)
    .filter(([, n]) => n > 0)
    .map(([op, n]) => `${op} ${formatCount(n)}`);
  const facts = columns([
    ['trace', visible(info.name)],
    ['sha256', info.sha256],
    ...(source === null ? [] : [['read from', source]]),
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
