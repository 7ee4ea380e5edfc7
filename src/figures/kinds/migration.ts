import { TRIGGERS, type Trigger } from '../../replay/metrics.ts';
import { labelsOf, metricOf } from '../../report/cases.ts';
import { scaleFor } from '../figure.ts';
import { type FigureKind, linearOnly, metricFigure } from '../kind.ts';

const NAMES: Readonly<Record<Trigger, string>> = {
  deviceFault: 'device faults',
  hostFault: 'CPU faults',
  speculation: 'speculation',
  hint: 'hints',
  eviction: 'eviction',
  launch: 'launches',
  counter: 'access counters',
  copy: 'copies',
};

/** Bytes over links by what made the stack move them. */
export default {
  name: 'migration',
  title: 'Bytes moved, by trigger',
  build(cases, { scale }) {
    linearOnly('migration', scale);
    const metric = (t: Trigger): string => `migration.by.${t}.bytes`;
    const used = TRIGGERS.filter((t) => cases.some((c) => (metricOf(c, metric(t)) ?? 0) > 0));
    const shown = used.length > 0 ? used : (['deviceFault'] as const);
    const totals = cases.map((c) => TRIGGERS.reduce((sum, t) => sum + (metricOf(c, metric(t)) ?? 0), 0));
    const { unit, divisor } = scaleFor('bytes', totals);
    return metricFigure(cases, TRIGGERS.map(metric), {
      title: 'Bytes moved, by trigger',
      caption:
        'Bytes copied over a link, by what made the stack copy them; the parts of a bar add up to all that it moved. ' +
        "Device and CPU faults: the stack's own granule around the fault; speculation: what it brought beyond that.",
      chart: {
        type: 'bars',
        stacked: true,
        rows: labelsOf(cases),
        // A trigger keeps its place, so that it has one colour in every figure.
        series: shown.map((t) => ({
          name: NAMES[t],
          style: TRIGGERS.indexOf(t),
          values: cases.map((c) => {
            const bytes = metricOf(c, metric(t));
            return bytes === null ? null : bytes / divisor;
          }),
        })),
        axis: { title: `bytes moved (${unit})`, log: false },
      },
    });
  },
} satisfies FigureKind;
