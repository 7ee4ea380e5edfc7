/** `explain --top`: what cost most in each stack, and what would help. */

import { hexAddress } from '../../replay/event-stream.ts';
import { BLOCK_PAGES } from '../../replay/mask.ts';
import { formatSize } from '../../replay/sizes.ts';
import { escapeMarkdown, markdownTable } from '../markdown/escape.ts';
import { formatCount, formatDuration, visible, wrap } from '../text.ts';
import { advise, type Facts } from './advice.ts';
import type { Tally } from './tally.ts';
import { type Cost, dearest } from './tally.ts';

export interface TopReport {
  readonly trace: { readonly name: string; readonly sha256: string };
  readonly platform: string;
  readonly top: number;
  /** Names by index. */
  readonly allocations: readonly { readonly name: string; readonly addr: string }[];
  readonly stacks: readonly {
    readonly stack: string;
    readonly size: string;
    readonly facts: Omit<Facts, 'tally'>;
    readonly tally: Tally;
  }[];
}

interface Ranked extends Omit<Cost, 'servingNs'> {
  readonly name: string;
  readonly addr: string;
}

interface StackReport {
  readonly stack: string;
  readonly memory: string;
  readonly advice: string;
  readonly blocks: readonly Ranked[];
  readonly allocations: readonly Ranked[];
}

function stacksOf({ stacks, allocations, top }: TopReport): StackReport[] {
  return stacks.map(({ stack, size, facts, tally }) => ({
    stack,
    memory: size,
    advice: `${stack}: ${advise({ ...facts, tally })}.`,
    blocks: dearest(tally.blocks, top).map(([block, cost]) => {
      const addr = hexAddress(block * BLOCK_PAGES, 0);
      return { name: addr, addr, ...whole(cost) };
    }),
    allocations: dearest(tally.allocations, top).map(([id, cost]) => ({ ...allocations[id], ...whole(cost) })),
  }));
}

function whole({ ns, bytes, faults, evictions }: Cost): Omit<Cost, 'servingNs'> {
  return { ns: Math.round(ns), bytes: Math.round(bytes), faults, evictions };
}

export function topJson(report: TopReport): string {
  const { trace, platform, top } = report;
  const runs = stacksOf(report).map(({ blocks, ...run }) => ({
    ...run,
    blocks: blocks.map(({ name: _name, ...block }) => block),
  }));
  return `${JSON.stringify({ schema: 'gmem-eval/explain-top@1', trace, platform, top, runs }, null, 2)}\n`;
}

const TIME = 'time: copies, and serving faults apart from the copies made meanwhile; copied: to devices and back';
const COLUMNS = ['time', 'copied', 'faults', 'evictions'];

function cells({ ns, bytes, faults, evictions }: Ranked): string[] {
  return [formatDuration(ns), formatSize(bytes), formatCount(faults), formatCount(evictions)];
}

export function topTable(report: TopReport): string {
  const lines = [title(report), TIME, ''];
  for (const { advice, memory, blocks, allocations } of stacksOf(report)) {
    lines.push(...wrap(advice, 100, '  '), ...(memory === 'unlimited' ? [] : [`  device memory: ${memory}`]));
    for (const [what, ranked] of [
      ['2 MiB blocks', blocks],
      ['allocations', allocations],
    ] as const) {
      const rows = [[what, ...COLUMNS], ...ranked.map((each) => [visible(each.name), ...cells(each)])];
      const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
      const aligned = rows.map((row) =>
        row.map((cell, i) => (i === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[i] + 2))).join(''),
      );
      lines.push(...(ranked.length === 0 ? [`${what}: none cost anything`] : aligned));
    }
    lines.push('');
  }
  lines.pop();
  return lines.map((line) => `${visible(line)}\n`).join('');
}

export function topMarkdown(report: TopReport): string {
  const sections = stacksOf(report).map(({ stack, memory, advice, blocks, allocations }) => {
    const size = memory === 'unlimited' ? '' : `, ${memory}`;
    const table = (what: string, ranked: readonly Ranked[]): string =>
      markdownTable(
        [what, ...COLUMNS],
        ranked.map((each) => [escapeMarkdown(each.name), ...cells(each)]),
      );
    const tables = `${table('2 MiB blocks', blocks)}\n${table('allocations', allocations)}`;
    return `\n## ${escapeMarkdown(`${stack}${size}`)}\n\n${escapeMarkdown(advice)}\n\n${tables}`;
  });
  return `# ${escapeMarkdown(title(report))}\n\n${escapeMarkdown(TIME)}\n${sections.join('')}`;
}

function title({ trace, platform, top }: TopReport): string {
  return `${trace.name} on ${platform}: what cost each stack most, ${formatCount(top)} of a kind`;
}
