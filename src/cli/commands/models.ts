import { Command } from 'commander';
import type { ModelDefinition } from '../../replay/model.ts';
import { allowedValues, HOST_PARAMETERS } from '../../replay/parameters.ts';
import { allModels, loadModel } from '../../replay/registry.ts';
import { visible, visibleLines, wrap } from '../../report/text.ts';
import { columns, json } from '../columns.ts';
import { answer, type Io } from '../io.ts';
import { answerFormat } from '../options.ts';

export function modelsCommand(io: Io): Command {
  return new Command('models')
    .summary('which stacks there are, and how each works')
    .description(
      'List the models of memory-management stacks, or describe one: mechanism, presets, parameters, sources.',
    )
    .argument('[name]', 'a model, or the path of a module')
    .option('--format <name>', 'table or json', answerFormat, 'table')
    .action(async (name: string | undefined, { format }: { format: 'table' | 'json' }) => {
      if (name !== undefined) {
        const model = await loadModel(name);
        await answer(io, format === 'json' ? json(plain(model)) : describe(model));
      } else {
        const models = await allModels();
        await answer(io, format === 'json' ? json(models.map(plain)) : list(models));
      }
    });
}

function plain({ create: _create, ...model }: ModelDefinition): object {
  return { ...model, host: HOST_PARAMETERS };
}

function list(models: readonly ModelDefinition[]): string {
  const rows = models.map((m) => [
    m.name,
    m.defaultOrder === undefined ? 'on request' : 'default',
    Object.keys(m.presets).join(' '),
    m.title,
  ]);
  return visibleLines(columns([['model', 'runs', 'presets (first is the default)', 'title'], ...rows]));
}

function describe(model: ModelDefinition): string {
  const lines = [`${model.name}: ${model.title}`, '', ...wrap(model.summary.join(' '), 98).map((line) => `  ${line}`)];
  lines.push('', 'Presets (the first is the default)');
  for (const [name, preset] of Object.entries(model.presets)) {
    const values = Object.entries(preset.parameters ?? {}).map(([key, value]) => `${key}=${value}`);
    lines.push(`  ${name}: ${preset.title}${values.length > 0 ? ` (${values.join(', ')})` : ''}`);
    if (preset.absent !== undefined)
      lines.push(...wrap(`    no such notion: ${preset.absent.join(', ')}`, 100, '      '));
  }
  lines.push('', `Parameters (--set ${model.name}.NAME=VALUE)`);
  for (const [name, spec] of Object.entries(model.parameters)) lines.push(...parameter(name, spec));
  lines.push('', 'Settings of Linux core MM, alike for all (--set host.NAME=VALUE)');
  for (const [name, spec] of Object.entries(HOST_PARAMETERS)) lines.push(...parameter(name, spec));
  if (model.metrics !== undefined) {
    lines.push('', 'Metrics of its own');
    for (const [name, spec] of Object.entries(model.metrics)) {
      lines.push(...wrap(`  ${model.name}.${name} (${spec.unit}): ${spec.definition}`, 100, '    '));
    }
  }
  lines.push('', 'Sources');
  for (const source of model.sources) lines.push(...wrap(`  ${source}`, 100, '    '));
  return lines.map((line) => `${visible(line)}\n`).join('');
}

function parameter(name: string, spec: ModelDefinition['parameters'][string]): string[] {
  const value = spec.default === null ? 'unset' : String(spec.default);
  const unit = spec.unit === undefined ? '' : ` ${spec.unit}`;
  return [
    `  ${name} = ${value}${spec.default === null ? '' : unit} (${allowedValues(spec)})`,
    ...wrap(`      ${spec.doc}`, 100, '      '),
    ...wrap(`      source: ${spec.source}`, 100, '        '),
  ];
}
