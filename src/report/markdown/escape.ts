/** Text into Markdown (as GitHub and GitLab read it): nothing that came with a trace becomes markup, a link or a mention. */

import { visible } from '../text.ts';

export function escapeMarkdown(text: string): string {
  return (
    visible(text)
      .replace(/[\\`*_{}[\]<>|~#!&]/g, '\\$&')
      // Mentions and bare addresses need no brackets to be links.
      .replace(/@/g, '&#64;')
      .replace(/:\/\//g, ':&#47;&#47;')
      .replace(/\bwww\./gi, (www) => `${www.slice(0, 3)}&#46;`)
      .replace(
        /^(\s*)([-+=]|\d+[.)](?=\s))/,
        (_, space: string, mark: string) => `${space}${mark.slice(0, -1)}\\${mark.slice(-1)}`,
      )
  );
}

/** A table; the first column is text, the others are numbers unless `text`. */
export function markdownTable(columns: readonly string[], rows: readonly (readonly string[])[], text = false): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  const rule = columns.map((_, i) => (i === 0 || text ? ':--' : '--:'));
  return line(columns.map(escapeMarkdown)) + line(rule) + rows.map((row) => line(row.map(cell))).join('');
}

/** Cells come escaped where they carry markup of ours. */
function cell(value: string): string {
  return value === '' ? ' ' : value;
}
