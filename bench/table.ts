/** Numbers of a benchmark as people read them: medians, the worst launch, ratios of launches that took turns. */

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** What to know when reading it. */
  readonly note?: string;
}

/** Of an even number of values the mean of the middle two. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('median of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

type Values = Readonly<Record<string, number>>;

/** `field` of each launch. */
export function column(samples: readonly Values[], field: string): number[] {
  return samples.map((sample) => {
    const value = sample[field];
    if (value === undefined) throw new Error(`nothing measured as ${field}`);
    return value;
  });
}

/** Launch by launch of the same round. */
export function ratios(samples: readonly Values[], base: readonly Values[], field: string): number[] {
  const over = column(base, field);
  return column(samples, field).map((value, round) => value / over[round]);
}

/** A bound, or only the direction in which values get worse. */
export type Limit =
  | { readonly atMost: number }
  | { readonly atLeast: number }
  | { readonly better: 'lower' | 'higher' };

/** Median and worst with the limit that they are held to; the worst is the one farthest on the bad side. */
export function judged(values: readonly number[], limit: Limit, digits = 2): [string, string, string] {
  const lower = 'atMost' in limit || ('better' in limit && limit.better === 'lower');
  const worst = lower ? Math.max(...values) : Math.min(...values);
  const bound = 'atMost' in limit ? `<= ${limit.atMost}` : 'atLeast' in limit ? `>= ${limit.atLeast}` : '';
  return [median(values).toFixed(digits), worst.toFixed(digits), bound];
}

/**
 * How fast `y` grows with `x`: the exponent of a power law through the points (least squares of the logarithms); 0 when
 * x is the same everywhere.
 */
export function exponent(points: readonly { readonly x: number; readonly y: number }[]): number {
  const x = points.map((point) => Math.log(point.x));
  const y = points.map((point) => Math.log(point.y));
  const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;
  const [mx, my] = [mean(x), mean(y)];
  const above = x.reduce((sum, v, i) => sum + (v - mx) * (y[i] - my), 0);
  const below = x.reduce((sum, v) => sum + (v - mx) ** 2, 0);
  return below === 0 ? 0 : above / below;
}

/** For a terminal: the first column to the left, numbers to the right. */
export function plainTable({ title, columns, rows, note }: Table): string {
  const widths = columns.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i].length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  ')
      .trimEnd();
  return [title, line(columns), ...rows.map(line), ...(note === undefined ? [] : [note]), ''].join('\n');
}

export function markdownTable({ title, columns, rows, note }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = columns.map((_, i) => (i === 0 ? '---' : '---:'));
  return [
    `**${title}**`,
    '',
    line(columns),
    line(rule),
    ...rows.map(line),
    ...(note === undefined ? [] : ['', note]),
    '',
  ].join('\n');
}
