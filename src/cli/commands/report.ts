import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { type Heat, readHeat } from '../../figures/heat.ts';
import { ConfigurationError } from '../../replay/configuration-error.ts';
import { htmlReport } from '../../report/html/page.ts';
import { markdownReport } from '../../report/markdown/report.ts';
import { readResult } from '../../report/read-result.ts';
import type { Result } from '../../report/result.ts';
import { visible } from '../../report/text.ts';
import { answer, type Io, OutputError } from '../io.ts';
import { listed } from '../options.ts';
import { OutputFile } from '../output-file.ts';

interface Options {
  out: string;
  events?: string[];
}

export function reportCommand(io: Io): Command {
  return new Command('report')
    .summary('make a report with charts')
    .description(
      'Make a report of one or several results: report.html, one page with charts that works offline, and report.md. ' +
        'Results of the same trace and machine stand in one table.',
    )
    .argument('<result...>', 'results of `run --format json`')
    .requiredOption('--out <dir>', 'the folder for the report')
    .option('--events <files>', 'event files of the results, one each, by commas: adds heatmaps', listed)
    .action(async (paths: string[], { out, events }: Options) => {
      const results = paths.map((path) => readResult(path, { anyMetrics: true }));
      const heats = await readHeats(results, events ?? []);
      const files = {
        [join(out, 'report.html')]: htmlReport(results, heats),
        [join(out, 'report.md')]: markdownReport(results),
      };
      writeAll(out, files);
      await answer(
        io,
        Object.keys(files)
          .map((path) => `${visible(path)}\n`)
          .join(''),
      );
    });
}

async function readHeats(results: readonly Result[], events: readonly string[]): Promise<(Heat | null)[]> {
  if (events.length !== 0 && events.length !== results.length) {
    throw new ConfigurationError(
      `${events.length} event files for ${results.length} results`,
      'give --events one file for each result, in the same order',
    );
  }
  return Promise.all(events.map((path, i) => readHeat(path, results[i])));
}

/** All of them, or none. */
function writeAll(folder: string, texts: Readonly<Record<string, string>>): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new OutputError(folder, error as Error);
  }
  const files: OutputFile[] = [];
  try {
    for (const [path, text] of Object.entries(texts)) {
      const file = new OutputFile(path);
      files.push(file);
      file.write(text);
    }
    for (const file of files) file.commit();
  } finally {
    for (const file of files) file.discard();
  }
}
