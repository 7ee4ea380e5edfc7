import { visible } from '../../text.ts';
import { deltaText, ranked, relativeText, setupLines, summary, valueText, verdictText, WORDS } from '../changes.ts';
import type { ComparisonFormat } from '../registry.ts';

/** A pull-request comment holds 65,536 characters; a row is about 120. */
const MOST_ROWS = 200;

/** GitHub Markdown, for a job summary or a comment on a pull request. */
export default {
  name: 'md',
  title: 'Markdown, for a job summary or a comment',
  extension: 'md',
  render(comparison) {
    const { base, new: now } = comparison;
    const changes = ranked(comparison);
    const lines = [
      `### gmem-eval: ${verdictText(comparison)}`,
      '',
      `${escaped(now.trace)}: ${summary(comparison)}.`,
      '',
      `${escaped(base.file)} (gmem-eval ${escaped(base.version)}) → ${escaped(now.file)} (gmem-eval ${escaped(now.version)})`,
    ];
    const remarks = [
      ...comparison.missing.map((text) => `Not compared: ${text}`),
      ...setupLines(comparison).map((text) => `Differs, not judged: ${text}`),
    ];
    if (remarks.length > 0) lines.push('', ...cut(remarks).map((text) => `* ${escaped(text)}`));
    if (changes.length > 0) {
      lines.push('', '| | run | metric | base | new | change | relative |', '|---|---|---|--:|--:|--:|--:|');
      for (const change of changes.slice(0, MOST_ROWS)) {
        const { verdict, run, metric } = change;
        const word = verdict === 'worse' ? `**${WORDS[verdict]}**` : WORDS[verdict];
        const numbers = [valueText(change.base), valueText(change.new), deltaText(change), relativeText(change)];
        lines.push(`| ${[word, ...[run, metric, ...numbers].map(escaped)].join(' | ')} |`);
      }
      if (changes.length > MOST_ROWS) lines.push('', `And ${changes.length - MOST_ROWS} more.`);
    }
    return `${lines.join('\n')}\n`;
  },
} satisfies ComparisonFormat;

function cut(list: readonly string[]): string[] {
  const most = 20;
  return list.length <= most ? [...list] : [...list.slice(0, most), `and ${list.length - most} more`];
}

/** Text as text: no HTML, no Markdown, nobody mentioned, no issue linked. */
function escaped(text: string): string {
  return visible(text)
    .replace(/[&<>@#]/g, (c) => `&#${c.charCodeAt(0)};`)
    .replace(/[\\`*_[\]|~$]/g, (c) => `\\${c}`)
    .replace(/:\/\//g, ':&#47;/')
    .replace(/\bwww\./gi, (www) => `${www.slice(0, 3)}&#46;`);
}
