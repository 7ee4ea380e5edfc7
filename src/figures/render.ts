/** Figures as PNG, SVG and PDF, by Chart.js on a canvas without a browser. Loaded only where a figure is asked for. */

import { createRequire } from 'node:module';
import { ConfigurationError } from '../replay/configuration-error.ts';
import { formatCount } from '../report/text.ts';
import { type ChartConfig, chartConfig, heightInLines, type Style } from './config.ts';
import type { Figure, HeatChart } from './figure.ts';
import { shadeNames } from './heat.ts';
import { type ImageFormat, POINTS_PER } from './paper.ts';
import { hatching, heatCells, heatHeight, INK, legendItems, shadeColor, swatches, valueLabels } from './plugins.ts';

const PNG_DPI = 300;
const FAMILY = 'Figure Sans';

export interface RenderOptions {
  readonly format: ImageFormat;
  readonly widthPt: number;
  /** Null: as the figure needs. */
  readonly heightPt: number | null;
  readonly fontPt: number;
  /** Null: none, as papers have captions. */
  readonly title: string | null;
}

interface Renderer {
  registerFont(path: string, options: { family: string; weight?: string }): void;
  renderToBufferSync(config: unknown, mimeType: string): Buffer;
}

type RendererClass = new (options: object) => Renderer;

export async function renderFigure(figure: Figure, options: RenderOptions): Promise<Buffer> {
  const { ChartJSNodeCanvas } = await loadCharts();
  const { format, fontPt } = options;
  const width = Math.round(options.widthPt);
  const height =
    options.heightPt ??
    Math.round(heightInLines(figure.chart) * fontPt * 1.15 + (options.title === null ? 0 : fontPt * 2));
  const renderer = new ChartJSNodeCanvas({
    width,
    height,
    ...(format === 'png' ? {} : { type: format }),
    plugins: { modern: [background(width, height)] },
    chartCallback: (chart: { defaults: { font: { family: string }; color: string; borderColor: string } }) => {
      chart.defaults.font.family = FAMILY;
      chart.defaults.color = INK;
      chart.defaults.borderColor = '#D9D9D9';
    },
  });
  const fonts = createRequire(import.meta.url);
  for (const [file, weight] of [
    ['DejaVuSans.ttf', 'normal'],
    ['DejaVuSans-Bold.ttf', 'bold'],
  ]) {
    renderer.registerFont(fonts.resolve(`dejavu-fonts-ttf/ttf/${file}`), { family: FAMILY, weight });
  }
  const config = paperConfig(figure, options);
  config.options['devicePixelRatio'] = format === 'png' ? PNG_DPI / 72 : 1;
  const mime = { png: 'image/png', svg: 'image/svg+xml', pdf: 'application/pdf' }[format];
  const bytes = renderer.renderToBufferSync(config, mime);
  return format === 'svg' ? onPaper(bytes, options.widthPt, width, height) : bytes;
}

async function loadCharts(): Promise<{ ChartJSNodeCanvas: RendererClass }> {
  try {
    const loaded = await import('chartjs-node-canvas');
    return (loaded.default ?? loaded) as unknown as { ChartJSNodeCanvas: RendererClass };
  } catch (error) {
    throw new ConfigurationError(
      `charts cannot be drawn here: ${(error as Error).message.split('\n')[0]}`,
      'run `npm ci` again without --omit=optional; every other command, and `figure --data`, works without charts',
      { cause: error },
    );
  }
}

const background = (width: number, height: number) => ({
  id: 'whitePaper',
  beforeDraw({
    ctx,
  }: {
    ctx: { save(): void; restore(): void; fillStyle: string; fillRect: (...box: number[]) => void };
  }) {
    ctx.save();
    ctx.fillStyle = '#FFFFFF';
    ctx.fillRect(0, 0, width, height);
    ctx.restore();
  },
});

interface PaperOptions {
  scales: Record<string, { type?: string; ticks: Record<string, unknown>; grace?: unknown }>;
  plugins: Record<string, Record<string, unknown>>;
}

function paperConfig(figure: Figure, { fontPt, title }: RenderOptions): ChartConfig {
  const { chart } = figure;
  const style: Style = { fontSize: fontPt, lineWidth: fontPt / 6, pointRadius: fontPt / 3 };
  const config = chart.type === 'heatmap' ? heatConfig(chart, style) : chartConfig(chart, style);
  const options = config.options as unknown as PaperOptions;
  if (title !== null) {
    options.plugins['title'] = {
      display: true,
      text: title,
      align: 'start',
      font: { size: fontPt * 1.15, weight: 'bold' },
      padding: { top: 0, bottom: fontPt * 0.4 },
    };
  }
  if (chart.type === 'heatmap') return config;
  config.plugins = [hatching(fontPt), swatches(style)];
  (options.plugins['legend']['labels'] as Record<string, unknown>)['generateLabels'] = legendItems;
  if (chart.type === 'bars' && !chart.stacked) {
    config.plugins.push(valueLabels(fontPt * 0.85, FAMILY, formatCount));
    // Room for the numbers at the ends of the longest bars.
    (config.options['layout'] as { padding: unknown }).padding = { ...sides(fontPt / 2), right: fontPt * 4 };
  }
  for (const dataset of config.data.datasets) {
    if (dataset['ink'] === true)
      Object.assign(dataset, { backgroundColor: '#FFFFFF', borderColor: INK, pointBorderColor: INK });
  }
  for (const scale of Object.values(options.scales)) {
    if (scale.type === 'logarithmic') scale.ticks['callback'] = powersOfTen;
  }
  return config;
}

const sides = (size: number) => ({ top: size, bottom: size, left: size, right: size });

function powersOfTen(value: number): string {
  const exponent = Math.log10(value);
  if (Math.abs(exponent - Math.round(exponent)) > 1e-9) return '';
  if (exponent < 4 && exponent >= 0) return formatCount(value);
  return `10${[...String(Math.round(exponent))].map((c) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(c)] ?? '⁻').join('')}`;
}

/** One value axis a panel, stacked; the cells are drawn by a plugin. */
function heatConfig(heat: HeatChart, style: Style): ChartConfig {
  const font = { size: style.fontSize };
  const names = shadeNames(heat.steps);
  const scales = {
    x: {
      type: 'linear',
      min: 0,
      max: 100,
      grid: { display: false },
      title: { display: true, text: "time (% of the run's length)", font },
      ticks: { font, stepSize: 25, maxRotation: 0 },
    },
    y: { type: 'linear', min: 0, max: heatHeight(heat), display: false },
  };
  const widest = Math.max(0, ...heat.addresses.map((a) => a.length));
  return {
    type: 'scatter',
    data: { datasets: [{ data: [] }] },
    options: {
      animation: false,
      locale: 'en-US',
      // Room for the addresses, in digits of about 0.6 em.
      layout: { padding: { ...sides(style.fontSize), left: style.fontSize * (1 + widest * 0.6 * 0.85) } },
      scales,
      plugins: {
        legend: {
          position: 'top',
          align: 'start',
          title: { display: true, text: `${heat.unit} (a cell)`, font, position: 'start', padding: 0 },
          labels: {
            font,
            boxWidth: style.fontSize * 1.2,
            boxHeight: style.fontSize * 0.9,
            padding: style.fontSize * 0.6,
            generateLabels: () =>
              names.map((text, i) => ({
                text,
                fillStyle: shadeColor(i, names.length),
                lineWidth: 0,
                fontColor: INK,
              })),
          },
        },
      },
    },
    plugins: [heatCells(heat, style.fontSize, FAMILY)],
  };
}

/** SVG with its size on paper, and names of clips that do not count on from the figures drawn before. */
function onPaper(bytes: Buffer, widthPt: number, width: number, height: number): Buffer {
  const size = (points: number): string => `${+(points / POINTS_PER.mm).toFixed(3)}mm`;
  const names = new Map<string, string>();
  const renamed = (name: string): string => {
    const known = names.get(name) ?? `n${names.size}`;
    names.set(name, known);
    return known;
  };
  const text = bytes
    .toString('utf8')
    .replace(/<svg ([^>]*)>/, (_, attributes: string) => {
      const rest = attributes.replace(/\s*\b(?:width|height|viewBox)="[^"]*"/g, '').trim();
      return `<svg ${rest} width="${size(widthPt)}" height="${size(height)}" viewBox="0 0 ${width} ${height}">`;
    })
    .replace(/\bid="([^"]+)"/g, (_, name: string) => `id="${renamed(name)}"`)
    .replace(/url\(#([^)]+)\)/g, (_, name: string) => `url(#${renamed(name)})`)
    .replace(/href="#([^"]+)"/g, (_, name: string) => `href="#${renamed(name)}"`);
  return Buffer.from(text);
}
