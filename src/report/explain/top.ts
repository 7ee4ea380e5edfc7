/** `explain --top`: what cost most in each stack, and what would help. */

import { hexAddress } from '../../replay/event-stream.ts';
import { PAGE_BYTES } from '../../replay/mask.ts';
import { formatSize } from '../../replay/sizes.ts';
import { escapeMarkdown, markdownTable } from '../markdown/escape.ts';
import { formatCount, formatDuration, visible, wrap } from '../text.ts';
import { advise, type Facts } from './advice.ts';
import { causesOf } from './causes.ts';
import type { ExplainTop } from './schema.ts';
import type { Tally } from './tally.ts';

export interface TopReport {
  readonly trace: { readonly name: string; readonly sha256: string };
  readonly platform: string;
  readonly top: number;
  /** Names by index. */
  readonly allocations: readonly { readonly name: string; readonly addr: string; readonly record: number }[];
  readonly stacks: readonly {
    readonly stack: string;
    readonly size: string;
    readonly facts: Omit<Facts, 'tally'>;
    readonly tally: Tally;
  }[];
}

type Run = ExplainTop['runs'][number];
type Pages = Run['pages']['ranked'][number];
type Ranking = Omit<Run['pages'], 'ranked'>;

function runOf({ stack, size, facts, tally }: TopReport['stacks'][number], names: TopReport['allocations']): Run {
  const { pages, allocations } = tally;
  return {
    stack,
    memory: size,
    advice: `${stack}: ${advise({ ...facts, tally })}.`,
    time: {
      totalNs: facts.metrics['time.total.ns'] ?? 0,
      idealNs: facts.metrics['time.ideal.ns'] ?? 0,
      lostNs: tally.totalNs,
      unlimitedNs: facts.unlimitedNs,
      by: causesOf(facts.metrics),
    },
    pages: {
      ...pages,
      ranked: pages.ranked.map(({ firstPage, pages: n, allocations: owners, ns, eachNs, each }) => {
        const { copies, remoteBytes, faults, evictions } = each;
        return {
          addr: hexAddress(firstPage, 0),
          pages: n,
          allocations: owners.map((id) => names[id].name),
          ns,
          each: { ns: eachNs, copies, remoteBytes, faults, evictions },
        };
      }),
    },
    allocations: {
      ...allocations,
      ranked: allocations.ranked.map(({ id, ...cost }) => ({ ...names[id], ...cost })),
    },
  };
}

function runsOf(report: TopReport): Run[] {
  return report.stacks.map((each) => runOf(each, report.allocations));
}

export function topJson(report: TopReport): string {
  const { trace, platform, top } = report;
  const found: ExplainTop = { schema: 'gmem-eval/explain-top@1', trace, platform, top, runs: runsOf(report) };
  return `${JSON.stringify(found, null, 2)}\n`;
}

const NOTE =
  'time: shares of stalls and of remote accesses, adding up to them; pages in a row that cost the same are one line, ' +
  'ranked by what each cost; copied: to devices and back';

interface Table {
  readonly what: string;
  readonly rows: readonly (readonly string[])[];
}

function tablesOf({ pages, allocations }: Run): Table[] {
  const pageRows = pages.ranked.map((p) => [
    placeOf(p),
    p.allocations.map(visible).join(', ') || 'none',
    formatDuration(p.pages === 1 ? p.ns : round(p.each.ns)),
    formatDuration(p.ns),
    formatSize(p.each.copies * PAGE_BYTES),
    formatSize(p.each.remoteBytes),
    formatCount(p.each.faults),
    formatCount(p.each.evictions),
  ]);
  const places = allocations.ranked.map((a) => `${a.name} ${a.addr}`);
  const twice = new Set(places.filter((place, i) => places.indexOf(place) !== i));
  const allocationRows = allocations.ranked.map((a) => [
    visible(a.name),
    twice.has(`${a.name} ${a.addr}`) ? `${a.addr} (record ${a.record})` : a.addr,
    formatDuration(a.ns),
    formatSize(a.copiedBytes),
    formatSize(a.remoteBytes),
    formatCount(a.faults),
    formatCount(a.evictions),
  ]);
  const each = ['copied', 'remote', 'faults', 'evictions'];
  return [
    {
      what: 'page',
      rows: [['pages', 'of', 'each', 'together', ...each], ...pageRows, ...rest(pages, 'page', 3, 8)],
    },
    {
      what: 'allocation',
      rows: [['allocation', 'at', 'time', ...each], ...allocationRows, ...rest(allocations, 'allocation', 2, 7)],
    },
  ];
}

/** `0x200000`, or `0x200000 + 511`. */
function placeOf({ addr, pages }: Pages): string {
  return pages === 1 ? addr : `${addr} x${formatCount(pages)}`;
}

function rest({ others, othersNs, elsewhereNs }: Ranking, one: string, column: number, width: number): string[][] {
  const row = (text: string, ns: number): string[] =>
    Array.from({ length: width }, (_, i) => (i === 0 ? text : i === column ? formatDuration(ns) : ''));
  return [
    ...(others > 0 ? [row(`${formatCount(others)} other ${one}${others === 1 ? '' : 's'}`, othersNs)] : []),
    ...(elsewhereNs > 0 ? [row(`on no ${one}`, elsewhereNs)] : []),
  ];
}

export function topTable(report: TopReport): string {
  const lines = [title(report), ...wrap(NOTE, 100, '  '), ''];
  for (const run of runsOf(report)) {
    lines.push(
      ...wrap(run.advice, 100, '  '),
      ...(run.memory === 'unlimited' ? [] : [`  device memory: ${run.memory}`]),
    );
    for (const { what, rows } of tablesOf(run)) {
      if (rows.length === 1) {
        lines.push(`${what}s: none cost anything`);
        continue;
      }
      const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
      for (const row of rows) {
        const left = (i: number): boolean => i <= 1;
        const cells = row.map((cell, i) => (left(i) ? cell.padEnd(widths[i]) : cell.padStart(widths[i])));
        lines.push(cells.join('  ').trimEnd());
      }
    }
    lines.push('');
  }
  lines.pop();
  return lines.map((line) => `${visible(line)}\n`).join('');
}

export function topMarkdown(report: TopReport): string {
  const sections = runsOf(report).map((run) => {
    const size = run.memory === 'unlimited' ? '' : `, ${run.memory}`;
    const tables = tablesOf(run).map(({ rows: [head, ...rows] }) =>
      markdownTable(
        head,
        rows.map((row) => row.map((cell, i) => (i <= 1 ? escapeMarkdown(cell) : cell))),
      ),
    );
    return `\n## ${escapeMarkdown(`${run.stack}${size}`)}\n\n${escapeMarkdown(run.advice)}\n\n${tables.join('\n')}`;
  });
  return `# ${escapeMarkdown(title(report))}\n\n${escapeMarkdown(NOTE)}\n${sections.join('')}`;
}

function round(ns: number): number {
  return ns >= 1000 ? Math.round(ns) : Math.round(ns * 100) / 100;
}

function title({ trace, platform, top }: TopReport): string {
  return `${trace.name} on ${platform}: what cost each stack most, ${formatCount(top)} of a kind`;
}
