/** Keeps what was measured: generated sections of docs/performance.md, plots beside it. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { arch, cpus, totalmem, type } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Figure } from '../src/figures/figure.ts';
import { renderFigure } from '../src/figures/render.ts';
import type { Outcome } from './harness.ts';
import { markdownTable } from './table.ts';

const PAGE = new URL('../docs/performance.md', import.meta.url);
const FIGURES = new URL('../docs/performance/', import.meta.url);

/** `text` with what stands between the markers of `name` replaced. */
export function replaceSection(text: string, name: string, body: string): string {
  const [begin, end] = [`<!-- begin ${name} -->`, `<!-- end ${name} -->`];
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`no section "${name}": write ${begin} and ${end} where it belongs`);
  return `${text.slice(0, from + begin.length)}\n${body.trim()}\n${text.slice(to)}`;
}

export function writeTables(name: string, { tables, figures = {} }: Outcome): void {
  const date = new Date().toISOString().slice(0, 10);
  const plots = Object.entries(figures).map(([file, { caption }]) => `![${caption}](performance/${file}.png)\n`);
  const body = [`Measured ${date} on ${machine()}.`, '', ...tables.map(markdownTable), ...plots].join('\n');
  writeFileSync(PAGE, replaceSection(readFileSync(PAGE, 'utf8'), name, body));
}

export async function writeFigures(figures: Readonly<Record<string, Figure>>): Promise<void> {
  for (const [name, figure] of Object.entries(figures)) {
    mkdirSync(fileURLToPath(FIGURES), { recursive: true });
    for (const format of ['png', 'svg'] as const) {
      const bytes = await renderFigure(figure, { format, widthPt: 360, heightPt: null, fontPt: 8, title: null });
      writeFileSync(new URL(`${name}.${format}`, FIGURES), bytes);
    }
  }
}

function machine(): string {
  const processors = cpus();
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  const model = `${processors[0].model.trim()}${family()}`;
  return `${processors.length} cores of ${model}, ${memory}, ${type()} ${arch()}, Node ${process.version}`;
}

/** Virtual machines hide the name of the processor behind a general one. */
function family(): string {
  try {
    const text = readFileSync('/proc/cpuinfo', 'utf8');
    const value = (key: string): string => new RegExp(`^${key}\\s*: (.*)$`, 'm').exec(text)?.[1] ?? '?';
    return ` (family ${value('cpu family')}, model ${value('model')})`;
  } catch {
    return '';
  }
}
