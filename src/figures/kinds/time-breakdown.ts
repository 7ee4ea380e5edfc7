import { labelsOf, metricOf } from '../../report/cases.ts';
import { remoteNs } from '../../report/time.ts';
import { scaleFor } from '../figure.ts';
import { type FigureKind, linearOnly, metricFigure } from '../kind.ts';

const METRICS = [
  'time.ideal.ns',
  'time.stall.device.ns',
  'time.stall.host.ns',
  'time.link.busy.ns',
  'time.total.ns',
  'remote.device.bytes',
  'remote.host.bytes',
] as const;

/** Where the time goes. */
export default {
  name: 'time-breakdown',
  title: 'Time',
  build(cases, { scale }) {
    linearOnly('time-breakdown', scale);
    const ns = {
      ideal: cases.map((c) => metricOf(c, 'time.ideal.ns')),
      device: cases.map((c) => metricOf(c, 'time.stall.device.ns')),
      host: cases.map((c) => metricOf(c, 'time.stall.host.ns')),
      remote: cases.map(remoteNs),
      link: cases.map((c) => metricOf(c, 'time.link.busy.ns')),
      total: cases.map((c) => metricOf(c, 'time.total.ns')),
    };
    const stacked = cases.map((_, i) =>
      [ns.ideal, ns.device, ns.host, ns.remote].reduce((sum, values) => sum + (values[i] ?? 0), 0),
    );
    const { unit, divisor } = scaleFor('ns', [...stacked, ...ns.link, ...ns.total]);
    const scaled = (values: readonly (number | null)[]) => values.map((v) => (v === null ? null : v / divisor));
    const part = (name: string, style: number, values: readonly (number | null)[], stack = 'parts') => ({
      name,
      style,
      stack,
      values: scaled(values),
    });
    return metricFigure(cases, METRICS, {
      title: 'Time',
      caption:
        'Ideal: the run on a machine that never stalls. Devices stopped, CPU stopped: time that they wait for their ' +
        'faults and driver work, summed over devices; stops that overlap are counted each, so a bar may pass the total. ' +
        'Remote: remote bytes over the link’s speed for single accesses. Total (diamond): modelled time of the run. ' +
        'Link busy: time that links moved data, most of it while somebody waits; it is no part of the bar beside it.',
      chart: {
        type: 'bars',
        stacked: true,
        rows: labelsOf(cases),
        series: [
          part('ideal', 4, ns.ideal),
          part('devices stopped', 5, ns.device),
          part('CPU stopped', 1, ns.host),
          part('remote', 2, ns.remote),
          part('link busy', 7, ns.link, 'link'),
          { ...part('total', 0, ns.total), marker: true },
        ],
        axis: { title: `time (${unit})`, log: false },
      },
    });
  },
} satisfies FigureKind;
