/** What runs in the page: draws the charts from their data, anew when the reader's colours or the medium change. */

import { HATCHES } from '../../figures/palette.ts';

export const SCRIPT = `
(() => {
  'use strict';
  const charts = JSON.parse(document.getElementById('charts').textContent);
  const dark = matchMedia('screen and (prefers-color-scheme: dark)');
  const paper = matchMedia('print');
  const powersOfTen = (value) => {
    const exponent = Math.log10(value);
    return Math.abs(exponent - Math.round(exponent)) < 1e-9 ? value.toLocaleString('en-US') : '';
  };
  const colors = () => dark.matches && !paper.matches
    ? { ink: '#e8ebf0', soft: '#a3acb9', rule: '#2b323d', ground: '#171b22' }
    : { ink: '#16191f', soft: '#545b66', rule: '#e1e4e9', ground: '#ffffff' };
  const hatches = ${JSON.stringify(HATCHES)};
  // One tile of 8 by 8, so that bars can be told apart in grey.
  const hatched = (color, style) => {
    const tile = document.createElement('canvas');
    tile.width = tile.height = 8;
    const pen = tile.getContext('2d');
    pen.fillStyle = color;
    pen.fillRect(0, 0, 8, 8);
    pen.fillStyle = pen.strokeStyle = 'rgba(0,0,0,0.5)';
    const line = (x0, y0, x1, y1) => { pen.moveTo(x0, y0); pen.lineTo(x1, y1); };
    const hatch = hatches[style % hatches.length];
    // Slanted lines go on into the neighbouring tiles.
    if (hatch === 'rising' || hatch === 'crossed') for (const x of [-8, 0, 8]) line(x, 8, x + 8, 0);
    if (hatch === 'falling' || hatch === 'crossed') for (const x of [-8, 0, 8]) line(x, 0, x + 8, 8);
    if (hatch === 'vertical' || hatch === 'grid') line(4, 0, 4, 8);
    if (hatch === 'horizontal' || hatch === 'grid') line(0, 4, 8, 4);
    if (hatch === 'dots') pen.fillRect(3, 3, 2, 2);
    pen.stroke();
    return pen.createPattern(tile, 'repeat');
  };
  const ready = ({ config }, { ink, soft, rule, ground }) => {
    const { options, data } = structuredClone(config);
    options.responsive = true;
    options.maintainAspectRatio = false;
    options.interaction = { mode: 'nearest', axis: options.indexAxis || 'xy', intersect: false };
    options.plugins.tooltip = { callbacks: { label: ({ dataset, formattedValue, parsed }) =>
      ' ' + dataset.label + ': ' + (parsed.x === null || parsed.y === null ? 'no such notion' : formattedValue) } };
    const labels = options.plugins.legend.labels;
    labels.usePointStyle = true;
    labels.color = ink;
    labels.sort = (a, b) => a.datasetIndex - b.datasetIndex;
    for (const scale of Object.values(options.scales)) {
      scale.grid = { ...scale.grid, color: rule };
      scale.ticks.color = soft;
      if (scale.title) scale.title.color = soft;
      if (scale.type === 'logarithmic') scale.ticks.callback = powersOfTen;
    }
    for (const dataset of data.datasets) {
      if (dataset.ink) Object.assign(dataset, { backgroundColor: ground, borderColor: ink, pointBorderColor: ink });
      else if (dataset.style !== undefined) dataset.backgroundColor = hatched(dataset.backgroundColor, dataset.style);
      if (dataset.borderWidth === 0) Object.assign(dataset, { borderWidth: 1, borderColor: ground });
    }
    return { type: config.type, data, options };
  };
  let drawn = [];
  const draw = () => {
    for (const chart of drawn) chart.destroy();
    const theme = colors();
    Chart.defaults.color = theme.soft;
    Chart.defaults.borderColor = theme.rule;
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    drawn = charts.map((chart) => {
      const canvas = document.getElementById(chart.id);
      canvas.parentElement.style.height = chart.heightPx + 'px';
      return new Chart(canvas, ready(chart, theme));
    });
  };
  draw();
  dark.addEventListener('change', draw);
  paper.addEventListener('change', draw);
  addEventListener('beforeprint', () => { for (const chart of drawn) chart.resize(640, undefined); });
  addEventListener('afterprint', () => { for (const chart of drawn) chart.resize(); });
  document.documentElement.dataset.charts = String(drawn.length);
})();
`;
