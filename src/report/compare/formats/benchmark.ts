import { visible } from '../../text.ts';
import { valueText } from '../changes.ts';
import type { ComparisonFormat } from '../registry.ts';

/**
 * For github-action-benchmark with `tool: customSmallerIsBetter`: the new values of every metric of which less is better
 * (a file of that tool has one direction).
 */
export default {
  name: 'benchmark',
  title: 'JSON of github-action-benchmark, tool customSmallerIsBetter',
  extension: 'json',
  render({ runs, new: now }) {
    const entries = runs.flatMap(({ run, metrics }) =>
      metrics.flatMap(({ metric, unit, direction, base, new: value }) =>
        direction !== 'lower' || value === null
          ? []
          : [{ name: visible(`${now.trace}: ${run}: ${metric}`), unit, value, extra: `base ${valueText(base)}` }],
      ),
    );
    return `${JSON.stringify(entries, null, 2)}\n`;
  },
} satisfies ComparisonFormat;
