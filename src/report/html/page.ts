/** One self-contained page: works offline, without script it still has every number in tables. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Heat } from '../../figures/heat.ts';
import { casesOf, type Group, groupsOf, sizesOf } from '../cases.ts';
import { factsOf, notesOf } from '../overview.ts';
import type { Result } from '../result.ts';
import { charts, type DrawnChart } from './charts.ts';
import { escapeJson, Html, html } from './escape.ts';
import { heatmaps } from './heatmaps.ts';
import { manifest } from './manifest.ts';
import { SCRIPT } from './script.ts';
import { STYLE } from './style.ts';
import { metricTables } from './tables.ts';

/** `heats`: of the event file of each result, by its number; null where there is none. */
export function htmlReport(results: readonly Result[], heats: readonly (Heat | null)[] = []): string {
  const groups = groupsOf(casesOf(results));
  const sections = groups.map((group, i) => section(group, i, heats));
  const drawn = sections.flatMap((s) => s.drawn);
  const library = scriptText(readFileSync(chartLibrary(), 'utf8'));
  const script = scriptText(SCRIPT);
  const title = `gmem-eval: ${[...new Set(groups.map((g) => g.name))].join('; ')}`;
  const policy = [
    "default-src 'none'",
    `script-src ${hash(library)} ${hash(script)}`,
    `style-src ${hash(STYLE)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const stacks = new Set(groups.flatMap((g) => g.cases.map((c) => c.stack))).size;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<a class="skip" href="#report">Skip to the report</a>
<header>
<h1>Memory-management stacks, side by side</h1>
<p class="lead">${stacks} ${stacks === 1 ? 'stack' : 'stacks'}, ${groups.length} ${groups.length === 1 ? 'trace and machine' : 'traces and machines'}. The best value of a row is marked with a star where one is better than another. Counts follow from the drivers’ decisions; times are modelled from the machine profile.</p>
<nav aria-label="Sections"><ul>${sections.flatMap((s) => s.links)}</ul></nav>
</header>
<main id="report" tabindex="-1">
${sections.map((s) => s.body)}
</main>
<footer>Made by gmem-eval ${[...new Set(results.map((r) => r.manifest.tool.version))].join(', ')}. The results that this page shows lie in it as JSON, in the element <code>results</code>.</footer>
<script type="application/json" id="results">${new Html(escapeJson(results))}</script>
<script type="application/json" id="charts">${new Html(escapeJson(drawn.map(({ id, config, heightPx }) => ({ id, config, heightPx }))))}</script>
<script>${new Html(library)}</script>
<script>${new Html(script)}</script>
</body>
</html>
`.text;
}

interface Section {
  readonly links: readonly Html[];
  readonly body: Html;
  readonly drawn: readonly DrawnChart[];
}

function section(group: Group, number: number, heats: readonly (Heat | null)[]): Section {
  const { cases } = group;
  const id = (part: string): string => `g${number}-${part}`;
  const { trace } = cases[0].result.manifest;
  const drawn = charts(cases, id);
  const heat = heatmaps(cases, heats, id('heatmaps'));
  const title = trace.metadata['title'];
  return {
    links: [
      html`<li><a href="#${id('top')}">${group.name}</a></li>`,
      html`<li><a href="#${id('charts')}">charts</a></li>`,
      ...(heat === null ? [] : [html`<li><a href="#${id('heatmaps')}">heatmaps</a></li>`]),
      html`<li><a href="#${id('manifest')}">parameters and manifest</a></li>`,
    ],
    drawn,
    body: html`
<section aria-labelledby="${id('top')}">
<h2 id="${id('top')}"${new Html(number === 0 ? ' class="first"' : '')}>${group.name}</h2>
${title === undefined ? [] : [html`<p>${title}</p>`]}
<ul class="facts">${factsOf(cases[0]).map((fact) => html`<li>${fact}</li>`)}</ul>
${notesOf(cases).map((note) => html`<p class="note">${note}</p>`)}
${sizesOf(cases).map(({ size, cases: inside }, i) => metricTables(size, inside, id(`size${i}`)))}
<h3 id="${id('charts')}">Charts</h3>
${drawn.map((chart) => chart.body)}
${heat === null ? [] : [heat]}
<h3 id="${id('manifest')}">Parameters and manifest</h3>
${manifest(cases)}
</section>`,
  };
}

function chartLibrary(): string {
  // Its package publishes no path to this file.
  return join(createRequire(import.meta.url).resolve('chart.js'), '..', 'chart.umd.min.js');
}

/** Script text inside HTML: nothing in it may end the element or begin a comment. */
function scriptText(text: string): string {
  return text.replace(/<(\/script|!--)/gi, '\\x3c$1');
}

function hash(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
