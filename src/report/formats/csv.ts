import { METRICS, type MetricSpec } from '../../replay/metrics.ts';
import type { ReportFormat } from '../registry.ts';
import { visible } from '../text.ts';

const COLUMNS = [
  'trace',
  'model',
  'preset',
  'platform',
  'oversubscription',
  'capacity',
  'metric',
  'unit',
  'value',
] as const;

/** Tidy: one row a run and metric, for spreadsheets, R and pandas. An empty value stands for null. */
export default {
  name: 'csv',
  title: 'one row a run and metric',
  extension: 'csv',
  render(result) {
    const units = new Map<string, MetricSpec>(Object.entries<MetricSpec>(METRICS));
    for (const model of result.manifest.models) {
      for (const [name, spec] of Object.entries(model.metrics)) units.set(name, spec as MetricSpec);
    }
    const rows: (string | number | null)[][] = [[...COLUMNS]];
    for (const run of result.runs) {
      const capacity =
        run.capacityBytes === null
          ? null
          : Object.entries(run.capacityBytes)
              .map(([device, bytes]) => `${device}=${bytes}`)
              .join('/');
      for (const [name, value] of Object.entries(run.metrics)) {
        rows.push([
          result.manifest.trace.name,
          run.model,
          run.preset,
          result.manifest.platform.name,
          run.oversubscription,
          capacity,
          name,
          units.get(name)?.unit ?? null,
          value,
        ]);
      }
    }
    return rows.map((row) => `${row.map(cell).join(',')}\n`).join('');
  },
} satisfies ReportFormat;

/** Quoted where needed; text that a spreadsheet would run as a formula gets an apostrophe in front. */
export function cell(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const text = visible(/^[=+\-@\t\r]/.test(value) ? `'${value}` : value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
