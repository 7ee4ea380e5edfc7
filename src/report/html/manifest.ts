/** What is needed to run it again, and where the numbers of models and machine come from. */

import { profileFields, sourceOf } from '../../platforms/profile.ts';
import { type Case, grouped } from '../cases.ts';
import { parametersOf } from '../overview.ts';
import { type Html, html } from './escape.ts';
import { plainTable } from './tables.ts';

export function manifest(cases: readonly Case[]): Html {
  const { platform } = cases[0].result.manifest;
  const sources = [...grouped(cases, (c) => String(c.source)).values()].map(([first]) => first);
  const models = new Map(sources.flatMap((c) => c.result.manifest.models.map((m) => [`${m.model}:${m.preset}`, m])));
  return html`
<details><summary>Parameters of the stacks</summary>
${plainTable(
  'Parameters of the stacks',
  ['stack', 'parameter', 'value'],
  parametersOf(cases).map(({ stack, name, value }) => [stack, name, value]),
  true,
)}
</details>
<details open><summary>Options and trace</summary>
${sources.map((c) => plainTable('Options and trace', ['what', 'value'], optionRows(c), true))}
</details>
<details><summary>Machine ${platform.name}, with sources</summary>
${plainTable(
  `Machine ${platform.name}`,
  ['field', 'value', 'source'],
  profileFields(platform).map(({ field, value }) => [
    field,
    value === null ? 'unlimited' : String(value),
    sourceOf(platform.sources, field) ?? '',
  ]),
  true,
)}
</details>
<details><summary>Models and their sources</summary>
${[...models.values()].map(
  (m) => html`<h4>${m.preset === null ? m.model : `${m.model}:${m.preset}`}: ${m.title}</h4>
<ul>${m.sources.map((source) => html`<li>${source}</li>`)}</ul>`,
)}
</details>`;
}

/** Also of the Markdown report. */
export function optionRows({ result: { manifest: m } }: Case): [string, string][] {
  const list = (values: readonly (string | number | null)[] | null): string =>
    values?.map((value) => value ?? 'unlimited').join(', ') || 'none';
  const { options } = m;
  return [
    ['gmem-eval', m.tool.version],
    ['trace', m.trace.name],
    ['sha256', m.trace.sha256],
    ...Object.entries(m.trace.metadata).map(([key, value]): [string, string] => [`trace: ${key}`, value]),
    ['models', list(options.models)],
    ['set', list(options.set)],
    ['platform', options.platform],
    ['oversub', list(options.oversub)],
    ['device memory', list(options.deviceMemory)],
    ['in flight', String(options.inFlight)],
    ['host.page', String(options.host.page)],
    ['host.zeroPage', String(options.host.zeroPage)],
    ['check', String(options.check)],
    ['seed', String(m.seed)],
  ];
}
