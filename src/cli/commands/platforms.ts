import { Command } from 'commander';
import type { Platform } from '../../platforms/platform.ts';
import { profileFields, profileFromPlatform, sourceOf } from '../../platforms/profile.ts';
import { DEFAULT_PLATFORM, loadPlatform, platformNames } from '../../platforms/registry.ts';
import { visible, visibleLines, wrap } from '../../report/text.ts';
import { columns, json } from '../columns.ts';
import { answer, type Io } from '../io.ts';
import { answerFormat } from '../options.ts';

const SOURCE_WIDTH = 64;

export function platformsCommand(io: Io): Command {
  return new Command('platforms')
    .summary('which machines there are, and where their numbers come from')
    .description('List the machine profiles, or show one with the source of every number.')
    .argument('[name]', 'a profile, or the path of a JSON file')
    .option('--format <name>', 'table or json (a JSON profile is a start for one of your own)', answerFormat, 'table')
    .action(async (name: string | undefined, { format }: { format: 'table' | 'json' }) => {
      const platforms = await Promise.all((name === undefined ? platformNames() : [name]).map(loadPlatform));
      const profiles = platforms.map(profileFromPlatform);
      if (format === 'json') await answer(io, json(name === undefined ? profiles : profiles[0]));
      else await answer(io, name === undefined ? list(platforms) : describe(platforms[0]));
    });
}

function list(platforms: readonly Platform[]): string {
  const rows = platforms.map((p) => [p.name, p.name === DEFAULT_PLATFORM ? 'default' : '', p.title]);
  return visibleLines(columns([['platform', '', 'title'], ...rows]));
}

function describe(platform: Platform): string {
  const rows = profileFields(profileFromPlatform(platform)).flatMap(({ field, value }) => {
    const [source, ...more] = wrap(sourceOf(platform.sources, field) ?? 'no source', SOURCE_WIDTH);
    return [[field, value === null ? 'unlimited' : String(value), source], ...more.map((text) => ['', '', text])];
  });
  const text = columns([['field', 'value', 'source'], ...rows].map((row) => row.map(visible)));
  return `${visible(platform.name)}: ${visible(platform.title)}\nBytes per ns are GB/s; durations are in ns.\n\n${text}`;
}
