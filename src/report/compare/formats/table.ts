import pc from 'picocolors';
import { visible } from '../../text.ts';
import {
  type Change,
  deltaText,
  ranked,
  relativeText,
  setupLines,
  summary,
  valueText,
  verdictText,
  WORDS,
} from '../changes.ts';
import type { Comparison } from '../comparison.ts';
import type { ComparisonFormat } from '../registry.ts';
import { METRIC_VERDICTS, type MetricVerdict } from '../verdict.ts';

const HEADER = ['run', 'metric', 'base', 'new', 'change', 'relative'];
/** Numbers stand to the right. */
const FIRST_NUMBER = 2;

/** For people: what changed, worst first; the unchanged are only counted. */
export default {
  name: 'table',
  title: 'what changed, worst first, for reading',
  extension: 'txt',
  render(comparison, { color }) {
    const paint = pc.createColors(color);
    const paints: Partial<Record<MetricVerdict, (text: string) => string>> = {
      worse: paint.red,
      tolerated: paint.yellow,
      better: paint.green,
    };
    const lines = [...heading(comparison, paint), ''];
    const changes = ranked(comparison);
    const widths = columnWidths(changes);
    for (const verdict of METRIC_VERDICTS) {
      const rows = changes.filter((change) => change.verdict === verdict);
      if (rows.length === 0) continue;
      lines.push(paint.bold(`${WORDS[verdict]} (${rows.length})`), paint.cyan(lineOf(HEADER, widths)));
      for (const row of rows) lines.push((paints[verdict] ?? String)(lineOf(cells(row), widths) + remark(row)));
      lines.push('');
    }
    lines.push(paint.bold(`${verdictText(comparison)}: ${summary(comparison)}`));
    return `${lines.join('\n')}\n`;
  },
} satisfies ComparisonFormat;

function heading(
  { base, new: now, missing, ...rest }: Comparison,
  paint: ReturnType<typeof pc.createColors>,
): string[] {
  const side = ({ file, version }: Comparison['base']): string => `${file} (gmem-eval ${version})`;
  const setup = setupLines({ base, new: now, missing, ...rest });
  return [
    paint.bold(visible(now.trace)),
    visible(`${side(base)} -> ${side(now)}`),
    ...missing.map((text) => paint.yellow(visible(`not compared: ${text}`))),
    ...setup.map((text) => visible(`differs, not judged: ${text}`)),
  ];
}

function cells(change: Change): string[] {
  return [
    change.run,
    change.metric,
    valueText(change.base),
    valueText(change.new),
    deltaText(change),
    relativeText(change),
  ].map(visible);
}

/** Which rule decided. */
function remark({ verdict, tolerance, rule }: Change): string {
  const decided = (verdict === 'worse' || verdict === 'tolerated') && rule !== null;
  return decided ? visible(`  tolerance ${tolerance}, ${rule}`) : '';
}

function columnWidths(changes: readonly Change[]): number[] {
  const rows = [HEADER, ...changes.map(cells)];
  return HEADER.map((_, i) => Math.max(...rows.map((row) => row[i].length)));
}

function lineOf(row: readonly string[], widths: readonly number[]): string {
  const padded = row.map((cell, i) => (i < FIRST_NUMBER ? cell.padEnd(widths[i]) : cell.padStart(widths[i])));
  return `  ${padded.join('  ')}`;
}
