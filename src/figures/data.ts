/** The numbers behind a figure: tidy CSV for programs, a table for LaTeX papers. */

import { cell } from '../report/formats/csv.ts';
import { formatCount, visible } from '../report/text.ts';
import type { DataTable, Figure } from './figure.ts';

export function csvText({ columns, rows }: DataTable): string {
  return [columns, ...rows].map((row) => `${row.map(cell).join(',')}\n`).join('');
}

/** A tabular with the rules of booktabs. Columns that say the same in every row are told above it instead. */
export function latexTable(figure: Figure): string {
  const { columns, rows } = figure.table;
  const isName = columns.map((_, i) => rows.every((row) => typeof row[i] === 'string'));
  const same = columns.map(
    (_, i) => isName[i] && columns[i] !== 'stack' && new Set(rows.map((row) => row[i])).size === 1,
  );
  const kept = columns.map((_, i) => i).filter((i) => !same[i]);
  const line = (cells: readonly string[]): string => `  ${cells.join(' & ')} \\\\`;
  const told = columns.filter((_, i) => same[i]).map((name) => `${name} ${rows[0][columns.indexOf(name)]}`);
  return [
    `% ${visible(figure.title)}${told.length > 0 ? `: ${visible(told.join(', '))}` : ''}`,
    '% needs \\usepackage{booktabs}',
    `\\begin{tabular}{${kept.map((i) => (isName[i] ? 'l' : 'r')).join('')}}`,
    '  \\toprule',
    line(kept.map((i) => latex(columns[i]))),
    '  \\midrule',
    ...rows.map((row) => line(kept.map((i) => latexCell(row[i])))),
    '  \\bottomrule',
    '\\end{tabular}',
    '',
  ].join('\n');
}

function latexCell(value: string | number | null): string {
  if (value === null) return '--';
  if (typeof value === 'string') return latex(value);
  // A comma in braces is no punctuation to TeX.
  return formatCount(Number.isInteger(value) ? value : +value.toFixed(3)).replaceAll(',', '{,}');
}

const SPECIAL: Readonly<Record<string, string>> = {
  '\\': '\\textbackslash{}',
  '^': '\\textasciicircum{}',
  '~': '\\textasciitilde{}',
  '<': '\\textless{}',
  '>': '\\textgreater{}',
  '|': '\\textbar{}',
  '"': '\\textquotedbl{}',
  '`': '\\textasciigrave{}',
};

/** Text that prints as it is. In braces where TeX would take its start for an argument of the line before. */
export function latex(text: string): string {
  const escaped = visible(text).replace(/[\\^~<>|"`{}$&#%_]/g, (c) => SPECIAL[c] ?? `\\${c}`);
  return escaped.replace(/^[[*]/, (c) => `{${c}}`);
}
