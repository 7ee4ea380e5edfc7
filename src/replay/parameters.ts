/** Text to typed, checked parameter values: `MODEL.PARAM=VALUE`. */

import { ConfigurationError, didYouMean } from './configuration-error.ts';
import type { ModelDefinition, ParameterSpec, ParameterValue } from './model.ts';
import { parseSize } from './sizes.ts';

/** Settings of Linux core MM, which several stacks stand on. */
export interface HostSettings {
  readonly pageBytes: number;
  readonly zeroPage: boolean;
}

export const HOST_PARAMETERS = {
  page: {
    type: 'integer',
    default: 4096,
    values: [4096, 65536, 2097152],
    unit: 'bytes',
    doc: 'what one first touch by the CPU populates (stacks with a rule of their own keep it)',
    source: 'Linux: base page, 64 KiB folio or huge page of anonymous memory',
  },
  zeroPage: {
    type: 'boolean',
    default: false,
    doc: 'a read of an untouched anonymous page maps the shared zero page',
    source: 'Linux: do_anonymous_page; off by default here so that placement shows from the first touch',
  },
} as const satisfies Record<string, ParameterSpec>;

export interface Setting {
  /** `MODEL.PARAM` as written. */
  readonly text: string;
  readonly owner: string;
  readonly parameter: string;
  readonly value: string;
}

export function parseSetting(text: string): Setting {
  const match = /^([^.=]+)\.([^=]+)=(.*)$/s.exec(text);
  if (match === null) {
    throw new ConfigurationError(
      `--set ${text}: not of the form MODEL.PARAM=VALUE`,
      'write for example --set host.page=65536',
    );
  }
  return { text, owner: match[1], parameter: match[2], value: match[3] };
}

/** Defaults, then the preset's values, then the settings, each checked. */
export function resolveParameters(
  model: ModelDefinition,
  preset: string,
  settings: readonly Setting[],
): Readonly<Record<string, ParameterValue>> {
  const values: Record<string, ParameterValue> = {};
  for (const [key, spec] of Object.entries(model.parameters)) values[key] = spec.default;
  Object.assign(values, model.presets[preset].parameters);
  for (const setting of settings.filter((s) => s.owner === model.name)) {
    values[setting.parameter] = parseValue(setting, model.parameters);
  }
  return values;
}

export function resolveHost(settings: readonly Setting[]): HostSettings {
  const host = { page: HOST_PARAMETERS.page.default as number, zeroPage: HOST_PARAMETERS.zeroPage.default as boolean };
  for (const setting of settings.filter((s) => s.owner === 'host')) {
    Object.assign(host, { [setting.parameter]: parseValue(setting, HOST_PARAMETERS) });
  }
  return { pageBytes: host.page, zeroPage: host.zeroPage };
}

function parseValue(setting: Setting, specs: Readonly<Record<string, ParameterSpec>>): ParameterValue {
  const known = Object.keys(specs);
  if (!Object.hasOwn(specs, setting.parameter)) {
    throw new ConfigurationError(
      `--set ${setting.text}: ${setting.owner} has no parameter "${setting.parameter}"`,
      known.length === 0
        ? `${setting.owner} has none at all`
        : `${didYouMean(setting.parameter, known)}known are ${known.join(', ')}`,
    );
  }
  const spec = specs[setting.parameter];
  const value = typedValue(setting.value, spec);
  const allowed = allowedValues(spec);
  if (value === undefined || (spec.values !== undefined && value !== spec.default && !spec.values.includes(value))) {
    throw new ConfigurationError(
      `--set ${setting.text}: "${setting.value}" is not a value of this parameter`,
      `give ${allowed}`,
    );
  }
  if (typeof value === 'number' && (value < (spec.min ?? -Infinity) || value > (spec.max ?? Infinity))) {
    throw new ConfigurationError(`--set ${setting.text}: out of range`, `give ${allowed}`);
  }
  return value;
}

/** Undefined when the text is no value of the type. */
function typedValue(text: string, spec: ParameterSpec): ParameterValue | undefined {
  const listed = spec.values?.find((v) => String(v) === text);
  if (listed !== undefined) return listed;
  if (spec.default === null && (text === 'unset' || text === 'null')) return null;
  switch (spec.type) {
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : undefined;
    case 'integer': {
      const size = spec.unit === 'bytes' ? parseSize(text) : null;
      const number = size ?? (/^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN);
      return Number.isSafeInteger(number) ? number : undefined;
    }
    case 'number': {
      const number = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
      return Number.isFinite(number) ? number : undefined;
    }
    case 'string':
      return text;
  }
}

/** What a parameter may be, for people. */
export function allowedValues(spec: ParameterSpec): string {
  const unset = spec.default === null ? ', or "unset"' : '';
  if (spec.values !== undefined) return `one of ${spec.values.map(String).join(', ')}${unset}`;
  if (spec.type === 'boolean') return 'true or false';
  if (spec.type === 'string') return `text${unset}`;
  const kind = spec.type === 'integer' ? (spec.unit === 'bytes' ? 'a size' : 'a whole number') : 'a number';
  const least = spec.min === undefined ? '' : ` of at least ${spec.min}`;
  const most = spec.max === undefined ? '' : `${least === '' ? ' of' : ' and'} at most ${spec.max}`;
  return `${kind}${least}${most}${unset}`;
}
