import { labelsOf, metricOf } from '../../report/cases.ts';
import { wantsLog } from '../figure.ts';
import { type FigureKind, metricFigure } from '../kind.ts';

const SERIES = [
  ['device faults served', 'faults.device'],
  ['fault entries fetched', 'faults.deviceRaw'],
  ['CPU faults', 'faults.host'],
] as const;

/** How often each stack is called, and how much of it is repetition. */
export default {
  name: 'faults',
  title: 'Faults',
  build(cases, { scale }) {
    const series = SERIES.map(([name, metric]) => ({ name, values: cases.map((c) => metricOf(c, metric)) }));
    const log = scale === 'auto' ? wantsLog(series.flatMap((s) => s.values)) : scale === 'log';
    return metricFigure(
      cases,
      SERIES.map(([, metric]) => metric),
      {
        title: 'Faults',
        caption:
          'Device faults served: distinct faults that the stack had to serve. Fault entries fetched: these and the ' +
          'duplicate, stale and deferred entries that it read from the fault buffer. CPU faults: first touches included.',
        chart: {
          type: 'bars',
          stacked: false,
          rows: labelsOf(cases),
          series,
          axis: { title: log ? 'faults (logarithmic)' : 'faults', log },
        },
      },
    );
  },
} satisfies FigureKind;
