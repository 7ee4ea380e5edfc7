/** `explain --page`: the life of a page, stack beside stack, one band a record. */

import type { EventLine } from '../../replay/lane.ts';
import { formatSize } from '../../replay/sizes.ts';
import { escapeMarkdown, markdownTable } from '../markdown/escape.ts';
import { formatCount, formatDuration, visible, wrap } from '../text.ts';
import { type Life, parting, whatOf } from './life.ts';

export interface PageReport {
  readonly trace: { readonly name: string; readonly sha256: string };
  readonly page: string;
  /** Names of the allocations that hold it, in the order of their making. */
  readonly allocations: readonly string[];
  readonly platform: string;
  readonly stacks: readonly { readonly stack: string; readonly size: string; readonly life: Life }[];
}

const WIDTH = 130;
const GAP = 2;

export function pageJson({ stacks, ...about }: PageReport): string {
  const runs = stacks.map(({ stack, size, life }) => ({ stack, memory: size, events: life.lines, left: life.left }));
  return `${JSON.stringify({ schema: 'gmem-eval/explain-page@1', ...about, parting: parting(stacks), runs }, null, 2)}\n`;
}

export function pageTable(report: PageReport): string {
  const lines = [...heading(report).flatMap((line) => wrap(line, WIDTH, '  ')), ''];
  const { bands, stacks } = sideBySide(report);
  const label = longest(['record', ...bands.map(({ record }) => record)]);
  const widths = stacks.map((stack, i) => longest([stack, ...bands.flatMap((band) => band.cells[i])]));
  for (let first = 0; first < stacks.length; ) {
    let end = first + 1;
    for (let used = label + GAP + widths[first]; end < stacks.length; end++) {
      used += GAP + widths[end];
      if (used > WIDTH) break;
    }
    const row = (cells: readonly string[]): string =>
      cells
        .map((cell, i) => cell.padEnd((i === 0 ? label : widths[first + i - 1]) + GAP))
        .join('')
        .trimEnd();
    lines.push(row(['record', ...stacks.slice(first, end)]));
    for (const { record, cells } of bands) {
      const shown = cells.slice(first, end);
      const height = Math.max(...shown.map((cell) => cell.length));
      for (let i = 0; i < height; i++) lines.push(row([i === 0 ? record : '', ...shown.map((cell) => cell[i] ?? '')]));
    }
    lines.push('');
    first = end;
  }
  while (lines.at(-1) === '') lines.pop();
  return lines.map((line) => `${visible(line)}\n`).join('');
}

export function pageMarkdown(report: PageReport): string {
  const { bands, stacks } = sideBySide(report);
  const rows = bands.map(({ record, cells }) => [
    record,
    ...cells.map((cell) => cell.map((line) => escapeMarkdown(line.trim())).join('<br>')),
  ]);
  const [title, ...rest] = heading(report);
  const text = rest.map((line) => `${escapeMarkdown(line)}\n`).join('\n');
  return `# ${escapeMarkdown(title)}\n\n${text}\n${markdownTable(['record', ...stacks], rows, true)}`;
}

function heading({ trace, page, allocations, platform, stacks }: PageReport): string[] {
  const lines = [
    `${trace.name}: page ${page} of ${allocations.join(', ') || 'no allocation'} on ${platform}`,
    parting(stacks),
  ];
  for (const { stack, life } of stacks) {
    if (life.left > 0) lines.push(`${stack}: ${formatCount(life.left)} later lines are not kept.`);
  }
  return lines;
}

interface Band {
  readonly record: string;
  /** Lines of text of each stack. */
  readonly cells: readonly (readonly string[])[];
}

function sideBySide({ stacks }: PageReport): { bands: Band[]; stacks: string[] } {
  const records = new Set<number>();
  const byRecord = stacks.map(({ life }) => {
    const found = new Map<number, string[]>();
    for (const line of life.lines) {
      records.add(line.record);
      const band = found.get(line.record);
      if (band === undefined) found.set(line.record, eventText(line));
      else band.push(...eventText(line));
    }
    return found;
  });
  return {
    bands: [...records]
      .sort((a, b) => a - b)
      .map((record) => ({
        record: record < 0 ? 'before' : formatCount(record),
        cells: byRecord.map((found) => found.get(record) ?? []),
      })),
    stacks: stacks.map(({ stack, size }) => (size === 'unlimited' ? stack : `${stack} ${size}`)),
  };
}

/** What, then when and what it cost. */
function eventText(line: EventLine): string[] {
  const took = line.durationNs > 0 ? `, took ${formatDuration(line.durationNs)}` : '';
  return [whatOf(line), `  at ${formatDuration(line.timeNs)}, ${formatSize(line.size)}${took}`];
}

function longest(texts: readonly string[]): number {
  return texts.reduce((most, text) => Math.max(most, text.length), 0);
}
