import { labelsOf, metricOf } from '../../report/cases.ts';
import { TIME_PARTS } from '../../report/time.ts';
import { scaleFor } from '../figure.ts';
import { type FigureKind, linearOnly, metricFigure } from '../kind.ts';

const METRICS = [
  ...TIME_PARTS.map((part) => part.metric),
  'time.total.ns',
  'time.stall.device.ns',
  'time.stall.host.ns',
  'time.link.busy.ns',
] as const;

/** Colour and hatching of each part: neighbours differ in lightness. */
const STYLES = [4, 5, 0, 1, 2, 3, 6];

/** Where the time goes. */
export default {
  name: 'time-breakdown',
  title: 'Time',
  build(cases, { scale }) {
    linearOnly('time-breakdown', scale);
    const parts = TIME_PARTS.map((part) => cases.map((c) => metricOf(c, part.metric)));
    const total = cases.map((c) => metricOf(c, 'time.total.ns'));
    const stacked = cases.map((_, i) => parts.reduce((sum, values) => sum + (values[i] ?? 0), 0));
    const { unit, divisor } = scaleFor('ns', [...stacked, ...total]);
    const scaled = (values: readonly (number | null)[]) => values.map((v) => (v === null ? null : v / divisor));
    return metricFigure(cases, METRICS, {
      title: 'Time',
      caption:
        'Ideal: the run on a machine that never stalls. Then what devices and CPU were stopped for: fault service ' +
        '(latency, driver), transfer (copies, zero-fill), mapping (page tables, TLBs, unmapping), eviction (all of ' +
        'making room), waiting (throttled, put off). Remote: remote bytes over the link’s speed for single accesses. ' +
        'Stops that overlap count each, so a bar may pass the total (diamond), the modelled time of the run.',
      chart: {
        type: 'bars',
        stacked: true,
        rows: labelsOf(cases),
        series: [
          ...TIME_PARTS.map(({ name }, i) => ({ name, style: STYLES[i], values: scaled(parts[i]) })),
          { name: 'total', style: 7, values: scaled(total), marker: true },
        ],
        axis: { title: `time (${unit})`, log: false },
      },
    });
  },
} satisfies FigureKind;
