import { ConfigurationError } from '../../replay/configuration-error.ts';
import { labelsOf } from '../../report/cases.ts';
import { formatDuration } from '../../report/text.ts';
import type { HeatPanel } from '../figure.ts';
import { LAYER_TITLES, shadeSteps } from '../heat.ts';
import type { FigureKind } from '../kind.ts';
import { SHADES } from '../palette.ts';

const MOST_PANELS = 8;

/** Where in memory and when something happens. */
export default {
  name: 'heatmap',
  title: 'Address by time',
  needsEvents: true,
  build(cases, { heats, layer }) {
    const heat = heats[cases[0].source];
    if (cases.some((c) => c.source !== cases[0].source) || heat === undefined) {
      throw new ConfigurationError(
        heat === undefined ? 'heatmap: no events' : 'heatmap: runs of several results',
        'give one result, and with --events the event file that was written with it',
      );
    }
    if (cases.length > MOST_PANELS) {
      throw new ConfigurationError(
        `heatmap: ${cases.length} runs, more than ${MOST_PANELS} panels`,
        'choose some with --models and --sizes',
      );
    }
    const labels = labelsOf(cases);
    const panels: HeatPanel[] = cases.map((c, i) => {
      const { cells, startNs, endNs } = heat.runs[c.index];
      return { name: labels[i], durationNs: endNs - startNs, cells: [...cells[layer]] };
    });
    const { title, unit } = LAYER_TITLES[layer];
    return {
      title,
      caption:
        `Each panel is one run: address upward (2 MiB blocks without events left out), time to the right as a share of ` +
        `the run's own length, which its name tells. Darker: more ${unit}.`,
      chart: {
        type: 'heatmap',
        columns: heat.columns,
        rows: heat.rows,
        addresses: heat.addresses,
        unit,
        panels,
        steps: shadeSteps(
          panels.map((p) => p.cells),
          SHADES.length,
        ),
      },
      table: {
        columns: ['stack', 'length', ...Object.values(LAYER_TITLES).map((l) => l.unit)],
        rows: cases.map((c, i) => [
          labels[i],
          formatDuration(panels[i].durationNs),
          ...Object.values(heat.runs[c.index].totals),
        ]),
      },
      tidy: {
        columns: ['run', 'addr', 'time_ns', 'layer', 'unit', 'value'],
        rows: cases.flatMap((c, i) =>
          panels[i].cells.flatMap((value, cell) =>
            value === 0
              ? []
              : [
                  [
                    labels[i],
                    heat.addresses[Math.floor(cell / heat.columns)],
                    Math.round(
                      heat.runs[c.index].startNs + ((cell % heat.columns) / heat.columns) * panels[i].durationNs,
                    ),
                    layer,
                    unit,
                    value,
                  ],
                ],
          ),
        ),
      },
    };
  },
} satisfies FigureKind;
