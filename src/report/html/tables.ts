import type { Case } from '../cases.ts';
import { type OverviewRow, overview } from '../overview.ts';
import { type Html, html } from './escape.ts';

/** The overview of one memory size, and below it all metrics. */
export function metricTables(size: string, cases: readonly Case[], id: string): Html {
  const title = size === 'unlimited' ? 'Unlimited device memory' : `Device memory: ${memory(size, cases)}`;
  return html`
<h3 id="${id}">${title}</h3>
${metricTable(title, cases, overview(cases, 'key'), false)}
<details><summary>All metrics</summary>
${metricTable(`${title}: all metrics`, cases, overview(cases, 'all'), true)}
</details>`;
}

function memory(size: string, cases: readonly Case[]): string {
  return cases[0].run.oversubscription === null ? size : `oversubscription ${size}`;
}

function metricTable(title: string, cases: readonly Case[], rows: readonly OverviewRow[], defined: boolean): Html {
  const words = (text: string): Html[] => (defined ? [html`<td class="words">${text}</td>`] : []);
  return region(
    title,
    html`<table><caption class="hidden">${title}</caption>
<thead><tr><th scope="row">metric</th>${cases.map((c) => html`<th scope="col">${c.stack}</th>`)}${words('what it is')}</tr></thead>
<tbody>${rows.map(
      (row) => html`
<tr><th scope="row"><abbr title="${row.spec.definition}">${row.name}</abbr></th>${row.cells.map((cell) =>
        cell.best
          ? html`<td class="best">${cell.text}<span class="hidden"> (best)</span></td>`
          : html`<td>${cell.text}</td>`,
      )}${words(row.spec.definition)}</tr>`,
    )}
</tbody></table>`,
  );
}

/** A table that may be wider than the page: scrolled by keyboard too. */
export function region(name: string, inside: Html): Html {
  return html`<div class="scroll" role="region" tabindex="0" aria-label="${name}">${inside}</div>`;
}

/** A plain table; its first column names the row. `text`: no numbers in it. */
export function plainTable(
  name: string,
  columns: readonly string[],
  rows: readonly (readonly string[])[],
  text = false,
): Html {
  return region(
    name,
    html`<table${text ? html` class="text"` : ''}><caption class="hidden">${name}</caption>
<thead><tr>${columns.map((column, i) => html`<th scope="${i === 0 ? 'row' : 'col'}">${column}</th>`)}</tr></thead>
<tbody>${rows.map(
      (row) =>
        html`
<tr>${row.map((cell, i) => (i === 0 ? html`<th scope="row">${cell}</th>` : html`<td>${cell}</td>`))}</tr>`,
    )}
</tbody></table>`,
  );
}
