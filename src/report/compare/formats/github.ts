import { visible } from '../../text.ts';
import { ranked, sentence, setupLines, summary, verdictText } from '../changes.ts';
import type { ComparisonFormat } from '../registry.ts';
import { fails } from '../verdict.ts';

/** GitHub shows the first ten annotations of a kind and step. */
const MOST_SHOWN = 10;

/** Workflow commands: an error for each metric that fails, one notice for the whole. */
export default {
  name: 'github',
  title: 'annotations of a GitHub workflow',
  extension: 'txt',
  render(comparison) {
    const { trace } = comparison.new;
    const failures = ranked(comparison).filter((change) => fails(comparison.verdict, change.verdict));
    const shown = failures.length > MOST_SHOWN ? failures.slice(0, MOST_SHOWN - 1) : failures;
    const lines = shown.map((change) => command('error', `${trace}: ${change.run}`, sentence(change)));
    if (shown.length < failures.length) {
      lines.push(command('error', trace, `and ${failures.length - shown.length} more metrics got worse`));
    }
    const notes = [...comparison.missing.map((text) => `not compared: ${text}`), ...setupLines(comparison)];
    if (notes.length > 0) lines.push(command('warning', trace, `differs, not judged: ${notes.join('; ')}`));
    lines.push(command('notice', trace, `${verdictText(comparison)}: ${summary(comparison)}`));
    return lines.map((line) => `${line}\n`).join('');
  },
} satisfies ComparisonFormat;

function command(kind: 'error' | 'warning' | 'notice', title: string, message: string): string {
  return `::${kind} title=${property(title)}::${data(message)}`;
}

/** As the runner decodes them: a line break would begin another command. */
function data(text: string): string {
  return visible(text).replace(/[%\r\n]/g, percent);
}

function property(text: string): string {
  return visible(text).replace(/[%\r\n:,]/g, percent);
}

function percent(c: string): string {
  return `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}
