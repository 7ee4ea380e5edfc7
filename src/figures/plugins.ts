/** What paper needs beyond plain configuration: hatching, values at bars, heatmap cells. Lines and shapes only, no bitmaps. */

import { drawPoint } from 'chart.js/helpers';
import { formatDuration } from '../report/text.ts';
import type { Style } from './config.ts';
import type { HeatChart } from './figure.ts';
import { shadeOf } from './heat.ts';
import { HATCHES, type Hatch, pick, SHADES } from './palette.ts';

/** The part of a canvas context and of Chart.js that is used here: the packages' own types need a browser's. */
export interface Pen {
  fillStyle: unknown;
  strokeStyle: unknown;
  lineWidth: number;
  font: string;
  textAlign: string;
  textBaseline: string;
  beginPath(): void;
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
  stroke(): void;
  fillRect(x: number, y: number, w: number, h: number): void;
  strokeRect(x: number, y: number, w: number, h: number): void;
  fillText(text: string, x: number, y: number): void;
  setLineDash(dash: number[]): void;
  save(): void;
  restore(): void;
}

interface Bar {
  x: number;
  y: number;
  base: number;
  height: number;
}

interface Meta {
  type: string;
  data: Bar[];
}

interface Scale {
  getPixelForValue(value: number): number;
}

interface DrawnSet {
  label: string;
  data: unknown[];
  style?: number;
  backgroundColor: string;
  borderColor: string;
  borderWidth: number;
  borderDash?: number[];
  showLine?: boolean;
  pointStyle: string;
}

interface DrawnChart {
  ctx: Pen;
  data: { datasets: DrawnSet[] };
  scales: Record<string, Scale>;
  legend?: {
    legendItems?: { datasetIndex?: number; text: string }[];
    legendHitBoxes: { left: number; top: number; width: number; height: number }[];
  };
  getDatasetMeta(i: number): Meta;
}

export const INK = '#222222';
const HATCH_COLOR = 'rgba(0,0,0,0.55)';

/** Hatching over bars and their legend boxes: told apart in grey. */
export function hatching(fontSize: number) {
  const gap = fontSize * 0.5;
  return {
    id: 'hatching',
    afterDatasetsDraw(chart: DrawnChart) {
      chart.data.datasets.forEach((dataset, i) => {
        const meta = chart.getDatasetMeta(i);
        if (meta.type !== 'bar' || dataset.style === undefined) return;
        for (const bar of meta.data) {
          const left = Math.min(bar.base, bar.x);
          const width = Math.abs(bar.x - bar.base);
          if (!(width > 0.2)) continue;
          box(chart.ctx, pick(HATCHES, dataset.style), gap, left, bar.y - bar.height / 2, width, bar.height);
        }
      });
    },
  };
}

/** Items of the legend without a drawing of Chart.js' own: `swatches` draws them as they are in the chart. */
export function legendItems(chart: DrawnChart): object[] {
  return chart.data.datasets.map((dataset, datasetIndex) => ({
    text: dataset.label,
    datasetIndex,
    fillStyle: 'rgba(0,0,0,0)',
    strokeStyle: 'rgba(0,0,0,0)',
    lineWidth: 0,
    fontColor: INK,
  }));
}

/** Hatched boxes for bars, dashes with their mark for lines. */
export function swatches({ fontSize, pointRadius }: Style) {
  return {
    id: 'swatches',
    afterDraw(chart: DrawnChart) {
      const { legend, ctx: pen } = chart;
      legend?.legendHitBoxes.forEach((hit, i) => {
        const index = legend.legendItems?.[i]?.datasetIndex;
        if (index === undefined) return;
        const dataset = chart.data.datasets[index];
        const [width, height] = [fontSize * 2, fontSize * 0.9];
        // As Chart.js puts the box: at the left of the item, in the middle of its line.
        const middle = hit.top + hit.height / 2;
        pen.save();
        if (dataset.style !== undefined) {
          pen.fillStyle = dataset.backgroundColor;
          pen.fillRect(hit.left, middle - height / 2, width, height);
          box(pen, pick(HATCHES, dataset.style), fontSize * 0.5, hit.left, middle - height / 2, width, height);
        } else {
          pen.strokeStyle = dataset.borderColor;
          pen.fillStyle = dataset.backgroundColor;
          pen.lineWidth = dataset.borderWidth;
          if (dataset.showLine !== false) {
            pen.setLineDash(dataset.borderDash ?? []);
            pen.beginPath();
            pen.moveTo(hit.left, middle);
            pen.lineTo(hit.left + width, middle);
            pen.stroke();
            pen.setLineDash([]);
          }
          const options = { pointStyle: dataset.pointStyle, radius: pointRadius, borderWidth: dataset.borderWidth };
          drawPoint(pen as never, options as never, hit.left + width / 2, middle);
        }
        pen.restore();
      });
    },
  };
}

function box(pen: Pen, hatch: Hatch, gap: number, x: number, y: number, w: number, h: number): void {
  pen.save();
  pen.setLineDash([]);
  pen.strokeStyle = HATCH_COLOR;
  pen.lineWidth = gap * 0.16;
  pen.strokeRect(x, y, w, h);
  pen.beginPath();
  const line = (x0: number, y0: number, x1: number, y1: number): void => {
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
  };
  // Slanted lines are cut at the sides of the box by arithmetic: a clip would do, but swells vector files.
  const slanted = (rising: boolean, step: number): void => {
    const from = rising ? x : x - h;
    for (let at = Math.ceil(from / step) * step; at < x + w + h; at += step) {
      const [top, bottom] = rising ? [at, at - h] : [at, at + h];
      const clipped = clip(top, y, bottom, y + h, x, x + w);
      if (clipped !== null) line(...clipped);
    }
  };
  if (hatch === 'rising' || hatch === 'crossed') slanted(true, gap * 1.2);
  if (hatch === 'falling' || hatch === 'crossed') slanted(false, gap * 1.2);
  if (hatch === 'vertical' || hatch === 'grid') {
    for (let at = Math.ceil(x / gap) * gap; at < x + w; at += gap) line(at, y, at, y + h);
  }
  if (hatch === 'horizontal' || hatch === 'grid') {
    for (let at = y + gap * 0.7; at < y + h; at += gap * 0.8) line(x, at, x + w, at);
  }
  pen.stroke();
  if (hatch === 'dots') {
    pen.fillStyle = HATCH_COLOR;
    const dot = gap * 0.28;
    for (let down = y + gap * 0.5, row = 0; down + dot < y + h; down += gap * 0.7, row++) {
      for (let at = Math.ceil(x / gap) * gap + (row % 2) * (gap / 2); at + dot < x + w; at += gap) {
        pen.fillRect(at, down, dot, dot);
      }
    }
  }
  pen.restore();
}

function clip(
  x0: number,
  y0: number,
  x1: number,
  y1: number,
  left: number,
  right: number,
): [number, number, number, number] | null {
  const at = (x: number): number => y0 + ((x - x0) / (x1 - x0)) * (y1 - y0);
  const [a, b] = x0 <= x1 ? [x0, x1] : [x1, x0];
  const from = Math.max(a, left);
  const to = Math.min(b, right);
  return from < to ? [from, at(from), to, at(to)] : null;
}

/** Values in figures at the ends of bars. */
export function valueLabels(fontSize: number, family: string, format: (value: number) => string) {
  return {
    id: 'valueLabels',
    afterDatasetsDraw(chart: DrawnChart) {
      const pen = chart.ctx;
      pen.save();
      pen.fillStyle = INK;
      pen.font = `${fontSize}px ${family}`;
      pen.textBaseline = 'middle';
      pen.textAlign = 'left';
      chart.data.datasets.forEach((dataset, i) => {
        const meta = chart.getDatasetMeta(i);
        if (meta.type !== 'bar') return;
        meta.data.forEach((bar, row) => {
          const value = dataset.data[row] as number | null;
          // A bar of nothing, and of no such notion, are no bars: they are said instead.
          const x = value !== null && value > 0 ? bar.x : chartLeft(chart);
          pen.fillText(value === null ? 'n/a' : format(value), x + fontSize * 0.4, bar.y);
        });
      });
      pen.restore();
    },
  };
}

function chartLeft(chart: DrawnChart): number {
  return (chart.scales['x'] as unknown as { left: number }).left;
}

/** Rows of the vertical axis for one panel and the line with its name. */
const panelRows = (heat: HeatChart): number => Math.max(1, heat.rows) * 1.28;
export const heatHeight = (heat: HeatChart): number => panelRows(heat) * heat.panels.length;

/** The panels of a heatmap, first on top: name, frame, cells, addresses. */
export function heatCells(heat: HeatChart, fontSize: number, family: string) {
  return {
    id: 'heatCells',
    beforeDatasetsDraw(chart: DrawnChart) {
      const { ctx: pen, scales } = chart;
      const across = (column: number): number => scales['x'].getPixelForValue((column / heat.columns) * 100);
      const [left, right] = [across(0), across(heat.columns)];
      pen.save();
      heat.panels.forEach((panel, i) => {
        const base = (heat.panels.length - 1 - i) * panelRows(heat);
        const up = (row: number): number => scales['y'].getPixelForValue(base + row);
        for (let row = 0; row < heat.rows; row++) cellsOfRow(pen, heat, panel.cells, row, across, up);
        pen.strokeStyle = '#999999';
        pen.lineWidth = fontSize / 16;
        pen.strokeRect(left, up(heat.rows), right - left, up(0) - up(heat.rows));
        pen.fillStyle = INK;
        pen.textAlign = 'left';
        pen.textBaseline = 'bottom';
        pen.font = `bold ${fontSize}px ${family}`;
        pen.fillText(panel.name, left, up(heat.rows) - fontSize * 0.2);
        pen.font = `${fontSize * 0.85}px ${family}`;
        pen.textAlign = 'right';
        pen.fillText(formatDuration(panel.durationNs), right, up(heat.rows) - fontSize * 0.2);
        for (const row of new Set([0, Math.floor(heat.rows / 2), heat.rows - 1])) {
          if (heat.addresses[row] === undefined) continue;
          pen.textBaseline = 'middle';
          pen.fillText(heat.addresses[row], left - fontSize * 0.5, (up(row) + up(row + 1)) / 2);
        }
      });
      pen.restore();
    },
  };
}

function cellsOfRow(
  pen: Pen,
  heat: HeatChart,
  cells: readonly number[],
  row: number,
  across: (column: number) => number,
  up: (row: number) => number,
): void {
  const shadeAt = (column: number): number => shadeOf(cells[row * heat.columns + column], heat.steps);
  // Neighbours of one shade are one rectangle: no hairlines between them, and smaller files.
  for (let from = 0, to = 0; from < heat.columns; from = to) {
    const shade = shadeAt(from);
    for (to = from + 1; to < heat.columns && shadeAt(to) === shade; ) to++;
    if (shade < 0) continue;
    pen.fillStyle = shadeColor(shade, heat.steps.length);
    pen.fillRect(across(from), up(row + 1), across(to) - across(from), up(row) - up(row + 1));
  }
}

/** The darkest shade is always the largest value, however few shades are in use. */
export function shadeColor(shade: number, used: number): string {
  return SHADES[SHADES.length - used + shade];
}
