/** `explain --page`: the life of a page, stack beside stack, one band a record. */

import { formatSize } from '../../replay/sizes.ts';
import { escapeMarkdown, markdownTable } from '../markdown/escape.ts';
import { formatCount, formatDuration, visible, wrap } from '../text.ts';
import { type Life, type LifeLine, whatOf } from './life.ts';
import { partings, partingTexts } from './parting.ts';
import type { ExplainPage } from './schema.ts';

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
const COST =
  "Costs are this page's share of the time that actors stood still, and of remote accesses; an event covers all pages of its size.";

export function pageJson({ stacks, trace, page, allocations, platform }: PageReport): string {
  const found: ExplainPage = {
    schema: 'gmem-eval/explain-page@1',
    trace,
    page,
    allocations: [...allocations],
    platform,
    parting: partingTexts(stacks)[0],
    partings: partings(stacks).map(({ line, groups }) => ({
      line,
      groups: groups.map(({ stacks: names, what, records }) => ({ stacks: [...names], what, records: [...records] })),
    })),
    runs: stacks.map(({ stack, size, life }) => ({
      stack,
      memory: size,
      costNs: life.costNs,
      remoteNs: life.remoteNs,
      remoteBytes: life.remoteBytes,
      events: [...life.lines],
      left: life.left,
      leftNs: life.leftNs,
    })),
  };
  return `${JSON.stringify(found, null, 2)}\n`;
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
    ...partingTexts(stacks),
    `It cost ${stacks.map(({ stack, life }) => `${stack} ${formatDuration(life.costNs)}${remoteText(life)}`).join(', ')}. ${COST}`,
  ];
  for (const { stack, life } of stacks) {
    if (life.left === 0) continue;
    lines.push(
      `${stack}: ${formatCount(life.left)} later events are not kept; they cost ${formatDuration(life.leftNs)}.`,
    );
  }
  return lines;
}

function remoteText({ remoteBytes, remoteNs }: Life): string {
  return remoteBytes === 0
    ? ''
    : ` (${formatDuration(remoteNs)} of it for ${formatSize(remoteBytes)} of remote accesses)`;
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

/** What and how much, then when and what it cost. */
function eventText(line: LifeLine): string[] {
  const cost = line.costNs > 0 ? `, cost ${formatDuration(line.costNs)}` : '';
  return [`${whatOf(line)}`, `  at ${formatDuration(line.timeNs)}, ${formatSize(line.size)}${cost}`];
}

function longest(texts: readonly string[]): number {
  return texts.reduce((most, text) => Math.max(most, text.length), 0);
}
