/**
 * A chart as configuration of Chart.js, in plain data: the same for PNG, SVG, PDF and the report page. What plain data
 * cannot say (hatching, powers of ten, cells) each of them adds: `plugins.ts` here, `script.ts` of the page there.
 */

import type { BarChart, Chart, LineChart } from './figure.ts';
import { COLORS, DASHES, POINTS, pick } from './palette.ts';

/** Sizes in canvas units: points on paper, pixels on a page. */
export interface Style {
  readonly fontSize: number;
  readonly lineWidth: number;
  readonly pointRadius: number;
}

export interface ChartConfig {
  type: string;
  data: { labels?: readonly string[]; datasets: Record<string, unknown>[] };
  options: Record<string, unknown>;
  plugins?: unknown[];
}

/** Text and lines whose colour the theme of the page decides: they are left out. */
export function chartConfig(chart: BarChart | LineChart, style: Style): ChartConfig {
  return chart.type === 'bars' ? bars(chart, style) : lines(chart, style);
}

function common(style: Style, scales: Record<string, unknown>): Record<string, unknown> {
  return {
    animation: false,
    locale: 'en-US',
    font: { size: style.fontSize },
    layout: { padding: style.fontSize / 2 },
    scales,
    plugins: {
      legend: {
        position: 'top',
        align: 'start',
        labels: {
          boxWidth: style.fontSize * 2,
          boxHeight: style.fontSize * 0.9,
          padding: style.fontSize * 0.8,
          font: { size: style.fontSize },
        },
      },
    },
  };
}

function valueAxis(chart: BarChart | LineChart, style: Style): Record<string, unknown> {
  const { log, title } = chart.axis;
  const values = valuesOf(chart).filter((v) => v > 0);
  // From the power of ten below the least value: a bar of that value keeps some length.
  const least = Math.min(...values);
  const floor = log && values.length > 0 ? 10 ** Math.floor(Math.log10(least)) : null;
  const min = floor === null ? null : chart.type === 'bars' && floor === least ? floor / 2 : floor;
  return {
    type: log ? 'logarithmic' : 'linear',
    ...(min === null ? { beginAtZero: true } : { min }),
    grace: log ? 0 : '4%',
    title: { display: true, text: title, font: { size: style.fontSize } },
    ticks: { font: { size: style.fontSize }, maxRotation: 0, autoSkipPadding: style.fontSize },
    border: { display: false },
    grid: { lineWidth: style.lineWidth / 2 },
  };
}

function valuesOf(chart: BarChart | LineChart): number[] {
  if (chart.type === 'lines') return chart.series.flatMap((s) => s.points.map((p) => p.y));
  return chart.series.flatMap((s) => s.values.filter((v): v is number => v !== null));
}

function bars(chart: BarChart, style: Style): ChartConfig {
  const datasets = chart.series.map((s, i) => {
    const color = pick(COLORS, s.style ?? i);
    const base = { label: s.name, data: s.values, order: s.marker ? 0 : 1 };
    if (s.marker) {
      return {
        ...base,
        type: 'line',
        showLine: false,
        pointStyle: 'rectRot',
        pointRadius: style.pointRadius * 1.4,
        borderWidth: style.lineWidth,
        ink: true,
      };
    }
    return {
      ...base,
      backgroundColor: color,
      pointStyle: 'rect',
      borderWidth: 0,
      ...(chart.stacked ? { stack: 'parts' } : {}),
      style: s.style ?? i,
      barPercentage: 0.9,
      categoryPercentage: 0.8,
    };
  });
  return {
    type: 'bar',
    data: { labels: chart.rows, datasets },
    options: {
      ...common(style, {
        x: { ...valueAxis(chart, style), stacked: chart.stacked, position: 'bottom' },
        y: {
          stacked: chart.stacked,
          grid: { display: false },
          ticks: { autoSkip: false, font: { size: style.fontSize } },
        },
      }),
      indexAxis: 'y',
    },
  };
}

function lines(chart: LineChart, style: Style): ChartConfig {
  const datasets = chart.series.map((s, i) => ({
    label: s.name,
    data: s.points,
    borderColor: pick(COLORS, i),
    backgroundColor: pick(COLORS, i),
    borderDash: pick(DASHES, i).map((d) => d * style.lineWidth),
    borderWidth: style.lineWidth,
    pointStyle: pick(POINTS, i),
    pointRadius: style.pointRadius,
    pointBorderWidth: style.lineWidth,
  }));
  const config = {
    ...common(style, {
      x: {
        type: 'linear',
        bounds: 'data',
        title: { display: true, text: chart.xTitle, font: { size: style.fontSize } },
        ticks: {
          font: { size: style.fontSize },
          maxRotation: 0,
          // Whole values where points are: a label rounded to one digit would stand beside its point.
          format: { maximumFractionDigits: 3 },
          ...stepOf(chart.series.flatMap((s) => s.points.map((point) => point.x))),
        },
        grid: { lineWidth: style.lineWidth / 2 },
        grace: 0,
      },
      y: valueAxis(chart, style),
    }),
    clip: false,
  };
  return { type: 'line', data: { datasets }, options: config };
}

const MOST_STEPS = 12;

/** A step that puts a tick at every value, where there is one that does not crowd the axis. */
export function stepOf(values: readonly number[]): { stepSize?: number } {
  const sorted = [...new Set(values)].sort((a, b) => a - b);
  const gaps = sorted.slice(1).map((value, i) => value - sorted[i]);
  const stepSize = Math.min(...gaps);
  const fits = gaps.every((gap) => Math.abs(gap / stepSize - Math.round(gap / stepSize)) < 1e-6);
  const steps = (sorted[sorted.length - 1] - sorted[0]) / stepSize;
  return gaps.length > 0 && fits && steps <= MOST_STEPS ? { stepSize } : {};
}

export const HEAT_PANEL_LINES = 9;

/** Height that gives every row room, in lines of text. */
export function heightInLines(chart: Chart): number {
  if (chart.type === 'lines') return 22;
  if (chart.type === 'heatmap') return 6 + chart.panels.length * HEAT_PANEL_LINES;
  const perRow = chart.stacked ? 1.55 : 0.7 + 0.68 * chart.series.length;
  return 8 + Math.ceil(chart.series.length / 4) * 2 + chart.rows.length * perRow;
}
