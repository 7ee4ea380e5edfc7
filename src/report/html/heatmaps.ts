/** Address x time, one row of panels a run, drawn as SVG: sharp on paper, no script needed. */

import { type Heat, LAYER_TITLES, LAYERS, type Layer, shadeNames, shadeOf, shadeSteps } from '../../figures/heat.ts';
import { SHADES } from '../../figures/palette.ts';
import { type Case, labelsOf } from '../cases.ts';
import { formatCount, formatDuration } from '../text.ts';
import { type Html, html } from './escape.ts';
import { plainTable } from './tables.ts';

/** Null where no run of the group has events. */
export function heatmaps(cases: readonly Case[], heats: readonly (Heat | null)[], id: string): Html | null {
  const known = cases.filter((c) => heats[c.source] != null);
  if (known.length === 0) return null;
  const labels = labelsOf(known);
  const steps = Object.fromEntries(
    LAYERS.map((layer) => [
      layer,
      shadeSteps(
        known.map((c) => heats[c.source]!.runs[c.index].cells[layer]),
        SHADES.length,
      ),
    ]),
  ) as Record<Layer, number[]>;
  const rows = known.map((c, i) => {
    const heat = heats[c.source]!;
    const { totals, startNs, endNs } = heat.runs[c.index];
    return [
      labels[i],
      formatDuration(endNs - startNs),
      ...LAYERS.map((layer) => formatCount(totals[layer])),
      ...LAYERS.map((layer) => hottest(heat, heat.runs[c.index].cells[layer])),
    ];
  });
  return html`
<figure class="heat" aria-labelledby="${id}">
<h3 id="${id}">Address by time</h3>
<figcaption>Each row is one run. Upward: address, in 2 MiB blocks; blocks without any event are left out. To the right: time, as a share of the run’s own length, which stands behind its name. Residency changes: pages migrated or zero-filled, to wherever. Shades mean the same in all runs.</figcaption>
<div class="panels">
${LAYERS.map((layer) => html`<div><p><strong>${LAYER_TITLES[layer].title}</strong>: ${LAYER_TITLES[layer].unit} in a cell</p>${legend(steps[layer])}</div>`)}
${known.flatMap((c, i) => {
  const heat = heats[c.source]!;
  const run = heat.runs[c.index];
  return [
    html`<h4>${labels[i]} <span>${formatDuration(run.endNs - run.startNs)}</span></h4>`,
    ...LAYERS.map(
      (layer) =>
        html`<div>${panel(heat, run.cells[layer], steps[layer], `${LAYER_TITLES[layer].title} of ${labels[i]}: ${formatCount(run.totals[layer])} ${LAYER_TITLES[layer].unit}`)}
<div class="axis" aria-hidden="true"><span>${heat.addresses[0] ?? ''} up</span><span>${LAYER_TITLES[layer].title.toLowerCase()}</span><span>100 %</span></div></div>`,
    ),
  ];
})}
</div>
<details><summary>Address by time: the numbers</summary>
${plainTable(
  'Address by time: the numbers',
  [
    'run',
    'length',
    ...LAYERS.map((layer) => LAYER_TITLES[layer].unit),
    ...LAYERS.map((layer) => `${LAYER_TITLES[layer].title}: most at`),
  ],
  rows,
)}
</details>
</figure>`;
}

/** The address with the most, over all time. */
function hottest(heat: Heat, cells: Float64Array): string {
  const sums = heat.addresses.map((_, row) =>
    cells.subarray(row * heat.columns, (row + 1) * heat.columns).reduce((a, b) => a + b, 0),
  );
  const most = Math.max(0, ...sums);
  return most === 0 ? '–' : `${heat.addresses[sums.indexOf(most)]} (${formatCount(Math.round(most))})`;
}

const shadeClass = (shade: number, used: number): string => `s${SHADES.length - used + shade}`;

function legend(steps: readonly number[]): Html {
  if (steps.length === 0) return html`<p>nothing in any run</p>`;
  return html`<ul class="legend">${shadeNames(steps).map(
    (name, i) =>
      html`<li><svg viewBox="0 0 10 8" aria-hidden="true"><rect class="${shadeClass(i, steps.length)}" width="10" height="8"/></svg>${name}</li>`,
  )}</ul>`;
}

const CELL = { width: 5, height: 5 };

function panel(heat: Heat, cells: Float64Array, steps: readonly number[], name: string): Html {
  const rects: Html[] = [];
  for (let row = 0; row < heat.rows; row++) {
    const shadeAt = (column: number): number => shadeOf(cells[row * heat.columns + column], steps);
    for (let from = 0, to = 0; from < heat.columns; from = to) {
      const shade = shadeAt(from);
      for (to = from + 1; to < heat.columns && shadeAt(to) === shade; ) to++;
      if (shade < 0) continue;
      rects.push(
        html`<rect class="${shadeClass(shade, steps.length)}" x="${from * CELL.width}" y="${(heat.rows - 1 - row) * CELL.height}" width="${(to - from) * CELL.width}" height="${CELL.height}"/>`,
      );
    }
  }
  const size = `${heat.columns * CELL.width} ${Math.max(1, heat.rows) * CELL.height}`;
  return html`<svg viewBox="0 0 ${size}" role="img" aria-label="${name}" preserveAspectRatio="none" shape-rendering="crispEdges">${rects}</svg>`;
}
