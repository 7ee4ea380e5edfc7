/** The program: finds the command, runs it, and is the only place that turns errors into exit statuses. */

import { Command, CommanderError } from 'commander';
import { ConfigurationError } from '../replay/configuration-error.ts';
import { InvariantError } from '../replay/lane.ts';
import { visibleLines } from '../report/text.ts';
import { toolVersion } from '../report/version.ts';
import { TraceError } from '../trace/errors.ts';
import { EXAMPLES } from './examples.ts';
import { type Io, OutputError } from './io.ts';
import { removeTemporaries } from './output-file.ts';
import { RegressionError } from './regression-error.ts';

export const STATUS = { fine: 0, regression: 1, usage: 2, bug: 3, interrupted: 130, terminated: 143 } as const;

/** Runs one command line (without `node` and the script) and gives its exit status. */
export async function main(argv: readonly string[], io: Io = processIo()): Promise<number> {
  try {
    await (await program(io, argv)).parseAsync(argv, { from: 'user' });
    return STATUS.fine;
  } catch (error) {
    return report(io, error);
  }
}

type MakeCommand = (io: Io) => Command;

/** In the order of the help. Loading all of them takes several times as long as the one that is asked for. */
const COMMANDS: Readonly<Record<string, () => Promise<MakeCommand>>> = {
  run: async () => (await import('./commands/run.ts')).runCommand,
  compare: async () => (await import('./commands/compare.ts')).compareCommand,
  explain: async () => (await import('./commands/explain.ts')).explainCommand,
  trace: async () => (await import('./commands/trace.ts')).traceCommand,
  models: async () => (await import('./commands/models.ts')).modelsCommand,
  metrics: async () => (await import('./commands/metrics.ts')).metricsCommand,
  platforms: async () => (await import('./commands/platforms.ts')).platformsCommand,
  report: async () => (await import('./commands/report.ts')).reportCommand,
  figure: async () => (await import('./commands/figure.ts')).figureCommand,
};

const VERSION_FLAGS = ['-V', '--version'];

/** The commands that an answer needs: the one that is asked for, all where the program itself answers (help, a slip). */
function commandsFor([first]: readonly string[]): string[] {
  if (VERSION_FLAGS.includes(first)) return [];
  return Object.hasOwn(COMMANDS, first ?? '') ? [first] : Object.keys(COMMANDS);
}

async function program(io: Io, argv: readonly string[]): Promise<Command> {
  const root = new Command('gmem-eval')
    .description(
      'Replay a trace of memory accesses through models of the stacks that move data between a host and its accelerators.',
    )
    .version(toolVersion(), VERSION_FLAGS.join(', '), 'print the version')
    .addHelpText(
      'after',
      '\nExit status: 0 fine, 1 regression, 2 usage, configuration or trace error, 3 our bug, 130 Ctrl-C.',
    );
  for (const make of await Promise.all(commandsFor(argv).map((name) => COMMANDS[name]()))) root.addCommand(make(io));
  settle(root, io);
  return root;
}

/** What all commands share: our streams, no exit of commander's own, examples below the help. */
function settle(command: Command, io: Io): void {
  command
    .exitOverride()
    .helpCommand(false)
    .configureHelp({ helpWidth: 100 })
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text, () => {}),
      writeErr: (text) => void io.stderr.write(visibleLines(text)),
    })
    .showHelpAfterError(`  see \`${pathOf(command)} --help\``);
  const examples = EXAMPLES[pathOf(command)] ?? [];
  if (examples.length > 0) {
    command.addHelpText('after', `\nExamples:\n${examples.map((line) => `  ${line}`).join('\n')}`);
  }
  for (const inner of command.commands) settle(inner, io);
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

function report(io: Io, error: unknown): number {
  // Commander has said it already; its help and version are no errors.
  if (error instanceof CommanderError) return error.exitCode === 0 ? STATUS.fine : STATUS.usage;
  const [status, text] = verdict(error);
  io.stderr.write(`${visibleLines(text)}\n`);
  if (io.env['DEBUG'] && error instanceof Error) {
    for (let e: unknown = error; e instanceof Error; e = e.cause)
      io.stderr.write(`${visibleLines(e.stack ?? e.message)}\n`);
  }
  return status;
}

function verdict(error: unknown): [number, string] {
  if (error instanceof RegressionError) return [STATUS.regression, error.message];
  if (error instanceof TraceError) return [STATUS.usage, error.message];
  if (error instanceof ConfigurationError) return [STATUS.usage, `error: ${error.message}\n  ${error.advice}`];
  if (error instanceof OutputError) {
    return [STATUS.usage, `error: ${error.message}\n  free some space or choose another place with --out or --events`];
  }
  if (error instanceof InvariantError) {
    return [
      STATUS.bug,
      `error: ${error.message}\n  this is a bug of gmem-eval: please report it with the trace and the command line`,
    ];
  }
  const message = error instanceof Error ? error.message : String(error);
  return [
    STATUS.bug,
    `error: ${message}\n  this is a bug of gmem-eval: please report it with the command line and what DEBUG=1 prints`,
  ];
}

function processIo(): Io {
  // A closed pipe shows up in the callback of the write that meets it; without a listener it would be thrown as well.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  const io = { stdout: process.stdout, stderr: process.stderr, env: process.env };
  const stop = (status: number): never => {
    removeTemporaries();
    process.exit(status);
  };
  process.once('SIGINT', () => stop(STATUS.interrupted));
  process.once('SIGTERM', () => stop(STATUS.terminated));
  process.once('uncaughtException', (error) => stop(report(io, error)));
  return io;
}
