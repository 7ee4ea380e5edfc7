import { ConfigurationError } from '../../replay/configuration-error.ts';
import { type Case, grouped, labelsOf, metricOf, pressureOf } from '../../report/cases.ts';
import { wantsLog } from '../figure.ts';
import { type FigureKind, metricFigure } from '../kind.ts';

/** How each stack takes it when memory gets short. */
export default {
  name: 'slowdown-vs-oversubscription',
  title: 'Slowdown against oversubscription',
  build(cases, { scale }) {
    const usable = cases.filter((c) => metricOf(c, 'slowdown') !== null && pressure(c) !== null);
    if (usable.length === 0) {
      throw new ConfigurationError(
        'slowdown-vs-oversubscription: no run has both a slowdown and a memory size',
        'make the result with --oversub 1,1.25,1.5,2; a slowdown needs a trace whose ideal time is not 0',
      );
    }
    const curves = [
      ...grouped(usable, (c) =>
        JSON.stringify([c.stack, c.result.manifest.trace.name, c.result.manifest.platform.name]),
      ).values(),
    ];
    const names = labelsOf(curves.map(([first]) => ({ ...first, size: '' })));
    const asked = usable.every((c) => c.run.oversubscription !== null);
    const values = usable.map((c) => metricOf(c, 'slowdown'));
    const log = scale === 'auto' ? wantsLog(values) : scale === 'log';
    return metricFigure(usable, ['slowdown'], {
      title: 'Slowdown against oversubscription',
      caption:
        'Slowdown: modelled time over ideal time. Oversubscription: peak of the live 2 MiB blocks that a device touches ' +
        `over its memory${asked ? ' as asked for; a stack that rounds its memory up has more' : ''}.`,
      chart: {
        type: 'lines',
        xTitle: 'oversubscription (footprint / memory)',
        series: curves.map((curve, i) => ({
          name: names[i],
          points: curve
            .map((c) => ({ x: pressure(c) as number, y: metricOf(c, 'slowdown') as number }))
            .sort((a, b) => a.x - b.x),
        })),
        axis: { title: log ? 'slowdown (logarithmic)' : 'slowdown', log },
      },
    });
  },
} satisfies FigureKind;

/** As asked for; where sizes were given in bytes, what they come to. */
function pressure(c: Case): number | null {
  return c.run.oversubscription ?? pressureOf(c);
}
