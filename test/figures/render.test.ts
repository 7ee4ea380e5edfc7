import { inflateSync } from 'node:zlib';
import { expect, test } from 'vitest';
import type { Figure } from '../../src/figures/figure.ts';
import type { Heat } from '../../src/figures/heat.ts';
import { kindNames, loadKind } from '../../src/figures/kind.ts';
import { renderFigure } from '../../src/figures/render.ts';
import { casesOf } from '../../src/report/cases.ts';
import { limited, resultOf } from '../report/fixture.ts';

const MM = 72 / 25.4;

/** Two stacks at two sizes; something of everything. */
const cases = casesOf([
  resultOf(
    ['one', 'two'].flatMap((model, m) =>
      [1, 2].map((ratio) => {
        const base = limited(model, ratio, 10 / ratio);
        const metrics = {
          ...base.metrics,
          'faults.device': 10 ** (2 * m + ratio),
          'faults.host': 7,
          'migration.by.deviceFault.bytes': 2 ** 22,
          'migration.by.eviction.bytes': 2 ** 21 * ratio,
          'time.ideal.ns': 5000,
          'time.stall.device.ns': 3000 * (m + 1),
          'time.total.ns': 9000,
          slowdown: 1.5 * ratio + m,
        };
        return { ...base, metrics };
      }),
    ),
  ),
]);

const grid = (value: number) => Float64Array.from({ length: 4 * 2 }, (_, i) => (i % 3 === 0 ? value : 0));
const heat: Heat = {
  columns: 4,
  rows: 2,
  addresses: ['0x200000', '0x400000'],
  runs: cases.map((_, i) => ({
    startNs: 0,
    endNs: 1000,
    cells: { residency: grid(i), faults: grid(i + 1), evictions: grid(0) },
    totals: { residency: 1, faults: 1, evictions: 0 },
  })),
};

async function figureOf(name: string): Promise<Figure> {
  return (await loadKind(name)).build(cases, { scale: 'auto', layer: 'faults', heats: [heat] });
}

const draw = async (name: string, format: 'png' | 'svg' | 'pdf', widthMm = 84) =>
  renderFigure(await figureOf(name), { format, widthPt: widthMm * MM, heightPt: null, fontPt: 7, title: 'A title' });

/** All that stands in a PDF, its compressed streams opened. */
function pdfText(bytes: Buffer): string {
  const text = bytes.toString('latin1');
  const streams = [...text.matchAll(/stream\r?\n([\s\S]*?)\r?\nendstream/g)].map(([, body]) => {
    try {
      return inflateSync(Buffer.from(body, 'latin1')).toString('latin1');
    } catch {
      return body;
    }
  });
  return [text, ...streams].join('\n');
}

test.each(kindNames())('%s: SVG and PDF are vector, with text as outlines or an embedded font', async (name) => {
  const svg = (await draw(name, 'svg')).toString();
  expect(svg).toContain('<svg ');
  expect(svg).toContain('width="84mm"');
  expect(svg).not.toMatch(/<(image|foreignObject|text)\b/);
  expect(svg.match(/<path/g)!.length).toBeGreaterThan(20);
  const pdf = pdfText(await draw(name, 'pdf'));
  expect(pdf.startsWith('%PDF-')).toBe(true);
  expect(pdf).not.toMatch(/\/Subtype\s*\/Image/);
  expect(pdf).not.toMatch(/\bBI\s[\s\S]*?\bID\s/);
  expect(pdf).toMatch(/\/FontFile2?/);
  expect(pdf).toMatch(/\/FontName\s*\/[A-Z]+\+DejaVuSans/);
  // 84 mm are 238.1 points.
  expect(pdf).toMatch(/\/MediaBox\s*\[0 0 238 \d+\]/);
});

test.each(kindNames())('%s: the same figure gives the same bytes', async (name) => {
  for (const format of ['png', 'svg', 'pdf'] as const) {
    const first = await draw(name, format);
    // Another figure in between must leave no trace.
    await draw('faults', format, 100);
    expect((await draw(name, format)).equals(first), format).toBe(true);
  }
});

test('no date in a PDF', async () => {
  expect(pdfText(await draw('faults', 'pdf'))).not.toMatch(/\(D:\d{8}|CreationDate|ModDate/);
});

test('PNG has 300 dots an inch, the height that was asked for, and ink on white paper', async () => {
  const options = { format: 'png', widthPt: 144, heightPt: 72, fontPt: 7, title: null } as const;
  const png = await renderFigure(await figureOf('migration'), options);
  // Width and height stand in the header chunk: 2 in and 1 in at 300 dots an inch.
  expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([600, 300]);
});

test('series differ in more than colour', async () => {
  const { DASHES, HATCHES, POINTS } = await import('../../src/figures/palette.ts');
  for (const list of [DASHES, HATCHES, POINTS]) expect(new Set(list.map(String)).size).toBe(list.length);
  // Hatching is drawn: without it the bars of two series would be filled alike but for colour.
  const svg = (await draw('faults', 'svg')).toString();
  expect(svg.match(/stroke-opacity="0\.5\d*"/g)!.length).toBeGreaterThan(8);
});

test('shades of a heatmap stay in order in grey', async () => {
  const { SHADES } = await import('../../src/figures/palette.ts');
  // Relative luminance of WCAG 2.
  const luminance = (color: string) =>
    [1, 3, 5]
      .map((i) => Number.parseInt(color.slice(i, i + 2), 16) / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
      .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const values = SHADES.map(luminance);
  for (let i = 1; i < values.length; i++) expect(values[i]).toBeLessThan(values[i - 1] * 0.8);
});
