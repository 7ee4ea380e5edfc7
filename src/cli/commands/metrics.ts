import { Command } from 'commander';
import { METRIC_NAMES, METRICS, type MetricSpec } from '../../replay/metrics.ts';
import { allModels } from '../../replay/registry.ts';
import { visible, wrap } from '../../report/text.ts';
import { json } from '../columns.ts';
import { answer, type Io } from '../io.ts';
import { answerFormat } from '../options.ts';

export function metricsCommand(io: Io): Command {
  return new Command('metrics')
    .summary('what is measured')
    .description(
      'List every metric with its unit, its better direction and its definition; then those of single models.',
    )
    .option('--format <name>', 'table or json', answerFormat, 'table')
    .action(async ({ format }: { format: 'table' | 'json' }) => {
      const all = [
        ...METRIC_NAMES.map((name) => ({ name: name as string, ...METRICS[name] })),
        ...(await ownMetrics()),
      ];
      await answer(io, format === 'json' ? json(all) : table(all));
    });
}

type Named = MetricSpec & { readonly name: string };

async function ownMetrics(): Promise<Named[]> {
  return (await allModels()).flatMap((model) =>
    Object.entries(model.metrics ?? {}).map(([name, spec]) => ({ name: `${model.name}.${name}`, ...spec })),
  );
}

const NAME = 34;
const UNIT = 7;
const DIRECTION = 9;

function table(metrics: readonly Named[]): string {
  const line = (name: string, unit: string, direction: string, definition: string) => {
    const left = `${name.padEnd(NAME)} ${unit.padEnd(UNIT)} ${direction.padEnd(DIRECTION)} `;
    const [first, ...rest] = wrap(definition, 100 - left.length);
    return [left + first, ...rest.map((text) => ' '.repeat(left.length) + text)];
  };
  const lines = line('metric', 'unit', 'better', 'definition');
  for (const m of metrics)
    lines.push(...line(m.name, m.unit, m.direction === 'neutral' ? '-' : m.direction, m.definition));
  return lines.map((text) => `${visible(text)}\n`).join('');
}
