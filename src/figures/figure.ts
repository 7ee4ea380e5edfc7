/** A figure as plain data: what is drawn, what it says in words, and the numbers behind it. */

export interface ValueAxis {
  readonly title: string;
  /** Logarithmic: for values that differ by orders of magnitude. */
  readonly log: boolean;
}

/** Horizontal bars: one row a run. */
export interface BarChart {
  readonly type: 'bars';
  readonly stacked: boolean;
  readonly rows: readonly string[];
  readonly series: readonly BarSeries[];
  readonly axis: ValueAxis;
}

export interface BarSeries {
  readonly name: string;
  readonly values: readonly (number | null)[];
  /** Which colour and hatching; default: the place among the series. */
  readonly style?: number;
  /** A mark instead of a bar. */
  readonly marker?: boolean;
}

export interface LineChart {
  readonly type: 'lines';
  readonly xTitle: string;
  readonly series: readonly { readonly name: string; readonly points: readonly { x: number; y: number }[] }[];
  readonly axis: ValueAxis;
}

/** One panel a run: share of the run's time by address. */
export interface HeatChart {
  readonly type: 'heatmap';
  readonly columns: number;
  readonly rows: number;
  /** Address at the lower edge of each row. */
  readonly addresses: readonly string[];
  /** What a cell counts. */
  readonly unit: string;
  readonly panels: readonly HeatPanel[];
  /** Largest value of each shade, ascending. */
  readonly steps: readonly number[];
}

export interface HeatPanel {
  readonly name: string;
  readonly durationNs: number;
  /** Row-major; row 0 has the lowest addresses. */
  readonly cells: readonly number[];
}

export type Chart = BarChart | LineChart | HeatChart;

export interface DataTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number | null)[])[];
}

export interface Figure {
  readonly title: string;
  /** What each mark is, in words: the caption, and what a screen reader says. */
  readonly caption: string;
  readonly chart: Chart;
  /** What the figure shows, one row a run: for people and LaTeX. */
  readonly table: DataTable;
  /** The same, one value a row: for programs. */
  readonly tidy: DataTable;
}

/** Values that differ much need a logarithmic axis. */
export function wantsLog(values: readonly (number | null)[]): boolean {
  const positive = values.filter((v): v is number => v !== null && v > 0);
  return positive.length > 1 && Math.max(...positive) / Math.min(...positive) > 50;
}

/** The unit in which the largest value reads best. */
export function scaleFor(kind: 'bytes' | 'ns', values: readonly (number | null)[]): { unit: string; divisor: number } {
  const [units, factor] =
    kind === 'bytes'
      ? ([['B', 'KiB', 'MiB', 'GiB', 'TiB'], 1024] as const)
      : ([['ns', 'us', 'ms', 's'], 1000] as const);
  const largest = Math.max(0, ...values.map((v) => v ?? 0));
  let i = 0;
  while (i + 1 < units.length && largest / factor ** i >= 2 * factor) i++;
  return { unit: units[i], divisor: factor ** i };
}
