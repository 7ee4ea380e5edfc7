import { Command } from 'commander';
import { comparisonFormatNames } from '../../report/compare/registry.ts';
import { readComparable } from '../../report/read-result.ts';
import { type GateOptions, knownOfResult, loadGate } from '../gate.ts';
import { answer, type Io, wantsColor } from '../io.ts';
import { mustDiffer } from '../must-differ.ts';
import { repeated } from '../options.ts';
import { OutputFile } from '../output-file.ts';

interface Options extends GateOptions {
  out: string;
}

export function compareCommand(io: Io): Command {
  return new Command('compare')
    .summary('what changed between two results, and whether anything got worse')
    .description(
      'Compare two results of `run --format json`. A metric that got worse by anything is a regression (exit status 1); ' +
        'what cannot be judged, since a run, a metric or a file is missing or the traces differ, is an error (2).',
    )
    .argument('<base>', 'the result to judge against; - reads standard input')
    .argument('<new>', 'the result to judge; - reads standard input')
    .option('--format <name>', `report: ${comparisonFormatNames().join(', ')}`, 'table')
    .option('--out <file|->', 'where the report goes; - is standard output', '-')
    .option('--report <format=file>', 'write this report too; may be repeated', repeated)
    .option('--config <file>', 'tolerances (default: gmem-eval.yaml here or in a folder above)')
    .option('--allow-missing', 'judge what both have; report what only one has')
    .action((base: string, now: string, options: Options) => compare(io, base, now, options));
}

async function compare(io: Io, base: string, now: string, options: Options): Promise<void> {
  const result = readComparable(now);
  const gate = await loadGate(base, options, knownOfResult(result));
  const out = options.out === '-' ? [] : [{ option: '--out', path: options.out }];
  mustDiffer([{ option: 'BASE', path: base }, ...out, ...gate.targets]);
  mustDiffer([{ option: 'NEW', path: now }, ...out, ...gate.targets]);
  const files: OutputFile[] = [];
  const open = (path: string): OutputFile => {
    const opened = new OutputFile(path);
    files.push(opened);
    return opened;
  };
  try {
    gate.open(open);
    const report = options.out === '-' ? null : open(options.out);
    const text = gate.judge({ file: now, result }, report === null && wantsColor(io));
    report?.write(text);
    for (const file of files) file.commit();
    if (report === null) await answer(io, text);
  } finally {
    for (const file of files) file.discard();
  }
  gate.conclude();
}
