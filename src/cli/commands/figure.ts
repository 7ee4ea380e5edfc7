import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { csvText, latexTable } from '../../figures/data.ts';
import type { Figure } from '../../figures/figure.ts';
import { LAYERS, readHeat } from '../../figures/heat.ts';
import { type BuildOptions, kindNames, loadKind } from '../../figures/kind.ts';
import { IMAGE_FORMATS, type ImageFormat } from '../../figures/paper.ts';
import { chosen, type FigureSpec, parseSpec, points, specSchema } from '../../figures/spec.ts';
import { ConfigurationError } from '../../replay/configuration-error.ts';
import { casesOf } from '../../report/cases.ts';
import { readResult } from '../../report/read-result.ts';
import { listed } from '../options.ts';
import { OutputFile } from '../output-file.ts';

interface Options extends Partial<Omit<FigureSpec, 'results'>> {
  out: string;
  data?: true;
}

export function figureCommand(): Command {
  return new Command('figure')
    .summary('draw a figure for a paper')
    .description(
      'Draw one figure from results, or from a spec: a YAML or JSON file with kind, results and any option below. ' +
        'Width and font are those on paper; SVG and PDF are vector; the same input gives the same bytes.',
    )
    .argument('<result|spec...>', 'results of `run --format json`, or one spec')
    .requiredOption('--out <file>', `where the figure goes: a name that ends in ${IMAGE_FORMATS.join(', ')}`)
    .option('--kind <name>', `what to draw: ${kindNames().join(', ')}`)
    .option('-m, --models <list>', 'only these stacks: NAME or NAME:PRESET, by commas', listed)
    .option('--sizes <list>', 'only these memory sizes, as in the report: 1.25, unlimited, 8 MiB', listed)
    .option('--traces <list>', 'only these traces, by name', listed)
    .option('--events <files>', 'for a heatmap: the event file of each result', listed)
    .option('--layer <name>', `what a heatmap shows: ${LAYERS.join(', ')}`)
    .option('--scale <name>', 'auto, linear or log')
    .option('--title <text>', 'a title above the figure')
    .option('--width <length>', 'on paper: 84mm, 3.3in, 240pt (default: 84mm)')
    .option('--height <length>', 'default: as the figure needs')
    .option('--font <length>', 'size of text (default: 7pt)')
    .option('--data', 'write the numbers too, beside the figure: tidy CSV, and a LaTeX table')
    .action((inputs: string[], options: Options) => drawFigure(inputs, options));
}

async function drawFigure(inputs: readonly string[], { out, data, ...options }: Options): Promise<void> {
  const format = formatOf(out);
  const spec = settle(inputs, options);
  const figure = await buildFigure(spec);
  const files: OutputFile[] = [];
  const open = (path: string): OutputFile => {
    const file = new OutputFile(path);
    files.push(file);
    return file;
  };
  try {
    const image = open(out);
    if (data) {
      open(`${out.slice(0, -format.length)}csv`).write(csvText(figure.tidy));
      open(`${out.slice(0, -format.length)}tex`).write(latexTable(figure));
    }
    // Only here, so that every other command runs where charts cannot be loaded.
    const { renderFigure } = await import('../../figures/render.ts');
    image.write(
      await renderFigure(figure, {
        format,
        widthPt: lengthOf('width', spec.width ?? '84mm', 72, 2000),
        heightPt: spec.height === undefined ? null : lengthOf('height', spec.height, 72, 4000),
        fontPt: lengthOf('font', spec.font ?? '7pt', 2, 36),
        title: spec.title ?? null,
      }),
    );
    for (const file of files) file.commit();
  } finally {
    for (const file of files) file.discard();
  }
}

function formatOf(out: string): ImageFormat {
  const format = IMAGE_FORMATS.find((name) => out.toLowerCase().endsWith(`.${name}`));
  if (format !== undefined) return format;
  throw new ConfigurationError(
    `--out ${out}: not a name of an image`,
    `the name says which: it ends in ${IMAGE_FORMATS.map((name) => `.${name}`).join(', ')}`,
  );
}

/** The options of the command line, over those of a spec. */
function settle(inputs: readonly string[], options: Partial<FigureSpec>): FigureSpec {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const spec = inputs.length === 1 ? specIn(inputs[0]) : null;
  if (spec === null && options.kind === undefined) {
    throw new ConfigurationError('--kind is missing', `give one of ${kindNames().join(', ')}`);
  }
  const parsed = specSchema.safeParse({ ...(spec ?? { results: inputs }), ...given });
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues;
  throw new ConfigurationError(`--${path.join('.')}: ${message}`, 'see `gmem-eval figure --help`');
}

function specIn(path: string): FigureSpec | null {
  if (path === '-') return null;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    // The reader of results says what is wrong with it.
    return null;
  }
  return parseSpec(path, text);
}

async function buildFigure(spec: FigureSpec): Promise<Figure> {
  const kind = await loadKind(spec.kind);
  const results = spec.results.map((path) => readResult(path, { anyMetrics: true }));
  const cases = chosen(casesOf(results), spec);
  const options: BuildOptions = {
    scale: spec.scale ?? 'auto',
    layer: spec.layer ?? 'residency',
    heats: kind.needsEvents ? await readEvents(spec, results) : [],
  };
  return kind.build(cases, options);
}

async function readEvents({ kind, events = [] }: FigureSpec, results: Parameters<typeof readHeat>[1][]) {
  if (events.length !== results.length) {
    throw new ConfigurationError(
      `${kind}: ${events.length} event files for ${results.length} results`,
      'give --events the file that `gmem-eval run --events FILE` wrote with each result',
    );
  }
  return Promise.all(events.map((path, i) => readHeat(path, results[i])));
}

function lengthOf(name: string, text: string, least: number, most: number): number {
  const value = points(text);
  if (value !== null && value >= least && value <= most) return value;
  throw new ConfigurationError(
    `--${name} ${text}: not between ${least}pt and ${most}pt`,
    'give for example 84mm, 3.3in or 240pt',
  );
}
