/** The report as Markdown: for job summaries, merge requests and wikis. */

import { TRIGGERS } from '../../replay/metrics.ts';
import { formatSize } from '../../replay/sizes.ts';
import { type Case, casesOf, type Group, groupsOf, metricOf, sizesOf } from '../cases.ts';
import { optionRows } from '../html/manifest.ts';
import { factsOf, formatMetric, notesOf, overview, parametersOf } from '../overview.ts';
import type { Result } from '../result.ts';
import { formatRatio } from '../text.ts';
import { TIME_PARTS } from '../time.ts';
import { markdownTable, escapeMarkdown as md } from './escape.ts';

export function markdownReport(results: readonly Result[]): string {
  const groups = groupsOf(casesOf(results));
  const text = [
    '# Memory-management stacks, side by side\n',
    'The best value of a row is **bold** where one is better than another. Counts follow from the drivers’ decisions; times are modelled from the machine profile.\n',
    ...groups.map(groupText),
  ].join('\n');
  return `${text.replace(/\n{3,}/g, '\n\n').trimEnd()}\n`;
}

function groupText({ name, cases }: Group): string {
  const title = cases[0].result.manifest.trace.metadata['title'];
  return [
    `\n## ${md(name)}\n`,
    ...(title === undefined ? [] : [`${md(title)}\n`]),
    `${factsOf(cases[0])
      .map((fact) => `* ${md(fact)}\n`)
      .join('')}`,
    notesOf(cases)
      .map((note) => `> ${md(note)}\n`)
      .join('\n'),
    ...sizesOf(cases).map(({ size, cases: inside }) => sizeText(size, inside)),
    curves(cases),
    '### Parameters\n',
    markdownTable(
      ['stack', 'parameter', 'value'],
      parametersOf(cases).map((p) => [p.stack, p.name, p.value].map(md)),
      true,
    ),
    '### Manifest\n',
    markdownTable(
      ['what', 'value'],
      [...new Map(cases.map((c) => [c.source, c])).values()].flatMap((c) => optionRows(c).map((row) => row.map(md))),
      true,
    ),
  ].join('\n');
}

function sizeText(size: string, cases: readonly Case[]): string {
  const stacks = cases.map((c) => c.stack);
  const title =
    size === 'unlimited'
      ? 'Unlimited device memory'
      : `Device memory: ${cases[0].run.oversubscription === null ? size : `oversubscription ${size}`}`;
  return [
    `### ${md(title)}\n`,
    markdownTable(
      ['metric', ...stacks],
      overview(cases, 'key').map((row) => [
        md(row.name),
        ...row.cells.map(({ text, best }) => (best ? `**${md(text)}**` : md(text))),
      ]),
    ),
    'Bytes moved, by trigger:\n',
    markdownTable(['trigger', ...stacks], byTrigger(cases)),
    'Time. Ideal: a machine that never stalls. Then what devices and CPU were stopped for; stops that overlap count each. ' +
      'Remote: remote bytes at the speed of single accesses, no stop. Link busy: links moved data, most of it while ' +
      'somebody waits.\n',
    markdownTable(['time', ...stacks], times(cases)),
  ].join('\n');
}

function byTrigger(cases: readonly Case[]): string[][] {
  const used = TRIGGERS.filter((t) => cases.some((c) => metricOf(c, `migration.by.${t}.bytes`)));
  const row = (name: string, value: (c: Case) => number | null): string[] => [
    name,
    ...cases.map((c) => show(value(c), formatSize)),
  ];
  const total = (c: Case): number =>
    TRIGGERS.reduce((sum, t) => sum + (metricOf(c, `migration.by.${t}.bytes`) ?? 0), 0);
  return [...used.map((t) => row(t, (c) => metricOf(c, `migration.by.${t}.bytes`))), row('all', total)];
}

function times(cases: readonly Case[]): string[][] {
  const rows = [
    ...TIME_PARTS,
    { name: 'total', metric: 'time.total.ns' },
    { name: 'devices stopped', metric: 'time.stall.device.ns' },
    { name: 'CPU stopped', metric: 'time.stall.host.ns' },
    { name: 'link busy', metric: 'time.link.busy.ns' },
  ];
  return rows.map(({ name, metric }) => [
    name,
    ...cases.map((c) => md(formatMetric({ unit: 'ns' }, metricOf(c, metric)))),
  ]);
}

/** Slowdown by size, where there are several. */
function curves(cases: readonly Case[]): string {
  const sizes = sizesOf(cases);
  if (sizes.length < 2) return '';
  const stacks = [...new Set(cases.map((c) => c.stack))];
  const value = (stack: string, inside: readonly Case[]): number | null => {
    const found = inside.find((c) => c.stack === stack);
    return found === undefined ? null : metricOf(found, 'slowdown');
  };
  return [
    '### Slowdown by memory size\n',
    markdownTable(
      ['memory', ...stacks],
      sizes.map(({ size, cases: inside }) => [md(size), ...stacks.map((s) => show(value(s, inside), formatRatio))]),
    ),
  ].join('\n');
}

const show = (value: number | null, format: (value: number) => string): string =>
  value === null ? '–' : format(value);
